import Foundation
import Support
import TestSupport
import Testing

@testable import Sealing

/// The program `age`, both ways.
@Suite struct AgeLiveTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// What a program prints.
    private func run(_ arguments: String...) throws -> String {
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(arguments)")
        return String(decoding: data, as: UTF8.self)
    }

    private func write(_ bytes: [UInt8], _ name: String) throws -> String {
        try Data(bytes).write(to: URL(filePath: directory.file(name)))
        return directory.file(name)
    }

    private func read(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(filePath: directory.file(name))))
    }

    /// The identity in a file of `age-keygen`.
    private func made(_ name: String) throws -> AgeIdentity {
        _ = try run("age-keygen", "-o", directory.file(name))
        let line = try String(contentsOfFile: directory.file(name), encoding: .utf8).split(separator: "\n").last
        let text = try #require(line)
        return try #require(try AgeIdentity(text))
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 1_000_000])
    func eachOpensWhatTheOtherSeals(_ count: Int) throws {
        var random = SeededGenerator(seed: UInt64(count))
        let plain = random.bytes(count)
        let identity = try made("key")
        #expect(try run("age-keygen", "-y", directory.file("key")) == identity.recipientText + "\n")

        let clear = try write(plain, "clear")
        _ = try run("age", "-r", identity.recipientText, "-o", directory.file("theirs.age"), clear)
        let opened = try AgeFile.open(Spool(read("theirs.age")), [identity])
        #expect(try bytes(opened.plain) == plain)

        let ours = try write(bytes(identity.seal(Spool(plain))), "ours.age")
        _ = try run("age", "-d", "-i", directory.file("key"), "-o", directory.file("again"), ours)
        // It makes no file for nothing.
        #expect(
            count == 0 ? !FileManager.default.fileExists(atPath: directory.file("again")) : try read("again") == plain)
    }

    @Test func ourIdentitiesAreTheirs() throws {
        let identity = try AgeIdentity.generated()
        let key = try directory.write("own", "# a comment\n\(identity.text)\n")
        #expect(try run("age-keygen", "-y", key) == identity.recipientText + "\n")
        let clear = try write([1, 2, 3], "clear")
        _ = try run("age", "-e", "-i", key, "-o", directory.file("theirs.age"), clear)
        #expect(try bytes(AgeFile.open(Spool(read("theirs.age")), [identity]).plain) == [1, 2, 3])
    }

    @Test func oneOfSeveralRecipientsOpens() throws {
        let (one, two, three) = (try made("1"), try made("2"), try made("3"))
        let clear = try write([1, 2, 3], "clear")
        _ = try run("age", "-r", one.recipientText, "-r", two.recipientText, "-o", directory.file("both.age"), clear)
        for identity in [one, two] {
            #expect(try AgeFile.open(Spool(read("both.age")), [three, identity]).identity.keyID == identity.keyID)
        }
        #expect(throws: AgeError.otherIdentity) { try AgeFile.open(Spool(read("both.age")), [three]) }
        _ = try run("age", "-a", "-r", one.recipientText, "-o", directory.file("armored.age"), clear)
        #expect(throws: AgeError.notSealed) { try AgeFile.open(Spool(read("armored.age")), [one]) }
    }
}
