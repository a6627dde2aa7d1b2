extension KeyTable {
    static let powerDNS: [KeyDefinition<PowerDNSSection>] = [
        .value(
            "enabled", \.enabled, .powerDNSUse,
            "Look into the databases of PowerDNS: log which zones change, and check what comes in. `auto` for those that"
                + " look like it, `true` when `main` and `shard` are certain to be PowerDNS's."),
        .value(
            "main", \.main, .text, "Name under `lmdbs` of the database with zones, metadata and keys.",
            default: "found by its DBIs"),
        .value(
            "shard", \.shard, .text, "Name under `lmdbs` of the database with the records.",
            default: "found by its DBIs"),
        .value(
            "log_changes", \.logChanges, .logDetail,
            "Log what merges and sends change: a line for each zone, with `records` also one for each record."),
        .section("validation", \.validation, validation),
        .section("api", \.api, api, check: Checks.powerDNSAPI),
    ]

    private static let validation: [KeyDefinition<PowerDNSValidationConfiguration>] = [
        .value(
            "schema", \.schema, .ruleAction,
            "Snapshots whose `schemaversion` is higher than the local one: PowerDNS of the old version can't start with"
                + " it."),
        .value(
            "structure", \.structure, .structureAction,
            "Entries that PowerDNS could not read: `hold` leaves them out and merges the rest of the snapshot, `reject`"
                + " refuses all of it."),
        .value(
            "relations", \.relations, .ruleAction,
            "Records, metadata and keys of no zone, index entries without an object, zones that are there twice."),
        .value(
            "zones", \.zones, .ruleAction,
            "What is wrong in a changed zone, such as a missing SOA or a CNAME with other data."),
        .value(
            "max_deleted_records", \.maxDeletedRecords, .percent,
            "Refuse a snapshot that would delete more than this percentage of a zone's RRsets, without deleting the"
                + " zone; 0 for off."),
        .value(
            "max_deleted_zones", \.maxDeletedZones, .percent,
            "Refuse a snapshot that would delete more than this percentage of the zones; 0 for off."),
    ]

    private static let api: [KeyDefinition<PowerDNSAPIConfiguration>] = [
        .value(
            "url", \.url, .endpointURL(of: .powerDNS),
            "PowerDNS's API, such as `http://127.0.0.1:8081`: its caches are flushed for the zones that a merge"
                + " changes.", default: "off"),
        .value("key", \.key, .text, "PowerDNS's `api-key`.", .secret),
        .value("key_file", \.keyFile, .text, "File with the key, instead of `key`."),
    ]
}

extension ValueType where Value == PowerDNSUse {
    fileprivate static let powerDNSUse = ValueType(
        name: "string", range: allowedChoices(PowerDNSUse.self),
        parse: { scalar throws(ValueProblem) in try PowerDNSUse.parse(scalar.text) }, render: \.rawValue)
}

extension ValueType where Value == ChangeLogDetail {
    fileprivate static let logDetail = ValueType(
        name: "string", range: allowedChoices(ChangeLogDetail.self),
        parse: { scalar throws(ValueProblem) in try ChangeLogDetail.parse(scalar.text) }, render: \.rawValue)
}

extension ValueType where Value == StructureAction {
    fileprivate static let structureAction = ValueType(
        name: "string", range: allowedChoices(StructureAction.self),
        parse: { scalar throws(ValueProblem) in try StructureAction.parse(scalar.text) }, render: \.rawValue)
}

extension ValueType where Value == RuleAction {
    fileprivate static let ruleAction = ValueType(
        name: "string", range: allowedChoices(RuleAction.self),
        parse: { scalar throws(ValueProblem) in try RuleAction.parse(scalar.text) }, render: \.rawValue)
}
