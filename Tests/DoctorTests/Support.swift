import Testing

@testable import Doctor

func findings(_ body: (inout Findings) -> Void) -> [Finding] {
    var findings = Findings("group")
    body(&findings)
    return findings.all
}

func status(_ check: String, _ all: [Finding]) -> Finding.Status? {
    all.first { $0.check == check }?.status
}

/// Whatever is not right has a cure, in the finding or in the words of the error that it shows.
func expectCures(_ all: [Finding]) {
    for finding in all where finding.status == .warn { #expect(finding.cure?.isEmpty == false, "\(finding)") }
}
