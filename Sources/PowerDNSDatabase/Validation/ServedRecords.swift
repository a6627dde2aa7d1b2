import PowerDNSFormat

/// Facts about the served records of an RRset, without disabled ones.
struct ServedRecords {
    private(set) var count = 0
    /// The TTL of the first one.
    private(set) var ttl: UInt32 = 0
    /// A TTL that differs from the first one.
    private(set) var otherTTL: UInt32?
    /// Whether a record occurs twice.
    private(set) var hasDuplicate = false
    /// Whether a record is marked as authoritative, and whether one is not.
    private(set) var (hasOwn, hasOthers) = (false, false)

    /// The served records without compression. The memory is reused for each RRset.
    struct Room {
        fileprivate var bytes: [UInt8] = []
        fileprivate var ends: [Int] = []
        fileprivate var set: Set<[UInt8]> = []
        /// The bytes before the target of each record; nil if the type has none.
        fileprivate var sizeBeforeTarget: Int?

        /// The targets of MX, NS and SRV records, in wire form.
        func forEachTarget(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
            guard let sizeBeforeTarget else { return }
            try bytes.withUnsafeBytes { bytes in
                var start = 0
                for end in ends {
                    try body(UnsafeRawBufferPointer(rebasing: bytes[(start + sizeBeforeTarget)..<end]))
                    start = end
                }
            }
        }

        fileprivate mutating func clear(for type: RecordType) {
            // A record that could not be read leaves bytes without an end.
            if !ends.isEmpty || !bytes.isEmpty {
                bytes.removeAll(keepingCapacity: true)
                ends.removeAll(keepingCapacity: true)
            }
            if !set.isEmpty { set = [] }
            sizeBeforeTarget =
                switch type {
                case .ns: 0
                case .mx: 2
                case .srv: 6
                default: nil
                }
        }

        fileprivate mutating func append(
            _ type: RecordType, _ rdata: UnsafeRawBufferPointer, owner: NameView?
        ) throws(DecodeError) {
            try RData.appendExpanded(type, rdata, owner: owner, to: &bytes)
            ends.append(bytes.count)
        }

        fileprivate mutating func removeLast() {
            ends.removeLast()
            bytes.removeSubrange((ends.last ?? 0)...)
        }

        /// From this number of records on, comparing all pairs takes longer than hashing.
        private static let mostCompared = 16

        /// Whether the last record equals an earlier one.
        fileprivate mutating func lastIsDuplicate() -> Bool {
            if ends.count > Self.mostCompared { return lastIsInSet() }
            return bytes.withUnsafeBytes { bytes in
                let last = record(ends.count - 1, bytes)
                return (0..<ends.count - 1).contains { last.isSame(as: record($0, bytes)) }
            }
        }

        private func record(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]])
        }

        private mutating func lastIsInSet() -> Bool {
            var start = 0
            if set.isEmpty {
                for end in ends.dropLast() {
                    set.insert(Array(bytes[start..<end]))
                    start = end
                }
            }
            return !set.insert(Array(bytes[ends[ends.count - 2]...])).inserted
        }
    }

    /// Decodes all records, and checks the RDATA of the disabled ones, too.
    ///
    /// - Parameter owner: nil for addresses, in which there are no names.
    init(
        _ payload: UnsafeRawBufferPointer, _ type: RecordType, owner: NameView?, _ room: inout Room
    ) throws(DecodeError) {
        room.clear(for: type)
        var first: UnsafeRawBufferPointer?
        var value = RecordValue(payload)
        // PowerDNS cannot read an RRset without records.
        if payload.isEmpty { throw DecodeError(.cutOff, at: 0) }
        while let record = try value.next() {
            if room.sizeBeforeTarget != nil {
                try room.append(type, record.rdata, owner: owner)
                if record.isDisabled { room.removeLast() }
            } else {
                try RData.check(type, record.rdata, owner: owner)
                try RData.checkForNewer(type, record.rdata)
            }
            if record.isDisabled { continue }
            if count == 0 {
                ttl = record.ttl
            } else if record.ttl != ttl {
                otherTTL = record.ttl
            }
            count += 1
            if record.isAuthoritative { hasOwn = true } else { hasOthers = true }
            if room.sizeBeforeTarget == nil {
                // Most RRsets have one record, which needs no comparison.
                if let first {
                    if count == 2 { try room.append(type, first, owner: owner) }
                    try room.append(type, record.rdata, owner: owner)
                } else {
                    first = record.rdata
                }
            }
            if count > 1, room.lastIsDuplicate() { hasDuplicate = true }
        }
    }
}
