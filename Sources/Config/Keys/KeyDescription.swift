/// What the reference page says about one key; the decoder works from the same table.
package struct KeyDescription: Sendable, Equatable {
    /// Path of the key, `{name}` standing for a name of the operator's choice.
    package var path: [String]
    /// Name of the type, such as `duration`.
    package var type: String
    /// What is allowed beyond the type, such as `>= 100ms`, or empty.
    package var range: String
    /// The default as it is written in YAML, or in words.
    package var defaultText: String
    /// What the key does.
    package var help: String
    /// What is special about it.
    package var traits: [KeyTrait]
    /// For keys under `storage.options`: the type of storage that they belong to.
    package var storageType: StorageType?
}

/// What is special about a key.
package enum KeyTrait: Sendable, Equatable {
    /// The file must have it.
    case required
    /// The value never appears in a log, an error or the effective configuration.
    case secret
    /// Accepted; a warning tells to use something else.
    case deprecated(String)
    /// Accepted and checked; a warning tells that it has no effect here, and why.
    case noEffect(String)

    /// What the operator is told when the key is in the file, or nil.
    package var warning: String? {
        switch self {
        case .required, .secret: nil
        case .deprecated(let instead): "deprecated: \(instead)"
        case .noEffect(let why): "has no effect: \(why)"
        }
    }
}
