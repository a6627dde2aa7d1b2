import Glibc
import NIOCore
import Support

/// The socket addresses of a configured address.
enum ListenAddresses {
    private static let resolver = BlockingPool(label: "resolver", width: 1)

    /// The addresses to try, in this order, until the system can bind one.
    ///
    /// An empty host means all interfaces: the IPv6 wildcard also accepts IPv4 connections, and the IPv4 one is for systems
    /// without IPv6. A host name means its first address, IPv4 before IPv6.
    static func resolve(host: String, port: UInt16, name: String) async throws -> [SocketAddress] {
        guard !host.isEmpty else {
            return [
                try SocketAddress(ipAddress: "::", port: Int(port)),
                try SocketAddress(ipAddress: "0.0.0.0", port: Int(port)),
            ]
        }
        if let address = try? SocketAddress(ipAddress: host, port: Int(port)) { return [address] }
        // Name resolution may be slow.
        let found = try await resolver.run { _ in try lookUp(host, port, name) }
        let best = found.first { $0.protocol == .inet } ?? found.first
        guard let best else { throw ListenError(unresolved: name, reason: "none was found") }
        return [best]
    }

    private static func lookUp(_ host: String, _ port: UInt16, _ name: String) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else {
            throw ListenError(unresolved: name, reason: String(cString: gai_strerror(code)))
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            let raw = UnsafeRawPointer(entry.pointee.ai_addr)
            switch entry.pointee.ai_family {
            case AF_INET:
                if let raw { addresses.append(SocketAddress(raw.loadUnaligned(as: sockaddr_in.self), host: host)) }
            case AF_INET6:
                if let raw { addresses.append(SocketAddress(raw.loadUnaligned(as: sockaddr_in6.self), host: host)) }
            default: break
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }
}
