import Support

/// A flat collection of named, immutable objects: a bucket.
///
/// Implementations run their blocking calls on threads of their own, never on Swift's cooperative pool.
/// A cancelled task ends its call early with `CancellationError`. Every other error thrown is a ``BlobStoreError``.
package protocol BlobStore: Sendable {
    /// All objects whose name starts with `prefix`, sorted by name (bytewise).
    func list(prefix: String) async throws -> [Blob]

    /// The bytes of an object, complete and checked as far as the storage can.
    ///
    /// - Parameter limit: an object of more bytes is an error with the code ``BlobStoreError/tooLarge``, found while it
    ///   is read. The size in a listing, where there is one.
    func load(_ name: String, atMost limit: Int) async throws -> Spool

    /// Stores an object; it becomes visible complete or not at all. An existing one is replaced.
    func store(_ name: String, _ body: Spool) async throws

    /// Removes an object. One that is not there is no error.
    func delete(_ name: String) async throws

    /// Removes what writers that were interrupted have left behind, where that has no name of an object.
    ///
    /// - Parameter age: what was written more recently stays.
    /// - Returns: how many there were.
    func removeLeftovers(olderThan age: Duration) async throws -> Int

    /// Tells when objects whose names start with `prefix` may have appeared, at once; nil when the storage can't.
    ///
    /// The stream carries the names that appeared, or an empty name when they are not known. It may miss
    /// changes: polling stays necessary.
    func changes(prefix: String) -> AsyncStream<String>?

    /// The directory in which the file of a spool should be made so that it can be stored without a copy, if any.
    var stagingDirectory: String? { get }

    /// How far the storage's clock is ahead of this host's, as last seen; nil when it is not known, or when both are
    /// the same clock.
    var clockOffset: Duration? { get }
}

extension BlobStore {
    /// As ``load(_:atMost:)``, of an object whose size is not known.
    package func load(_ name: String) async throws -> Spool { try await load(name, atMost: Blob.largestUnlisted) }

    /// As ``load(_:atMost:)``, of an object that the caller knows by its name only: a listing tells the size.
    package func loadListed(_ name: String) async throws -> Spool {
        var size: Int?
        do {
            size = try await list(prefix: name).first { $0.name == name }?.size
        } catch let error as BlobStoreError where error.kind == .accessDenied {}
        return try await load(name, atMost: size ?? Blob.largestUnlisted)
    }

    /// There are none, unless a storage says otherwise.
    package func removeLeftovers(olderThan age: Duration) async throws -> Int { 0 }

    /// None, unless a storage says otherwise.
    package var stagingDirectory: String? { nil }
    /// Unknown, unless a storage says otherwise.
    package var clockOffset: Duration? { nil }
}

/// An object as a listing shows it.
package struct Blob: Sendable, Hashable {
    /// The name, complete.
    package var name: String
    /// In bytes.
    package var size: Int
    /// When it was stored, by the storage's clock, in nanoseconds since the UNIX epoch; nil where that is unknown.
    package var modified: UInt64?

    /// What an object of unknown size may have, in bytes: 64 GiB, which is more than a snapshot has.
    package static let largestUnlisted = 64 << 30

    /// An object of this name and size in bytes.
    package init(name: String, size: Int, modified: UInt64? = nil) {
        self.name = name
        self.size = size
        self.modified = modified
    }
}
