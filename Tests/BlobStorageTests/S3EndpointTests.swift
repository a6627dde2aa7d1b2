import Testing

@testable import BlobStorage

@Suite struct S3EndpointTests {
    struct Case: Sendable {
        var endpoint: String
        var bucket = "zones"
        var region = "us-east-1"
        var addressing = S3Options.Addressing.auto
        var key: String?
        var url: String
    }

    @Test(arguments: [
        Case(endpoint: "", url: "https://zones.s3.us-east-1.amazonaws.com/"),
        Case(endpoint: "", region: "eu-west-1", key: "a b", url: "https://zones.s3.eu-west-1.amazonaws.com/a%20b"),
        Case(endpoint: "", region: "cn-north-1", url: "https://zones.s3.cn-north-1.amazonaws.com.cn/"),
        Case(endpoint: "", bucket: "dns.zones", key: "x", url: "https://s3.us-east-1.amazonaws.com/dns.zones/x"),
        Case(endpoint: "", bucket: "Zones_1", url: "https://s3.us-east-1.amazonaws.com/Zones_1"),
        Case(endpoint: "http://127.0.0.1:9000", url: "http://127.0.0.1:9000/zones"),
        Case(endpoint: "http://127.0.0.1:9000/", key: "x", url: "http://127.0.0.1:9000/zones/x"),
        Case(endpoint: "https://S3.Example.com:443", key: "x", url: "https://s3.example.com/zones/x"),
        Case(endpoint: "http://h:80", url: "http://h/zones"),
        Case(endpoint: "http://h:443", url: "http://h:443/zones"),
        Case(endpoint: "https://h/store/s3//", key: "a/b", url: "https://h/store/s3/zones/a/b"),
        Case(endpoint: "http://[::1]:9000", key: "x", url: "http://[::1]:9000/zones/x"),
        Case(endpoint: "http://[fe80::1]", url: "http://[fe80::1]/zones"),
        Case(endpoint: "https://h/storage/v1/s3", key: "x", url: "https://h/storage/v1/s3/zones/x"),
        Case(endpoint: "https://s3.amazonaws.com", key: "x", url: "https://zones.s3.us-east-1.amazonaws.com/x"),
        Case(
            endpoint: "https://s3.amazonaws.com/", region: "eu-west-1", key: "x",
            url: "https://zones.s3.eu-west-1.amazonaws.com/x"),
        Case(
            endpoint: "https://s3.amazonaws.com", bucket: "dns.zones", region: "eu-west-1",
            url: "https://s3.eu-west-1.amazonaws.com/dns.zones"),
        Case(
            endpoint: "https://s3.eu-west-1.amazonaws.com", region: "eu-west-1",
            url: "https://zones.s3.eu-west-1.amazonaws.com/"),
        Case(
            endpoint: "https://s3.dualstack.eu-west-1.amazonaws.com", region: "eu-west-1",
            url: "https://zones.s3.dualstack.eu-west-1.amazonaws.com/"),
        Case(
            endpoint: "https://s3.cn-north-1.amazonaws.com.cn", region: "cn-north-1",
            url: "https://zones.s3.cn-north-1.amazonaws.com.cn/"),
        Case(
            endpoint: "https://oss-cn-hangzhou.aliyuncs.com", key: "x",
            url: "https://zones.oss-cn-hangzhou.aliyuncs.com/x"),
        Case(endpoint: "https://storage.googleapis.com", url: "https://zones.storage.googleapis.com/"),
        Case(
            endpoint: "https://storage.googleapis.com", bucket: "a.b", url: "https://storage.googleapis.com/a.b"),
        Case(endpoint: "http://storage.googleapis.com", bucket: "a.b", url: "http://a.b.storage.googleapis.com/"),
        Case(endpoint: "https://notaliyuncs.com", url: "https://notaliyuncs.com/zones"),
        Case(endpoint: "https://s3.amazonaws.com.example.org", url: "https://s3.amazonaws.com.example.org/zones"),
        Case(endpoint: "", addressing: .path, key: "x", url: "https://s3.us-east-1.amazonaws.com/zones/x"),
        Case(
            endpoint: "https://s3.example.org:9000/base", addressing: .virtual, key: "x",
            url: "https://zones.s3.example.org:9000/base/x"),
        Case(
            endpoint: "https://s3.example.org", bucket: "a.b", addressing: .virtual, url: "https://a.b.s3.example.org/"),
        Case(endpoint: "http://h", key: "../x?y#z%", url: "http://h/zones/../x%3Fy%23z%25"),
    ])
    func urlsAreBuilt(_ test: Case) throws {
        let endpoint = try S3Endpoint(
            endpointURL: test.endpoint, region: test.region, bucket: test.bucket, addressing: test.addressing)
        #expect(endpoint.url(path: endpoint.path(key: test.key), query: "") == test.url)
        #expect(test.url.contains("://\(endpoint.authority)/"))
    }

