import PowerDNSSchema

/// What rules want to know of the records of an RRset that are served, which leaves out the disabled ones.
struct ServedRecords {
    private(set) var count = 0
    /// The TTL of the first one.
    private(set) var ttl: UInt32 = 0
    /// A TTL that is not that of the first one.
    private(set) var otherTTL: UInt32?
    /// Whether one occurs twice.
    private(set) var hasDuplicate = false
    /// Whether one is marked as the zone's own, and whether one is not.
    private(set) var (hasOwn, hasOthers) = (false, false)
    /// Where MX, NS and SRV records lead to.
    private(set) var targets: [DomainName] = []

    /// Decodes all records, and checks the RDATA of the disabled ones, too.
    init(_ payload: UnsafeRawBufferPointer, _ type: RecordType, owner: DomainName) throws(DecodeError) {
        var first: UnsafeRawBufferPointer?
        var seen: Set<[UInt8]> = []
        let hasTarget = type == .ns || type == .mx || type == .srv
        var value = RecordValue(payload)
        // PowerDNS fails to read an RRset without records.
        if payload.isEmpty { throw DecodeError(.cutOff, at: 0) }
        while let record = try value.next() {
            let target: DomainName?
            if hasTarget {
                target = try RData.names(type, record.rdata, owner: owner).last
            } else {
                target = nil
                try RData.check(type, record.rdata, owner: owner)
                try RData.checkForNewer(type, record.rdata)
            }
            if record.isDisabled { continue }
            if count == 0 {
                ttl = record.ttl
            } else if record.ttl != ttl {
                otherTTL = record.ttl
            }
            count += 1
            if record.isAuthoritative { hasOwn = true } else { hasOthers = true }
            if let first {
                if seen.isEmpty { seen.insert(try RData.expanded(type, first, owner: owner)) }
                if !seen.insert(try RData.expanded(type, record.rdata, owner: owner)).inserted { hasDuplicate = true }
            } else {
                first = record.rdata
            }
            if let target { targets.append(target) }
        }
    }
}
