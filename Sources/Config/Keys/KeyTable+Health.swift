extension KeyTable {
    static let health: [KeyDefinition<HealthConfiguration>] = [
        .section("storage_list", \.storageList, check("listing the storage")),
        .section("storage_load", \.storageLoad, check("loading snapshots")),
        .section("storage_store", \.storageStore, check("storing snapshots")),
        .section("start", \.start, start),
    ]

    private static let ignored = KeyTrait.noEffect("a check is made whenever its outcome may have changed")

    private static func check(_ activity: String) -> [KeyDefinition<HealthCheckConfiguration>] {
        [
            .value("interval", \.interval, .duration, "Time between checks of \(activity).", ignored),
            .value("warn_duration", \.warnDuration, .duration, "A warning after failing for this long."),
            .value("error_duration", \.errorDuration, .duration, "An error after failing for this long."),
        ]
    }

    private static let start: [KeyDefinition<StartHealthConfiguration>] = [
        .value("interval", \.interval, .duration, "Time between checks of the start-up.", ignored),
        .value("warn_duration", \.warnDuration, .duration, "A warning when the start-up takes this long."),
        .value("error_duration", \.errorDuration, .duration, "An error when the start-up takes this long."),
        .value("report_healthz", \.reportHealthz, .bool, "Whether /healthz tells of a start-up that takes long."),
        .value("report_metadata", \.reportMetadata, .bool, "Whether the metadata of /healthz tell of it."),
    ]
}
