/// The handling of databases of PowerDNS; see the section `powerdns` of the configuration.
package struct InspectorSettings: Sendable {
    /// Level of detail of the change log.
    package enum Detail: Sendable {
        /// Nothing.
        case off
        /// A line for each zone.
        case summary
        /// A line for each record, too.
        case records
    }

    /// The action for a snapshot that violates a rule.
    package enum Action: Sendable {
        /// Not checked.
        case off
        /// It is logged and counted.
        case warn
        /// The violating entries are skipped, and the rest is merged: only for ``structure``.
        case hold
        /// The snapshot is rejected.
        case reject
    }

    /// The database with zones, metadata and keys; nil for detection.
    package var main: String?
    /// The database with the records; nil for detection.
    package var shard: String?
    /// Whether to warn about a database that is not PowerDNS's.
    package var isExpected = false
    /// Level of detail of the change log.
    package var detail = Detail.summary
    /// Snapshots of a newer PowerDNS than the local one.
    package var schema = Action.reject
    /// Entries that cannot be read.
    package var structure = Action.hold
    /// Entries without a related object, and duplicate zones, as far as visible before a merge.
    package var relations = Action.warn
    /// Problems in a zone that are visible in a single RRset.
    package var zones = Action.warn
    /// Maximum percentage of a zone's RRsets that a merge may delete; zero for no limit.
    package var maxDeletedRecords = 0.0
    /// Maximum percentage of all zones that a merge may delete; zero for no limit.
    package var maxDeletedZones = 0.0
    /// The databases in shadow mode: their values still have PowerDNS's own header.
    package var shadowed: Set<String> = []

    /// The defaults.
    package init() {}
}
