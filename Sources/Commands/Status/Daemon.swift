import BlobStorage
import Config
import Monitoring

/// The running daemon of this host, as its endpoint shows it.
struct Daemon {
    /// Where it serves its pages.
    var address: ListenAddress

    /// Longer than a daemon with much to do needs, and short enough to wait for.
    private static let limit = Duration.seconds(5)

    /// What it says.
    ///
    /// - Throws: ``CommandFailure`` when nobody answers, or not as a daemon does.
    func report() async throws -> StatusReport {
        let url = "http://\(reachable)/status.json"
        let document: Document
        do {
            document = try await Document.get(url, within: Self.limit)
        } catch let failure as Document.Failure {
            throw CommandFailure.failed(
                "the daemon does not answer at http.address (\(failure)); is it running with this configuration?")
        }
        guard document.status == 200, let report = try? JSON.decode(StatusReport.self, from: document.body) else {
            throw CommandFailure.failed(
                "\(url): what answers (status \(document.status)) is not a daemon of this program and version")
        }
        return report
    }

    /// The address to connect to: one that means all interfaces is reached through the loopback interface.
    private var reachable: ListenAddress {
        var address = address
        switch address.host {
        case "", "0.0.0.0": address.host = "127.0.0.1"
        case "::": address.host = "::1"
        default: break
        }
        return address
    }
}