    @Test(arguments: [
        ("https://192.0.2.1", "zones"), ("https://[2001:db8::1]", "zones"), ("https://h", "Zones"),
        ("https://h", "a_b"),
        ("https://h", "-a"), ("https://h", "a..b"), ("https://h", String(repeating: "a", count: 64)),
    ])
    func whatFitsInNoHostNameIsRefused(_ endpoint: String, _ bucket: String) {
        do throws(BlobStoreError) {
            _ = try S3Endpoint(endpointURL: endpoint, region: "us-east-1", bucket: bucket, addressing: .virtual)
            Issue.record("accepted")
        } catch {
            #expect(error.description.contains("is not a valid host name"))
        }
    }

    @Test func aBucketInTheHostNameDoesNotMakeAServerRemote() throws {
        for (url, isLocal) in [
            ("http://localhost:9000", true), ("http://127.0.0.1", true), ("http://[::1]:9000", true),
            ("http://localhost.example.org", false), ("http://h", false), ("http://s3.localhost:9000", true),
            ("http://s3localhost", false),
        ] {
            #expect(try S3Endpoint(endpointURL: url, region: "r", bucket: "b").isLocal == isLocal)
        }
        let virtual = try S3Endpoint(
            endpointURL: "http://localhost:9000", region: "r", bucket: "b", addressing: .virtual)
        #expect(virtual.isLocal && virtual.authority == "b.localhost:9000")
    }

    @Test(arguments: [
        ("s3.example.com", "zones", "us-east-1", "it must start with http:// or https://"),
        ("ftp://h", "zones", "us-east-1", "it must start with http:// or https://"),
        ("http://", "zones", "us-east-1", "the host is missing"),
        ("http://:9000", "zones", "us-east-1", "the host is missing"),
        ("http://h:port", "zones", "us-east-1", "the port is not a number from 1 to 65535"),
        ("http://h:70000", "zones", "us-east-1", "the port is not a number from 1 to 65535"),
        ("http://h:0", "zones", "us-east-1", "the port is not a number from 1 to 65535"),
        ("http://[::1", "zones", "us-east-1", "] is missing"),
        ("http://h?x=y", "zones", "us-east-1", "it can only have host, port and path"),
        ("http://h\r\nx", "zones", "us-east-1", "it can only have host, port and path"),
        ("http://user:geheim@h", "zones", "us-east-1", "it has a user or a password"),
        ("", "", "us-east-1", "no S3 bucket is set"),
        ("", "a/b", "us-east-1", "a/b is not a valid S3 bucket name"),
        ("", "..", "us-east-1", "is not a valid S3 bucket name"),
        ("", "zones", "", "is not a valid S3 region"),
        ("", "zones", "eu west\n", "is not a valid S3 region"),
    ])
    func whatMakesNoSenseIsRefusedInOneLine(_ endpoint: String, _ bucket: String, _ region: String, _ problem: String) {
        do throws(BlobStoreError) {
            _ = try S3Endpoint(endpointURL: endpoint, region: region, bucket: bucket)
            Issue.record("accepted")
        } catch {
            #expect(error.description.contains(problem))
            #expect(!error.description.contains("geheim"))
            #expect(!error.description.contains { $0.isNewline })
        }
    }
}
