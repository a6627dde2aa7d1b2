import Testing

@testable import PowerDNSFormat

/// Reads everything that can be read of an entry, and returns whether it decoded.
@discardableResult
func readAll(_ table: PowerDNSTable, key: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) -> Bool {
    try? PowerDNSEntry.checkKey(table, key)
    guard let entry = try? PowerDNSEntry(table, key: key, payload: payload) else { return false }
    switch entry {
    case .key(_, let key):
        _ = (try? key.dnskey())?.tag
        _ = key.zone.description
    case .domain(_, let domain): _ = domain.primaries.map(\.description)
    case .network(let network): _ = network.description
    case .records(let key, _, _):
        guard let zone = try? DomainName("example.org"), let owner = try? key.owner(in: zone) else { return true }
        for style in [ZoneTextStyle.zoneFile, .pdnsutil4, .pdnsutil5] {
            var text = ZoneText(style: style)
            try? text.append(owner: owner, type: key.type, payload: payload)
        }
        var value = RecordValue(payload)
        while let record = try? value.next() {
            _ = RData.soaSerial(record.rdata)
            _ = try? RData.expanded(key.type, record.rdata, owner: owner)
            _ = try? RData.names(key.type, record.rdata, owner: owner)
        }
    default: break
    }
    return true
}

@Suite("Damage")
struct MutationTests {
    /// Hands over every beginning, and every version with one byte changed.
    private func forEachMutation(_ bytes: [UInt8], _ body: ([UInt8]) -> Void) {
        for size in 0..<bytes.count { body(Array(bytes[..<size])) }
        var changed = bytes
        for index in bytes.indices {
            for value in [bytes[index] ^ 1, bytes[index] ^ 0x80, 0, 0xff, 0xc0, bytes[index] &+ 1] {
                changed[index] = value
                body(changed)
            }
            changed[index] = bytes[index]
        }
    }

    @Test("of an entry never gets further than an error", arguments: Fixture.all)
    func entries(fixture: Fixture) throws {
        var good = 0
        var bad = 0
        for (table, entries) in try fixture.entries() {
            for entry in entries {
                func read(_ key: [UInt8], _ payload: [UInt8]) {
                    key.withUnsafeBytes { key in
                        payload.withUnsafeBytes { payload in
                            if readAll(table, key: key, payload: payload) { good += 1 } else { bad += 1 }
                        }
                    }
                }
                forEachMutation(entry.key) { read($0, entry.payload) }
                forEachMutation(entry.payload) { read(entry.key, $0) }
            }
        }
        #expect(good > 1000 && bad > 1000)
    }

    @Test("of RDATA of every type never gets further than an error")
    func rdata() throws {
        var good = 0
        var bad = 0
        for example in try RDataExample.all() {
            forEachMutation(example.stored) { bytes in
                bytes.withUnsafeBytes { rdata in
                    if let expanded = try? RData.expanded(example.type, rdata, owner: example.owner) {
                        good += 1
                        // What has been expanded means the same without its owner.
                        let text = try? RData.text(example.type, rdata, owner: example.owner)
                        let again = expanded.withUnsafeBytes { try? RData.text(example.type, $0, owner: .root) }
                        #expect(text != nil && text == again)
                    } else {
                        bad += 1
                    }
                }
            }
        }
        #expect(good > 1000 && bad > 1000)
    }
}
