import PowerDNSFormat

/// What a merge or a send changes in DNS terms, in bounded memory: counts for each zone, and as long as there is room the
/// RRsets themselves.
struct ChangeCollection: Sendable {
    /// No more zones than this are counted apart.
    static let mostZones = 10_000
    /// Bytes of keys and values that are kept.
    static let mostBytes = 1 << 20

    /// Which zone a change belongs to. A database has only one of the two.
    enum Zone: Hashable, Sendable {
        /// Records know the number only.
        case number(UInt32)
        /// Everything else has the name.
        case name(ZoneName)
    }

    /// What changed in a zone.
    struct Tally: Sendable {
        var zone: Zone
        var counts = ChangeCounts()
        /// The serial of its SOA record before and after; nil where that is not known, or not changed.
        var oldSerial: UInt32?
        var newSerial: UInt32?
    }

    /// An RRset that changed, or a change that could be taken back.
    struct Note: Sendable {
        var table: PowerDNSTable
        var kind: ChangeKind
        /// Its place in ``ChangeCollection/zones``; nil when it is counted in no zone.
        var zone: Int?
        var key: Range<Int>
        /// The payloads before and after; nil when there was none, or when they are not wanted.
        var old: Range<Int>?
        var new: Range<Int>?
        var isLost = false
    }

    /// The zones in the order of their first change.
    private(set) var zones: [Tally] = []
    /// Everything, also what is in no zone or in too many of them.
    private(set) var totals = ChangeCounts()
    /// What belongs to zones that are not in ``zones``.
    private(set) var others = ChangeCounts()
    /// The changes that were kept, in the order in which they were told.
    private(set) var notes: [Note] = []
    /// RRsets that are shown nowhere because there was no room.
    private(set) var unkept = 0
    /// Changes that were overtaken by the application, and can't be taken out of the counts.
    private(set) var overtaken = 0
    /// Names of zones by their numbers, as far as they were seen: of deleted ones they are nowhere else any more.
    private(set) var names: [UInt32: ZoneName] = [:]

    /// Whether the records are wanted as well.
    let keepsValues: Bool
    private var bytes: [UInt8] = []
    private var places: [Zone: Int] = [:]
    /// The zone that was looked up last: changes of a zone come together.
    private var last: (zone: Zone, place: Int?)?
    /// The same of one that has a number, which is quicker to compare.
    private var lastNumber: (id: UInt32, place: Int?)?
    private var lost: [[UInt8]] = []
    private var lostBytes = 0

    /// - Parameter keepsValues: whether the records are wanted as well.
    init(keepsValues: Bool) { self.keepsValues = keepsValues }

    /// The bytes that a note refers to.
    func bytes(_ range: Range<Int>) -> ArraySlice<UInt8> { bytes[range] }

    /// Whether zones have changed that are not listed.
    var hasMoreZones: Bool { !others.isEmpty }

    /// Something has changed.
    ///
    /// - Parameters:
    ///   - zone: where; nil for what belongs to none.
    ///   - old: the payload before.
    ///   - new: the payload after.
    mutating func add(
        _ kind: ChangeKind, of table: PowerDNSTable, in zone: Zone?, key: UnsafeRawBufferPointer,
        from old: UnsafeRawBufferPointer?, to new: UnsafeRawBufferPointer?
    ) {
        totals[kind] += 1
        let place = zone.flatMap { self.place(of: $0) }
        if let place { zones[place].counts[kind] += 1 } else if zone != nil { others[kind] += 1 }
        let isShown = keepsValues && kind.isShown
        let size = key.count + (isShown ? (old?.count ?? 0) + (new?.count ?? 0) : 0)
        guard bytes.count + notes.count * MemoryLayout<Note>.stride + size <= Self.mostBytes else {
            if isShown { unkept += 1 }
            return
        }
        notes.append(
            Note(
                table: table, kind: kind, zone: place, key: keep(key), old: isShown ? old.map { keep($0) } : nil,
                new: isShown ? new.map { keep($0) } : nil))
    }

    /// The SOA record of a zone has changed.
    mutating func setSerials(_ zone: Zone, old: UInt32?, new: UInt32?) {
        guard let place = place(of: zone) else { return }
        zones[place].oldSerial = old
        zones[place].newSerial = new
    }

    /// A zone has been seen with its number and its name.
    mutating func learn(_ id: UInt32, _ name: ZoneName) {
        if names.count < Self.mostZones { names[id] = name }
    }

    /// A change that was told has not been made. Called while others wait, so it only takes that down.
    mutating func lose(_ table: PowerDNSTable, _ key: UnsafeRawBufferPointer) {
        guard lostBytes + key.count <= Self.mostBytes else {
            overtaken += 1
            return
        }
        lostBytes += key.count
        lost.append(Self.identity(table, key))
    }

    /// Takes what was lost out of the counts.
    mutating func settle() {
        guard !lost.isEmpty else { return }
        var places: [[UInt8]: [Int]] = [:]
        for (index, note) in notes.enumerated() {
            bytes[note.key].withUnsafeBytes { places[Self.identity(note.table, $0), default: []].append(index) }
        }
        for key in lost {
            guard let index = places[key]?.popLast() else {
                overtaken += 1
                continue
            }
            notes[index].isLost = true
            let note = notes[index]
            totals[note.kind] -= 1
            guard let zone = note.zone else { continue }
            zones[zone].counts[note.kind] -= 1
            if note.table == .records, bytes[note.key].suffix(2).elementsEqual([0, 6]) {
                (zones[zone].oldSerial, zones[zone].newSerial) = (nil, nil)
            }
        }
        lost = []
    }

    /// Forgets everything but the totals.
    mutating func summarise() {
        others = zones.reduce(into: others) { $0.add($1.counts) }
        unkept += notes.count { $0.kind.isShown && !$0.isLost }
        (zones, notes, bytes, places, last, lastNumber) = ([], [], [], [:], nil, nil)
    }

    private mutating func place(of zone: Zone) -> Int? {
        switch zone {
        case .number(let id): if let lastNumber, lastNumber.id == id { return lastNumber.place }
        case .name: if last?.zone == zone { return last?.place }
        }
        var place = places[zone]
        if place == nil, zones.count < Self.mostZones {
            place = zones.count
            places[zone] = zones.count
            zones.append(Tally(zone: zone))
        }
        last = (zone, place)
        if case .number(let id) = zone { lastNumber = (id, place) }
        return place
    }

    private mutating func keep(_ new: UnsafeRawBufferPointer) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: new)
        return start..<bytes.count
    }

    private static func identity(_ table: PowerDNSTable, _ key: UnsafeRawBufferPointer) -> [UInt8] {
        Array(table.rawValue.utf8) + [0] + Array(key)
    }
}
