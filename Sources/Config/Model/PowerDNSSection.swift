/// `powerdns`.
package struct PowerDNSSection: ConfigurationSection {
    /// Whether databases are inspected as PowerDNS's.
    package var enabled = PowerDNSUse.auto
    /// The database with zones, metadata and keys; empty for detection.
    package var main = ""
    /// The database with the records; empty for detection.
    package var shard = ""
    /// Level of detail of the change log.
    package var logChanges = ChangeLogDetail.summary
    /// Checks of received data.
    package var validation = PowerDNSValidationConfiguration()
    /// PowerDNS's API.
    package var api = PowerDNSAPIConfiguration()

    /// The defaults.
    package init() {}
}

/// `powerdns.validation`.
package struct PowerDNSValidationConfiguration: ConfigurationSection {
    /// Snapshots of a newer PowerDNS than the local one.
    package var schema = RuleAction.reject
    /// Entries that cannot be read.
    package var structure = StructureAction.hold
    /// Entries without a related object.
    package var relations = RuleAction.warn
    /// Problems in a zone.
    package var zones = RuleAction.warn
    /// Maximum percentage of a zone's records that a merge may delete; zero for no limit.
    package var maxDeletedRecords = 0.0
    /// Maximum percentage of the zones that a merge may delete; zero for no limit.
    package var maxDeletedZones = 0.0

    /// The defaults.
    package init() {}
}

/// `powerdns.api`. Empty texts mean unset.
package struct PowerDNSAPIConfiguration: ConfigurationSection {
    /// URL of PowerDNS's API; empty for off.
    package var url = ""
    /// The API key. Secret.
    package var key = ""
    /// File with the API key.
    package var keyFile = ""

    /// The defaults: no API.
    package init() {}
}
