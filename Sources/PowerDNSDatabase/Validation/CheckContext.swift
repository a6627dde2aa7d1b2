import Support
import PowerDNSFormat

/// What the rules of one pass share: what they read, where findings go, and what has been found out about targets.
final class CheckContext {
    let view: DatabaseView
    let report: (ValidationFinding) throws -> Void
    let structure: StructureRules
    /// What names that records lead to are, where that is another zone's matter.
    var knownTargets: [DomainName: TargetState] = [:]
    /// The same of the last few, in wire form.
    @exclusivity(unchecked) var recentTargets = RecentTargets()
    /// Where the key of a name that a record leads to is put together.
    @exclusivity(unchecked) var targetKey = KeptBytes(capacity: DomainName.maximumSize)
    /// Where the records of one RRset are compared. Nothing that is called with one of its bytes writes to it.
    @exclusivity(unchecked) var room = ServedRecords.Room()

    init(_ view: DatabaseView, report: @escaping (ValidationFinding) throws -> Void) {
        self.view = view
        self.report = report
        structure = StructureRules(report: report)
    }
}
