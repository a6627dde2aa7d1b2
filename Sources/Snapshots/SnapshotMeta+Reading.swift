import Support

extension SnapshotMeta {
    /// Reads the metadata that precede the first DBI, and nothing behind them.
    ///
    /// Every known writer begins with them, so this is cheap however large the snapshot is. The rest of the snapshot
    /// is not checked.
    package static func read(_ spool: Spool) throws(SnapshotError) -> SnapshotMeta {
        var window = ByteWindow(spool)
        var meta = SnapshotMeta(generationID: "")
        var formatVersion: UInt32 = 0
        while try window.ensure(1) {
            let tag = try window.readTag(limit: .max)
            switch tag.number {
            case SnapshotFields.formatVersion: formatVersion = try window.readFormatVersion(tag)
            case SnapshotFields.meta: try window.readMeta(tag, into: &meta)
            case SnapshotFields.compatVersion: try window.readCompatVersion(tag)
            case SnapshotFields.databases:
                try window.expect(tag, .length, of: "a DBI")
                return meta
            default: try window.skipValue(tag, limit: .max)
            }
        }
        guard formatVersion > 0 else { throw window.noFormatVersion }
        return meta
    }
}
