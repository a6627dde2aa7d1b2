import Support

@testable import LMDB
@testable import PowerDNSFormat
@testable import Snapshots

/// Called by libFuzzer with one input after another. The first byte chooses what reads it.
///
/// Whatever comes, nothing may trap, hang, leak or touch memory that is not ours; what is accepted must be
/// consistent in itself.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let rest = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    switch start.pointee % 8 {
    case 0: readSnapshot(Spool(Array(rest)))
    case 1: if let spool = try? compressed(rest) { readSnapshot(spool) }
    case 2: readName(String(decoding: rest, as: UTF8.self))
    case 3: readHeader(rest)
    case 4: readEntry(rest)
    case 5: readRData(rest)
    case 6: readNameText(rest)
    default: readPages(rest)
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
    let alone = try? SnapshotMeta.read(spool)
    if let alone { readMeta(alone) }
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
                check(!isInDatabase && reader.formatVersion > 0 && alone != nil)
                return
            }
        } catch {
            check(!error.description.isEmpty && error.kind != .unreadable)
            return
        }
    }
}

private func readMeta(_ meta: SnapshotMeta) {
    for (instance, time) in meta.positions {
        check(!instance.isEmpty && SnapshotName.sanitize(instance: instance) == instance && time > 0)
    }
    // What was read can be written, and means the same.
    let again = SnapshotEncoding.start(meta).withUnsafeBytes { try? SnapshotMeta.read(compressed($0)) }
    check(again == meta)
    let name = SnapshotName(
        database: meta.databaseName, instance: meta.instanceID, timestamp: meta.from,
        fileExtension: SnapshotName.deltaExtension)
    check((meta.problem(asDelta: name) == nil) == (meta.from > 0 && meta.timestamp > meta.from))
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

/// The table in the first byte, the size of the key in the second; then the key and the payload.
private func readEntry(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 2, Int(bytes[1]) <= bytes.count - 2 else { return }
    let table = PowerDNSTable.allCases[Int(bytes[0]) % PowerDNSTable.allCases.count]
    let key = UnsafeRawBufferPointer(rebasing: bytes[2..<2 + Int(bytes[1])])
    let payload = UnsafeRawBufferPointer(rebasing: bytes[(2 + Int(bytes[1]))...])
    guard let entry = try? PowerDNSEntry(table, key: key, payload: payload) else { return }
    check((try? PowerDNSEntry.checkKey(table, key)) != nil)
    switch entry {
    case .domain(_, let domain):
        for primary in domain.primaries { check(!primary.description.isEmpty) }
    case .key(_, let key): if let key = try? key.dnskey() { check(!key.publicKey.isEmpty && key.rdata.count > 4) }
    case .index(let index):
        let again = index.bytes.withUnsafeBytes { try? IndexKey($0) }
        // Bytes that are no UTF-8 can't come back.
        check(again != nil || index.zone.variant.contains("\u{fffd}"))
    case .network(let network): check(network.description.contains("/"))
    case .records(let key, let kind, let count):
        guard let owner = try? key.owner(in: .root), kind == .records else { return }
        for style in [ZoneTextStyle.zoneFile, .pdnsutil4, .pdnsutil5] {
            var text = ZoneText(style: style)
            guard (try? text.append(owner: owner, type: key.type, payload: payload)) != nil else { return }
            check(text.bytes.count { $0 == UInt8(ascii: "\n") } <= count)
        }
    default: break
    }
}

/// The type in the first two bytes, the size of the owner name in the third; then the owner name and the RDATA.
private func readRData(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 3, Int(bytes[2]) <= bytes.count - 3 else { return }
    let type = RecordType(rawValue: UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
    let rdata = UnsafeRawBufferPointer(rebasing: bytes[(3 + Int(bytes[2]))...])
    guard let owner = try? DomainName(wire: UnsafeRawBufferPointer(rebasing: bytes[3..<3 + Int(bytes[2])])),
        let expanded = try? RData.expanded(type, rdata, owner: owner)
    else { return }
    guard let text = try? RData.text(type, rdata, owner: owner) else { return check(false) }
    check(text.utf8.allSatisfy { (0x20...0x7e).contains($0) })
    // What has been expanded means the same without its owner.
    expanded.withUnsafeBytes { expanded in
        check((try? RData.text(type, expanded, owner: .root)) == text)
        check((try? RData.names(type, expanded, owner: .root)) == (try? RData.names(type, rdata, owner: owner)))
    }
}

private func readNameText(_ bytes: UnsafeRawBufferPointer) {
    guard let zone = try? ZoneName(String(decoding: bytes, as: UTF8.self)) else { return }
    check(zone.name.wire.count <= DomainName.maximumSize)
    check((try? DomainName(zone.name.description))?.wire == zone.name.wire)
    check((try? ZoneName(zone.description)) == zone)
    check(zone.name.wire.withUnsafeBytes { try? DomainName(wire: $0) } == zone.name)
    check(!(zone.name < zone.name))
    check(zone.name.labelCount == 0 || zone.name.parent.map { zone.name.isSubdomain(of: $0) } == true)
    guard !zone.name.wire.dropLast().contains(0) else { return }
    check(KeyName.bytes(zone.name).withUnsafeBytes { try? KeyName.decode($0) } == zone.name)
}

/// The record of a tree, then its pages from number 2 on, 512 bytes each.
private func readPages(_ bytes: UnsafeRawBufferPointer) {
    let pageSize = 512
    guard bytes.count >= 48, let record = try? DatabaseRecord(UnsafeRawBufferPointer(rebasing: bytes[..<48])) else {
        return
    }
    let count = (bytes.count - 48) / pageSize + 2
    // Of this size exactly, for the address sanitizer.
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count * pageSize, alignment: 16)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    UnsafeMutableRawBufferPointer(rebasing: memory[(2 * pageSize)...]).copyBytes(
        from: bytes[48..<48 + (count - 2) * pageSize])
    guard let base = memory.baseAddress else { return }
    let last = UInt(count - 1)
    let pages = MappedPages(base: UnsafeRawPointer(base), pageSize: pageSize, last: last)
    let all = PageSet(last: last)
    for page in 2...max(2, last) { all.insert(page) }
    var sum: UInt8 = 0
    guard var walk = try? PageWalk(record, pages, .within(all), seen: PageSet(last: last)) else { return }
    while (try? walk.next()) == true {
        for byte in walk.entry.key { sum &+= byte }
        for byte in walk.entry.value { sum &+= byte }
    }
    check(walk.visited < count)
}

private func check(_ condition: Bool, line: Int = #line) {
    if !condition { fatalError("line \(line) does not hold") }
}
