import HTTP
import Support

/// A storage on a network that an ``UpdateMarkerStore`` can be put in front of.
package protocol MarkableStore: BlobStore {
    /// Where the objects are, for errors.
    var place: BlobStoreError.Place { get }
    /// Prepended to all names, and not visible outside.
    var globalPrefix: String { get }
    /// Stores an object with a single attempt.
    func storeOnce(_ name: String, _ body: Spool) async throws
}
