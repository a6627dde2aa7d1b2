import Foundation
import Testing

@testable import PowerDNSFormat

/// RDATA that no zone file brings, and what real servers make of it: Fixtures/odd-rdata.txt, which
/// Fixtures/make-odd-rdata.py writes. Behind type and RDATA it says of PowerDNS 4.9 and of 5.1 whether each serves the `same`,
/// has `read` it and serves something else, or has `refused` it (SERVFAIL).
@Suite struct OddRDataTests {
    private struct Example {
        var type: RecordType
        var rdata: [UInt8]
        var answers: [Substring]
        var text: String

        init(_ line: Substring) throws {
            let fields = line.split(separator: "\t")
            try #require(fields.count == 4)
            type = RecordType(rawValue: try #require(UInt16(fields[0])))
            rdata = fields[1] == "-" ? [] : unhex(fields[1])
            answers = Array(fields[2...])
            text = String(line)
        }
    }

    @Test func noCheckIsStricterThanPowerDNS() throws {
        let file = Fixture.directory.appending(path: "Fixtures/odd-rdata.txt")
        let owner = try DomainName("r1.example.org")
        let examples = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { try Example($0) }
        #expect(examples.count > 1000)
        for example in examples {
            example.rdata.withUnsafeBytes { rdata in
                let exact = failure { try RData.check(example.type, rdata, owner: owner) }
                let readable = failure { try RData.checkReadable(example.type, rdata) }
                let newer = exact == nil ? failure { try RData.checkForNewer(example.type, rdata) } : nil
                let isRead = example.answers.map { $0 != "refused" }
                if isRead.contains(true) { #expect(readable == nil, "\(example.text)") }
                if example.answers == ["same", "same"] { #expect(exact == nil, "\(example.text)") }
                if !isRead.contains(true) { #expect(exact != nil, "\(example.text)") }
                if isRead == [true, false], exact == nil { #expect(newer != nil, "\(example.text)") }
                if isRead[1], exact == nil, !Self.isUnlistable(rdata) { #expect(newer == nil, "\(example.text)") }
            }
        }
    }

    /// PowerDNS 5 serves an empty list of groups, but pdnsutil can't list the zone.
    private static func isUnlistable(_ rdata: UnsafeRawBufferPointer) -> Bool {
        rdata.suffix(4).elementsEqual([0, 9, 0, 0])
    }
}
