/// A named database (DBI) of PowerDNS's LMDB backend, schema 5 and 6.
package enum PowerDNSTable: String, CaseIterable, Sendable {
    /// Settings of the whole database, ``PdnsValue``.
    case settings = "pdns"
    /// Zones by ID, ``DomainInfo``.
    case domains = "domains_v5"
    /// IDs of zones by name, ``IndexKey``.
    case domainsIndex = "domains_v5_0"
    /// Frequently changing data of zones by ID, ``DomainExtra``.
    case domainsExtra = "domains_extra_v6"
    /// Metadata of zones by an ID of its own, ``DomainMetadata``.
    case metadata = "metadata_v5"
    /// IDs of metadata by the name of the zone, ``IndexKey``.
    case metadataIndex = "metadata_v5_0"
    /// DNSSEC keys by an ID of their own, ``KeyData``.
    case keys = "keydata_v5"
    /// IDs of DNSSEC keys by the name of the zone, ``IndexKey``.
    case keysIndex = "keydata_v5_0"
    /// TSIG keys by an ID of their own, ``TSIGKey``.
    case tsigKeys = "tsig_v5"
    /// IDs of TSIG keys by their name, ``IndexKey``.
    case tsigKeysIndex = "tsig_v5_0"
    /// Views by network, ``NetworkEntry``.
    case networks = "networks_v6"
    /// Variants of zones by view and zone, ``ViewEntry``.
    case views = "views_v6"
    /// RRsets, ``RecordKey`` and ``RecordValue``.
    case records = "records_v5"
    /// Comments on RRsets, ``RecordComment``.
    case comments = "comments_v7"

    /// Compares positions; comparing raw values would compare strings.
    package static func == (a: PowerDNSTable, b: PowerDNSTable) -> Bool { a.position == b.position }

    /// Its position among all tables.
    package var position: Int {
        switch self {
        case .settings: 0
        case .domains: 1
        case .domainsIndex: 2
        case .domainsExtra: 3
        case .metadata: 4
        case .metadataIndex: 5
        case .keys: 6
        case .keysIndex: 7
        case .tsigKeys: 8
        case .tsigKeysIndex: 9
        case .networks: 10
        case .views: 11
        case .records: 12
        case .comments: 13
        }
    }

    /// The LMDB to which it belongs.
    package var role: PowerDNSRole {
        switch self {
        case .records, .comments: .shard
        default: .main
        }
    }

    /// The index of the names in this table, if it has one.
    package var index: PowerDNSTable? {
        switch self {
        case .domains: .domainsIndex
        case .metadata: .metadataIndex
        case .keys: .keysIndex
        case .tsigKeys: .tsigKeysIndex
        default: nil
        }
    }

    /// The ID that is the key of an entry of ``domains``, ``domainsExtra``, ``metadata``, ``keys`` and ``tsigKeys``.
    package static func id(_ key: UnsafeRawBufferPointer) throws(DecodeError) -> UInt32 {
        guard key.count == 4 else { throw DecodeError(.badKey, at: key.count) }
        return UInt32(bigEndian: key.loadUnaligned(as: UInt32.self))
    }
}

/// The part of a PowerDNS database in an LMDB.
package enum PowerDNSRole: String, Hashable, Sendable {
    /// Zones, metadata and keys.
    case main
    /// Records.
    case shard

    /// The role of an LMDB with these DBIs, nil if it is not one of PowerDNS with schema 5 or later.
    ///
    /// - Parameter schemaVersion: the entry in the DBI `pdns`, if it exists.
    package init?(databases: some Sequence<String>, schemaVersion: UInt32?) {
        let names = Set(databases)
        if names.contains(PowerDNSTable.settings.rawValue), let schemaVersion, schemaVersion >= 5 {
            self = .main
        } else if names.contains(PowerDNSTable.records.rawValue) {
            self = .shard
        } else {
            return nil
        }
    }
}
