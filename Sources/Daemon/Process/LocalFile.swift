import Glibc
import Support

/// A file named on the command line, to be read.
package enum LocalFile {
    /// Opens a regular file.
    package static func open(_ path: String) throws -> Spool {
        // Opening a pipe would block.
        let descriptor = Int32(
            try systemCall("open", path) { Int(Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) })
        var status = stat()
        do {
            _ = try systemCall("examine", path) { Int(fstat(descriptor, &status)) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw CommandFailure(.noRegularFile(path))
            }
        } catch {
            close(descriptor)
            throw error
        }
        return Spool(owning: descriptor, count: Int(status.st_size))
    }
}

extension LocalFile {
    /// The names in a directory; empty if it cannot be read.
    package static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names
    }
}
