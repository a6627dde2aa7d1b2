import Bytes

@testable import Snapshots

/// Called by libFuzzer with one input after another. The first byte chooses what reads it.
///
/// Whatever comes, nothing may trap, hang, leak or touch memory that is not ours; what is accepted must be
/// consistent in itself.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let rest = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    switch start.pointee % 4 {
    case 0: readSnapshot(Spool(Array(rest)))
    case 1: if let spool = try? compressed(rest) { readSnapshot(spool) }
    case 2: readName(String(decoding: rest, as: UTF8.self))
    default: readHeader(rest)
    }
    return 0
}

private func compressed(_ bytes: UnsafeRawBufferPointer) throws -> Spool {
    var deflater = GzipDeflater()
    var writer = SpoolWriter()
    try deflater.write(bytes, to: &writer)
    try deflater.finish(to: &writer)
    return try writer.finish()
}

private func readSnapshot(_ spool: Spool) {
    var reader = SnapshotReader(spool, maximumEntrySize: 1 << 20)
    var isInDatabase = false
    var sum: UInt8 = 0
    while true {
        do throws(SnapshotError) {
            switch try reader.next() {
            case .databaseBegin:
                check(!isInDatabase && !reader.databaseName.isEmpty && reader.formatVersion > 0)
                isInDatabase = true
            case .entry:
                check(isInDatabase)
                // Touches every byte, for the address sanitizer.
                for byte in reader.key { sum &+= byte }
                for byte in reader.value { sum &+= byte }
            case .databaseEnd:
                check(isInDatabase)
                isInDatabase = false
            case .end:
                check(!isInDatabase && reader.formatVersion > 0)
                return
            }
        } catch {
            check(!error.description.isEmpty && error.kind != .unreadable)
            return
        }
    }
}

private func readName(_ text: String) {
    guard let name = SnapshotName(text) else { return }
    check(name.description == text)
    check(SnapshotTimestamp.parse(SnapshotTimestamp.text(name.timestamp)[...]) == name.timestamp)
    check(SnapshotName.sanitize(instance: name.instance) == name.instance)
}

private func readHeader(_ bytes: UnsafeRawBufferPointer) {
    guard let entry = try? EntryHeader.parse(bytes) else { return }
    check(entry.payload.count <= bytes.count - EntryHeader.size)
    var sum: UInt8 = 0
    for byte in entry.payload { sum &+= byte }
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { buffer in
        entry.header.write(to: buffer, paddingBlock: sum & 1 == 0)
        let again = try? EntryHeader.parse(UnsafeRawBufferPointer(buffer))
        check(again?.header.timestamp == entry.header.timestamp)
        check(again?.header.isDeleted == entry.header.isDeleted)
    }
}

private func check(_ condition: Bool, line: Int = #line) {
    if !condition { fatalError("line \(line) does not hold") }
}
