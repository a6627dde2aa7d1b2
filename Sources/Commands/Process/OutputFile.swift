import Bytes
import Glibc

/// A file that a command writes: it appears complete or not at all.
enum OutputFile {
    /// Writes the bytes under a temporary name beside the file, and then renames.
    ///
    /// What is there and no regular file, such as /dev/stdout or a pipe, is written to directly.
    static func write(_ spool: Spool, to path: String) throws {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            let descriptor = Int32(try systemCall("open", path) { Int(open(path, O_WRONLY | O_CLOEXEC)) })
            defer { close(descriptor) }
            return try copy(spool) { try writeAll($0, to: descriptor, path) }
        }
        // What a symbolic link points to is replaced, not the link.
        let target = resolved(path)
        let temporary = "\(target).\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
        let descriptor = Int32(
            try systemCall("create", temporary) {
                Int(open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666))
            })
        do {
            defer { close(descriptor) }
            try copy(spool) { try writeAll($0, to: descriptor, temporary) }
            _ = try systemCall("sync", temporary) { Int(fsync(descriptor)) }
            _ = try systemCall("rename to \(target)", temporary) { Int(rename(temporary, target)) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Hands out all bytes in blocks.
    static func copy(_ spool: Spool, _ write: (UnsafeRawBufferPointer) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var offset = 0
        while offset < spool.count {
            let count = try spool.read(at: offset, into: buffer)
            guard count > 0 else { break }
            try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += count
        }
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
