import Glibc
import Support

/// The names of files that are renamed into a directory, from inotify(7); nil if it is not available.
///
/// The stream carries a hint without name if the kernel's queue overflowed, and ends when the directory is removed.
func watchDirectory(
    _ path: String, where isWanted: @escaping @Sendable (String) -> Bool
) -> AsyncStream<StorageChange>? {
    let (stream, continuation) = AsyncStream.makeStream(of: StorageChange.self, bufferingPolicy: .announcements)
    let events = UInt32(IN_MOVED_TO) | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)
    let watch = FileWatch(path, events: events, label: "storage-fs-changes") { mask, name in
        if mask & UInt32(IN_Q_OVERFLOW) != 0 {
            continuation.announce(Hint("", source: .fileSystem))
        } else if mask & UInt32(IN_MOVED_TO) != 0 {
            if let name, isWanted(name) { continuation.announce(Hint(name, source: .fileSystem)) }
        } else if mask & (UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_IGNORED)) != 0 {
            continuation.finish()
        }
    }
    guard let watch else { return nil }
    // Also called when the stream is released.
    continuation.onTermination = { _ in watch.cancel() }
    return stream
}
