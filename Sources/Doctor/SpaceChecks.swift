import Glibc
import Support

/// Free space on a file system.
struct FreeSpace: Sendable, Equatable {
    /// In bytes, for users other than root.
    var available: Int
    /// Whether no more files can be created.
    var lacksInodes = false

    /// The file system of a path, or of its nearest existing directory; nil if unknown.
    static func read(_ path: String) -> FreeSpace? {
        var place = path
        var status = statvfs()
        while statvfs(place, &status) != 0 {
            let above = FileChecks.directory(of: place)
            guard errno == ENOENT, above != place else { return nil }
            place = above
        }
        let (bytes, overflow) = UInt(status.f_bavail).multipliedReportingOverflow(by: UInt(status.f_frsize))
        return FreeSpace(
            available: overflow ? .max : Int(clamping: bytes),
            // File systems without a limit report 0 of 0.
            lacksInodes: status.f_files > 0 && status.f_favail == 0)
    }
}

/// Checks the free space for files.
enum SpaceChecks {
    /// Less counts as none.
    static let least = 1 << 20
    /// More needs no further check.
    static let ample = 64 << 20

    /// - Parameter wanted: the space that may be needed at once, in bytes.
    static func check(
        _ name: String, _ place: String, _ space: FreeSpace, wanted: Int = SpaceChecks.ample,
        cure: String = "free some space", _ findings: inout Findings
    ) {
        let text = "\(humanSize(space.available)) free in \(place)"
        if space.lacksInodes {
            findings.fail(name, "files cannot be created in \(place): its file system has no inodes left", cure: cure)
        } else if space.available < least {
            findings.fail(name, text, cure: cure)
        } else if space.available < wanted {
            findings.warn(name, "\(text), which may not be enough for \(humanSize(wanted)) at once", cure: cure)
        } else {
            findings.pass(name, text)
        }
    }

    /// Tests the directory for temporary files, which every snapshot uses.
    ///
    /// - Parameter wanted: the size of the largest LMDB, which may be needed.
    static func checkTemporaryFiles(_ directory: String, wanted: Int, _ findings: inout Findings) {
        let name = "temporary files"
        let cure = "free some space, or set TMPDIR to another directory"
        do {
            // A quota is only detected by writing.
            var writer = SpoolWriter(memoryLimit: 0, directory: directory)
            let block = [UInt8](repeating: 0, count: 1 << 20)
            try block.withUnsafeBytes { try writer.write($0) }
            _ = try writer.finish()
        } catch {
            return findings.fail(name, "\(error)", cure: cure)
        }
        guard let space = FreeSpace.read(directory) else {
            return findings.pass(name, "\(directory) can be written to")
        }
        check(name, directory, space, wanted: max(wanted, ample), cure: cure, &findings)
    }
}
