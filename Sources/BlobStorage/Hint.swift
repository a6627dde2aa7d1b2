/// The way by which a change of the storage becomes known before a listing shows it.
package enum HintSource: String, Sendable, CaseIterable {
    /// The kernel reports changes of a directory.
    case fileSystem = "fs"
    /// An S3 server announces them.
    case listen
    /// Another instance says what it has stored.
    case peer
    /// A server calls a URL of ours.
    case webhook

    /// Whether changes that become known in this way need not be looked for as often. The kernel does not report what other
    /// hosts do in a shared directory, and listing one is cheap.
    package var replacesListings: Bool { self != .fileSystem }
}

/// Look at this object now.
///
/// Hints may be lost, late, repeated or wrong: they only change when an object is read, never what is done with it.
package struct Hint: Sendable, Hashable {
    /// The name of the object without the suffix of sealed ones; empty if it is not known which one has changed.
    package var name: String
    /// Its ``Blob/version``, if stated.
    package var version: String?
    /// The source of the hint.
    package var source: HintSource

    /// - Parameter name: as stated by the storage, a server or another instance.
    package init(_ name: String, version: String? = nil, source: HintSource) {
        (self.name, self.version, self.source) = (Blob.nameWithoutSeal(name) ?? name, version, source)
    }
}

/// What a storage announces.
package enum StorageChange: Sendable, Hashable {
    /// An object was stored.
    case hint(Hint)
    /// Whether the connection over which all changes are announced is established. What changed before that is not announced.
    case feed(isUp: Bool)
}

extension AsyncStream.Continuation.BufferingPolicy where Element == StorageChange {
    // Bounds the memory for a busy reader.
    static var announcements: Self { .bufferingNewest(256) }
}

extension AsyncStream.Continuation where Element == StorageChange {
    /// Announces an object. If the buffer overflows, an empty name makes the reader list all objects.
    ///
    /// - Returns: whether nothing was lost.
    @discardableResult
    func announce(_ hint: Hint) -> Bool {
        guard case .dropped = yield(.hint(hint)) else { return true }
        yield(.hint(Hint("", source: hint.source)))
        return false
    }
}
