import Glibc
import HTTP
import Support

/// The tokens of `push.token_file`: the first line is sent and accepted, a second one only accepted, so that hosts can get a new
/// token one after the other.
package struct PushTokens: Sendable, Equatable {
    /// The token that is sent.
    package let current: String
    private let other: String?

    /// The least number of characters of a token.
    package static let shortest = 32
    /// The greatest number of characters of a token.
    static let longest = 512

    /// Why a file is not used.
    package enum Problem: Error, Sendable, Equatable, CustomStringConvertible {
        /// It cannot be read.
        case unreadable(SystemError)
        /// It is a directory or another kind of file.
        case noFile(path: String)
        /// Everybody on this host may read it.
        case exposed(path: String, mode: UInt32)
        /// It contains no token.
        case empty(path: String)
        /// It contains more than two lines.
        case tooManyLines(path: String)
        /// A token is too short or too long, or contains blanks or other characters that are not printable ASCII.
        case malformed(path: String, line: Int)

        /// One line, without anything of the token.
        package var description: String {
            switch self {
            case .unreadable(let error):
                "push.token_file: \(error)".oneLine()
                    + "; the daemon's user must be able to read a file with a token, such as the output of openssl rand -hex 32"
            case .noFile(let path): "push.token_file: \(path.oneLine()) is not a regular file"
            case .exposed(let path, let mode):
                "push.token_file: \(path.oneLine()) has mode 0\(String(mode, radix: 8)): everybody on this host can read the "
                    + "token; chmod o-rwx \(path.oneLine())"
            case .empty(let path):
                "push.token_file: \(path.oneLine()) is empty; write a token into it, such as the output of openssl rand -hex 32"
            case .tooManyLines(let path):
                "push.token_file: \(path.oneLine()) has more than two lines; expected a token, and perhaps another one that is "
                    + "accepted as well"
            case .malformed(let path, let line):
                "push.token_file: \(path.oneLine()), line \(line): expected \(shortest) to \(longest) characters of ASCII without "
                    + "blanks, such as the output of openssl rand -hex 32"
            }
        }
    }

    /// Reads a file. Blocks.
    package static func read(_ path: String) throws(Problem) -> PushTokens {
        let (text, mode) = try contents(of: path)
        guard mode & 0o004 == 0 else { throw .exposed(path: path, mode: mode) }
        return try parse(text, path: path)
    }

    static func parse(_ text: String, path: String) throws(Problem) -> PushTokens {
        let lines = text.drop { $0 == "\u{FEFF}" }.split(whereSeparator: \.isNewline).map { line in
            var line = line.drop(while: \.isWhitespace)
            while line.last?.isWhitespace == true { line.removeLast() }
            return String(line)
        }.filter { !$0.isEmpty }
        guard let first = lines.first else { throw .empty(path: path) }
        guard lines.count <= 2 else { throw .tooManyLines(path: path) }
        for (index, line) in lines.enumerated() {
            guard (shortest...longest).contains(line.utf8.count), line.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
            else {
                throw .malformed(path: path, line: index + 1)
            }
        }
        return PushTokens(current: first, other: lines.count > 1 ? lines[1] : nil)
    }

    /// Whether a token is one of these. Takes the same time for all wrong tokens of a length.
    func accepts(_ token: String) -> Bool {
        var isEqual = false
        // Hashes have one length, and say nothing of how much of a token is right.
        guard let hash = try? Digest.sha256(token.utf8) else { return false }
        for known in [current, other ?? current] {
            guard let wanted = try? Digest.sha256(known.utf8), wanted.count == hash.count else { return false }
            let difference = zip(hash, wanted).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
            isEqual = isEqual || difference == 0
        }
        return isEqual
    }

    private static func contents(of path: String) throws(Problem) -> (String, mode: UInt32) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(SystemError("open", path, code: errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(SystemError("read", path, code: errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .noFile(path: path) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .unreadable(SystemError("read", path, code: errno)) }
        guard count < bytes.count else { throw .unreadable(SystemError("read", path, code: EFBIG)) }
        return (String(decoding: bytes.prefix(count), as: UTF8.self), status.st_mode & 0o7777)
    }
}
