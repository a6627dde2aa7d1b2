import Snapshots

/// Hints.
extension Receiver {
    /// Handles a hint that an object of another instance was stored.
    ///
    /// - Parameters:
    ///   - version: its version, if known.
    ///   - mayRead: whether it may be read without a listing.
    mutating func hinted(_ name: SnapshotName, _ version: String?, mayRead: Bool) -> HintResult {
        let group = Group(instance: name.instance, isFarAhead: false)
        // Only a listing shows which object of an instance is to be read first.
        guard hasListing, let position = progress.read[group]?.timestamp else { return .list }
        let result = instances[group]?.chain.hinted(name, version: version, from: position, mayRead: mayRead) ?? .list
        if result == .read { refresh(group) }
        return result
    }

    /// Reports a finished download.
    ///
    /// - Parameter version: the version that was read, if known.
    package mutating func downloaded(_ name: SnapshotName, version: String?) {
        if let version { instances[key(name)]?.chain.downloaded(name, version: version) }
        downloaded(name)
    }

    /// Reports that an object of which only a hint told is not in the storage.
    ///
    /// - Returns: false if it was listed.
    mutating func hintWasWrong(_ name: SnapshotName) -> Bool {
        let group = key(name)
        guard instances[group]?.chain.hintWasWrong(name) == true else { return false }
        remove(name, of: group)
        refresh(group)
        return true
    }

    /// Whether an object is in the last listing, or a hint told of it.
    func isKnown(_ name: SnapshotName) -> Bool { instances[key(name)]?.chain.contains(name) ?? false }

    /// The position up to which everything of the instance of an object was read.
    func position(of name: SnapshotName) -> SnapshotName? { progress.read[key(name)] }

    /// The other instances that are in the storage.
    var others: Set<String> {
        Set(instances.filter { $0.key != own && !$0.value.chain.isEmpty }.keys.map(\.instance))
    }
}
