/// What an operator can do about a problem of syncing. The program that knows the names of its options and commands puts it
/// into words: see ``SyncSettings/cure``.
package enum SyncHint: Sendable, Hashable {
    /// The map of the LMDB must be larger.
    case largerMap
    /// More DBIs must be allowed.
    case moreDatabases
    /// An LMDB with several values per key cannot be synced in native mode.
    case notNative
    /// Keys and values must be transformed, on all instances.
    case transformedKeys
    /// The flags of a DBI and the transform must be the same on all instances.
    case sameFlags
    /// Native or shadow mode must be the same on all instances.
    case sameMode
    /// The shadows must be dropped, and syncing starts over.
    case startOver
    /// The flags for creating this DBI must be given.
    case creationFlags(String)
    /// Failures are only tolerated up to a number.
    case retryLimit
    /// There must be another instance to rebuild from, or no record of the last sync.
    case otherInstance
    /// This database must be rebuilt.
    case rebuild(String)
}

/// An error with a ``SyncHint``.
package protocol HintedError: Error, CustomStringConvertible {
    /// What to do about it; nil if the description says it, or there is nothing to say.
    var hint: SyncHint? { get }
}

extension SyncSettings {
    /// The error with what to do about it, as one line.
    func text(of error: any Error) -> String {
        guard let hint = (error as? any HintedError)?.hint else { return "\(error)" }
        return text("\(error)", hint)
    }

    /// A problem with what to do about it, as one line.
    func text(_ problem: String, _ hint: SyncHint) -> String {
        let cure = cure(hint)
        return cure.isEmpty ? problem : "\(problem); \(cure)"
    }
}
