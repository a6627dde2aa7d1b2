import Snapshots

/// Hints.
extension InstanceChain {
    /// The prefix of the tag of a version of which nothing is known but that a hint told of it. No storage has such versions.
    private static let unknownVersion = "hint "

    /// Handles a hint that an object was stored.
    ///
    /// Only a delta that continues the position is read without a listing: the one that was read last, in another version, or the
    /// one that begins at the position.
    ///
    /// - Parameters:
    ///   - version: its version, if known.
    ///   - position: up to where everything is known.
    ///   - mayRead: whether it may be read without a listing.
    mutating func hinted(
        _ name: SnapshotName, version: String?, from position: UInt64, mayRead: Bool
    ) -> HintResult {
        guard name.isDelta else {
            // Deltas have brought what is in it.
            return !isIncomplete && name.timestamp <= position || snapshots.contains(name) ? .nothing : .list
        }
        guard name.timestamp <= position else { return .list }
        guard let index = deltas.lastIndex(where: { $0.name.timestamp <= position }), deltas[index].name >= name else {
            guard name.timestamp == position, mayRead, !hasWrongHint else { return .list }
            let delta = Catalog.Delta(name: name, size: 0, version: version ?? newVersion())
            insertHinted(delta)
            return .read
        }
        // An earlier one was widened.
        guard deltas[index].name == name else { return .nothing }
        if let version {
            guard !isKnown(version, of: name), deltas[index].tag != version else { return .nothing }
        } else {
            // It will be read, and not before now.
            guard !isUnread(deltas[index]) || isRequested(deltas[index]) else { return .nothing }
        }
        guard mayRead else { return .list }
        setVersion(version ?? newVersion(), at: index)
        return .read
    }

    private mutating func newVersion() -> String {
        hintCount += 1
        return "\(Self.unknownVersion)\(hintCount)"
    }
}
