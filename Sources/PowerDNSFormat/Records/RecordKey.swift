import Support

/// The key of an RRset in `records_v5`: the zone's ID in 4 bytes, the owner name relative to the zone as ``KeyName``, a
/// zero, the type in 2 bytes; integers are big-endian.
///
/// It points into the parsed key, and is valid as long as that is.
package struct RecordKey {
    /// The ID of the zone.
    package let domainID: UInt32
    /// The owner name relative to the zone, as ``KeyName``: a single zero at the apex.
    package let ownerKey: UnsafeRawBufferPointer
    /// The type.
    package let type: RecordType

    private static let idSize = 4
    private static let typeSize = 2

    /// Parses a key.
    package init(_ key: UnsafeRawBufferPointer) throws(DecodeError) {
        let end = key.count - Self.typeSize - 1
        guard end > Self.idSize, key[end] == 0 else { throw DecodeError(.badKey, at: key.count) }
        domainID = UInt32(bigEndian: key.loadUnaligned(as: UInt32.self))
        type = RecordType(rawValue: UInt16(bigEndian: key.loadUnaligned(fromByteOffset: end + 1, as: UInt16.self)))
        ownerKey = UnsafeRawBufferPointer(rebasing: key[Self.idSize..<end])
        do throws(DecodeError) {
            try KeyName.check(ownerKey)
        } catch { throw DecodeError(error.problem, at: Self.idSize + error.offset) }
    }

    /// Whether the owner is the zone's apex.
    package var isApex: Bool { ownerKey.count == 1 }

    /// The owner name, in lower case.
    ///
    /// - Parameter zone: the name of the zone; with the root the result is relative.
    /// - Throws: ``DecodeError/Problem/longName``.
    package func owner(in zone: DomainName) throws(DecodeError) -> DomainName {
        try KeyName.decode(ownerKey, relativeTo: zone)
    }

    /// Whether ``owner(in:)`` would be too long.
    package func isTooLong(in zone: DomainName) -> Bool {
        !isApex && ownerKey.count + zone.wire.count > DomainName.maximumSize
    }

    /// Creates a key.
    ///
    /// - Returns: nil for an owner outside of the zone.
    package static func bytes(domainID: UInt32, owner: DomainName, zone: DomainName, type: RecordType) -> [UInt8]? {
        guard let ownerKey = ownerKey(owner, in: zone) else { return nil }
        return prefix(domainID: domainID) + ownerKey
            + [0, UInt8(truncatingIfNeeded: type.rawValue >> 8), UInt8(truncatingIfNeeded: type.rawValue)]
    }

    /// An owner name in key form; see ``ownerKey-swift.property``.
    ///
    /// - Returns: nil for a name outside of the zone.
    package static func ownerKey(_ owner: DomainName, in zone: DomainName) -> [UInt8]? {
        owner.wire.withUnsafeBytes { ownerKey(wire: $0, in: zone) }
    }

    /// The same for a name in wire form.
    package static func ownerKey(wire: UnsafeRawBufferPointer, in zone: DomainName) -> [UInt8]? {
        guard let size = DomainName.prefixSize(wire, below: zone) else { return nil }
        if size == 0 { return [0] }
        var key: [UInt8] = []
        key.reserveCapacity(size)
        KeyName.append(labels: UnsafeRawBufferPointer(rebasing: wire[..<size]), to: &key)
        return key
    }

    /// The same, in `key`.
    ///
    /// - Returns: false for a name that is not in the zone.
    package static func setOwnerKey(
        _ key: inout KeptBytes, wire: UnsafeRawBufferPointer, in zone: DomainName
    ) -> Bool {
        guard let size = DomainName.prefixSize(wire, below: zone) else { return false }
        key.removeAll()
        if size == 0 {
            key.append(0)
        } else {
            key.append { room in
                KeyName.write(labels: UnsafeRawBufferPointer(rebasing: wire[..<size]), to: room)
                return size
            }
        }
        return true
    }

    /// The key prefix of all records of a zone.
    package static func prefix(domainID: UInt32) -> [UInt8] {
        withUnsafeBytes(of: domainID.bigEndian) { Array($0) }
    }
}
