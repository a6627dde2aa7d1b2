import Glibc
import Support

/// What is free on a file system.
struct FreeSpace: Sendable, Equatable {
    /// In bytes, for others than root.
    var available: Int
    /// Whether no more files can be made.
    var lacksInodes = false

    /// Of the file system that a path, or the nearest directory above it, is on; nil when that can't be told.
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
            // File systems that know no limit say 0 of 0.
            lacksInodes: status.f_files > 0 && status.f_favail == 0)
    }
}

/// Whether there is room where files are written.
enum SpaceChecks {
    /// Less is as good as nothing.
    static let least = 1 << 20
    /// From here on there is no need to look any closer.
    static let ample = 64 << 20

    /// - Parameter wanted: what may be needed at once, in bytes.
    static func check(
        _ name: String, _ place: String, _ space: FreeSpace, wanted: Int = SpaceChecks.ample,
        cure: String = "free some space", _ findings: inout Findings
    ) {
        let text = "\(humanSize(space.available)) free in \(place)"
        if space.lacksInodes {
            findings.fail(name, "no more files can be made in \(place): its file system has no inodes left", cure: cure)
        } else if space.available < least {
            findings.fail(name, text, cure: cure)
        } else if space.available < wanted {
            findings.warn(name, "\(text), which may not be enough for \(humanSize(wanted)) at once", cure: cure)
        } else {
            findings.pass(name, text)
        }
    }

    /// Tries the directory for temporary files, which every snapshot goes through.
    ///
    /// - Parameter wanted: as much as the largest LMDB holds may be needed.
    static func checkTemporaryFiles(_ directory: String, wanted: Int, _ findings: inout Findings) {
        let name = "temporary files"
        let cure = "free some space, or name another directory with TMPDIR"
        do {
            // A quota is seen by writing only.
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
