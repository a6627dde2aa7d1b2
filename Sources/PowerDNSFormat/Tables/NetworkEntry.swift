/// The view for clients of a network, in `networks_v6`.
package struct NetworkEntry: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes.
    package var address: [UInt8]
    /// The number of significant bits of the address.
    package var prefixLength: UInt8
    /// The name of the view.
    package var view: String

    /// Reads an entry of `networks_v6`: the key is 4 or 6, the address, the prefix length.
    package init(key: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) throws(DecodeError) {
        var reader = ByteReader(key)
        let size: Int
        switch try reader.uint8() {
        case 4: size = 4
        case 6: size = 16
        default: throw DecodeError(.badKey, at: 0)
        }
        address = Array(try reader.take(size))
        prefixLength = try reader.uint8()
        guard Int(prefixLength) <= size * 8 else { throw DecodeError(.badKey, at: 1 + size) }
        try reader.expectEnd()
        view = String(decoding: payload, as: UTF8.self)
    }

    /// The network, for example `192.0.2.0/24`.
    package var description: String { "\(address.withUnsafeBytes { IPAddressText.text($0) })/\(prefixLength)" }
}
