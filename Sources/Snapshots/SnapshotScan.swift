import Support

/// Scans ahead for fields that follow the entries but are needed before them.
///
/// The encoding allows any order; every known writer uses a sensible one, so this is rarely
/// needed. Memory is constant, too.
final class SnapshotScan {
    private var window: ByteWindow
    private var formatVersion: UInt32 = 0
    private var index = -1

    init(_ spool: Spool) { window = ByteWindow(spool) }

    /// Finds the format version by reading to the end; 0 if there is none.
    func findFormatVersion() throws(SnapshotError) -> UInt32 {
        while try nextName() != nil {}
        return formatVersion
    }

    /// Reads to the end of the DBI message with the number `wanted`, from 0 on, and returns its name.
    ///
    /// The numbers must increase from call to call.
    func findName(ofDatabase wanted: Int) throws(SnapshotError) -> String? {
        while let name = try nextName() {
            if index == wanted { return name }
        }
        return nil
    }

    // The name of the next DBI, "" if it has none, nil at the end.
    private func nextName() throws(SnapshotError) -> String? {
        while try window.ensure(1) {
            let tag = try window.readTag(limit: .max)
            switch tag.number {
            case SnapshotFields.formatVersion:
                try window.expect(tag, .varint, of: "formatVersion")
                formatVersion = UInt32(truncatingIfNeeded: try window.readVarint(limit: .max))
            case SnapshotFields.databases:
                try window.expect(tag, .length, of: "a DBI")
                let end = try window.readLength(limit: .max, of: "a DBI") &+ window.offset
                index += 1
                return try name(end)
            default: try window.skipValue(tag, limit: .max)
            }
        }
        return nil
    }

    private func name(_ end: UInt64) throws(SnapshotError) -> String {
        var name = ""
        while window.offset < end {
            let tag = try window.readTag(limit: end)
            if tag.number == SnapshotFields.DBI.name {
                name = try SnapshotFields.readDatabaseName(tag, &window, limit: end)
            } else {
                try window.skipValue(tag, limit: end)
            }
        }
        return name
    }
}
