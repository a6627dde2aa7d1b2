import Foundation
import Testing

@testable import Config

/// Rooms below the configuration describe problems without the names of options and commands: those are in `Advice`.
@Suite struct LowRoomTextTests {
    private static let rooms = ["Support", "HTTP", "BlobStorage", "LMDB", "Snapshots", "Replication"]

    /// Texts that only look like one: names in the format of snapshots, in the AWS tools' files and in log fields.
    private static let others: Set<String> = ["dupsort_hack_v1", "map_size", "secret_access_key"]

    private static let commands = [
        "lightningstream ", "drop-shadow", "resync -", "snapshots remove", "snapshots list", "snapshots prune",
        "`doctor", "`status", "--minimum-pid", "--only-db", "--config", "--instance",
    ]

    /// The names of options that are no ordinary words.
    private var options: Set<String> {
        var names: Set<String> = ["lmdbs", "storage.options", "storage.type", "sweeper.enabled", "http.address"]
        for path in KeyTable.descriptions.map(\.path) {
            names.formUnion(path.filter { $0.contains("_") && !$0.contains("{") })
            names.insert(path.joined(separator: "."))
        }
        return names.filter { $0.contains("_") || $0.contains(".") || $0 == "lmdbs" }
    }

    @Test(arguments: rooms) func textsNameNoOptionAndNoCommand(_ room: String) throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources/\(room)").standardizedFileURL
        let files = try #require(FileManager.default.enumerator(atPath: root.path)).compactMap { $0 as? String }
            .filter { $0.hasSuffix(".swift") }
        #expect(!files.isEmpty)
        let options = options
        for file in files {
            let text = try String(contentsOf: root.appendingPathComponent(file), encoding: .utf8)
            for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                guard let found = Self.name(in: Self.texts(in: line), options) else { continue }
                Issue.record("Sources/\(room)/\(file):\(number + 1) names \(found)")
            }
        }
    }

    /// A line with an option, one with a command, and what is neither.
    @Test func itFindsThem() {
        for (line, found) in [
            (#"throw "raise options.max_dbs""#, "max_dbs"), (#""set storage.options.region""#, "storage.options"),
            (#""run lightningstream resync""#, "lightningstream "), (#"log("map", ["map_size": "1"])"#, nil),
            ("/// raise options.max_dbs", nil), (#""no such file" // max_dbs"#, nil),
        ] as [(String, String?)] {
            let name = Self.name(in: Self.texts(in: Substring(line)), options)
            #expect(found.map { name?.contains($0) == true } ?? (name == nil), "\(line)")
        }
    }

    private static func name(in literal: Substring, _ options: Set<String>) -> String? {
        if let command = commands.first(where: { literal.contains($0) }) { return command }
        let words = literal.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == ".") }.map(String.init)
        for word in words where !others.contains(word) {
            if let option = options.first(where: { word == $0 || word.hasPrefix($0 + ".") || word.hasSuffix("." + $0) })
            {
                return option
            }
        }
        return nil
    }

    /// From the first to the last quote of a line that is not a comment; the names in the code between are in camel case.
    private static func texts(in line: Substring) -> Substring {
        guard !line.drop(while: { $0 == " " }).hasPrefix("//"), let first = line.firstIndex(of: "\""),
            let last = line.lastIndex(of: "\"")
        else { return "" }
        return line[first...last]
    }
}
