import Glibc
import Support

/// The key in the first line of a file.
///
/// - Parameter purpose: what the file contains, for the error.
package func readKeyFile(_ path: String, for purpose: FilePurpose) throws(HTTPSetupError) -> String {
    let bytes = try readSmallFile(path, for: purpose)
    let value = keyText(String(validating: bytes, as: UTF8.self) ?? "")
    guard !value.isEmpty else {
        throw .noKey(purpose, file: path)
    }
    return value
}

/// The key in a text from any source: the first line, without surrounding blanks and byte order mark.
package func keyText(_ text: String) -> String {
    var scalars = text.unicodeScalars[...]
    while scalars.first == "\u{FEFF}" { scalars = scalars.dropFirst() }
    scalars = scalars.prefix { $0 != "\n" && $0 != "\r" }
    while let first = scalars.first, first.properties.isWhitespace { scalars = scalars.dropFirst() }
    while let last = scalars.last, last.properties.isWhitespace || last == "\u{FEFF}" { scalars = scalars.dropLast() }
    return String(scalars)
}

/// The content of a file of at most 4 MiB.
///
/// - Parameter purpose: what the file contains, for the error.
package func readSmallFile(_ path: String, for purpose: FilePurpose) throws(HTTPSetupError) -> [UInt8] {
    do {
        return try readSmallFile(path)
    } catch {
        throw .unreadable(purpose, error as? SystemError ?? SystemError("read", path, code: EIO))
    }
}

private func readSmallFile(_ path: String) throws -> [UInt8] {
    let limit = 4 << 20
    let descriptor = Int32(
        try systemCall("open", path) { Int(open(path, O_RDONLY | O_CLOEXEC)) })
    defer { close(descriptor) }
    var result = [UInt8](repeating: 0, count: 16 << 10)
    var count = 0
    while true {
        if count == result.count { result += [UInt8](repeating: 0, count: count) }
        let part = try result.withUnsafeMutableBytes { buffer throws(SystemError) in
            try systemCall("read", path) {
                read(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
            }
        }
        if part == 0 { return Array(result[..<count]) }
        count += part
        guard count <= limit else { throw SystemError("read", path, code: EFBIG) }
    }
}
