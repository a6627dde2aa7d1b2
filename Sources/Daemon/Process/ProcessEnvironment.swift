import Glibc

/// The environment variables of this process.
enum ProcessEnvironment {
    /// As `NAME=value`.
    // Swift does not allow access to glibc's `environ`, because it is a mutable global. Nothing in this program changes
    // the environment.
    static var entries: [String] {
        guard let symbol = dlsym(nil, "environ") else { return [] }
        typealias List = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
        guard var next = symbol.assumingMemoryBound(to: List?.self).pointee else { return [] }
        var entries: [String] = []
        while let entry = next.pointee {
            entries.append(String(cString: entry))
            next += 1
        }
        return entries
    }

    /// By name; of two with the same name the first, as in getenv(3).
    static var variables: [String: String] {
        let pairs = entries.compactMap { entry in
            entry.firstIndex(of: "=").map { (String(entry[..<$0]), String(entry[entry.index(after: $0)...])) }
        }
        return Dictionary(pairs) { first, _ in first }
    }
}
