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

    /// Stores an object. It becomes visible complete or not at all, and replaces an existing one.
    func store(_ name: String, _ body: Spool) async throws

    /// Removes an object. A missing object is not an error.
    func delete(_ name: String) async throws

    /// Removes temporary files of interrupted writers, which do not have object names.
    ///
    /// - Parameter age: files written more recently are kept.
    /// - Returns: the number of removed files.
    func removeLeftovers(olderThan age: Duration) async throws -> Int

    /// Announces at once that objects whose names start with `prefix` may have appeared; nil if not supported.
    ///
    /// The stream carries the new names, or an empty name if they are unknown. It may miss
    /// changes: polling is still necessary.
    func changes(prefix: String) -> AsyncStream<String>?

    /// The directory in which to create a spool's file so that it can be stored without a copy, if any.
    var stagingDirectory: String? { get }

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

    /// By default there are none.
    package func removeLeftovers(olderThan age: Duration) async throws -> Int { 0 }

    /// None by default.
    package var stagingDirectory: String? { nil }
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

    /// The size limit for objects of unknown size: 64 GiB, larger than any snapshot.
    package static let largestUnlisted = 64 << 30

    /// Creates an object of this name and size in bytes.
    package init(name: String, size: Int, modified: UInt64? = nil) {
        self.name = name
        self.size = size
        self.modified = modified
    }
}
