import HTTP
import Support

/// Uploads in blocks, which become the object when all are there.
///
/// <https://learn.microsoft.com/rest/api/storageservices/put-block-list>
extension AzureStore {
    /// The block size for a body: at most 50,000 blocks.
    func blockSize(for count: Int) -> Int {
        let megabytes = (count / 50_000 + (1 << 20)) >> 20
        return max(1, options.blockSize, megabytes << 20)
    }

    /// Blocks that no list names disappear by themselves after a week, and with the next upload of the object.
    ///
    /// - Returns: the ETag without quotes.
    func storeInBlocks(_ key: String, _ body: Spool) async throws -> String {
        let size = blockSize(for: body.count)
        let count = (body.count + size - 1) / size
        // Two uploads of one object, such as one that was given up and its successor, must not mix their blocks.
        let upload = UInt64.random(in: .min ... .max)
        // All have the same length, as Azure wants it.
        let names = (0..<count).map { base64(Array("\(hexadecimal(upload.bigEndianBytes))-\(padded($0))".utf8)) }
        let whole = try await md5(body, 0..<body.count)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, name) in names.enumerated() {
                // A new block starts when another is done, which limits the number of connections.
                if index >= max(1, options.concurrency) { try await group.next() }
                group.addTask { [self] in
                    var request = AzureRequest(.store, "PUT", key: key)
                    request.progress = TransferProgress.report
                    request.query = [("comp", "block"), ("blockid", name)]
                    request.body = try await self.body(body, index * size..<min((index + 1) * size, body.count))
                    try await send(request) { _ in }
                }
            }
            try await group.waitForAll()
        }
        let list = names.map { "<Latest>\($0)</Latest>" }.joined()
        let xml = Spool(Array("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>\(list)</BlockList>".utf8))
        var request = AzureRequest(.store, "PUT", key: key)
        request.query = [("comp", "blocklist")]
        request.headers = [("Content-Type", "application/xml"), ("x-ms-blob-content-type", Self.contentType)]
        // Readers compare with it: nothing else covers the whole object.
        if let whole { request.headers.append(("x-ms-blob-content-md5", whole)) }
        request.body = try await self.body(xml, 0..<xml.count)
        // May be repeated: the blocks that it names stay valid.
        return try await send(request, storedETag)
    }
}

private func padded(_ number: Int) -> String { zeroPadded(number, 5) }

extension UInt64 {
    fileprivate var bigEndianBytes: [UInt8] { (0..<8).reversed().map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) } }
}
