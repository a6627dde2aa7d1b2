import BlobStorage
import Config
import HTTP
import LMDB
import Monitoring
import Support

/// The running daemon of this host, accessed through its status server.
package struct RunningDaemon: Sendable {
    /// The address of the status server.
    var address: ListenAddress
    /// The data files of the LMDBs that it syncs.
    var dataFiles: [String]

    /// The daemon at an address.
    package init(_ address: ListenAddress, _ configuration: Configuration) {
        self.address = address
        dataFiles = configuration.databases.map { EnvironmentOptions($0).dataFile }
    }

    /// Longer than a busy daemon needs, and short enough to wait for.
    private static let limit = Duration.seconds(5)

    /// The report of the daemon.
    ///
    /// - Throws: ``CommandFailure`` if there is no answer, or not one of a daemon.
    package func report() async throws -> StatusReport {
        let (document, url, doubt) = try await get("/status.json")
        guard document.status == 200, var report = try? JSON.decode(StatusReport.self, from: document.body) else {
            throw CommandFailure(.noDaemon(url: url, status: document.status))
        }
        if let doubt {
            report.health.warnings["daemon"] = doubt
            if report.health.status == "OK" { report.health.status = "Warning" }
        }
        return report
    }

    /// Whether all instances have merged the newest change of a zone.
    ///
    /// - Parameters:
    ///   - zone: the name as given.
    ///   - ticket: that of an earlier answer, to ask for the change of that one.
    ///   - except: the instances that need not have it.
    /// - Returns: the answer, nil if the daemon syncs no PowerDNS; and the reason if its origin cannot be verified.
    /// - Throws: ``CommandFailure`` if there is no answer, or not one of a daemon.
    package func inSync(
        _ zone: String, ticket: UInt64?, except: [String] = []
    ) async throws -> (answer: StatusReport.InSync?, doubt: String?) {
        let more = (ticket.map { "&ticket=\($0)" } ?? "") + except.map { "&except=" + percentEncoded($0) }.joined()
        let (document, url, doubt) = try await get("/insync?zone=" + percentEncoded(zone) + more)
        if let answer = try? JSON.decode(StatusReport.InSync.self, from: document.body),
            answer.inSync == (document.status == 200)
        {
            return (answer, doubt)
        }
        if document.status == 404 { return (nil, doubt) }
        throw CommandFailure(.noDaemon(url: url, status: document.status))
    }

    /// - Returns: the answer to a path, its URL, and the reason if its origin cannot be verified.
    private func get(_ path: String) async throws -> (document: Document, url: String, doubt: String?) {
        let url = "http://\(reachable)\(path)"
        let nonce = DaemonProof.makeSecret()
        let document: Document
        do {
            document = try await Document.get(
                url, headers: [(DaemonProof.nonceHeader, nonce)], within: Self.limit)
        } catch let failure as Document.Failure {
            throw CommandFailure(.noDaemonAnswers(failure.description))
        }
        return (document, url, try doubt(document, nonce, url))
    }

    /// Verifies the proof in an answer. Anybody on this host may listen on the daemon's address; only the daemon knows the secret beside the LMDBs.
    ///
    /// - Returns: the reason if verification is impossible.
    /// - Throws: ``CommandFailure`` if another program answered.
    private func doubt(_ document: Document, _ nonce: String, _ url: String) throws -> String? {
        let standings = dataFiles.map(DaemonLock.look)
        if !standings.isEmpty, standings.allSatisfy({ $0 == .free }) {
            throw CommandFailure(.noDaemonRuns(url: url))
        }
        let tokens = standings.compactMap { standing -> String? in
            if case .held(_, let token) = standing { token } else { nil }
        }
        guard !tokens.isEmpty else {
            return "\(url): cannot verify that the daemon of this LMDB answers, because its lock "
                + "(\(dataFiles.first.map(DaemonLock.path) ?? "")) is missing or unreadable; run this command as its owner"
        }
        let proof = document.headers[DaemonProof.proofHeader.lowercased()]
        guard let proof,
            tokens.contains(where: { DaemonProof.make(secret: $0, nonce: nonce, body: document.body) == proof })
        else {
            throw CommandFailure(.anotherDaemon(url: url))
        }
        return nil
    }

    /// The address to connect to: the loopback interface if it means all interfaces.
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
