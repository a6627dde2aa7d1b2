extension KeyTable {
    static let powerDNS: [KeyDefinition<PowerDNSSection>] = [
        .value(
            "enabled", \.enabled, .powerDNSUse,
            "Inspect the databases of PowerDNS: log changes of zones and check snapshots. `auto`: those that are"
                + " detected; `true`: `main` and `shard` must be PowerDNS's."),
        .value(
            "main", \.main, .text, "Name under `lmdbs` of the database with zones, metadata and keys.",
            default: "detected by its DBIs"),
        .value(
            "shard", \.shard, .text, "Name under `lmdbs` of the database with the records.",
            default: "detected by its DBIs"),
        .value(
            "log_changes", \.logChanges, .logDetail,
            "Log changes of merges and sends: a line for each zone; with `records` also one for each record."),
        .section("validation", \.validation, validation),
        .section("api", \.api, api, check: Checks.powerDNSAPI),
    ]

    private static let validation: [KeyDefinition<PowerDNSValidationConfiguration>] = [
        .value(
            "schema", \.schema, .ruleAction,
            "Snapshots whose `schemaversion` is higher than the local one: PowerDNS of the old version cannot start with"
                + " it."),
        .value(
            "structure", \.structure, .structureAction,
            "Entries that PowerDNS could not read: `hold` skips them and merges the rest of the snapshot, `reject`"
                + " rejects all of it."),
        .value(
            "relations", \.relations, .ruleAction,
            "Records, metadata and keys without a zone, index entries without an object, duplicate zones."),
        .value(
            "zones", \.zones, .ruleAction,
            "Problems in a changed zone, such as a missing SOA or a CNAME with other data."),
        .value(
            "max_deleted_records", \.maxDeletedRecords, .percent,
            "Reject a snapshot that would delete more than this percentage of a zone's RRsets, without deleting the"
                + " zone; 0 for off."),
        .value(
            "max_deleted_zones", \.maxDeletedZones, .percent,
            "Reject a snapshot that would delete more than this percentage of the zones; 0 for off."),
    ]

    private static let api: [KeyDefinition<PowerDNSAPIConfiguration>] = [
        .value(
            "url", \.url, .endpointURL(of: .powerDNS),
            "PowerDNS's API, such as `http://127.0.0.1:8081`, to flush its caches for the zones that a merge"
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
