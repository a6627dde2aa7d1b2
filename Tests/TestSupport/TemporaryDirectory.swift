import Foundation

/// A new directory of the test's own, removed with its contents when its object goes.
package final class TemporaryDirectory: Sendable {
    /// Where it is.
    package let path: String

    /// Makes the directory where temporary files belong.
    package init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "lightningstream-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of a file in it.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file in it, and returns its path.
    @discardableResult
    package func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: file(name), atomically: false, encoding: .utf8)
        return file(name)
    }

    /// What is in it, sorted.
    package var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}
