import Config
import Testing

@testable import Doctor

@Suite struct PushCheckTests {
    @Test(arguments: [
        (AdvertisedURL.Result.status(204), Finding.Status.pass, "accepts the token"),
        (.status(429), .pass, "accepts the token"), (.status(401), .fail, "rejects the token"),
        (.status(404), .fail, "takes no hints"), (.status(502), .warn, "status 502"),
        (.none("https://a: connection refused"), .warn, "refused"),
    ])
    func advertisedURL(result: AdvertisedURL.Result, status: Finding.Status, text: String) throws {
        var findings = Findings("push")
        AdvertisedURL.check(try PeerURL("https://a"), result, &findings)
        let finding = try #require(findings.all.first)
        #expect(finding.status == status && finding.text.contains(text))
        #expect((finding.cure == nil) == (status == .pass))
    }
}
