import Config
import Testing

@testable import Daemon

/// Who is told, of what, and how often somebody who is not there.
@Suite struct PeerBookTests {
    private func book(_ urls: [String: String?], own: String? = nil) throws -> PeerBook {
        var book = PeerBook(own: "a", url: try own.map { try PeerURL($0) })
        book.listed(Set(urls.keys).union(["a"]), of: "main")
        for (name, url) in urls { book.read(name, url: url) }
        return book
    }

    private let change = PeerBook.Subject(database: "main", isState: false)

    @Test func everybodyElseWithAURLIsToldOfTheNewest() throws {
        var book = try book(["b": "https://b", "c": nil, "d": "https://d"])
        let step1 = book.tell("1", of: change, at: .zero)
        #expect(step1 == 0)
        let step2 = book.tell("2", of: change, at: .zero)
        #expect(step2 == 0)
        _ = book.tell("s", of: .init(database: "main", isState: true), at: .zero)
        #expect(book.waiting == ["b", "d"])
        let step3 = book.next(for: "b", at: .zero)
        #expect(step3?.object == "2")
        #expect(book.waiting == ["d"])
        let step4 = book.next(for: "b", at: .zero)
        #expect(step4?.object == "s")
        let step5 = book.next(for: "b", at: .zero)
        #expect(step5 == nil)
        // What comes while it is told is told afterwards.
        _ = book.tell("3", of: change, at: .zero)
        let step6 = book.next(for: "b", at: .zero)
        #expect(step6?.object == "3")
    }

    @Test(arguments: [
        "https://self:8500", "http://evil.example.net", "https://user@evil", "file:///etc/passwd", "https://a/../b",
        "https://evil/\r\nAuthorization: x", "", "https://" + String(repeating: "a", count: 4000),
    ])
    func hostileURLsAreNotUsed(url: String) throws {
        var book = try book(["b": url], own: "https://self:8500")
        _ = book.tell("1", of: change, at: .zero)
        #expect(book.waiting.isEmpty)
        #expect(book.counts.reachable == 0 && book.counts.failing == 0)
    }

    @Test func fiveTriesAnHour() throws {
        var book = try book(["b": "https://b"])
        var tries: [Duration] = []
        // Something is stored each second of three hours.
        for second in 0..<(3 * 3600) {
            let now = Duration.seconds(second)
            _ = book.tell("\(second)", of: change, at: now)
            while book.next(for: "b", at: now) != nil {
                tries.append(now)
                book.ended("b", isFailure: true, at: now)
            }
        }
        for first in tries {
            #expect(tries.count { first <= $0 && $0 < first + .seconds(3600) } <= 5)
        }
        // It is tried soon again, and not given up.
        #expect(tries.count { $0 < .seconds(60) } >= 4)
        #expect(tries.count { $0 >= .seconds(2 * 3600) } >= 4)
        #expect(book.counts.reachable == 0 && book.counts.failing == 1)
    }

    @Test func whoTellsUsSomethingIsThere() throws {
        var book = try book(["b": "https://b"])
        let step7 = book.due(at: .zero)
        #expect(step7.map(\.instance) == ["b"])
        for second in 0..<100 {
            _ = book.tell("1", of: change, at: .seconds(second))
            while book.next(for: "b", at: .seconds(second)) != nil {
                book.ended("b", isFailure: true, at: .seconds(second))
            }
        }
        let step8 = book.tell("2", of: change, at: .seconds(100))
        #expect(step8 == 1)
        book.heard(from: "b", of: "main", hasNewState: true, at: .seconds(100))
        let step9 = book.tell("2", of: change, at: .seconds(100))
        #expect(step9 == 0)
        let step10 = book.next(for: "b", at: .seconds(100))
        #expect(step10?.object == "2")
        // Its state is read again, and once.
        let step11 = book.due(at: .seconds(100))
        #expect(step11.map(\.instance) == ["b"])
        let step12 = book.due(at: .seconds(101))
        #expect(step12.isEmpty)
    }

