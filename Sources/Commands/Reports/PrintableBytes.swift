import Daemon
import Support

/// Bytes as `dump` shows them: printable ASCII as it is, anything else as dots and then all of it in hex.
enum PrintableBytes {
    private static let hexDigits = Array("0123456789abcdef".utf8)

    /// Appends `text` when all of it is printable, otherwise `te.t [74 65 00 74]`.
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
