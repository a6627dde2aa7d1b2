import PowerDNSSchema

/// What the rules of one pass share: what they read, where findings go, and what has been found out about targets.
final class CheckContext {
    let view: DatabaseView
    let report: (ValidationFinding) throws -> Void
    let structure: StructureRules
    /// What names that records lead to are, where that is another zone's matter.
    var knownTargets: [DomainName: TargetState] = [:]

    init(_ view: DatabaseView, report: @escaping (ValidationFinding) throws -> Void) {
        self.view = view
        self.report = report
        structure = StructureRules(report: report)
    }
}
