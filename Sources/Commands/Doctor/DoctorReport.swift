import Monitoring

/// All findings, as `doctor` shows them.
struct DoctorReport: Sendable, Encodable {
    /// The version of the JSON form.
    let version = 1
    var findings: [Finding] = []

    private enum CodingKeys: String, CodingKey { case version, findings }

    mutating func add(_ findings: Findings) { self.findings += findings.all }

    func count(_ status: Finding.Status) -> Int { findings.count { $0.status == status } }

    /// 1 when anything fails.
    var exitCode: Int32 { count(.fail) > 0 ? ExitCode.failure : ExitCode.success }

    /// A heading for each group, a line for each finding, a line below it for a cure.
    var lines: [String] {
        var lines: [String] = []
        var group: String?
        for finding in findings {
            if finding.group != group {
                if group != nil { lines.append("") }
                lines.append(PrintableBytes.text(finding.group))
                group = finding.group
            }
            lines.append(PrintableBytes.text("  \(finding.status.rawValue)  \(finding.check): \(finding.text)"))
            if let cure = finding.cure { lines.append(PrintableBytes.text("        -> \(cure)")) }
        }
        return lines + ["", summary]
    }

    private var summary: String {
        let skipped = count(.skip)
        return "\(count(.fail)) failed, \(count(.warn)) to look at, \(count(.pass)) passed"
            + (skipped > 0 ? ", \(skipped) not checked" : "")
    }

    func json() throws -> String { JSONText.escapingUnprintable(try JSON.encode(self, pretty: true)) }
}
