import FoundationEssentials
import HTTP
import Support

/// What makes a request acceptable.
enum AzureCredentials: Sendable, Hashable {
    /// The request is signed with the key of the account.
    case sharedKey(SharedKey)
    /// A shared access signature (SAS): parameters for the query, encoded, without the `?`.
    case signature(String)
    /// The token of an identity.
    case token(String)

    /// What must not be shown if a server repeats it.
    var secrets: [String] {
        switch self {
        case .sharedKey(let key): [base64(key.key)]
        case .signature(let signature): [signature] + Self.signatureValues(signature)
        case .token(let token): [token]
        }
    }

    /// The signature itself, as it is written and as it is meant.
    private static func signatureValues(_ query: String) -> [String] {
        query.split(separator: "&").filter { $0.hasPrefix("sig=") }.map { $0.dropFirst(4) }
            .flatMap { value in [String(value)] + (percentDecoded(value.replacing("+", with: "%2B")).map { [$0] } ?? [])
            }
    }

    /// - Throws: ``AzureSetting/badKey(_:)``.
    static func key(_ text: String, account: String, _ origin: CredentialOrigin) throws(AzureSetting) -> Self {
        guard let bytes = Data(base64Encoded: text), !bytes.isEmpty else { throw .badKey(origin) }
        return .sharedKey(SharedKey(account: account, key: Array(bytes)))
    }

    /// A signature with or without the `?`; nil if there is none.
    ///
    /// - Throws: ``AzureSetting/badSignature(_:)`` if the text cannot be the end of a URL.
    static func signature(in text: String, _ origin: CredentialOrigin) throws(AzureSetting) -> Self? {
        let query = text.hasPrefix("?") ? String(text.dropFirst()) : text
        guard !query.isEmpty else { return nil }
        guard query.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && !"#?".utf8.contains($0) }),
            query.split(separator: "&").contains(where: { $0.hasPrefix("sig=") })
        else { throw .badSignature(origin) }
        return .signature(query)
    }
}

/// Provides what makes requests to an Azure storage acceptable. Where it comes from is decided once, by ``AzureAccount``.
typealias AzureCredentialSource = CredentialSource<AzureCredentials>

extension AzureCredentialSource {
    /// May block: reads a file, and asks the metadata service if there is nothing else.
    ///
    /// - Parameters:
    ///   - notice: called on the thread of a request when credentials are renewed, or cannot be.
    ///   - random: 0..<1, a new value for each call.
    /// - Throws: ``BlobStoreError`` if there are no credentials, or a file is unusable.
    convenience init(
        _ account: AzureAccount, _ options: AzureOptions,
        notice: @escaping @Sendable (CredentialNotice) -> Void = { _ in },
        clock: @escaping @Sendable () -> Moment = Moment.clock(),
        random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) throws(BlobStoreError) {
        let provider = account.provider
        let tls = options.tls.authoritiesOnly
        self.init(
            provider.origin,
            interval: provider.origin.isLocal
                ? options.secretsRefreshInterval : Issued<AzureCredentials>.unlimited,
            notice: notice, clock: clock, random: random
        ) { try provider.fetch(tls, now: $0, $1) }
        try begin(isLastResort: provider.isLastResort) {
            BlobStoreError(.other, nil, .azure(.noCredentials($0)))
        }
    }
}
