import Support

/// A flat collection of named, immutable objects: a bucket.
///
/// Implementations run blocking calls on threads of their own, never on Swift's cooperative pool.
/// A cancelled task ends its call early with `CancellationError`. Every other error is a ``BlobStoreError``.
package protocol BlobStore: Sendable {
    /// All objects whose name starts with `prefix`, sorted bytewise by name.
    func list(prefix: String) async throws -> [Blob]

    /// The bytes of an object, complete and checked as far as the storage supports it.
    ///
    /// - Parameter limit: a larger object is an error with the code ``BlobStoreError/tooLarge``, detected while it
    ///   is read. Pass the size of the listing if there is one.
    func load(_ name: String, atMost limit: Int) async throws -> Spool

    /// As ``load(_:atMost:)``, with the ``Blob/version`` that was read, as in a listing; nil if the storage does not say.
    func loadVersion(_ name: String, atMost limit: Int) async throws -> (body: Spool, version: String?)

    /// Stores an object. It becomes visible complete or not at all, and replaces an existing one.
    ///
    /// - Returns: its ``Blob/version``, as in a listing.
    @discardableResult func store(_ name: String, _ body: Spool) async throws -> String?

    /// Removes an object. A missing object is not an error.
    func delete(_ name: String) async throws

    /// Removes temporary files of interrupted writers, which do not have object names.
    ///
    /// - Parameter age: files written more recently are kept.
    /// - Returns: the number of removed files.
    func removeLeftovers(olderThan age: Duration) async throws -> Int

    /// Announces at once that objects whose names start with `prefix` may have appeared; nil if not supported.
    ///
    /// The stream carries hints. It may miss changes: polling is still necessary.
    func changes(prefix: String) -> AsyncStream<StorageChange>?

    /// Whether the storage announces changes over a connection, by a test; nil if it is not asked.
    func announcesChanges() async throws -> Bool?

    /// The directory in which to create a spool's file so that it can be stored without a copy, if any.
    var stagingDirectory: String? { get }

    /// The credentials in use; nil if this type of storage has none.
    var credentials: CredentialState? { get }

    /// How far the storage's clock is ahead of this host's, as last measured; nil if unknown, or if both use
    /// the same clock.
    var clockOffset: Duration? { get }
}

extension BlobStore {
    /// As ``load(_:atMost:)``, for an object of unknown size.
    package func load(_ name: String) async throws -> Spool { try await load(name, atMost: Blob.largestUnlisted) }

    /// As ``load(_:atMost:)``, for an object known by name only: its size is taken from a listing.
    package func loadListed(_ name: String) async throws -> Spool {
        var size: Int?
        do {
            size = try await list(prefix: name).first { $0.name == name }?.size
        } catch let error as BlobStoreError where error.kind == .accessDenied {}
        return try await load(name, atMost: size ?? Blob.largestUnlisted)
    }

    /// Without version by default.
    package func loadVersion(_ name: String, atMost limit: Int) async throws -> (body: Spool, version: String?) {
        (try await load(name, atMost: limit), nil)
    }

    /// By default there are none.
    package func removeLeftovers(olderThan age: Duration) async throws -> Int { 0 }

    /// Not asked by default.
    package func announcesChanges() async throws -> Bool? { nil }

    /// None by default.
    package var stagingDirectory: String? { nil }
    /// None by default.
    package var credentials: CredentialState? { nil }
    /// Unknown by default.
    package var clockOffset: Duration? { nil }
}

/// An object in a listing.
package struct Blob: Sendable, Hashable {
    /// The complete name.
    package var name: String
    /// The size in bytes.
    package var size: Int
    /// When it was stored, by the storage's clock, in nanoseconds since the UNIX epoch; nil if unknown.
    package var modified: UInt64?
    /// Changes whenever the object is overwritten with other bytes; opaque, nil if the storage does not say.
    package var version: String?

    /// The size limit for objects of unknown size: 64 GiB, larger than any snapshot.
    package static let largestUnlisted = 64 << 30

    /// See the properties of the same names.
    package init(name: String, size: Int, modified: UInt64? = nil, version: String? = nil) {
        self.name = name
        self.size = size
        self.modified = modified
        self.version = version
    }
}
