/// The reference documentation of one key; the decoder uses the same table.
package struct KeyDescription: Sendable, Equatable {
    /// Path of the key, with `{name}` for a name chosen by the operator.
    package var path: [String]
    /// Name of the type, such as `duration`.
    package var type: String
    /// Restrictions beyond the type, such as `>= 100ms`, or empty.
    package var range: String
    /// The default in YAML, or in words.
    package var defaultText: String
    /// The purpose of the key.
    package var help: String
    /// Special properties of the key.
    package var traits: [KeyTrait]
    /// For keys under `storage.options`: their type of storage.
    package var storageType: StorageType?
}

/// A special property of a key.
package enum KeyTrait: Sendable, Equatable {
    /// The file must have it.
    case required
    /// The value never appears in a log, an error or the effective configuration.
    case secret
    /// Accepted; a warning names the replacement.
    case deprecated(String)
    /// Accepted and checked; a warning says that it has no effect here, and why.
    case noEffect(String)

    /// The warning if the key is in the file, or nil.
    package var warning: String? {
        switch self {
        case .required, .secret: nil
        case .deprecated(let instead): "deprecated: \(instead)"
        case .noEffect(let why): "has no effect: \(why)"
        }
    }
}
