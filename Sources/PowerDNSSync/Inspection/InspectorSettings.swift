/// What is done with databases of PowerDNS; see the section `powerdns` of the configuration.
package struct InspectorSettings: Sendable {
    /// How much is logged of what changes.
    package enum Detail: Sendable {
        /// Nothing.
        case off
        /// A line for each zone.
        case summary
        /// A line for each record, too.
        case records
    }

    /// What becomes of a snapshot that a rule finds fault with.
    package enum Action: Sendable {
        /// Nobody looks.
        case off
        /// It is logged and counted.
        case warn
        /// What is at fault is left out, and the rest is merged: only for ``structure``.
        case hold
        /// The snapshot is refused.
        case reject
    }

    /// The database with zones, metadata and keys; nil for the one that looks like it.
    package var main: String?
    /// The database with the records; nil for the one that looks like it.
    package var shard: String?
    /// Whether a database that does not look like PowerDNS's is worth a warning.
    package var isExpected = false
    /// How much is logged of what changes.
    package var detail = Detail.summary
    /// Snapshots of a newer PowerDNS than the local one.
    package var schema = Action.reject
    /// Entries that can't be read.
    package var structure = Action.hold
    /// Entries that belong to nothing, and zones that are there twice, as far as that is seen before a merge.
    package var relations = Action.warn
    /// What is wrong in a zone, as far as an RRset shows it by itself.
    package var zones = Action.warn
    /// The percentage of a zone's RRsets that a merge may delete; zero for any.
    package var maxDeletedRecords = 0.0
    /// The percentage of all zones that a merge may delete; zero for any.
    package var maxDeletedZones = 0.0
    /// The databases in shadow mode: there, a version's value has PowerDNS's own header in front of it.
    package var shadowed: Set<String> = []

    /// The defaults.
    package init() {}
}
