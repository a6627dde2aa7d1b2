import Testing

@testable import Config

/// `push`, and the URLs to which a token may be sent.
@Suite struct PushKeyTests {
    private static let complete = "http: { address: ':8500' }\npush: { advertise: 'https://a:8500', token_file: /t }\n"

    @Test func advertiseNeedsWhatOthersNeed() {
        #expect(errors(minimal + Self.complete).isEmpty)
        for (cut, missing) in [
            ("http: { address: ':8500' }\n", "http.address"), (", token_file: /t", "token_file"),
        ] {
            let problems = errors(minimal + Self.complete.replacing(cut, with: ""))
            #expect(problems.count == 1)
            #expect(problems.first?.contains("push.advertise: needs \(missing) as well") == true, "\(problems)")
        }
        let problems = errors(minimal + "publish_state: false\n" + Self.complete)
        #expect(problems.first?.contains("push.advertise: needs publish_state: true as well") == true, "\(problems)")
    }

    @Test func aHostMayOnlyTell() { #expect(errors(minimal + "push: { token_file: /t }\n").isEmpty) }

    @Test(arguments: [
        "https://ns1.example.net", "https://ns1.example.net:8500/", "HTTPS://NS1.example.net", "https://203.0.113.7:1",
        "https://[2001:db8::1]:8500", "http://10.1.2.3:8500", "http://172.31.255.255", "http://192.168.0.1:8500",
        "http://100.64.0.1", "http://127.0.0.1:8500", "http://[::1]:8500", "http://[fd00::1]",
    ])
    func usable(text: String) throws {
        #expect(try PeerURL(text).description == (text.hasSuffix("/") ? String(text.dropLast()) : text))
    }

    @Test(arguments: [
        "", "ns1.example.net", "ftp://a", "file:///etc/passwd", "gopher://127.0.0.1:25", "https://", "https://:8500",
        "https://user:secret@a", "https://a@b", "https://a/hint", "https://a?x", "https://a#x", "https://a b",
        "https://a\n",
        "https://a:0", "https://a:65536", "https://ä", "https://a\r\nHost: b", "http://ns1.example.net",
        "http://8.8.8.8",
        "http://169.254.169.254", "http://172.32.0.1", "http://172.15.0.1", "http://100.128.0.1", "http://11.0.0.1",
        "http://0.0.0.0", "http://0x7f.0.0.1", "http://2130706433", "http://127.1", "http://localhost",
        "http://[fe80::1]",
        "http://[2001:db8::1]", "http://[::ffff:8.8.8.8]", "http://[::]", "https://a:8500:1",
        "https://" + String(repeating: "a", count: 300),
    ])
    func unusable(text: String) { #expect(throws: ValueProblem.self) { try PeerURL(text) } }
}
