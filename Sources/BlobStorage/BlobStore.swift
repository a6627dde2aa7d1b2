import Bytes

/// A flat collection of named, immutable objects: a bucket.
///
/// Implementations run their blocking calls on threads of their own, never on Swift's cooperative pool.
/// A cancelled task ends its call early with `CancellationError`. Every other error thrown is a ``BlobStoreError``.
package protocol BlobStore: Sendable {
    /// All objects whose name starts with `prefix`, sorted by name (bytewise).
    func list(prefix: String) async throws -> [Blob]

    /// The bytes of an object, complete and checked as far as the storage can.
    func load(_ name: String) async throws -> Spool

    /// Stores an object; it becomes visible complete or not at all. An existing one is replaced.
    func store(_ name: String, _ body: Spool) async throws

    /// Removes an object. One that is not there is no error.
    func delete(_ name: String) async throws

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

    /// An object of this name and size in bytes.
    package init(name: String, size: Int, modified: UInt64? = nil) {
        self.name = name
        self.size = size
        self.modified = modified
    }
}
