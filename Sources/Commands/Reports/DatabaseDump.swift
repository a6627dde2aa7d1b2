import Daemon
import LMDB
import Snapshots
import Support

/// Writes one database as text, an entry per line.
///
/// Each DBI begins with `# database/dbi: entries, flags`. An entry is `key = value`, or `key = {header} value` if
/// values have headers. All output is from one read transaction, and is written while it is read.
struct DatabaseDump {
    /// Whether private DBIs are omitted.
    var hidesPrivate: Bool

    func write(_ database: LocalDatabase, to output: inout BufferedOutput, _ line: ProgressLine?) throws {
        let environment = try database.open()
        try environment.read { transaction in
            let shown = try transaction.databases().filter { !(hidesPrivate && PrivateDatabases.contains($0.name)) }
            let counts = try shown.map { try transaction.statistics($0).entries }
            line?.update { $0.totalEntries = counts.saturatedSum() }
            for (dbi, entries) in zip(shown, counts) {
                output.append(
                    "# \(database.name)/\(PrintableText.line(dbi.name)): \(entries) entries, flags \(dbi.flags.names)")
                try output.endLine()
                let hasHeaders = database.hasHeaders(in: dbi.name)
                var cursor = try transaction.openCursor(dbi)
                var seen = 0
                while try cursor.next() {
                    seen &+= 1
                    if seen & 1023 == 0 { line?.add(entries: 1024) }
                    PrintableBytes.append(cursor.key, to: &output)
                    output.append(" = ")
                    if hasHeaders {
                        Self.appendNative(cursor.value, to: &output)
                    } else {
                        PrintableBytes.append(cursor.value, to: &output)
                    }
                    try output.endLine()
                }
            }
        }
        try output.flush()
    }

    /// `{2026-11-21T00:11:41.839786911Z, txn 20} value`
    static func appendNative(_ value: UnsafeRawBufferPointer, to output: inout BufferedOutput) {
        do throws(EntryHeaderError) {
            let entry = try EntryHeader.parse(value)
            let time = WallTime(nanosecondsSinceEpoch: entry.header.timestamp).rfc3339(digits: 9)
            output.append("{\(time), txn \(entry.header.transactionID)")
            let unknownFlags = entry.header.flags & ~EntryHeader.deletedFlag
            if entry.header.isDeleted { output.append(", Deleted") }
            if unknownFlags != 0 { output.append(", unknown flags 0x\(String(unknownFlags, radix: 16))") }
            let extensions = (value.count - entry.payload.count - EntryHeader.size) / 8
            if extensions > 0 { output.append(", \(extensions) extension block\(extensions == 1 ? "" : "s")") }
            output.append("}")
            guard !entry.payload.isEmpty else { return }
            output.append(" ")
            PrintableBytes.append(entry.payload, to: &output)
        } catch {
            output.append("{no header: \(error)} ")
            PrintableBytes.append(value, to: &output)
        }
    }
}
