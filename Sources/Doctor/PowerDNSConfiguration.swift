import Daemon
import Glibc
import Support

/// The settings of a pdns.conf.
///
/// Lines of `name=value`, or `name+=value` to append; `#` at the start of a word begins a comment;
/// a backslash at the end continues a line. The last setting of a name counts. Files of `include-dir` come last.
struct PowerDNSConfiguration: Sendable, Equatable {
    private(set) var values: [String: String] = [:]

    /// Maximum size of a file in bytes.
    static let largestFile = 4 << 20

    /// Reads a file and its includes.
    static func load(_ path: String) throws -> PowerDNSConfiguration {
        var configuration = PowerDNSConfiguration()
        configuration.add(try text(of: path))
        if let directory = configuration.values["include-dir"], !directory.isEmpty {
            for name in try configurationFiles(in: directory) {
                configuration.add(try text(of: "\(directory)/\(name)"))
            }
        }
        return configuration
    }

    /// Adds the settings in a text.
    mutating func add(_ text: String) {
        var line = ""
        for part in text.split(whereSeparator: \.isNewline) {
            line += Self.trimmed(Self.withoutComment(part))
            if line.hasSuffix("\\") {
                line.removeLast()
                continue
            }
            addLine(line)
            line = ""
        }
        addLine(line)
    }

    private mutating func addLine(_ line: String) {
        guard let sign = line.firstIndex(of: "=") else { return }
        let value = Self.trimmed(line[line.index(after: sign)...])
        var name = Self.trimmed(line[..<sign])
        if name.hasSuffix("+") {
            name = Self.trimmed(name.dropLast())
            let old = values[name] ?? ""
            values[name] = old.isEmpty ? value : "\(old), \(value)"
        } else if !name.isEmpty {
            values[name] = value
        }
    }

    private static func withoutComment(_ line: Substring) -> Substring {
        var before: Character?
        for index in line.indices {
            if line[index] == "#", before?.isWhitespace ?? true { return line[..<index] }
            before = line[index]
        }
        return line
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }

    private static func text(of path: String) throws -> String {
        let spool = try LocalFile.open(path)
        guard spool.count <= largestFile else { throw CommandFailure(.tooLargeFile(path, for: "a pdns.conf")) }
        var bytes = [UInt8](repeating: 0, count: spool.count)
        let count = try bytes.withUnsafeMutableBytes { try spool.read(at: 0, into: $0) }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static func configurationFiles(in directory: String) throws(SystemError) -> [String] {
        guard let stream = opendir(directory) else { throw SystemError("open the include-dir", directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = UnsafeRawPointer(entry).advanced(by: MemoryLayout<dirent>.offset(of: \.d_name) ?? 0)
            guard let name = String(validatingCString: name.assumingMemoryBound(to: CChar.self)) else { continue }
            if name.hasSuffix(".conf"), !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}

// MARK: Values

extension PowerDNSConfiguration {
    /// The value of the first set name, or its default in PowerDNS 4.9 and 5.1.
    func text(_ names: String..., usually usual: String) -> String {
        names.lazy.compactMap { values[$0] }.first ?? usual
    }

    /// A nonnegative integer; nil if the text is not one.
    func number(_ names: String..., usually usual: Int) -> Int? {
        guard let text = names.lazy.compactMap({ values[$0] }).first else { return usual }
        guard let number = Int(text), number >= 0 else { return nil }
        return number
    }

    /// Any value except `no` and `off` means on, as in PowerDNS.
    func isOn(_ name: String) -> Bool {
        guard let text = values[name] else { return false }
        return text != "no" && text != "off"
    }

    /// The prefix of the LMDB backend's settings: `lmdb`, or `lmdb-x` if it is launched as `lmdb:x`; nil if it
    /// is not launched.
    var backend: String? {
        let launched = text("launch", usually: "").split { $0 == "," || $0.isWhitespace }
        guard let entry = launched.first(where: { $0 == "lmdb" || $0.hasPrefix("lmdb:") }) else { return nil }
        return entry == "lmdb" ? "lmdb" : "lmdb-\(entry.dropFirst("lmdb:".count))"
    }
}
