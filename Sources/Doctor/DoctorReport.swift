import Config
import Daemon
import Monitoring
import Support

/// All findings, as `doctor` shows them.
package struct DoctorReport: Encodable {
    /// The version of the JSON form.
    let version = 1
    var findings: [Finding] = []

    private enum CodingKeys: String, CodingKey { case version, findings }

    /// The lines of a group: a heading, a line for each finding, followed by a line with its cure.
    private static func lines(_ findings: [Finding]) -> [String] {
        var lines = findings.first.map { [PrintableText.line($0.group)] } ?? []
        for finding in findings {
            lines.append(PrintableText.line("  \(finding.status.rawValue)  \(finding.check): \(finding.text)"))
            if let cure = finding.cure { lines.append(PrintableText.line("        -> \(cure)")) }
        }
        return findings.isEmpty ? [] : lines + [""]
    }

    /// Called with the lines of each group once it is complete, because the next one may take long.
    package var show: (([String]) throws -> Void)?

    /// An empty one.
    package init() {}

    /// Notes why there is no configuration to check anything with.
    package mutating func add(_ errors: ConfigurationErrors) throws {
        var findings = Findings("configuration")
        for problem in errors.problems { findings.fail("file", "\(problem)", cure: Examination.configurationCure) }
        try add(findings)
    }

    mutating func add(_ findings: Findings) throws {
        self.findings += findings.all
        try show?(Self.lines(findings.all))
    }

    func count(_ status: Finding.Status) -> Int { findings.count { $0.status == status } }

    /// 1 when anything fails.
    package var exitCode: Int32 { count(.fail) > 0 ? ExitCode.failure : ExitCode.success }

    /// The last line.
    package var summary: String {
        let skipped = count(.skip)
        return "\(count(.fail)) failed, \(count(.warn)) warned, \(count(.pass)) passed"
            + (skipped > 0 ? ", \(skipped) not checked" : "")
    }

    /// The report as JSON.
    package func json() throws -> String { String(decoding: try JSON.encode(self, pretty: true), as: UTF8.self) }
}
