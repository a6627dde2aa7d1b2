import Glibc
import Support

/// The notification socket of a service manager such as systemd: sd_notify(3), including the protocol.
final class NotifySocket: Sendable {
    /// An invalid address.
    struct BadAddress: Error, Equatable, CustomStringConvertible {
        var address: String
        var description: String {
            "NOTIFY_SOCKET=\(address) is neither an absolute path nor the name of an abstract socket (@…) of at most "
                + "\(NotifySocket.longestAddress) bytes"
        }
    }

    /// The maximum size in `sockaddr_un`, with the NUL after a path.
    static let longestAddress = 107

    private let descriptor: Int32
    private let address: sockaddr_un
    private let length: socklen_t
    private let name: String

    /// - Parameter address: the value of `NOTIFY_SOCKET`: a path, or `@` and the name of an abstract socket.
    init(_ address: String) throws {
        let bytes = Array(address.utf8)
        guard let first = bytes.first, bytes.count > 1, bytes.count <= Self.longestAddress, !bytes.contains(0),
            first == UInt8(ascii: "/") || first == UInt8(ascii: "@")
        else { throw BadAddress(address: address) }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &target.sun_path) { path in
            path.copyBytes(from: bytes)
            if first == UInt8(ascii: "@") { path[0] = 0 }
        }
        self.address = target
        name = address
        // The length delimits the name of an abstract socket.
        length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (first == UInt8(ascii: "/") ? 1 : 0))
        descriptor = Int32(
            try systemCall("open a socket for", address) {
                Int(socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
            })
    }

    deinit { close(descriptor) }

    /// Sends one message, lines of the form `NAME=value`. Never waits.
    ///
    /// - Throws: `SystemError` if it could not be sent, with `EAGAIN` if the service manager is busy.
    func send(_ lines: [String]) throws(SystemError) {
        let message = Array(lines.joined(separator: "\n").utf8)
        _ = try systemCall("send to", "NOTIFY_SOCKET=\(name)") {
            withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    sendto(
                        descriptor, message, message.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL),
                        pointer, length)
                }
            }
        }
    }
}
