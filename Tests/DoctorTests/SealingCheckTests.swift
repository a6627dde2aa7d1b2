import BlobStorage
import Config
import Daemon
import Sealing
import Snapshots
import Support
import TestSupport
import Testing

@testable import Doctor

@Suite struct SealingCheckTests {
    private func findings(_ facts: SealingFacts) -> [Finding] {
        var findings = Findings("sealing")
        SealingChecks.check(facts, &findings)
        return findings.all
    }

    private func status(_ name: String, _ facts: SealingFacts) -> Finding.Status? {
        findings(facts).first { $0.check == name }?.status
    }

    @Test func withoutIdentitiesThereIsNothingToSay() { #expect(findings(SealingFacts()).isEmpty) }

    @Test func identities() {
        #expect(findings(SealingFacts(keyIDs: ["0a"])).first?.text == "0a seals and opens")
        #expect(findings(SealingFacts(keyIDs: ["0a", "0b", "0c"])).first?.text == "0a seals, and opens with 0b, 0c")
    }

    @Test func unsealedObjects() {
        var facts = SealingFacts(keyIDs: ["0a"])
        #expect(status("unsealed", facts) == .pass)
        facts.acceptsUnsealed = true
        #expect(status("unsealed", facts) == .warn)
        facts.unsealed = ["ns2": 2, "ns1": 1]
        #expect(status("unsealed", facts) == .warn)
        let text = findings(facts).first { $0.check == "unsealed" }?.text
        #expect(text == "not everything of these instances is sealed: ns1 (1 object), ns2 (2 objects)")
        facts.acceptsUnsealed = false
        #expect(findings(facts).first { $0.check == "unsealed" }?.text.hasSuffix("and it is not read") == true)
    }

    @Test func sealedObjectsWithoutAnIdentityAreAWarning() {
        var facts = SealingFacts()
        facts.closed = 2
        #expect(status("identity", facts) == .warn)
        #expect(findings(facts).count == 1)
    }

    @Test func whatOfOthersCannotBeOpenedIsNamed() {
        var facts = SealingFacts(keyIDs: ["0a"])
        facts.unopened = ["main of ns2": "cannot use x: it is damaged"]
        #expect(status("open main of ns2", facts) == .fail)
    }

    @Test func theOwnNewestObject() {
        var facts = SealingFacts(keyIDs: ["0a"])
        facts.opened = [
            "a": .works("x", keyID: "0a"), "b": .works("x", keyID: nil), "c": .failed("cannot use x: it is damaged"),
        ]
        #expect(status("open a", facts) == .pass)
        #expect(status("open b", facts) == .warn)
        #expect(status("open c", facts) == .fail)
        for finding in findings(facts) { #expect((finding.cure == nil) == (finding.status == .pass)) }
    }
}
