import Support

extension S3Store {
    /// Creates the bucket unless it exists, within `initTimeout`.
    func createBucket() async throws {
        try await prepare(
            within: options.initTimeout.orNoLimit,
            orThrow: BlobStoreError(
                .timeout, .init(operation: S3Operation.create.rawValue, place: .bucket(options.bucket)),
                .notCreated(after: options.initTimeout))
        ) { try await self.createIfMissing() }
    }

    private func createIfMissing() async throws {
        if try await exists() { return }
        var request = S3Request(.create, "PUT", key: nil)
        // us-east-1 is the default, and AWS refuses it as a constraint; the server chooses for auto.
        let region = route.current.region
        let xml =
            ["us-east-1", "auto"].contains(region)
            ? ""
            : "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>"
                + "\(region)</LocationConstraint></CreateBucketConfiguration>"
        let configuration = Spool(Array(xml.utf8))
        request.body = try await body(configuration, 0..<configuration.count)
        do {
            try await send(request) { _ in }
        } catch let error as BlobStoreError where error.code.hasPrefix("BucketAlready") {
            // Another instance may have created it at the same time.
            guard error.code != "BucketAlreadyOwnedByYou", try await !exists() else { return }
            throw error
        }
    }

    // Not by HEAD: its answers have no body, so a wrong clock or key would look like a missing permission.
    private func exists() async throws -> Bool {
        var request = S3Request.listing(options.globalPrefix, after: nil, options)
        request.query.append(("max-keys", "1"))
        do {
            try await send(request) { answer in _ = try S3ListPage(answer.body) }
            return true
        } catch let error as BlobStoreError where error.kind == .notFound {
            return false
        }
    }
}
