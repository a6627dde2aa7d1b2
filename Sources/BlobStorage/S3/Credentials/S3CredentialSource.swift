import HTTP
import Support

/// Provides the keys for requests to an S3 server. Where they come from is decided once, by ``CredentialChain``.
typealias S3CredentialSource = CredentialSource<S3Credentials>

extension S3CredentialSource {
    /// May block: reads files, and asks the metadata service if there is nothing else.
    ///
    /// - Parameters:
    ///   - environment: returns the value of an environment variable.
    ///   - notice: called on the thread of a request when credentials are renewed, or cannot be.
    ///   - random: 0..<1, a new value for each call.
    /// - Throws: ``BlobStoreError`` if there are no credentials, or a setting or a file is unusable.
    convenience init(
        _ options: S3Options, environment: @escaping @Sendable (String) -> String?,
        notice: @escaping @Sendable (CredentialNotice) -> Void = { _ in },
        clock: @escaping @Sendable () -> Moment = Moment.clock(),
        random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) throws(BlobStoreError) {
        let found = try CredentialChain(options, environment: environment).find()
        guard let provider = found.provider else {
            throw BlobStoreError(.other, nil, .noKeys(unreadable: found.unreadable, instance: nil))
        }
        let tls = options.tls.authoritiesOnly
        self.init(
            provider.origin,
            interval: provider.origin.isLocal ? options.secretsRefreshInterval : IssuedCredentials.unlimited,
            notice: notice, clock: clock, random: random
        ) { try provider.fetch(tls, now: $0, $1) }
        try begin(isLastResort: found.isLastResort) {
            BlobStoreError(.other, nil, .noKeys(unreadable: found.unreadable, instance: $0))
        }
    }
}
