import Glibc
import Support

/// A file with identities, as `age-keygen` writes it: one a line; empty lines and those that begin with `#` do not count.
package enum IdentityFile {
    /// Larger files are no files of identities.
    private static let largest = 64 << 10

    /// Why a file of identities can't be used. The text never contains anything of its contents.
    package struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        /// The path of the file.
        package var path: String
        /// What is wrong.
        package var problem: Problem

        /// What can be wrong with a file.
        package enum Problem: Sendable, Equatable {
            /// It can't be read, with the error number of the system.
            case unreadable(Int32)
            /// It is no regular file.
            case noFile
            /// Others may read or write it, or its group may write it; with its mode.
            case open(mode: UInt32)
            /// It has no identity.
            case empty
            /// A line is not an identity; counted from 1.
            case malformed(line: Int)
            /// A line is a recipient, `age1...`.
            case recipient(line: Int)
            /// It is the file of an SSH key.
            case sshKey
            /// OpenSSL can't use an identity.
            case unusable(AgeError)
        }

        /// One line: what, where, what to do.
        package var description: String {
            switch problem {
            case .unreadable(let code): "\(SystemError("read", "the identity file \(path)", code: code))"
            case .noFile:
                "the identity file \(path) is not a regular file: name one that `lightningstream keygen` has made"
            case .open(let mode):
                "others can use or replace the identity file \(path), its mode is \(String(mode, radix: 8)): make it 0600, and replace the identity if others may have read it"
            case .empty: "the identity file \(path) has no identity: make one with `lightningstream keygen -o \(path)`"
            case .malformed(let line):
                "line \(line) of the identity file \(path) is not an identity as age-keygen writes it, AGE-SECRET-KEY-1...: copy the file again"
            case .recipient(let line):
                "line \(line) of the identity file \(path) is a recipient, age1..., which can only seal: put the identity that it belongs to in its place"
            case .sshKey:
                "the identity file \(path) is an SSH key, which seals nothing here: make an identity with `lightningstream keygen -o FILE`"
            case .unusable(let error): "the identity file \(path) cannot be used: \(error)"
            }
        }
    }

    /// The identities in a file, at least one.
    package static func read(_ path: String) throws(Failure) -> [AgeIdentity] {
        let bytes: [UInt8]
        do {
            bytes = try contents(path)
        } catch let error as Failure {
            throw error
        } catch {
            throw Failure(path: path, problem: .unreadable((error as? SystemError)?.code ?? EIO))
        }
        var identities: [AgeIdentity] = []
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let text = String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
            guard !text.isEmpty, !text.hasPrefix("#") else { continue }
            if text.lowercased().hasPrefix("age1") { throw Failure(path: path, problem: .recipient(line: index + 1)) }
            if text.hasPrefix("-----BEGIN") || text.hasPrefix("ssh-") { throw Failure(path: path, problem: .sshKey) }
            do {
                guard let identity = try AgeIdentity(text) else {
                    throw Failure(path: path, problem: .malformed(line: index + 1))
                }
                identities.append(identity)
            } catch let error as AgeError {
                throw Failure(path: path, problem: .unusable(error))
            } catch {
                throw Failure(path: path, problem: .malformed(line: index + 1))
            }
        }
        guard !identities.isEmpty else { throw Failure(path: path, problem: .empty) }
        return identities
    }

    private static func contents(_ path: String) throws -> [UInt8] {
        let descriptor = Int32(
            try systemCall("open", path) { Int(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) })
        defer { close(descriptor) }
        var status = stat()
        _ = try systemCall("read", path) { Int(fstat(descriptor, &status)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(path: path, problem: .noFile) }
        let mode = status.st_mode & 0o777
        guard mode & 0o026 == 0 else { throw Failure(path: path, problem: .open(mode: mode)) }
        var bytes = [UInt8](repeating: 0, count: largest + 1)
        var count = 0
        while count < bytes.count {
            let part = try bytes.withUnsafeMutableBytes { buffer throws(SystemError) in
                try systemCall("read", path) {
                    Glibc.read(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
                }
            }
            if part == 0 { return Array(bytes[..<count]) }
            count += part
        }
        throw SystemError("read", path, code: EFBIG)
    }

    /// Makes a file with a new identity that only its owner can read. An existing file is never replaced.
    ///
    /// - Parameter made: the date for a comment, as text.
    /// - Throws: ``SystemError`` if there is such a file, or if it can't be written; ``AgeError``.
    /// - Returns: the identity.
    package static func create(_ path: String, made: String) throws -> AgeIdentity {
        let identity = try AgeIdentity.generated()
        let descriptor = Int32(
            try systemCall("create", path) { Int(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)) })
        defer { close(descriptor) }
        do {
            try Array(text(identity, made: made).utf8).withUnsafeBytes { try writeAll($0, to: descriptor, path) }
            _ = try systemCall("write to", path) { Int(fsync(descriptor)) }
        } catch {
            unlink(path)
            throw error
        }
        return identity
    }

    /// The contents of a file with an identity. The recipient is not in it: it is as secret as the identity.
    package static func text(_ identity: AgeIdentity, made: String) -> String {
        "# created: \(made)\n# key ID: \(identity.keyID)\n\(identity.text)\n"
    }
}
