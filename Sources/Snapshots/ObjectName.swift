/// What an object of one database in the storage is, by its name.
///
/// Every program and every command that reads a bucket decides by this which objects it has to do with. What it does not
/// know belongs to somebody else, or to a later version, and is left alone.
package enum ObjectName: Hashable, Sendable {
    /// A full snapshot: `{db}__{instance}__{time}__{generation}[__{extra}…].pb.gz`.
    case full(SnapshotName)
    /// What an instance says about itself: `{db}__{instance}.state`.
    case state(StateObjectName)
    /// A name of the form of a snapshot's with another extension: a kind that this version does not know.
    case unknownKind(SnapshotName)
    /// Anything else.
    case foreign

    /// Parses the name of an object.
    ///
    /// - Parameter database: the configured name of the LMDB; what is not of that one is ``foreign``.
    package init(_ text: String, database: String) {
        if let name = SnapshotName(text), name.database == database {
            self = name.isFullSnapshot ? .full(name) : .unknownKind(name)
        } else if let name = StateObjectName(text, database: database) {
            self = .state(name)
        } else {
            self = .foreign
        }
    }
}
