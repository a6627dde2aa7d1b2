import PowerDNSDatabase

/// Tracks the findings of zones, so that each is reported once; pure.
struct FindingLedger: Sendable {
    /// The result of a check of a zone.
    struct Change: Sendable, Equatable {
        /// New findings, in order.
        var new: [ValidationFinding] = []
        /// Resolved findings.
        var gone: [ValidationFinding] = []
    }

    /// Maximum number of tracked findings per zone.
    static let mostOfAZone = 100
    /// Maximum number of tracked zones.
    static let mostZones = 10_000

    private var findings: [CheckedZone: [ValidationFinding]] = [:]
    private var counts: [ValidationFinding.Severity: Int] = [:]

    /// The zones with findings, in no particular order.
    var zones: [CheckedZone] { Array(findings.keys) }

    /// The current number of findings.
    func count(_ severity: ValidationFinding.Severity) -> Int { counts[severity] ?? 0 }

    /// Updates a zone with all findings of a check.
    mutating func update(_ zone: CheckedZone, _ found: [ValidationFinding]) -> Change {
        let old = findings[zone] ?? []
        if old.isEmpty, found.isEmpty || findings.count >= Self.mostZones { return Change() }
        var seen: Set<ValidationFinding> = []
        var unique = found.filter { seen.insert($0).inserted }
        unique = Array(unique.prefix(Self.mostOfAZone))
        let known = Set(old)
        // A persistent finding keeps its original instance.
        var origin: [ValidationFinding: ValidationFinding] = [:]
        for finding in old { origin[finding] = finding }
        let now = Set(unique)
        findings[zone] = unique.isEmpty ? nil : unique.map { origin[$0] ?? $0 }
        for finding in old { counts[finding.severity, default: 0] -= 1 }
        for finding in unique { counts[finding.severity, default: 0] += 1 }
        return Change(new: unique.filter { !known.contains($0) }, gone: old.filter { !now.contains($0) })
    }
}
