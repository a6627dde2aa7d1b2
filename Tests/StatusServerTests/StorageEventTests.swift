import Support
import Testing

@testable import StatusServer

/// The bodies of webhooks, in the forms that their documentation shows.
@Suite struct StorageEventTests {
    private func parse(_ text: String) -> [StorageEvent]? { StorageEvent.parse(Array(text.utf8)) }

    @Test func minIO() {
        let text = #"""
            {"EventName":"s3:ObjectCreated:Put","Key":"zones/dns/main__b.state","Records":[{"eventVersion":"2.0",
            "eventSource":"minio:s3","awsRegion":"","eventTime":"2026-11-21T18:33:04.552Z","eventName":"s3:ObjectCreated:Put",
            "s3":{"s3SchemaVersion":"1.0","configurationId":"Config","bucket":{"name":"zones","arn":"arn:aws:s3:::zones"},
            "object":{"key":"dns%2Fmain__b.state","size":10,"eTag":"abc","sequencer":"17"}},"source":{"host":"","port":""}}]}
            """#
        #expect(parse(text) == [StorageEvent(bucket: "zones", key: "dns%2Fmain__b.state", etag: "abc")])
        #expect(parse(text)?.first?.keys == ["dns%2Fmain__b.state", "dns/main__b.state"])
    }

    @Test func ceph() {
        let text = #"""
            {"Records":[{"eventVersion":"2.1","eventSource":"ceph:s3","awsRegion":"default","eventName":"ObjectCreated:Put",
            "s3":{"bucket":{"name":"zones","id":"1.2"},"object":{"key":"main__b.state","size":"1024","eTag":"\"abc\"",
            "versionId":"","metadata":[],"tags":[]}},"eventId":"","opaqueData":"x"},
            {"eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"zones"},"object":{"key":"gone"}}}]}
            """#
        #expect(parse(text) == [StorageEvent(bucket: "zones", key: "main__b.state", etag: "abc")])
    }

    @Test func versityGW() {
        let text = #"""
            {"Records":[{"eventVersion":"2.2","eventSource":"aws:s3","awsRegion":"us-east-1","eventName":"s3:ObjectCreated:Put",
            "s3":{"s3SchemaVersion":"1.0","configurationId":"webhook-global","bucket":{"name":"zones","arn":"arn:aws:s3:::zones"},
            "object":{"key":"main__b.state","size":10,"eTag":null,"versionId":null,"sequencer":"1"}},"glacierEventData":{}}]}
            """#
        #expect(parse(text) == [StorageEvent(bucket: "zones", key: "main__b.state")])
        // What it sends when it starts.
        #expect(parse(#"{"Service":"S3","Event":"s3:TestEvent","Time":"2026","Bucket":"Test-Bucket"}"#) == [])
    }

    @Test func seaweedFS() {
        let text = #"""
            {"event_type":"create","key":"/buckets/zones/main__b.state","message":{"new_entry":{"name":"main__b.state",
            "attributes":{"mtime":1,"file_size":10}},"new_parent_path":"/buckets/zones"}}
            """#
        #expect(parse(text) == [StorageEvent(key: "/buckets/zones/main__b.state")])
        #expect(parse(text.replacing("create", with: "delete")) == [])
    }

    @Test(arguments: [
        #"{"Records":null}"#, #"{"Records":[]}"#, "{}", #"{"Records":[{}]}"#, #"{"Records":[{"s3":{}}]}"#,
    ])
    func nothing(text: String) { #expect(parse(text) == []) }

    @Test(arguments: ["", "x", "[]", #"{"Records":1}"#, #"{"Records":{"s3":1}}"#, #"{"Records":["#])
    func malformed(text: String) { #expect(parse(text) == nil) }

    @Test func limit() {
        var limit = RateLimit(rate: 50)
        func taken(_ count: Int, at now: Duration) -> Int { (0..<count).count { _ in limit.take(at: now) } }
        let counts = [
            taken(60, at: .seconds(1)), taken(60, at: .milliseconds(1500)), taken(200, at: .seconds(100)),
            // A clock that stands still or goes back gives nothing.
            taken(1, at: .seconds(1)),
        ]
        #expect(counts == [50, 25, 50, 0])
    }
}
