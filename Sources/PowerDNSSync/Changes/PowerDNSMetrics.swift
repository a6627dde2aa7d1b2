import Observability

/// The metrics of PowerDNS's data. They have series only if there are databases of PowerDNS.
package struct PowerDNSMetrics: Sendable {
    private let changes, findings: MetricFamily<Counter>

    /// Adds the families to a registry.
    package init(_ registry: MetricRegistry) {
        changes = registry.counters(
            "lightningstream_powerdns_changes_total",
            "Changes in DNS terms, merged from others or sent to them.",
            labels: ["lmdb", "direction", "kind"])
        findings = registry.counters(
            "lightningstream_powerdns_snapshot_findings_total",
            "Findings of rules in snapshots before merges: error rejected the snapshot, held skipped entries.",
            labels: ["lmdb", "rule", "severity"])
    }

    func changed(_ counts: ChangeCounts, _ direction: ChangeJob.Direction, in lmdb: String) {
        for (kind, count) in counts.present { changes.with(lmdb, direction.rawValue, kind.label).add(count) }
    }

    func found(_ rule: String, severity: String, in lmdb: String) { findings.with(lmdb, rule, severity).add() }
}
