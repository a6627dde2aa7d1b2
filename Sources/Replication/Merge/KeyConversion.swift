import LMDB

/// How to convert the keys of a DBI to those of the DBI that replaces it.
package enum KeyConversion: Sendable, Equatable {
    /// The keys are the same.
    case none
    /// From integers in native byte order (MDB_INTEGERKEY) to big-endian integers, which sort bytewise in the same
    /// order.
    case bigEndian
    /// From the shadow of an index of PowerDNS 4.7 (schema 3 and 4; MDB_DUPSORT, name → ID) to its index of schema 5.
    ///
    /// The shadow's key, `dupsort_hack_v1`, is name, 4 zero bytes, ID (4 bytes, native), size of the name (1). Schema 5
    /// has size of the name (2 bytes, big-endian), name, ID (4, big-endian).
    case powerDNSIndex

    private static let powerDNSTables = ["domains", "metadata", "keydata", "tsig"]

    /// Determines the conversion from the names and flags of both DBIs.
    ///
    /// - Throws: ``LocalContentError`` if keys cannot be converted.
    init(from source: Database, to destination: Database) throws(LocalContentError) {
        if Self.powerDNSTables.contains(where: {
            source.name == "_sync_shadow_\($0)_0" && destination.name == "\($0)_v5_0"
        }) {
            self = .powerDNSIndex
            return
        }
        switch (source.flags.contains(.integerKey), destination.flags.contains(.integerKey)) {
        case (true, false): self = .bigEndian
        case (false, true):
            throw LocalContentError(
                "DBI \(destination.name) has MDB_INTEGERKEY, but DBI \(source.name) has not, so their keys differ; "
                    + "swap the two DBIs")
        default: self = .none
        }
    }
}

/// Converts keys, one at a time.
struct ConvertedKey {
    private let conversion: KeyConversion
    private var bytes: [UInt8] = []

    init(_ conversion: KeyConversion) { self.conversion = conversion }

    /// Calls `body` with the converted key.
    ///
    /// - Throws: ``LocalContentError`` with DBI and key if the key is malformed.
    mutating func withKey(
        _ key: UnsafeRawBufferPointer, of database: String, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        bytes.removeAll(keepingCapacity: true)
        switch conversion {
        case .none:
            return try body(key)
        case .bigEndian:
            guard integerSizes.contains(key.count) else {
                throw LocalContentError(
                    "key \(printable(key)) of DBI \(database) is not an integer of 4 or 8 bytes, although it has MDB_INTEGERKEY"
                )
            }
            appendBigEndian(key)
        case .powerDNSIndex:
            guard let parts = DupSortTransform.decode(key), parts.value.count == 4 else {
                throw LocalContentError(
                    "key \(printable(key)) of DBI \(database) is not a key of the shadow of an index of PowerDNS 4.7")
            }
            bytes.append(0)
            bytes.append(UInt8(truncatingIfNeeded: parts.key.count))
            bytes.append(contentsOf: parts.key)
            appendBigEndian(parts.value)
        }
        try bytes.withUnsafeBytes { try body($0) }
    }

    /// - Parameter number: 4 or 8 bytes in native byte order.
    private mutating func appendBigEndian(_ number: UnsafeRawBufferPointer) {
        if number.count == 4 {
            withUnsafeBytes(of: number.loadUnaligned(as: UInt32.self).bigEndian) { bytes.append(contentsOf: $0) }
        } else {
            withUnsafeBytes(of: number.loadUnaligned(as: UInt64.self).bigEndian) { bytes.append(contentsOf: $0) }
        }
    }
}
