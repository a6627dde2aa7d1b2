import Testing

@testable import Monitoring

@Suite("JSON forms")
struct JSONTests {
    @Test("A report comes back from its text")
    func reportRoundTrip() throws {
        var report = StatusReport()
        report.instance = "ns1"
        report.health.failures["main_namesake"] = "two \"ns1\"\n</script>"
        var database = StatusReport.Database()
        database.name = "main"
        database.lmdb = StatusReport.LMDBFacts()
        var instance = StatusReport.Instance()
        instance.mergedOfOurs = "main__ns1__20261120-173955-012345678__GX.pb.gz"
        database.instances = [instance]
        report.databases = [database]
        let text = try JSON.encode(report)
        #expect(try JSON.decode(StatusReport.self, from: text) == report)
        let string = String(decoding: text, as: UTF8.self)
        #expect(string.contains(#""merged_of_ours":"main__ns1__20261120"#))
        #expect(string.contains(#""maximum_readers":0"#))
    }

    @Test("The state object has the names of its description")
    func stateNames() throws {
        let state = InstanceState(
            instance: "ns1", hostname: "h", software: "lightningstream 1", time: "2026-11-21T00:00:00Z", sent: "s",
            applied: ["ns-2": "x"], covered: nil, health: "OK")
        let text = String(decoding: try JSON.encode(state), as: UTF8.self)
        #expect(
            text
                == #"{"applied":{"ns-2":"x"},"health":"OK","hostname":"h","instance":"ns1","sent":"s","software":"lightningstream 1","time":"2026-11-21T00:00:00Z","version":1}"#
        )
        #expect(try JSON.decode(InstanceState.self, from: Array(text.utf8)) == state)
    }

    @Test("Names of instances in a dictionary are left as they are")
    func dictionaryKeys() throws {
        let state = InstanceState(
            instance: "a", hostname: "", software: "", time: "", sent: nil, applied: ["NS-One": "x", "ns_two": "y"],
            covered: ["nsThree": "z"], health: "OK")
        #expect(try JSON.decode(InstanceState.self, from: JSON.encode(state)) == state)
    }
}
