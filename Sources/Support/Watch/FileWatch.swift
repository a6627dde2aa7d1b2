// Dispatch objects are thread-safe, but on Linux their types are not Sendable.
///
/// Changes made by other machines (NFS) and through memory maps are not reported.
@preconcurrency import Dispatch
import Glibc

/// Watches a file or directory with inotify(7), until it is cancelled or dropped.
///
/// Changes made by other machines (NFS) and through memory maps are not seen.
package final class FileWatch: Sendable {
    private let source: any DispatchSourceRead

    /// - Parameters:
    ///   - path: the path to watch.
    ///   - events: the `IN_…` bits of interest.
    ///   - label: the name of the thread in debuggers.
    ///   - handler: called for each event with its mask and, for a directory, the name of the file.
    /// - Returns: nil if inotify is not available.
    package init?(
        _ path: String, events: UInt32, label: String,
        handler: @escaping @Sendable (_ mask: UInt32, _ name: String?) -> Void
    ) {
        let descriptor = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
        guard descriptor >= 0 else { return nil }
        guard inotify_add_watch(descriptor, path, events) >= 0 else {
            close(descriptor)
            return nil
        }
        // Dispatch waits for the descriptor on its own thread.
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: DispatchQueue(label: label))
        source.setEventHandler { Self.readEvents(descriptor, handler) }
        source.setCancelHandler { close(descriptor) }
        source.activate()
    }

    deinit { source.cancel() }

    /// Ends the watch. A running handler finishes; no further call begins.
    package func cancel() { source.cancel() }

    /// Reads all pending events: `struct inotify_event` (watch, mask, cookie, length: 4 bytes each), then the
    /// name, padded with zeros to `length`.
    private static func readEvents(_ descriptor: Int32, _ body: (_ mask: UInt32, _ name: String?) -> Void) {
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
}

/// Announces writes to a file; nil if inotify is not available.
///
/// Writes are coalesced while the stream is not read.
package func fileChanges(_ path: String) -> AsyncStream<Void>? {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    guard
        let watch = FileWatch(
            path, events: UInt32(IN_MODIFY), label: "file-changes", handler: { _, _ in continuation.yield() })
    else { return nil }
    continuation.onTermination = { _ in watch.cancel() }
    return stream
}
