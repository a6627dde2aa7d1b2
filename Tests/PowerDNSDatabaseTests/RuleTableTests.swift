import Foundation
import Testing

@testable import PowerDNSDatabase

/// The table of rules in the documentation.
@Suite struct RuleTableTests {
    @Test func theDocumentationHasEachRuleAsItIs() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../docs/powerdns-checks.md").standardizedFileURL
        let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("| `") }
        let expected = ValidationRule.allCases.map {
            "| `\($0.rawValue)` | \($0.severity.rawValue) | \($0.group.rawValue) |"
        }
        #expect(rows.map { row in expected.first { row.hasPrefix($0) } ?? String(row) } == expected)
    }
}
