import PowerDNSFormat
import Snapshots

/// Checks that related entries of a main database exist.
struct RelationRules {
    let view: DatabaseView
    let report: (ValidationFinding) throws -> Void

    /// Checks the relations of a whole main database.
    func checkAll() throws {
        guard view.hasMain else { return }
        for table in [PowerDNSTable.domains, .metadata, .keys, .tsigKeys] {
            try checkObjects(table)
            try checkIndex(table)
        }
        try checkNamesakes()
        try checkOwners(.metadata, .metadataWithoutZone, what: "metadata")
        try checkOwners(.keys, .keyWithoutZone, what: "DNSSEC keys")
        try checkRows(.domainsExtra) { try report(Self.extraWithoutZone($0)) }
        try checkRows(.comments) { try report(Self.commentsWithoutZone($0)) }
        try checkViews()
        try checkNetworks()
    }

    /// Checks the relations of one zone.
    func check(_ id: UInt32, _ zone: ZoneName) throws {
        try checkIndexed(.domains, .domainsIndex, zone, id)
        for other in try view.indexedZones(zone) where other.id != id {
            try checkEntry(of: .domains, .domainsIndex, IndexKey(zone: zone, id: other.id))
        }
        try checkNamesakes(of: zone)
    }

    /// The finding for records without a zone.
    static func recordsWithoutZone(_ id: UInt32) -> ValidationFinding {
        ValidationFinding(
            .recordsWithoutZone,
            "there are records of a zone with the ID \(id), which does not exist; they are not served unless a zone gets "
                + "this ID")
    }

    /// The finding for comments without a zone.
    static func commentsWithoutZone(_ id: UInt32) -> ValidationFinding {
        ValidationFinding(
            .commentsWithoutZone,
            "there are comments on records of a zone with the ID \(id), which does not exist; a zone that gets this ID gets "
                + "them, too")
    }

    /// The finding for an entry of `domains_extra_v6` without a zone: PowerDNS does not delete it with the zone.
    static func extraWithoutZone(_ id: UInt32) -> ValidationFinding {
        ValidationFinding(
            .extraWithoutZone,
            "\(PowerDNSTable.domainsExtra.rawValue) has an entry of a zone with the ID \(id), which does not exist; a zone that "
                + "gets this ID starts with its serial and time of the last check")
    }

    /// Reports the IDs without a zone in a table's keys, each once.
    private func checkRows(_ table: PowerDNSTable, _ report: (UInt32) throws -> Void) throws {
        let rows = view[table]
        try rows.first()
        while rows.isAtEntry {
            guard rows.live != nil, rows.key.count >= 4 else {
                try rows.next()
                continue
            }
            let id = UInt32(bigEndian: rows.key.loadUnaligned(as: UInt32.self))
            if try view[.domains].find(RecordKey.prefix(domainID: id)) == nil { try report(id) }
            guard id < .max else { return }
            try rows.seek(RecordKey.prefix(domainID: id + 1))
        }
    }

    // MARK: Indexes

    /// The name by which an object is indexed; nil if it cannot be read, which another rule reports.
    private static func name(_ table: PowerDNSTable, _ payload: UnsafeRawBufferPointer) -> ZoneName? {
        switch table {
        case .domains: (try? DomainInfo(payload))?.zone
        case .metadata: (try? DomainMetadata(payload))?.zone
        case .keys: (try? KeyData(payload))?.zone
        case .tsigKeys: (try? TSIGKey(payload)).map { ZoneName($0.name) }
        default: nil
        }
    }

    private static func noun(_ table: PowerDNSTable) -> String {
        switch table {
        case .domains: "zone"
        case .metadata: "metadata"
        case .keys: "DNSSEC key"
        default: "TSIG key"
        }
    }

    private func checkObjects(_ table: PowerDNSTable) throws {
        guard let index = table.index else { return }
        let objects = view[table]
        try objects.first()
        while objects.isAtEntry {
            if let entry = objects.live, let id = try? PowerDNSTable.id(objects.key),
                let name = Self.name(table, entry.payload)
            {
                try checkIndexed(table, index, name, id)
            }
            try objects.next()
        }
    }

    private func checkIndexed(_ table: PowerDNSTable, _ index: PowerDNSTable, _ name: ZoneName, _ id: UInt32) throws {
        guard try view[index].find(IndexKey(zone: name, id: id).bytes) == nil else { return }
        // The index entry of a renamed duplicate is reported instead.
        if table == .domains, let newName = DuplicateZones.newName(of: name, id: id),
            try view[index].find(IndexKey(zone: newName, id: id).bytes) != nil
        {
            return
        }
        try report(
            ValidationFinding(
                .objectWithoutIndex, zone: "\(name)",
                "\(Self.noun(table)) \(id) in \(table.rawValue) has no entry in \(index.rawValue), so PowerDNS does not "
                    + "find it by name; recreate it"))
    }

    private func checkIndex(_ table: PowerDNSTable) throws {
        guard let indexTable = table.index else { return }
        let index = view[indexTable]
        try index.first()
        while index.isAtEntry {
            if index.live != nil, let key = try? IndexKey(index.key) { try checkEntry(of: table, indexTable, key) }
            try index.next()
        }
    }

