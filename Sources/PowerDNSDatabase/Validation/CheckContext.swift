import PowerDNSFormat
import Support

/// The shared state of the rules in one pass: readers, findings, and known targets.
final class CheckContext {
    let view: DatabaseView
    let report: (ValidationFinding) throws -> Void
    let structure: StructureRules
    /// The states of targets in other zones.
    var knownTargets: [DomainName: TargetState] = [:]
    /// The last few results, by wire form.
    @exclusivity(unchecked) var recentTargets = RecentTargets()
    /// A buffer for the key of a target.
    @exclusivity(unchecked) var targetKey = KeptBytes(capacity: DomainName.maximumSize)
    /// A buffer for comparing the records of one RRset. Functions that receive its bytes must not write to it.
    @exclusivity(unchecked) var room = ServedRecords.Room()

    init(_ view: DatabaseView, report: @escaping (ValidationFinding) throws -> Void) {
        self.view = view
        self.report = report
        structure = StructureRules(report: report)
    }
}
