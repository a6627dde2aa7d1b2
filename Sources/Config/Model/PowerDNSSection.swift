/// `powerdns`.
package struct PowerDNSSection: ConfigurationSection {
    /// Whether databases are looked into as PowerDNS's.
    package var enabled = PowerDNSUse.auto
    /// The database with zones, metadata and keys; empty for the one that looks like it.
    package var main = ""
    /// The database with the records; empty for the one that looks like it.
    package var shard = ""
    /// How much is logged of what changes.
    package var logChanges = ChangeLogDetail.summary
    /// What is checked of data from others.
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
    /// Entries that can't be read.
    package var structure = StructureAction.hold
    /// Entries that belong to nothing.
    package var relations = RuleAction.warn
    /// What is wrong in a zone.
    package var zones = RuleAction.warn
    /// A merge must not delete more than this many percent of a zone's records; zero for no limit.
    package var maxDeletedRecords = 0.0
    /// A merge must not delete more than this many percent of the zones; zero for no limit.
    package var maxDeletedZones = 0.0

    /// The defaults.
    package init() {}
}

/// `powerdns.api`. Empty texts stand for what is not given.
package struct PowerDNSAPIConfiguration: ConfigurationSection {
    /// Where PowerDNS's API is; empty for no use of it.
    package var url = ""
    /// The key that PowerDNS asks for. Secret.
    package var key = ""
    /// File holding that key.
    package var keyFile = ""

    /// The defaults: no API.
    package init() {}
}
