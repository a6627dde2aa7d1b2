import BlobStorage
import Config
import Monitoring
import Observability
import StatusServer
import Synchronization
import Testing

@testable import Daemon

/// Which hints reach which database.
@Suite struct PushHubTests {
    private final class Got: Sendable {
        let hints = Mutex<[String: [Hint]]>([:])
    }

    private func hints(prefix: String = "", _ body: (PushHub) -> Void) -> [String: [Hint]] {
        var options = S3StorageOptions()
        (options.bucket, options.globalPrefix) = ("zones", prefix)
        let hub = PushHub(
            tokens: TokenFile("/nowhere") { _ in }, storage: .s3(options), announcer: nil,
            metrics: PushMetrics(MetricRegistry()))
        let got = Got()
        for database in ["main", "shard"] {
            hub.attach(database) { hint in got.hints.withLock { $0[database, default: []].append(hint) } }
        }
        body(hub)
        return got.hints.withLock(\.self)
    }

    private static let delta = "main__b__20261121-183304-552155531__GX.delta"

    @Test func ofAnInstance() {
        let got = hints { hub in
            hub.hint(PeerHint(database: "main", object: Self.delta))
            hub.hint(PeerHint(database: "main", object: "main__b.state"))
            for (database, object) in [
                ("shard", Self.delta), ("other", Self.delta), ("main", ""), ("main", "../../etc/passwd"),
                ("main", "update-marker"),
                ("", ""),
            ] { hub.hint(PeerHint(database: database, object: object)) }
        }
        #expect(got == ["main": [Hint(Self.delta, source: .peer), Hint("main__b.state", source: .peer)]])
    }

    @Test(arguments: [
        ("", "zones", delta), ("dns/", "zones", "dns/\(delta)"), ("dns/", "zones", "dns%2F\(delta)"),
        ("a b+/", "zones", "a+b%2B/\(delta)"), ("a b+/", "zones", "a%20b%2B%2f\(delta)"),
        ("a b+/", "zones", "a b+/\(delta)"),
        ("50%/", "zones", "50%/\(delta)"), ("", nil, "/buckets/zones/\(delta)"),
        ("dns/", nil, "/buckets/zones/dns/\(delta)"),
    ])
    func ofAServer(prefix: String, bucket: String?, key: String) {
        let got = hints(prefix: prefix) { $0.event(StorageEvent(bucket: bucket, key: key, etag: "e")) }
        #expect(got == ["main": [Hint(Self.delta, version: "e", source: .webhook)]])
    }

    @Test(arguments: [
        ("", "other", delta), ("", nil, "/buckets/other/\(delta)"), ("", nil, delta), ("dns/", "zones", delta),
        ("", "zones", "x\(delta)"), ("", "zones", "%zz\(delta)"), ("", "zones", "main__"), ("", "zones", ""),
    ])
    func ofSomethingElse(prefix: String, bucket: String?, key: String) {
        #expect(hints(prefix: prefix) { $0.event(StorageEvent(bucket: bucket, key: key)) }.isEmpty)
    }
}
