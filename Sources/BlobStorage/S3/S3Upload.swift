import HTTP
import Support

/// Uploads in parts.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>
extension S3Store {
    /// The part size for a body, within S3's limits: at most 10,000 parts, all but the last at least 5 MiB.
    func partSize(for count: Int) -> Int {
        let smallest = max(5 << 20, options.partSize)
        let megabytes = (count / 10_000 + (1 << 20)) >> 20
        return max(smallest, megabytes << 20)
    }

    /// - Returns: the ETag without quotes, empty if the server does not send it.
    func storeInParts(_ key: String, _ body: Spool) async throws -> String {
        var begin = S3Request(.store, "POST", key: key)
        begin.query = [("uploads", "")]
        begin.headers = newObjectHeaders
        begin.body = try await self.body(Spool([]), 0..<0)
        let id = try await send(begin) { answer in
            guard let id = s3UploadID(answer.body) else { throw XMLError(problem: "no UploadId", offset: 0) }
            return id
        }
        do {
            let etags = try await storeParts(key, body, id)
            return try await complete(key, body, id, etags)
        } catch {
            await abort(key, id)
            throw error
        }
    }

    private func storeParts(_ key: String, _ body: Spool, _ id: String) async throws -> [String] {
        let size = partSize(for: body.count)
        let count = (body.count + size - 1) / size
        return try await withThrowingTaskGroup(of: (Int, String).self) { group in
            var etags = [String](repeating: "", count: count)
            for index in 0..<count {
                // A new part starts when another is done, which limits the number of connections.
                if index >= max(1, options.parallelParts), let (done, etag) = try await group.next() {
                    etags[done] = etag
                }
                group.addTask { [self] in
                    var request = S3Request(.store, "PUT", key: key)
                    request.progress = TransferProgress.report
                    request.query = [("partNumber", String(index + 1)), ("uploadId", id)]
                    request.body = try await self.body(body, index * size..<min((index + 1) * size, body.count))
                    let etag = try await send(request) { answer in
                        guard let etag = answer.headers["etag"], !etag.isEmpty else {
                            throw XMLError(problem: "no ETag for a part", offset: 0)
                        }
                        return etag
                    }
                    return (index, etag)
                }
            }
            for try await (done, etag) in group { etags[done] = etag }
            return etags
        }
    }

    private func complete(_ key: String, _ body: Spool, _ id: String, _ etags: [String]) async throws -> String {
        var xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        for (index, etag) in etags.enumerated() {
            let escaped = etag.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(
                "\"", with: "&quot;")
            xml += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(escaped)</ETag></Part>"
        }
        xml += "</CompleteMultipartUpload>"
        let partList = Spool(Array(xml.utf8))
        var request = S3Request(.store, "POST", key: key)
        request.query = [("uploadId", id)]
        request.headers = [("Content-Type", "application/xml")]
        request.body = try await self.body(partList, 0..<partList.count)
        do {
            let etag = try await send(request) { answer in try s3UploadETag(answer.body) }
            return etag.isEmpty ? try await verify(key, body) : etag
        } catch let error as BlobStoreError where error.code == "NoSuchUpload" {
            // The answer to a successful attempt may have been lost: then the upload is gone and the object exists.
            guard let etag = try? await verify(key, body) else { throw error }
            return etag
        }
    }

    /// Parts cost storage until they are deleted, so this runs even if the task has been cancelled.
    private func abort(_ key: String, _ id: String) async {
        var request = S3Request(.store, "DELETE", key: key)
        request.query = [("uploadId", id)]
        let abort = Task.detached { [self, request] in try await send(request) { _ in } }
        let limit = Task.detached {
            try await Task.sleep(for: .seconds(5))
            abort.cancel()
        }
        // A failure here is ignored: the server cleans up, and the original error is reported.
        _ = await abort.result
        limit.cancel()
    }
}
