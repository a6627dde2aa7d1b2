extension SnapshotReader {
    /// A limit for reading without syncing: larger entries count as damage. LMDB supports less than 4 GiB; memory is only
    /// used for existing bytes.
    package static let largestPlausibleEntry = 1 << 30
}
