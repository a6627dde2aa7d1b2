import PowerDNSFormat
import Support

/// The shared state of the rules in one pass: readers, findings, and known targets.
final class CheckContext {
    let view: DatabaseView
    let report: (ValidationFinding) throws -> Void
    let structure: StructureRules
    /// The states of targets in other zones.
    var knownTargets: [DomainName: TargetState] = [:]
    /// The last few of them, in wire form.
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
