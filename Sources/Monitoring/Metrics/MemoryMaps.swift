import Glibc
import Observability

/// Reads the mapped files in /proc/self/smaps.
enum MemoryMaps {
    /// The mapping of one file, in bytes by field of smaps, such as `rss` and `private_dirty`.
    struct Usage: Sendable, Equatable {
        var bytes: [String: Int] = [:]
    }

    /// The mappings of these files by path, without those that are not mapped. Blocks.
    static func read(_ paths: [String]) -> [String: Usage] {
        var resolved: [String: [String]] = [:]
        for path in paths { resolved[realPath(path) ?? path, default: []].append(path) }
        guard let text = readText("/proc/self/smaps", limit: 16 << 20) else { return [:] }
        let usages = parse(text) { resolved[$0] != nil }
        var result: [String: Usage] = [:]
        for (path, usage) in usages { for name in resolved[path] ?? [] { result[name] = usage } }
        return result
    }

    /// - Parameter isWanted: selects paths.
    static func parse(_ text: String, _ isWanted: (String) -> Bool) -> [String: Usage] {
        var usages: [String: Usage] = [:]
        var current: String?
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard let first = fields.first else { continue }
            if first.last != ":" {
                // Address, rights, offset, device, inode, path.
                let path = fields.count == 6 ? fields[5].drop { $0 == " " } : ""
                current = isWanted(String(path)) ? String(path) : nil
            } else if let current, fields.count == 3, fields[2] == "kB", let size = Int(fields[1]) {
                let (bytes, overflows) = size.multipliedReportingOverflow(by: 1024)
                let name = first.dropLast().lowercased()
                let before = usages[current]?.bytes[name] ?? 0
                let (sum, isTooMuch) = before.addingReportingOverflow(overflows ? .max : bytes)
                usages[current, default: Usage()].bytes[name] = isTooMuch ? .max : sum
            }
        }
        return usages
    }

    private static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
