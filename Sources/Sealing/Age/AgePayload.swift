import Support

/// What follows the header: a nonce of 16 bytes, and chunks of 64 KiB that are sealed one by one.
///
/// The nonce of a chunk is its number in 11 bytes, and 1 for the last one. Only the chunk of an empty file is empty.
enum AgePayload {
    static let nonceSize = 16
    static let chunkSize = 64 << 10
    static let sealedChunkSize = chunkSize + ChaChaPoly.tagSize

    static func key(_ fileKey: [UInt8], nonce: [UInt8]) throws(AgeError) -> [UInt8] {
        try Primitives.hkdf(fileKey, salt: nonce, info: "payload")
    }

    /// The nonce of a chunk.
    static func nonce(_ number: Int, isLast: Bool) -> [UInt8] {
        [0, 0, 0] + Primitives.bigEndian(UInt64(number)) + [isLast ? 1 : 0]
    }
}

extension AgeIdentity {
    /// Seals a spool for this identity, in constant memory.
    ///
    /// - Parameters:
    ///   - head: what comes before it.
    ///   - stagingDirectory: the preferred directory for the file of a large result; see `SpoolWriter`.
    ///   - signal: cancels it.
    /// - Throws: ``AgeError``; ``SystemError`` of a temporary file.
    package func seal(
        _ plain: Spool, behind head: Spool = Spool([]), stagingDirectory: String? = nil,
        signal: CancellationSignal = CancellationSignal()
    ) throws -> Spool {
        let fileKey = try Primitives.random(AgeHeader.fileKeySize)
        let nonce = try Primitives.random(AgePayload.nonceSize)
        let header = try AgeHeader.bytes(
            fileKey: fileKey, ephemeral: try Primitives.random(Primitives.size), recipient: recipient)
        let cipher = try ChaChaPoly(key: try AgePayload.key(fileKey, nonce: nonce))
        var writer = SpoolWriter(stagingDirectory: stagingDirectory)
        for part in [header, nonce] { try part.withUnsafeBytes { try writer.write($0) } }
        let total = head.count + plain.count
        var (offset, number) = (0, 0)
        try withUnsafeTemporaryAllocation(byteCount: AgePayload.chunkSize, alignment: 16) { chunk in
            try withUnsafeTemporaryAllocation(byteCount: AgePayload.sealedChunkSize, alignment: 16) { sealed in
                repeat {
                    try signal.check()
                    let first = try head.read(at: offset, into: chunk)
                    let rest = UnsafeMutableRawBufferPointer(rebasing: chunk[first...])
                    let count = first + (try plain.read(at: max(0, offset - head.count), into: rest))
                    offset += count
                    let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(chunk)[..<count])
                    let nonce = AgePayload.nonce(number, isLast: offset >= total)
                    try cipher.seal(bytes, nonce: nonce, into: sealed)
                    try writer.write(UnsafeRawBufferPointer(rebasing: sealed[..<(count + ChaChaPoly.tagSize)]))
                    number += 1
                } while offset < total
            }
        }
        return try writer.finish()
    }
}

/// A sealed spool.
package enum AgeFile {
    /// Whether the bytes begin as those of age files.
    package static func isSealed(_ spool: Spool) throws(SystemError) -> Bool {
        let start = Array("\(AgeHeader.version)\n".utf8)
        return try spool.prefix(start.count) == start
    }

    /// Opens a sealed spool, in constant memory. Nothing of it is returned unless all of it is right.
    ///
    /// - Parameters:
    ///   - identities: the first one that fits is used.
    ///   - signal: cancels it.
    /// - Returns: also the identity that has opened it.
    /// - Throws: ``AgeError``; ``SystemError`` of a temporary file.
    package static func open(
        _ sealed: Spool, _ identities: [AgeIdentity], signal: CancellationSignal = CancellationSignal()
    ) throws -> (plain: Spool, identity: AgeIdentity) {
        let header = try AgeHeader(try sealed.prefix(AgeHeader.mostBytes))
        let (fileKey, identity) = try header.fileKey(identities)
        var nonce = [UInt8](repeating: 0, count: AgePayload.nonceSize)
        let count = try nonce.withUnsafeMutableBytes { try sealed.read(at: header.count, into: $0) }
        guard count == nonce.count else { throw AgeError.damaged("it is truncated", offset: sealed.count) }
        let cipher = try ChaChaPoly(key: try AgePayload.key(fileKey, nonce: nonce))
        let plain = try open(sealed, from: header.count + nonce.count, cipher, signal)
        return (plain, identity)
    }

    private static func open(
        _ sealed: Spool, from start: Int, _ cipher: borrowing ChaChaPoly, _ signal: CancellationSignal
    ) throws -> Spool {
        // Not where objects are: this is not sealed any more.
        var writer = SpoolWriter()
        var (offset, number) = (start, 0)
        try withUnsafeTemporaryAllocation(byteCount: AgePayload.sealedChunkSize, alignment: 16) { chunk in
            try withUnsafeTemporaryAllocation(byteCount: AgePayload.chunkSize, alignment: 16) { plain in
                repeat {
                    try signal.check()
                    let count = try sealed.read(at: offset, into: chunk)
                    let isLast = offset + count >= sealed.count
                    let size = count - ChaChaPoly.tagSize
                    guard size > 0 || size == 0 && isLast && number == 0 else {
                        throw AgeError.damaged("it is truncated", offset: offset)
                    }
                    let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(chunk)[..<count])
                    // Without the last chunk the one before it does not have the nonce of a last one.
                    guard cipher.open(bytes, nonce: AgePayload.nonce(number, isLast: isLast), into: plain) else {
                        throw AgeError.damaged("a chunk was changed, or the end is missing", offset: offset)
                    }
                    try writer.write(UnsafeRawBufferPointer(rebasing: plain[..<size]))
                    offset += count
                    number += 1
                } while offset < sealed.count
            }
        }
        return try writer.finish()
    }
}

extension Spool {
    /// The first bytes, at most `count`.
    fileprivate func prefix(_ count: Int) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(count, self.count))
        do {
            _ = try bytes.withUnsafeMutableBytes { try read(at: 0, into: $0) }
        } catch {
            throw error as? SystemError ?? SystemError("read from", "a spooled file", code: 5)
        }
        return bytes
    }
}
