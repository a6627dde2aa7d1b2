import Config
import Daemon
import HTTP

/// Checks of `push`: the token, and whether this host's daemon answers at its advertised URL.
extension Examination {
    func checkPush(_ report: inout DoctorReport) throws {
        let push = session.configuration.push
        guard !push.tokenFile.isEmpty else { return }
        var findings = Findings("push")
        let tokens: PushTokens
        do throws(PushTokens.Problem) {
            tokens = try PushTokens.read(push.tokenFile)
            findings.pass("token", "\(push.tokenFile) has a token")
        } catch {
            findings.fail("token", error.description, cure: "see docs/push.md#the-token")
            return try report.add(findings)
        }
        if let url = push.advertise {
            let result = try runBlocking { await AdvertisedURL.ask(url, tokens) }
            AdvertisedURL.check(url, result, &findings)
        }
        try report.add(findings)
    }
}

/// The daemon of this host, accessed at the URL that other instances use.
enum AdvertisedURL {
    /// The answer.
    enum Result: Equatable {
        case status(Int)
        case none(String)
    }

    private static let limit = Duration.seconds(5)

    /// Sends events without any event in them, which changes nothing.
    static func ask(_ url: PeerURL, _ tokens: PushTokens) async -> Result {
        let client = DocumentClient(stallTimeout: limit, totalTimeout: limit, largest: 64 << 10)
        do {
            let answer = try await client.perform(
                "POST", "\(url)/events", headers: [("Authorization", "Bearer \(tokens.current)")],
                body: Array("{}".utf8))
            return .status(answer.status)
        } catch {
            return .none("\(error)")
        }
    }

    static func check(_ url: PeerURL, _ result: Result, _ findings: inout Findings) {
        let name = "advertise"
        switch result {
        case .status(200..<300), .status(429): findings.pass(name, "\(url) answers, and accepts the token")
        case .status(401):
            findings.fail(
                name, "\(url) answers, but rejects the token",
                cure: "check that it is this host's URL, and that a proxy in front passes the header Authorization on")
        case .status(404):
            findings.fail(
                name, "\(url) answers, but takes no hints",
                cure:
                    "restart the daemon after changes of push; a proxy in front must pass on POST /hint and POST /events"
            )
        case .status(let status):
            findings.warn(
                name, "\(url) answered with status \(status)", cure: "check http.address and the proxy in front of it")
        case .none(let reason):
            findings.warn(
                name, reason,
                cure: "start the daemon, and check push.advertise, its certificate and firewalls; from here it may be"
                    + " unreachable although others reach it")
        }
    }
}
