extension KeyTable {
    static let health: [KeyDefinition<HealthConfiguration>] = [
        .section("storage_list", \.storageList, check("listing the storage")),
        .section("storage_load", \.storageLoad, check("loading snapshots")),
        .section("storage_store", \.storageStore, check("storing snapshots")),
        .section("start", \.start, start),
    ]

    private static let ignored = KeyTrait.noEffect("checks are updated whenever their results may change")

    private static func check(_ activity: String) -> [KeyDefinition<HealthCheckConfiguration>] {
        [
            .value("interval", \.interval, .duration, "Time between checks of \(activity).", ignored),
            .value("warn_duration", \.warnDuration, .duration, "Warning after failures for this long."),
            .value("error_duration", \.errorDuration, .duration, "Failure after failures for this long."),
        ]
    }

    private static let start: [KeyDefinition<StartHealthConfiguration>] = [
        .value("interval", \.interval, .duration, "Time between checks of start-up.", ignored),
        .value("warn_duration", \.warnDuration, .duration, "Warning when start-up takes this long."),
        .value("error_duration", \.errorDuration, .duration, "Failure when start-up takes this long."),
        .value("report_healthz", \.reportHealthz, .bool, "Report a long start-up in /healthz."),
        .value("report_metadata", \.reportMetadata, .bool, "Report start-up in the metadata of /healthz."),
    ]
}
