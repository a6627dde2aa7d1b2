import PowerDNSFormat

/// The changes of a merge or a send in DNS terms, in bounded memory: counts for each zone, and, within a limit, the
/// RRsets themselves.
struct ChangeCollection: Sendable {
    /// Maximum number of zones that are counted separately.
    static let mostZones = 10_000
    /// Maximum size of kept keys and values in bytes.
    static let mostBytes = 1 << 20

    /// The zone of a change. A database uses only one of the two forms.
    enum Zone: Hashable, Sendable {
        /// For records, which contain only the number.
        case number(UInt32)
        /// For everything else, which contains the name.
        case name(ZoneName)
    }

    /// The changes in a zone.
    struct Tally: Sendable {
        var zone: Zone
        var counts = ChangeCounts()
        /// The serial of its SOA record before and after; nil if unknown or unchanged.
        var oldSerial: UInt32?
        var newSerial: UInt32?
    }

    /// A changed RRset, or a change that may still be withdrawn.
    struct Note: Sendable {
        var table: PowerDNSTable
        var kind: ChangeKind
        /// Its index in ``ChangeCollection/zones``; nil if it is not counted in a zone.
        var zone: Int?
        var key: Range<Int>
        /// The payloads before and after; nil if there was none, or if they are not kept.
        var old: Range<Int>?
        var new: Range<Int>?
        var isLost = false
    }

    /// The zones in order of their first change.
    private(set) var zones: [Tally] = []
    /// All changes, including those outside of the listed zones.
    private(set) var totals = ChangeCounts()
    /// Changes of zones that are not in ``zones``.
    private(set) var others = ChangeCounts()
    /// The kept changes, in order.
    private(set) var notes: [Note] = []
    /// Number of RRsets that were not kept for lack of space.
    private(set) var unkept = 0
    /// Changes that were overtaken by the application, and cannot be subtracted from the counts.
    private(set) var overtaken = 0
    /// Names of zones by their numbers, as far as seen: for deleted zones this is the only source.
    private(set) var names: [UInt32: ZoneName] = [:]

    /// Whether records are kept as well.
    let keepsValues: Bool
    private var bytes: [UInt8] = []
    private var places: [Zone: Int] = [:]
    /// The zone of the last lookup, because changes of a zone are consecutive.
    private var last: (zone: Zone, place: Int?)?
    /// The last lookup by number, which is faster to compare.
    private var lastNumber: (id: UInt32, place: Int?)?
    /// The largest number so far. Records come in the order of these numbers, so most zones are above it, and so new.
    private var largestNumber: UInt32?
    private var lost: [[UInt8]] = []
    private var lostBytes = 0

    /// - Parameter keepsValues: whether to keep records as well.
    init(keepsValues: Bool) { self.keepsValues = keepsValues }

    /// The bytes of a note.
    func bytes(_ range: Range<Int>) -> ArraySlice<UInt8> { bytes[range] }

    /// Whether zones that are not listed have changed.
    var hasMoreZones: Bool { !others.isEmpty }

    /// Adds a change.
    ///
    /// - Parameters:
    ///   - zone: the zone; nil for none.
    ///   - old: the payload before.
    ///   - new: the payload after.
    mutating func add(
        _ kind: ChangeKind, of table: PowerDNSTable, in zone: Zone?, key: UnsafeRawBufferPointer,
        from old: UnsafeRawBufferPointer?, to new: UnsafeRawBufferPointer?
    ) {
        let place = zone.flatMap { self.place(of: $0) }
        if let place { zones[place].counts[kind] += 1 } else if zone != nil { others[kind] += 1 }
        addToAll(kind, of: table, place, key: key, from: old, to: new)
    }

    /// Adds a change of an RRset; there are many.
    mutating func add(
        _ kind: ChangeKind, inZone id: UInt32, key: UnsafeRawBufferPointer, from old: UnsafeRawBufferPointer?,
        to new: UnsafeRawBufferPointer?
    ) {
        let place = if let lastNumber, lastNumber.id == id { lastNumber.place } else { self.place(of: .number(id)) }
        if let place { zones[place].counts[kind] += 1 } else { others[kind] += 1 }
        addToAll(kind, of: .records, place, key: key, from: old, to: new)
    }

    @inline(__always)
    private mutating func addToAll(
        _ kind: ChangeKind, of table: PowerDNSTable, _ place: Int?, key: UnsafeRawBufferPointer,
        from old: UnsafeRawBufferPointer?, to new: UnsafeRawBufferPointer?
    ) {
        totals[kind] += 1
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

    /// Sets the serials of a zone's SOA record.
    mutating func setSerials(_ zone: Zone, old: UInt32?, new: UInt32?) {
        guard let place = place(of: zone) else { return }
        zones[place].oldSerial = old
        zones[place].newSerial = new
    }

    /// Records a zone's number and name.
    mutating func learn(_ id: UInt32, _ name: ZoneName) {
        if names.count < Self.mostZones { names[id] = name }
    }

    /// Withdraws a change that was not applied. Called under the write lock, so it only records the key.
    mutating func lose(_ table: PowerDNSTable, _ key: UnsafeRawBufferPointer) {
        guard lostBytes + key.count <= Self.mostBytes else {
            overtaken += 1
            return
        }
        lostBytes += key.count
        lost.append(Self.identity(table, key))
    }

    /// Subtracts withdrawn changes from the counts.
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

    /// Discards everything but the totals.
    mutating func summarise() {
        others = zones.reduce(into: others) { $0.add($1.counts) }
        unkept += notes.count { $0.kind.isShown && !$0.isLost }
        (zones, notes, bytes, places, last, lastNumber) = ([], [], [], [:], nil, nil)
    }

    private mutating func place(of zone: Zone) -> Int? {
        var isNew = false
        switch zone {
        case .number(let id):
            if let lastNumber, lastNumber.id == id { return lastNumber.place }
            isNew = largestNumber.map { id > $0 } ?? true
            if isNew { largestNumber = id }
        case .name: if last?.zone == zone { return last?.place }
        }
        var place = isNew ? nil : places[zone]
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
