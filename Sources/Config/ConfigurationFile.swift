import Glibc

/// Reads the configuration file as bytes.
enum ConfigurationFile {
    /// Rejects devices and databases named by mistake. No configuration is nearly as large.
    static let largest = 1 << 20

    static func read(_ file: String) throws(ConfigurationProblem) -> [UInt8] {
        func problem(_ fault: FileFault) -> ConfigurationProblem {
            ConfigurationProblem(file: file.isEmpty ? "\"\"" : file, position: nil, keyPath: "", fault: .file(fault))
        }
        // C ends a file name at the first NUL and would open a different file.
        guard !file.utf8.contains(0) else { throw problem(.badName) }
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw problem(.unreadable(errno)) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw problem(.unreadable(errno)) }
            if count == 0 { return bytes }
            bytes += buffer.prefix(count)
            guard bytes.count <= largest else {
                throw problem(.tooLong(limit: largest))
            }
        }
    }
}
