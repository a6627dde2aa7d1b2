import Foundation
import Testing

@testable import Config

@Suite struct FileTests {
    private func problem(_ file: String) -> String {
        do throws(ConfigurationErrors) {
            _ = try Configuration.load(file: file, environment: [:], hostname: "host")
            return ""
        } catch {
            return error.description
        }
    }

    private func withFile(_ contents: [UInt8], _ body: (String) throws -> Void) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).yaml")
        try Data(contents).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try body(file.path)
    }

    @Test func readsAFile() throws {
        try withFile(Array(minimal.utf8)) { path in
            let loaded = try Configuration.load(file: path, environment: [:], hostname: "a.b")
            #expect(loaded.configuration.instance == "a-b")
            #expect(loaded.configuration.databases.map(\.name) == ["main"])
            #expect(loaded.warnings.isEmpty)
        }
    }

    @Test func missingFileAndDirectory() {
        #expect(
            problem("/nowhere/x.yaml")
                == "/nowhere/x.yaml: there is no such file; name the configuration file with --config")
        #expect(problem("/tmp") == "/tmp: is a directory; name the file in it with --config")
        #expect(problem("") == "\"\": there is no such file; name the configuration file with --config")
        #expect(problem("a\0b") == "a.b: not a file name: it has a NUL character in it")
    }

    /// Editors and scripts open what is named.
    @Test func aLongNameIsNotCut() throws {
        let name = "/" + String(repeating: "lightningstream/", count: 20) + "x.yaml"
        #expect(problem(name).hasPrefix("\(name): there is no such file"))
        #expect(problem("/a\nb").hasPrefix("/a.b: "))
    }

    @Test func reasonsAreClear() {
        #expect(FileFault.unreadable(EACCES).text.hasPrefix("permission denied"))
        #expect(FileFault.unreadable(EIO).text.hasPrefix("cannot be read: "))
        // The first page of the own memory is never mapped.
        #expect(problem("/proc/self/mem").hasPrefix("/proc/self/mem: cannot be read: "))
    }

    @Test func emptyFiles() throws {
        for contents in ["", "# nothing\n", "---\n", "~\n", "--- null\n...\n"] {
            try withFile(Array(contents.utf8)) { path in
                #expect(problem(path) == "\(path):1:1: the file is empty; it needs at least lmdbs and storage")
            }
        }
    }

    @Test func largeFiles() throws {
        try withFile([UInt8](repeating: UInt8(ascii: "#"), count: ConfigurationFile.largest)) { path in
            #expect(problem(path).hasSuffix("the file is empty; it needs at least lmdbs and storage"))
        }
        try withFile([UInt8](repeating: UInt8(ascii: "#"), count: ConfigurationFile.largest + 1)) { path in
            #expect(problem(path) == "\(path): longer than 1048576 bytes, so it is not a configuration file")
        }
        #expect(problem("/dev/zero") == "/dev/zero: longer than 1048576 bytes, so it is not a configuration file")
    }

    @Test(
        arguments: [
            ([0x61, 0x3a, 0x20, 0xff], "1:4"), ([0xff, 0xfe, 0x61, 0x00], "1:1"),
            (Array("a: é\nb: ".utf8) + [0xe9, 0x0a], "2:4"),
            ([0x61, 0x0a, 0xc3], "2:1"), ([0xed, 0xa0, 0x80], "1:1"),
        ] as [([UInt8], String)])
    func otherEncodings(contents: [UInt8], place: String) throws {
        try withFile(contents) { path in
            #expect(problem(path) == "\(path):\(place): not UTF-8: save the file as UTF-8")
        }
    }
}