    @Test func whoWritesAndCannotBeReachedIsTriedRarely() throws {
        var book = try book(["b": "https://b"])
        var tries: [Duration] = []
        for second in 0..<3600 {
            let now = Duration.seconds(second)
            book.heard(from: "b", of: "main", hasNewState: second % 10 == 0, at: now)
            _ = book.tell("\(second)", of: change, at: now)
            while book.next(for: "b", at: now) != nil {
                tries.append(now)
                book.ended("b", isFailure: true, at: now)
                #expect(book.counts.failing == 1)
            }
        }
        // Five as ever, and one every five minutes.
        #expect(tries.count <= 17 && tries.count { $0 > .seconds(1800) } >= 5)
        // The first one that succeeds ends that.
        let last = Duration.seconds(3900)
        book.heard(from: "b", of: "main", hasNewState: false, at: last)
        _ = book.tell("x", of: change, at: last)
        let next = book.next(for: "b", at: last)
        #expect(next?.object == "x")
        book.ended("b", isFailure: false, at: last)
        #expect(book.counts.failing == 0)
        let suppressed = book.tell("y", of: change, at: last)
        #expect(suppressed == 0)
    }

    @Test func ourURLIsReportedOnce() throws {
        var book = try book(["b": "https://b"], own: "https://self:8443")
        let first = book.read("b", url: "https://self:8443")
        let again = book.read("b", url: "https://self:8443")
        #expect(first && !again)
        let other = book.read("b", url: "https://b")
        let back = book.read("b", url: "https://self:8443/")
        #expect(!other && back)
        let none = PeerBook(own: "a", url: nil).counts
        #expect(none.reachable == 0)
    }

    @Test func statesAreReadRarely() throws {
        var book = PeerBook(own: "a", url: nil)
        book.listed(["a", "b"], of: "main")
        book.listed(["b", "c"], of: "shard")
        var reads: [String: Int] = [:]
        for second in 0..<3600 {
            for (instance, database) in book.due(at: .seconds(second)) {
                reads[instance, default: 0] += 1
                #expect(database == (instance == "b" ? "main" : "shard"))
                book.read(instance, url: "https://\(instance)")
            }
            // What a healthy instance tells does not cost a reading.
            book.heard(from: "b", of: "main", hasNewState: true, at: .seconds(second))
        }
        #expect(reads == ["b": 4, "c": 4])
        // It is found in the other database, and then it is gone.
        book.listed(["a"], of: "main")
        #expect(book.peers["b"]?.database == "shard")
        book.listed(["c"], of: "shard")
        #expect(book.peers.keys.sorted() == ["c"])
    }

    @Test func aNewInstanceIsFoundByItsHintAndToldOfUs() throws {
        var book = PeerBook(own: "a", url: nil)
        book.listed(["a"], of: "main")
        _ = book.tell("main__a.state", of: .init(database: "main", isState: true), at: .zero)
        // Something else than a state says nothing of where it is.
        book.heard(from: "b", of: "main", hasNewState: false, at: .zero)
        let step13 = book.due(at: .zero)
        #expect(step13.isEmpty)
        book.heard(from: "a", of: "main", hasNewState: true, at: .zero)
        book.heard(from: "b", of: "main", hasNewState: true, at: .zero)
        let step14 = book.due(at: .zero)
        #expect(step14.map(\.instance) == ["b"])
        book.read("b", url: "https://b")
        #expect(book.waiting == ["b"])
        let step15 = book.next(for: "b", at: .zero)
        #expect(step15?.object == "main__a.state")
        let step16 = book.next(for: "b", at: .zero)
        #expect(step16 == nil)
        book.read("b", url: "https://b")
        #expect(book.waiting.isEmpty)
    }

    @Test func thousandsOfInstancesAreNot() {
        var book = PeerBook(own: "a", url: nil)
        book.listed(Set((0..<5000).map { "i\($0)" }), of: "main")
        #expect(book.peers.count == PeerBook.most)
    }
}