    private func checkEntry(of table: PowerDNSTable, _ index: PowerDNSTable, _ key: IndexKey) throws {
        let severity: ValidationFinding.Severity = table == .domains ? .error : .warning
        let consequence =
            table == .domains ? "; PowerDNS may use it for the zone, and find none" : "; PowerDNS skips it"
        guard let entry = try view[table].find(RecordKey.prefix(domainID: key.id)) else {
            if table == .domains, DuplicateZones.isRenamed(key.zone, id: key.id) {
                return try report(
                    ValidationFinding(
                        .indexWithoutObject, severity: .warning, zone: "\(key.zone)",
                        "this is left over from a second zone that was renamed and deleted; \"lightningstream "
                            + "experimental pdns-v5-fix-duplicate-domains --dangerous-do-rename\" removes it"))
            }
            return try report(
                ValidationFinding(
                    .indexWithoutObject, severity: severity, zone: "\(key.zone)",
                    "\(index.rawValue) refers to \(Self.noun(table)) \(key.id), which is not in \(table.rawValue)"
                        + consequence))
        }
        guard let name = Self.name(table, entry.payload), name != key.zone else { return }
        if table == .domains, key.zone == DuplicateZones.newName(of: name, id: key.id) {
            return try report(
                ValidationFinding(
                    .duplicateZone, severity: .warning, zone: "\(key.zone)",
                    "this was a second zone \(name) before it was renamed; remove it with pdnsutil delete-zone \(key.zone)"
                ))
        }
        try report(
            ValidationFinding(
                .indexWithoutObject, severity: severity, zone: "\(key.zone)",
                "\(index.rawValue) refers to \(Self.noun(table)) \(key.id), which is of \(name)" + consequence))
    }

    // MARK: Zones

    /// Reports names of several zones, whose index entries are adjacent.
    private func checkNamesakes() throws {
        let index = view[.domainsIndex]
        var last: ZoneName?
        var isReported = false
        try index.first()
        while index.isAtEntry {
            if index.live != nil, let key = try? IndexKey(index.key) {
                if key.zone == last {
                    if !isReported {
                        isReported = true
                        let place = Array(index.key)
                        try checkNamesakes(of: key.zone)
                        try index.seek(place)
                    }
                } else {
                    (last, isReported) = (key.zone, false)
                }
            }
            try index.next()
        }
    }

    /// Reports a name of several zones with the one that PowerDNS uses.
    func checkNamesakes(of zone: ZoneName) throws {
        let zones = try view.indexedZones(zone)
        guard zones.count > 1, let used = DatabaseView.used(zones) else { return }
        let isThere = try view[.domains].find(RecordKey.prefix(domainID: used.id)) != nil
        let ids = zones.map { String($0.id) }.joined(separator: ", ")
        try report(
            ValidationFinding(
                .duplicateZone, zone: "\(zone)",
                "there are \(zones.count) zones of this name, with the IDs \(ids); PowerDNS uses \(used.id)"
                    + (isThere ? "" : ", which does not exist, so it finds none")
                    + ", and a change can make it use another one; merge the records into one of them, and see "
                    + "docs/powerdns-checks.md on how to remove the others"))
    }

    /// Reports metadata or keys without a zone, once per zone. Their index entries are adjacent.
    private func checkOwners(_ table: PowerDNSTable, _ rule: ValidationRule, what: String) throws {
        guard let indexTable = table.index else { return }
        let index = view[indexTable]
        var last: ZoneName?
        try index.first()
        while index.isAtEntry {
            if index.live != nil, let key = try? IndexKey(index.key), key.zone != last {
                last = key.zone
                if try view.indexedZones(key.zone).isEmpty {
                    try report(
                        ValidationFinding(
                            rule, zone: "\(key.zone)",
                            "there are \(what) of this zone, which does not exist; a new one of this name would get them"
                        ))
                }
            }
            try index.next()
        }
    }

    // MARK: Views

    private func checkViews() throws {
        let views = view[.views]
        try views.first()
        while views.isAtEntry {
            if let entry = views.live, let shown = try? ViewEntry(key: views.key, payload: entry.payload),
                try view.indexedZones(shown.zone).isEmpty
            {
                try report(
                    ValidationFinding(
                        .viewWithoutZone, zone: "\(shown.zone)",
                        "the view \(shown.view) shows this zone, which does not exist"))
            }
            try views.next()
        }
    }

    private func checkNetworks() throws {
        let networks = view[.networks]
        try networks.first()
        while networks.isAtEntry {
            if let entry = networks.live,
                let network = try? NetworkEntry(key: networks.key, payload: entry.payload), !network.view.isEmpty,
                try !hasView(network.view)
            {
                try report(
                    ValidationFinding(
                        .networkWithoutView,
                        "the network \(network) gets the view \(network.view), which shows no zone"))
            }
            try networks.next()
        }
    }

    private func hasView(_ name: String) throws -> Bool {
        let prefix = Array(name.utf8) + [0]
        let views = view[.views]
        try views.seek(prefix)
        while views.hasPrefix(prefix) {
            if views.live != nil { return true }
            try views.next()
        }
        return false
    }
}
