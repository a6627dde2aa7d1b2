import HTTP
import Support
import Testing

@testable import BlobStorage

/// Where redirected requests may go.
@Suite struct S3RedirectTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var endpoint = "https://s3.example.com"
        var bucket = "zones"
        var addressing = S3Options.Addressing.auto
        var learnsRegion = false
        var key: String? = "a b"
        var status = 307
        var location: String?
        /// In the body.
        var host: String?
        var region: String?
        var code = "TemporaryRedirect"
        /// The next URL and region, the URL of another service with `!` before it, or nil.
        var next: String?

        var testDescription: String { "\(status) \(endpoint) \(location ?? host ?? "") \(region ?? "")" }
    }

    private func direction(_ test: Case, regionInHeader: Bool) throws -> String? {
        var options = S3Options(bucket: test.bucket, endpointURL: test.endpoint, addressing: test.addressing)
        options.learnsRegion = test.learnsRegion
        let redirects = try S3Route(options).redirects
        var answer = HTTPAnswer(status: test.status)
        answer.headers["location"] = test.location
        var body = "<Error><Code>\(test.code)</Code>"
        if let host = test.host { body += "<Endpoint>\(host)</Endpoint>" }
        if regionInHeader { answer.headers["x-amz-bucket-region"] = test.region }
        if !regionInHeader, let region = test.region { body += "<Region>\(region)</Region>" }
        answer.body = Array("\(body)</Error>".utf8)
        switch redirects.direction(answer, S3ErrorAnswer(answer.body), key: test.key, from: redirects.start) {
        case .stay: return nil
        case .follow(let target):
            return "\(target.endpoint.url(path: target.endpoint.path(key: test.key), query: "")) \(target.region)"
        case .elsewhere(let url, let allowed, let region):
            #expect(allowed == redirects.start.endpoint.service)
            return "!\(url) \(region ?? "-")"
        }
    }

    private func expect(_ test: Case) throws {
        #expect(try direction(test, regionInHeader: true) == test.next)
        #expect(try direction(test, regionInHeader: false) == test.next)
    }

    @Test(arguments: [
        Case(
            location: "https://eu.s3.example.com/zones/a%20b", next: "https://eu.s3.example.com/zones/a%20b us-east-1"),
        Case(
            location: "https://eu.s3.example.com/zones/a%20b?X=y#z", region: "eu-1",
            next: "https://eu.s3.example.com/zones/a%20b eu-1"),
        Case(
            location: "HTTPS://EU.S3.Example.com:443/zones/a%20b",
            next: "https://eu.s3.example.com/zones/a%20b us-east-1"),
        Case(
            addressing: .virtual, location: "https://zones.eu.s3.example.com/a%20b",
            next: "https://zones.eu.s3.example.com/a%20b us-east-1"),
        // Another style.
        Case(location: "https://zones.s3.example.com/a%20b", next: "https://zones.s3.example.com/a%20b us-east-1"),
        Case(
            addressing: .virtual, location: "https://s3.example.com/zones/a%20b",
            next: "https://s3.example.com/zones/a%20b us-east-1"),
        Case(
            status: 301, host: "eu.s3.example.com", region: "eu-1", next: "https://eu.s3.example.com/zones/a%20b eu-1"),
        Case(status: 301, host: "zones.eu.s3.example.com", next: "https://zones.eu.s3.example.com/a%20b us-east-1"),
        Case(
            addressing: .virtual, status: 301, host: "eu.s3.example.com",
            next: "https://zones.eu.s3.example.com/a%20b us-east-1"),
        // The bucket itself.
        Case(
            key: nil, status: 308, location: "https://eu.s3.example.com/zones/",
            next: "https://eu.s3.example.com/zones us-east-1"),
        Case(
            addressing: .virtual, key: nil, location: "https://zones.eu.s3.example.com",
            next: "https://zones.eu.s3.example.com/ us-east-1"),
        // Only the region.
        Case(status: 301, region: "eu-1", next: "https://s3.example.com/zones/a%20b eu-1"),
        Case(
            endpoint: "http://127.0.0.1:9000/base", location: "http://127.0.0.1:9000/base/zones/a%20b", region: "eu-1",
            next: "http://127.0.0.1:9000/base/zones/a%20b eu-1"),
        Case(
            endpoint: "http://s3.localhost:9000", location: "http://eu.s3.localhost:9000/zones/a%20b",
            next: "http://eu.s3.localhost:9000/zones/a%20b us-east-1"),
    ])
    func placesBelowTheEndpointAreFollowed(_ test: Case) throws { try expect(test) }

    @Test(arguments: [
        Case(location: "https://evil.com/zones/a%20b", next: "!https://evil.com -"),
        Case(location: "https://zones.evil.com/a%20b", region: "eu-1", next: "!https://evil.com eu-1"),
        Case(location: "https://s3.example.com.evil.com/zones/a%20b", next: "!https://s3.example.com.evil.com -"),
        Case(location: "https://evils3.example.com/zones/a%20b", next: "!https://evils3.example.com -"),
        Case(location: "https://example.com/zones/a%20b", next: "!https://example.com -"),
        Case(location: "https://192.0.2.1/zones/a%20b", next: "!https://192.0.2.1 -"),
        Case(location: "https://[2001:db8::1]/zones/a%20b", next: "!https://[2001:db8::1] -"),
        Case(location: "http://s3.example.com/zones/a%20b", next: "!http://s3.example.com -"),
        Case(location: "http://eu.s3.example.com/zones/a%20b", next: "!http://eu.s3.example.com -"),
        Case(location: "https://eu.s3.example.com:8443/zones/a%20b", next: "!https://eu.s3.example.com:8443 -"),
        Case(location: "https://.s3.example.com/zones/a%20b", next: "!https://.s3.example.com -"),
        Case(location: "https://a%2e.s3.example.com/zones/a%20b", next: "!https://a%2e.s3.example.com -"),
        Case(
            status: 301, host: "s3.eu-central-1.wasabisys.com", region: "eu-1",
            next: "!https://s3.eu-central-1.wasabisys.com eu-1"),
        Case(status: 301, host: "zones.s3.evil.com", next: "!https://s3.evil.com -"),
        Case(
            endpoint: "http://127.0.0.1:9000", location: "http://x.127.0.0.1:9000/zones/a%20b",
            next: "!http://x.127.0.0.1:9000 -"),
        Case(
            endpoint: "http://s3.localhost:9000", location: "http://s3.localhost:9001/zones/a%20b",
            next: "!http://s3.localhost:9001 -"),
        Case(
            endpoint: "http://s3.example.com", location: "https://s3.example.com/zones/a%20b",
            next: "!https://s3.example.com -"),
    ])
    func placesElsewhereAreNot(_ test: Case) throws { try expect(test) }

    @Test(arguments: [
        // Another object, a login page, or no URL.
        Case(location: "https://eu.s3.example.com/zones/other"), Case(location: "https://eu.s3.example.com/login"),
        Case(location: "/zones/a%20b"), Case(location: "//eu.s3.example.com/zones/a%20b"), Case(location: ""),
        Case(location: "https://user@eu.s3.example.com/zones/a%20b"),
        Case(location: "ftp://eu.s3.example.com/zones/a%20b"),
        Case(location: "https://eu.s3.example.com\\@evil.com/zones/a%20b"),
        Case(endpoint: "http://[::1]:9000", location: "http://x.[::1]:9000/zones/a%20b"),
        // To the same place, or to none.
        Case(location: "https://s3.example.com/zones/a%20b"), Case(status: 301, region: "us-east-1"), Case(status: 301),
        Case(status: 301, region: "eu/../1"), Case(status: 301, region: String(repeating: "a", count: 41)),
        // Redirections that are not of S3.
        Case(status: 302, location: "https://eu.s3.example.com/zones/a%20b"),
        Case(status: 303, location: "https://eu.s3.example.com/zones/a%20b"),
        Case(status: 403, location: "https://eu.s3.example.com/zones/a%20b"), Case(status: 404, region: "eu-1"),
    ])
    func whatNamesNoOtherPlaceIsNot(_ test: Case) throws { try expect(test) }

    private static let malformed = "AuthorizationHeaderMalformed"

    @Test(arguments: [
        Case(
            learnsRegion: true, status: 400, region: "garage", code: malformed,
            next: "https://s3.example.com/zones/a%20b garage"),
        Case(status: 400, region: "garage", code: malformed),
        Case(learnsRegion: true, status: 400, code: malformed),
        Case(learnsRegion: true, status: 400, region: "us-east-1", code: malformed),
        Case(learnsRegion: true, status: 400, region: "garage", code: "InvalidArgument"),
        Case(learnsRegion: true, status: 403, region: "garage", code: "AccessDenied"),
        // The host of AWS follows from the region.
        Case(
            endpoint: "", learnsRegion: true, status: 400, region: "eu-west-1", code: malformed,
            next: "https://zones.s3.eu-west-1.amazonaws.com/a%20b eu-west-1"),
        Case(
            endpoint: "https://s3.amazonaws.com", learnsRegion: true, status: 301,
            host: "zones.s3.eu-west-1.amazonaws.com",
            region: "eu-west-1", next: "https://zones.s3.eu-west-1.amazonaws.com/a%20b eu-west-1"),
        Case(
            endpoint: "", bucket: "dns.zones", learnsRegion: true, status: 301, host: "evil.com", region: "eu-west-1",
            next: "https://s3.eu-west-1.amazonaws.com/dns.zones/a%20b eu-west-1"),
        Case(endpoint: "", learnsRegion: true, status: 301, region: "cn-north-1"),
        Case(endpoint: "", learnsRegion: true, status: 301, region: "evil_1"),
        // A region that is set is not replaced: the error names the right one.
        Case(endpoint: "", status: 301, host: "zones.s3.eu-west-1.amazonaws.com", region: "eu-west-1"),
        Case(endpoint: "", status: 301, region: "eu-west-1"),
        Case(endpoint: "", status: 400, region: "eu-west-1", code: malformed),
    ])
    func aRegionIsLearntOnlyIfNoneIsSet(_ test: Case) throws { try expect(test) }

    /// An answer to HEAD has no body.
    @Test func aRegionIsLearntWithoutABody() throws {
        var options = S3Options(bucket: "zones", endpointURL: "https://s3.example.com")
        options.learnsRegion = true
        let redirects = try S3Route(options).redirects
        let answer = HTTPAnswer(status: 400, headers: ["x-amz-bucket-region": "garage"])
        guard case .follow(let target) = redirects.direction(answer, nil, key: "x", from: redirects.start) else {
            Issue.record("not followed")
            return
        }
        #expect(target.region == "garage" && target.endpoint == redirects.start.endpoint)
    }

    /// From a place that was learnt, only the configured endpoint and what is below it are allowed, too.
    @Test func aLearntPlaceAllowsNoOthers() throws {
        let redirects = try S3Route(S3Options(bucket: "zones", endpointURL: "https://s3.example.com")).redirects
        let there = S3Target(
            endpoint: redirects.start.endpoint.at(service: "eu.s3.example.com", isInHost: false), region: "eu-1")
        func next(_ host: String) -> S3Direction {
            let answer = HTTPAnswer(status: 307, headers: ["location": "https://\(host)/zones/x"])
            return redirects.direction(answer, nil, key: "x", from: there)
        }
        let back = S3Target(endpoint: redirects.start.endpoint, region: "eu-1")
        #expect(next("s3.example.com") == .follow(back))
        #expect(next("eu.s3.example.com") == .stay)
        #expect(next("evil.com") == .elsewhere("https://evil.com", allowed: "s3.example.com", region: nil))
    }
}
