import Glibc
import Support

/// The kind of a file system, as named by the kernel.
struct FileSystemKind: Sendable, Equatable {
    enum Safety: Sendable { case safe, unknown, unsafe }

    /// Such as `ext4`, `nfs4`, `fuse.sshfs`.
    var name: String

    /// Whether LMDB's memory map and locks work across all processes that can open a file in it.
    var safety: Safety {
        if Self.unsafe.contains(name) { return .unsafe }
        // The backing file system may be local or on a network.
        return name == "fuse" || name.hasPrefix("fuse.") || name == "virtiofs" ? .unknown : .safe
    }

    private static let unsafe: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.ceph", "lustre", "gpfs", "glusterfs",
        "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "vboxsf", "prl_fs", "fuse.vmhgfs-fuse", "drvfs",
    ]

    /// The kind of the mount of a path; nil if unknown.
    ///
    /// - Parameters:
    ///   - path: absolute, without links.
    ///   - mounts: the text of /proc/self/mountinfo, see proc_pid_mountinfo(5).
    static func find(_ path: String, in mounts: String) -> FileSystemKind? {
        var best: (length: Int, name: String)?
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6, let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count else { continue }
            let point = unescaped(fields[4])
            guard path == point || point == "/" || path.hasPrefix(point + "/") else { continue }
            // Of two mounts at one path the later one hides the earlier.
            if point.utf8.count >= best?.length ?? 0 { best = (point.utf8.count, String(fields[dash + 1])) }
        }
        return best.map { FileSystemKind(name: $0.name) }
    }

    /// The same for this process.
    static func read(_ path: String) -> FileSystemKind? {
        guard let file = fopen("/proc/self/mountinfo", "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < 16 << 20 {
            let count = fread(&buffer, 1, buffer.count, file)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return find(realPath(path), in: String(decoding: bytes, as: UTF8.self))
    }

    /// Blanks, tabs, newlines and backslashes are written as `\\` and three octal digits.
    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
