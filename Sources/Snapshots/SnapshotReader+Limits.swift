extension SnapshotReader {
    /// A limit for reading without syncing: an entry that is larger is taken for damage. LMDB takes less than 4 GiB; memory
    /// is only taken for what is there.
    package static let largestPlausibleEntry = 1 << 30
}
