import Daemon
import Support

/// Bytes in the format of `dump`: printable ASCII unchanged, otherwise with dots and then all bytes in hex.
enum PrintableBytes {
    private static let hexDigits = Array("0123456789abcdef".utf8)

    /// Appends `text` if all of it is printable, otherwise `te.t [74 65 00 74]`.
    static func append(_ bytes: UnsafeRawBufferPointer, to output: inout BufferedOutput) {
        var isPlain = true
        for byte in bytes {
            let printable = PrintableText.isPrintable(byte)
            isPlain = isPlain && printable
            output.append(printable ? byte : UInt8(ascii: "."))
        }
        guard !isPlain else { return }
        output.append(" [")
        for (index, byte) in bytes.enumerated() {
            if index > 0 { output.append(UInt8(ascii: " ")) }
            output.append(hexDigits[Int(byte >> 4)])
            output.append(hexDigits[Int(byte & 15)])
        }
        output.append("]")
    }
}
