import Foundation
import Support
import TestSupport
import Testing

@testable import Sealing

/// Files of identities, and what is said about bad ones.
@Suite struct IdentityFileTests {
    private let directory: TemporaryDirectory
    private let one: AgeIdentity
    private let two: AgeIdentity

    init() throws {
        directory = try TemporaryDirectory()
        (one, two) = (try AgeIdentity.generated(), try AgeIdentity.generated())
    }

    private func write(_ text: String, mode: Int = 0o600) throws -> String {
        let path = try directory.write("identity", text)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    private func failure(_ path: String) -> IdentityFile.Failure? {
        do throws(IdentityFile.Failure) {
            _ = try IdentityFile.read(path)
            return nil
        } catch {
            let text = error.description
            #expect(text.contains(path) && !text.contains("\n"))
            for secret in [one.text, two.text, one.recipientText] {
                #expect(!text.uppercased().contains(secret.dropFirst(20).uppercased()))
            }
            return error
        }
    }

    @Test(arguments: ["\n", "\r\n"])
    func commentsAndEmptyLinesDoNotCount(_ end: String) throws {
        let lines = ["# created: today", "", one.text, "# public key: x", two.text.lowercased(), ""]
        let path = try write(lines.joined(separator: end))
        #expect(try IdentityFile.read(path).map(\.keyID) == [one.keyID, two.keyID])
    }

    @Test func problems() throws {
        #expect(failure(directory.file("none"))?.problem == .unreadable(ENOENT))
        #expect(failure(directory.path)?.problem == .noFile)
        #expect(failure(try write(""))?.problem == .empty)
        #expect(failure(try write("# only a comment\n"))?.problem == .empty)
        let cut = String(one.text.dropLast())
        #expect(failure(try write("\n\(two.text)\n\(cut)\n"))?.problem == .malformed(line: 3))
        #expect(failure(try write(one.recipientText))?.problem == .recipient(line: 1))
        for text in ["-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "ssh-ed25519 AAAA a@b\n"] {
            #expect(failure(try write(text))?.problem == .sshKey)
        }
        #expect(failure(try write(one.text + " \n"))?.problem == .malformed(line: 1))
        #expect(failure(try write(String(repeating: "#", count: 70_000)))?.problem == .unreadable(EFBIG))
        #expect(mkfifo(directory.file("pipe"), 0o600) == 0)
        #expect(failure(directory.file("pipe"))?.problem == .noFile)
    }

    @Test(arguments: [0o604, 0o602, 0o666, 0o644, 0o660, 0o620])
    func othersMayNotUseIt(_ mode: Int) throws {
        #expect(failure(try write(one.text, mode: mode))?.problem == .open(mode: UInt32(mode)))
    }

    // A group of its own for those who run the daemon and its commands is usual.
    @Test(arguments: [0o600, 0o400, 0o640, 0o440])
    func aGroupMay(_ mode: Int) throws {
        #expect(try IdentityFile.read(try write(one.text, mode: mode)).count == 1)
    }

    @Test func aNewFileIsOnlyItsOwners() throws {
        let path = directory.file("new")
        let identity = try IdentityFile.create(path, made: "2026-11-30T12:00:00Z")
        #expect(try IdentityFile.read(path).map(\.keyID) == [identity.keyID])
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(
            text == "# created: 2026-11-30T12:00:00Z\n# key ID: \(identity.keyID)\n\(identity.text)\n")
        #expect(throws: SystemError.self) { try IdentityFile.create(path, made: "") }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
        #expect(throws: SystemError.self) { try IdentityFile.create(directory.file("no/such"), made: "") }
    }

    @Test func theFirstIdentityOfTheFirstFileSeals() throws {
        let (first, second) = (try directory.write("1", one.text), try directory.write("2", two.text))
        for path in [first, second] { chmod(path, 0o600) }
        let keyring = try #require(try Keyring(files: [first, second], acceptsUnsealed: true))
        #expect(keyring.first.keyID == one.keyID && keyring.identities.map(\.keyID) == [one.keyID, two.keyID])
        #expect(keyring.acceptsUnsealed)
        #expect(try Keyring(files: [], acceptsUnsealed: false) == nil)
        #expect(throws: IdentityFile.Failure.self) {
            try Keyring(files: [first, directory.file("none")], acceptsUnsealed: false)
        }
    }

    /// Nothing can be learned of an identity from its key ID, and no description shows it.
    @Test func keyIDs() throws {
        #expect(one.keyID.utf8.count == 8 && one.keyID.allSatisfy(\.isHexDigit) && one.keyID != two.keyID)
        #expect(try AgeIdentity(one.text)?.keyID == one.keyID)
        #expect("\(one)" == "the identity \(one.keyID)")
        var text = ""
        dump(try #require(Keyring([one, two])), to: &text)
        #expect(!text.contains(one.secret.map(String.init).joined(separator: ", ")) && !text.contains("secret"))
    }
}
