import Glibc
import Support

/// A real datagram socket such as a service manager listens on.
package final class NotifyListener: Sendable {
    package let descriptor: Int32
    package let address: String

    /// - Parameter address: a path, or `@` and a name.
    package init(_ address: String) throws {
        self.address = address
        descriptor = Int32(
            try systemCall("open", address) { Int(socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)) })
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(address.utf8)
        withUnsafeMutableBytes(of: &target.sun_path) { path in
            path.copyBytes(from: bytes)
            if bytes.first == UInt8(ascii: "@") { path[0] = 0 }
        }
        let isPath = bytes.first == UInt8(ascii: "/")
        let length = socklen_t(2 + bytes.count + (isPath ? 1 : 0))
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        _ = try systemCall("bind", address) {
            withUnsafePointer(to: target) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Int(bind(descriptor, $0, length)) }
            }
        }
    }

    deinit { close(descriptor) }

    /// The lines of the next message; fails when none comes.
    package func next() throws -> [String] {
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = try systemCall("receive from", address) { recv(descriptor, &buffer, buffer.count, 0) }
        return String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// The lines of all messages that have come.
    package func all() -> [String] {
        var lines: [String] = []
        var buffer = [UInt8](repeating: 0, count: 8192)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count >= 0 else { return lines }
            lines += String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }
}
