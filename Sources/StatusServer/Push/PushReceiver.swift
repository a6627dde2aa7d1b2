/// Takes what others tell of the storage: other instances, and S3 servers.
package protocol PushReceiver: Sendable {
    /// Whether a token is valid; nil if there is no token at all, so that there are no endpoints.
    func accepts(_ token: String) async -> Bool?
    /// An instance has stored an object. May be called concurrently; returns at once.
    func hint(_ hint: PeerHint)
    /// An S3 server has stored an object. May be called concurrently; returns at once.
    func event(_ event: StorageEvent)
    /// A request was answered.
    func answered(_ result: PushResult, at endpoint: PushEndpoint)
}

/// The path of a request that tells something.
package enum PushEndpoint: String, Sendable, CaseIterable {
    /// What another instance has stored.
    case hint
    /// What an S3 server has stored.
    case events
}

/// What has become of a request.
package enum PushResult: String, Sendable {
    /// It was accepted.
    case accepted
    /// Its token was wrong or missing.
    case unauthorized
    /// There were too many.
    case limited
    /// It was too large, or malformed.
    case invalid
}

/// The body of `POST /hint`.
package struct PeerHint: Codable, Sendable, Equatable {
    /// The name of the database.
    package var database: String
    /// The name of the object.
    package var object: String

    /// See the properties of the same names.
    package init(database: String, object: String) { (self.database, self.object) = (database, object) }
}
