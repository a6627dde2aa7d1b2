import Glibc

/// The address of another server in PowerDNS's format: the raw `sockaddr_in` or `sockaddr_in6` in 28 bytes.
package struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes.
    package let address: [UInt8]
    /// The port.
    package let port: UInt16

    static let size = 28

    init(_ archive: inout BoostArchive) throws(DecodeError) {
        let start = archive.offset
        var reader = ByteReader(try archive.raw(Self.size))
        let family = try reader.little(UInt16.self)
        port = try reader.big(UInt16.self)
        switch Int32(family) {
        case AF_INET: address = Array(try reader.take(4))
        case AF_INET6:
            _ = try reader.take(4)
            address = Array(try reader.take(16))
        default: throw DecodeError(.badNumber, at: start)
        }
    }

    /// `192.0.2.1:53` or `[2001:db8::1]:53`.
    package var description: String {
        let text = address.withUnsafeBytes { IPAddressText.text($0) }
        return address.count == 4 ? "\(text):\(port)" : "[\(text)]:\(port)"
    }
}

/// IP addresses as text.
enum IPAddressText {
    /// The usual text of 4 or 16 bytes (RFC 5952).
    static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard bytes.count == 4 || bytes.count == 16 else { return "" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            guard let base = buffer.baseAddress,
                let text = inet_ntop(family, bytes.baseAddress, base, socklen_t(buffer.count))
            else { return "" }
            return String(cString: text)
        }
    }
}
