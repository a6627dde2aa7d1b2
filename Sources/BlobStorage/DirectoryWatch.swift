// Dispatch objects may be used from any thread, but on Linux their types don't say so.
@preconcurrency import Dispatch
import Glibc

/// The names of files that are renamed into a directory, as inotify(7) reports them; nil where it is not available.
///
/// The stream carries an empty name when the kernel's queue was full, and ends when the directory goes away.
/// Files made by other machines (NFS) are not seen.
func watchDirectory(_ path: String, where isWanted: @escaping @Sendable (String) -> Bool) -> AsyncStream<String>? {
    let descriptor = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
    guard descriptor >= 0 else { return nil }
    let events = UInt32(IN_MOVED_TO) | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)
    guard inotify_add_watch(descriptor, path, events) >= 0 else {
        close(descriptor)
        return nil
    }
    let (stream, continuation) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .announcements)
    // Dispatch waits for the descriptor on its own thread.
    let source = DispatchSource.makeReadSource(
        fileDescriptor: descriptor, queue: DispatchQueue(label: "storage-fs-changes"))
    source.setEventHandler {
        readEvents(descriptor) { mask, name in
            if mask & UInt32(IN_Q_OVERFLOW) != 0 {
                continuation.announce("")
            } else if mask & UInt32(IN_MOVED_TO) != 0 {
                if let name, isWanted(name) { continuation.announce(name) }
            } else if mask & (UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_IGNORED)) != 0 {
                continuation.finish()
            }
        }
    }
    source.setCancelHandler { close(descriptor) }
    // Also called when the stream is dropped.
    continuation.onTermination = { _ in source.cancel() }
    source.activate()
    return stream
}

/// Takes all waiting events: `struct inotify_event` (watch, mask, cookie, length: 4 bytes each), then the
/// name, padded with zeros to `length`.
private func readEvents(_ descriptor: Int32, _ body: (_ mask: UInt32, _ name: String?) -> Void) {
    let headerSize = MemoryLayout<inotify_event>.size
    withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: MemoryLayout<inotify_event>.alignment) { buffer in
        while true {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            guard count > 0 else { return }
            var offset = 0
            while offset + headerSize <= count {
                let mask = buffer.load(fromByteOffset: offset + 4, as: UInt32.self)
                let length = Int(buffer.load(fromByteOffset: offset + 12, as: UInt32.self))
                guard offset + headerSize + length <= count else { return }
                let name = buffer[offset + headerSize..<offset + headerSize + length].prefix { $0 != 0 }
                body(mask, String(validating: name, as: UTF8.self))
                offset += headerSize + length
            }
        }
    }
}
