import PowerDNSDatabase

/// Remembers what is wrong with which zone, so that each finding is told of once; pure.
struct FindingLedger: Sendable {
    /// What a check of a zone has brought.
    struct Change: Sendable, Equatable {
        /// What was not there before, in the order in which it was found.
        var new: [ValidationFinding] = []
        /// What is there no more.
        var gone: [ValidationFinding] = []
    }

    /// No more findings than this are remembered of one zone.
    static let mostOfAZone = 100
    /// No more zones with findings than this are remembered.
    static let mostZones = 10_000

    private var findings: [CheckedZone: [ValidationFinding]] = [:]
    private var counts: [ValidationFinding.Severity: Int] = [:]

    /// The zones with findings, in no particular order.
    var zones: [CheckedZone] { Array(findings.keys) }

    /// How many findings there are at present.
    func count(_ severity: ValidationFinding.Severity) -> Int { counts[severity] ?? 0 }

    /// Takes all that a check of a zone has found.
    mutating func update(_ zone: CheckedZone, _ found: [ValidationFinding]) -> Change {
        let old = findings[zone] ?? []
        if old.isEmpty, found.isEmpty || findings.count >= Self.mostZones { return Change() }
        var seen: Set<ValidationFinding> = []
        var unique = found.filter { seen.insert($0).inserted }
        unique = Array(unique.prefix(Self.mostOfAZone))
        let known = Set(old)
        // What stays keeps the instance that it came from.
        var origin: [ValidationFinding: ValidationFinding] = [:]
        for finding in old { origin[finding] = finding }
        let now = Set(unique)
        findings[zone] = unique.isEmpty ? nil : unique.map { origin[$0] ?? $0 }
        for finding in old { counts[finding.severity, default: 0] -= 1 }
        for finding in unique { counts[finding.severity, default: 0] += 1 }
        return Change(new: unique.filter { !known.contains($0) }, gone: old.filter { !now.contains($0) })
    }
}
