/// The kind of an object of one database in the storage, determined by its name.
///
/// Every program and command that reads a bucket uses this to select its objects. Unknown
/// objects belong to other programs or later versions, and are ignored.
package enum ObjectName: Hashable, Sendable {
    /// A full snapshot: `{db}__{instance}__{time}__{generation}[__{extra}…].pb.gz`.
    case full(SnapshotName)
    /// A delta: `{db}__{instance}__{from}__{generation}[__{extra}…].delta`.
    case delta(SnapshotName)
    /// The state of an instance: `{db}__{instance}.state`.
    case state(StateObjectName)
    /// A snapshot name with a different extension: a kind unknown to this version.
    case unknownKind(SnapshotName)
    /// Anything else.
    case foreign

    /// Parses the name of an object.
    ///
    /// - Parameter database: the configured name of the LMDB; objects of others are ``foreign``.
    package init(_ text: String, database: String) {
        if let name = SnapshotName(text), name.database == database {
            self = name.isFullSnapshot ? .full(name) : name.isDelta ? .delta(name) : .unknownKind(name)
        } else if let name = StateObjectName(text, database: database) {
            self = .state(name)
        } else {
            self = .foreign
        }
    }
}
