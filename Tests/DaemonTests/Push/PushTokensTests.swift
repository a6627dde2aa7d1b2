import Glibc
import Support
import Synchronization
import TestSupport
import Testing

@testable import Daemon

/// The token file: what it may contain, who may read it, and its replacement.
@Suite struct PushTokensTests {
    private static let first = String(repeating: "a", count: 32)
    private static let second = String(repeating: "b", count: 40)

    @Test(arguments: [first, "\(first)\n", "  \(first) \r\n", "\n\n\(first)\n\n"])
    func oneToken(text: String) throws {
        let tokens = try PushTokens.parse(text, path: "t")
        #expect(tokens.current == Self.first)
        #expect(tokens.accepts(Self.first))
        for wrong in ["", String(Self.first.dropLast()), Self.first + "a", Self.first.uppercased(), " " + Self.first] {
            #expect(!tokens.accepts(wrong))
        }
    }

    @Test func aSecondTokenIsAcceptedToo() throws {
        let tokens = try PushTokens.parse("\(Self.first)\n\(Self.second)\n", path: "t")
        #expect(tokens.current == Self.first)
        #expect(tokens.accepts(Self.first) && tokens.accepts(Self.second))
        #expect(!tokens.accepts(Self.first + Self.second))
    }

    @Test(arguments: [
        "", "\n \n", String(repeating: "a", count: 31), first + "\nshort", "\(first)\n\(second)\n\(second)",
        first + " " + first, first + "\u{e9}", first + "\u{7}", String(repeating: "a", count: 513),
    ])
    func malformed(text: String) {
        do throws(PushTokens.Problem) {
            _ = try PushTokens.parse(text, path: "/etc/token")
            Issue.record("it was accepted")
        } catch {
            #expect(error.description.hasPrefix("push.token_file: /etc/token"))
            #expect(!error.description.contains("aaaa"))
        }
    }

    private func write(_ text: String, _ path: String, mode: UInt32 = 0o600) throws {
        let new = path + ".new"
        _ = unlink(new)
        let descriptor = open(new, O_CREAT | O_WRONLY, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        #expect(Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count)
        fchmod(descriptor, mode)
        rename(new, path)
    }

    @Test func everybodyMustNotReadIt() throws {
        do {
            let directory = try TemporaryDirectory()
            let path = directory.file("token")
            try write(Self.first, path, mode: 0o644)
            #expect(throws: PushTokens.Problem.exposed(path: path, mode: 0o644)) { try PushTokens.read(path) }
            try write(Self.first, path, mode: 0o640)
            #expect(try PushTokens.read(path).current == Self.first)
            #expect(throws: PushTokens.Problem.noFile(path: directory.path)) { try PushTokens.read(directory.path) }
            try write("\u{FEFF}\(Self.first)\r\n", path)
            #expect(try PushTokens.read(path).current == Self.first)
            #expect(throws: PushTokens.Problem.self) { try PushTokens.read("\(path).missing") }
            // A pipe must not make the daemon wait.
            mkfifo("\(path).pipe", 0o600)
            #expect(throws: PushTokens.Problem.self) { try PushTokens.read("\(path).pipe") }
        }
    }

    @Test func rotation() async throws {
        let now = Mutex(Duration.zero)
        let reports = Mutex<[String?]>([])
        do {
            let directory = try TemporaryDirectory()
            let path = directory.file("token")
            let uptime: @Sendable () -> Duration = { now.withLock(\.self) }
            let file = TokenFile(path, uptime: uptime) { text in reports.withLock { $0.append(text) } }
            #expect(await file.tokens() == nil)
            try write(Self.first, path)
            now.withLock { $0 += .seconds(2) }
            #expect(await file.tokens()?.current == Self.first)
            try write("\(Self.second)\n\(Self.first)", path)
            now.withLock { $0 += .seconds(2) }
            let tokens = await file.tokens()
            #expect(tokens?.current == Self.second && tokens?.accepts(Self.first) == true)
            // Until it can be used again, the last ones stay valid.
            try write("", path)
            now.withLock { $0 += .seconds(2) }
            #expect(await file.tokens() == tokens)
            try write(Self.second, path)
            now.withLock { $0 += .seconds(2) }
            #expect(await file.tokens()?.accepts(Self.first) == false)
        }
        let told = reports.withLock(\.self)
        #expect(told.count == 4)
        #expect(told.map { $0 == nil } == [false, true, false, true])
        #expect(told[0]?.hasPrefix("hints are off: push.token_file: ") == true)
        #expect(told[2]?.hasPrefix("hints use the earlier token: push.token_file: ") == true)
    }
}
