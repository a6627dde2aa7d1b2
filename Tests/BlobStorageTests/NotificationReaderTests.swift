import Testing

@testable import BlobStorage

/// The lines that S3 servers announce changes with.
@Suite struct NotificationReaderTests {
    private typealias Item = NotificationReader.Item

    /// Takes the text in parts of this many bytes.
    private func read(_ text: String, parts: Int = .max) throws -> [Item] {
        var reader = NotificationReader()
        var rest = Array(text.utf8)[...]
        var items: [Item] = []
        while !rest.isEmpty {
            items += try Array(rest.prefix(parts)).withUnsafeBytes { try reader.take($0) }
            rest = rest.dropFirst(parts)
        }
        return items
    }

    private func event(_ key: String, _ name: String = "s3:ObjectCreated:Put", etag: String = "\"e1\"") -> String {
        let tag = etag.replacing("\"", with: "\\\"")
        return #"{"EventName":"\#(name)","Records":[{"eventName":"\#(name)","s3":{"bucket":{"name":"b"},"object":{"#
            + #""key":"\#(key)","size":5,"eTag":"\#(tag)","userMetadata":{}}}}]}"# + "\n"
    }

    @Test(arguments: [Int.max, 1, 7]) func storedObjectsAreReadHoweverTheyArrive(parts: Int) throws {
        let items = try read(event("x") + event("y", etag: ""), parts: parts)
        #expect(items == [.stored(key: "x", version: "e1"), .stored(key: "y", version: nil)])
    }

    @Test func pingsOfAllKindsShowThatTheConnectionLives() throws {
        for ping in ["{\"Records\":null}\n", "{\"Records\":[]}\n", "{}\n", " ", "\n", "\r\n"] {
            #expect(try read(ping) == [.alive], "\(ping)")
        }
        #expect(try read("  \n" + event("x")) == [.stored(key: "x", version: "e1")])
    }

    @Test func removedObjectsOnlyShowThatTheConnectionLives() throws {
        #expect(try read(event("x", "s3:ObjectRemoved:Delete")) == [.alive])
    }

    @Test func whatCannotBeReadIsSaid() throws {
        let odd = [
            "{", #"{"Records":17}"#, #"{"Records":[{}]}"#, #"{"Records":[{"s3":{"object":{"key":""}}}]}"#, "{}x",
        ]
        for line in odd { #expect(try read(line + "\n") == [.unreadable], "\(line)") }
        // A long line is skipped, and its memory is bounded.
        let long = "{" + String(repeating: "x", count: NotificationReader.longestLine) + "\n"
        #expect(try read(long + event("x"), parts: 1000) == [.unreadable, .stored(key: "x", version: "e1")])
    }

    @Test func otherAnswersAreRecognised() throws {
        for text in ["<?xml version=\"1.0\"?><ListBucketResult>", "\n <ListBucketResult/>", "not json", "[]"] {
            #expect(throws: NotificationReader.NotAnnounced.self) { _ = try read(text) }
        }
        let garbage = "{}\n" + String(repeating: "garbage\n", count: NotificationReader.mostUnreadable + 1)
        #expect(throws: NotificationReader.NotAnnounced.self) { _ = try read(garbage) }
    }

    @Test func keysAreReadRawAndEncoded() {
        func names(_ key: String, _ prefix: String = "p/") -> [String] { NotificationReader.names(key, below: prefix) }
        #expect(names("p/main__a") == ["main__a"])
        #expect(names("p%2Fmain__a") == ["main__a"])
        #expect(names("a+b%2Fx", "a b/") == ["x"])
        #expect(names("a b/x", "a b/") == ["x"])
        #expect(names("p/100%25") == ["100%25", "100%"])
        #expect(names("p/100%") == ["100%"])
        #expect(names("q/main__a") == [])
    }

    @Test func pausesGrowToTheirLimit() {
        let limits = Duration.seconds(1)...Duration.seconds(30)
        for failures in 0..<40 {
            let pause = S3Listener.pause(failures, limits)
            #expect(limits.contains(pause))
            if failures == 0 { #expect(pause <= .seconds(2)) }
        }
    }
}
