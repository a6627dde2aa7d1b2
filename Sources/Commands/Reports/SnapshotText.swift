import ArgumentParser
import Daemon
import LMDB
import Snapshots
import Support

/// Writes a snapshot as text, an entry per line, while it is read.
struct SnapshotText {
    enum Format: String, CaseIterable, ExpressibleByArgument { case debug, text }

    var format: Format
    /// Restricts the output to the DBI of this name.
    var dbi: String?

    /// - Returns: whether any DBI was shown.
    func write(_ spool: Spool, to output: inout BufferedOutput, _ line: ProgressLine?) throws -> Bool {
        do {
            defer { line?.end() }
            let found = try write(
                SnapshotReader(spool, maximumEntrySize: SnapshotReader.largestPlausibleEntry), to: &output, line)
            try output.flush()
            return found
        } catch let error as SnapshotError {
            // The output before the damage is useful.
            try output.flush()
            throw error
        }
    }

    private func write(
        _ reader: consuming SnapshotReader, to output: inout BufferedOutput, _ line: ProgressLine?
    ) throws -> Bool {
        var shownMeta: SnapshotMeta?
        var lastName: String?
        var found = false
        var chunk = Chunk()
        while true {
            switch try reader.next() {
            case .databaseBegin:
                if format == .debug, shownMeta == nil {
                    try writeMeta(reader.formatVersion, reader.meta, to: &output)
                    shownMeta = reader.meta
                }
                chunk = Chunk(isShown: dbi == nil || reader.databaseName == dbi)
                guard chunk.isShown else { break }
                found = true
                if format == .debug || reader.databaseName != lastName {
                    let name = PrintableText.line(reader.databaseName)
                    output.append("# \(name): flags \(flags(reader.databaseFlags))")
                    if !reader.databaseTransform.isEmpty { output.append(", transform \(reader.databaseTransform)") }
                    if format == .debug, reader.databaseName == lastName { output.append(", next chunk") }
                    try output.endLine()
                }
                lastName = reader.databaseName
            case .entry:
                chunk.entries += 1
                if chunk.entries & 1023 == 0 { line?.add(entries: 1024) }
                guard chunk.isShown else { break }
                try writeEntry(reader, to: &output)
            case .databaseEnd:
                guard chunk.isShown, format == .debug else { break }
                output.append("# end of this chunk of \(PrintableText.line(reader.databaseName)): ")
                output.append("\(chunk.entries) entries")
                try output.endLine()
            case .end:
                // Known writers put the metadata first, but they may come later.
                if format == .debug, shownMeta != reader.meta {
                    try writeMeta(reader.formatVersion, reader.meta, to: &output)
                }
                return found
            }
        }
    }

    private func writeEntry(_ reader: borrowing SnapshotReader, to output: inout BufferedOutput) throws {
        PrintableBytes.append(reader.key, to: &output)
        output.append(" = {")
        output.append(WallTime(nanosecondsSinceEpoch: reader.timestamp).rfc3339(digits: 9))
        if format == .debug { output.append(", \(reader.timestamp) ns") }
        if reader.isDeleted { output.append(", Deleted") }
        output.append("}")
        if !reader.value.isEmpty {
            output.append(" ")
            PrintableBytes.append(reader.value, to: &output)
        }
        try output.endLine()
    }

    private struct Chunk {
        var isShown = false
        var entries = 0
    }

    private func writeMeta(_ version: UInt32, _ meta: SnapshotMeta, to output: inout BufferedOutput) throws {
        let positions = meta.positions.sorted { $0.key < $1.key }.map { instance, time in
            ("had merged of \(PrintableText.line(instance))", Self.time(time))
        }
        for (name, value) in [
            ("format version", "\(version)"), ("database", PrintableText.line(meta.databaseName)),
            ("instance", PrintableText.line(meta.instanceID)), ("host", PrintableText.line(meta.hostname)),
            ("generation", PrintableText.line(meta.generationID)), ("time", Self.time(meta.timestamp)),
            ("LMDB transaction", "\(meta.transactionID)"),
            ("from transaction", meta.fromTransactionID == 0 ? "" : "\(meta.fromTransactionID)"),
            ("from", meta.from == 0 ? "" : Self.time(meta.from)), ("reads deltas", meta.readsDeltas ? "yes" : ""),
        ] + positions where !value.isEmpty {
            output.append("# \(name): \(value)")
            try output.endLine()
        }
    }

    private static func time(_ time: UInt64) -> String {
        "\(WallTime(nanosecondsSinceEpoch: time).rfc3339(digits: 9)), \(time) ns"
    }

    private func flags(_ flags: UInt64) -> String {
        UInt32(exactly: flags).map { DatabaseFlags(rawValue: $0).names } ?? "0x\(String(flags, radix: 16))"
    }
}

extension SnapshotText {
    /// Reads all of a snapshot, which checks it, and returns its metadata.
    static func readThrough(_ spool: Spool) throws(SnapshotError) -> SnapshotMeta {
        var reader = SnapshotReader(spool, maximumEntrySize: SnapshotReader.largestPlausibleEntry)
        while true {
            if case .end = try reader.next() { return reader.meta }
        }
    }

    /// The same bytes, with progress shown while they are read.
    static func observed(_ spool: Spool, _ line: ProgressLine?) -> Spool {
        guard let line else { return spool }
        return Spool(spool) { count in line.add(bytes: count) }
    }
}
