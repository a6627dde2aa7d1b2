/// A named database (DBI) of PowerDNS's LMDB backend, schema 5 and 6.
package enum PowerDNSTable: String, CaseIterable, Sendable {
    /// Settings of the whole database, ``PdnsValue``.
    case settings = "pdns"
    /// Zones by ID, ``DomainInfo``.
    case domains = "domains_v5"
    /// IDs of zones by name, ``IndexKey``.
    case domainsIndex = "domains_v5_0"
    /// What changes often about zones, by their ID, ``DomainExtra``.
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

    /// Whether they are the same; with what raw values bring it would be a comparison of strings.
    package static func == (a: PowerDNSTable, b: PowerDNSTable) -> Bool { a.position == b.position }

    /// Its place among all of them.
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

    /// In which of the two LMDBs it belongs.
    package var role: PowerDNSRole {
        switch self {
        case .records, .comments: .shard
        default: .main
        }
    }

    /// The index of the names in this table, where it has one.
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

/// Which part of a PowerDNS database an LMDB holds.
package enum PowerDNSRole: String, Hashable, Sendable {
    /// Zones, metadata and keys.
    case main
    /// Records.
    case shard

    /// What an LMDB with these DBIs holds, nil when it is not one of PowerDNS with schema 5 or later.
    ///
    /// - Parameter schemaVersion: of the DBI `pdns`, where it has such an entry.
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
