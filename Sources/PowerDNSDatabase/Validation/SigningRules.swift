import PowerDNSFormat

/// Checks that the keys and NSEC3 parameters of a zone are usable. All data are in the main database.
struct SigningRules {
    let context: CheckContext
    let zone: ZoneName

    private static let kinds: Set = ["NSEC3PARAM", "PRESIGNED"]
    private var view: DatabaseView { context.view }

    /// Checks the zone.
    func check() throws {
        let settings = try metadata(Self.kinds)
        for value in settings["NSEC3PARAM"] ?? [] { try checkNSEC3(value) }
        try checkKeys(isPresigned: settings["PRESIGNED"]?.contains("1") == true)
    }

    /// Whether the zone needs DNSSEC answers: it has an active key, or is presigned.
    func state() throws -> (isSecured: Bool, isPresigned: Bool) {
        let isPresigned = try metadata(Self.kinds)["PRESIGNED"]?.contains("1") == true
        var isSecured = isPresigned
        try forEach(.keys) { _, payload in
            if (try? KeyData(payload))?.isActive == true { isSecured = true }
        }
        return (isSecured, isPresigned)
    }

    private func report(_ rule: ValidationRule, type: RecordType, _ text: String) throws {
        try context.report(
            ValidationFinding(rule, zone: "\(zone)", owner: "\(zone.name)", type: "\(type)", text))
    }

    /// Calls `body` with the payload of each object in the index of the zone.
    private func forEach(_ table: PowerDNSTable, _ body: (UInt32, UnsafeRawBufferPointer) throws -> Void) throws {
        guard let indexTable = table.index else { return }
        let prefix = IndexKey.prefix(of: zone)
        let index = view[indexTable]
        try index.seek(prefix)
        while index.hasPrefix(prefix) {
            if index.key.count == prefix.count + 4, index.live != nil, let id = (try? IndexKey(index.key))?.id,
                let entry = try view[table].find(RecordKey.prefix(domainID: id))
            {
                try body(id, entry.payload)
            }
            try index.next()
        }
    }

    // MARK: Metadata

    /// The values of some kinds of metadata.
    private func metadata(_ kinds: Set<String>) throws -> [String: [String]] {
        var found: [String: [String]] = [:]
        try forEach(.metadata) { _, payload in
            guard let metadata = try? DomainMetadata(payload), kinds.contains(metadata.kind) else { return }
            found[metadata.kind, default: []].append(metadata.value)
        }
        return found
    }

    private func checkNSEC3(_ value: String) throws {
        let fields = value.split(separator: " ")
        guard fields.count == 4, fields[0] == "1", fields[1] == "0" || fields[1] == "1",
            let iterations = UInt16(fields[2]), Self.isSalt(fields[3])
        else {
            return try report(
                .badNSEC3PARAM, type: .nsec3param,
                "the metadata NSEC3PARAM are not \"1 FLAGS ITERATIONS SALT\" with flags of 0 or 1 and a salt of "
                    + "hexadecimal digits or -; set \"1 0 0 -\" with pdnsutil set-nsec3")
        }
        if iterations > 0 {
            try report(
                .nsec3Iterations, type: .nsec3param,
                "\(iterations) additional iterations: resolvers may take the zone for insecure or broken (RFC 9276); "
                    + "set \"1 0 0 -\" with pdnsutil set-nsec3")
        }
    }

    private static func isSalt(_ text: Substring) -> Bool {
        text == "-" || (text.utf8.count <= 510 && text.utf8.count % 2 == 0 && text.allSatisfy(\.isHexDigit))
    }

    // MARK: Keys

    private func checkKeys(isPresigned: Bool) throws {
        var count = 0
        var active = 0
        var ids: [UInt32: UInt32] = [:]
        try forEach(.keys) { id, payload in
            guard let key = try? KeyData(payload) else { return }
            count += 1
            if key.isActive { active += 1 }
            // Keys in hardware modules cannot be checked.
            if key.isInHardware { return }
            let dnskey: DNSKey
            do throws(DecodeError) {
                dnskey = try key.dnskey()
            } catch {
                guard key.isActive else { return }
                return try report(
                    .unusableKey, type: .dnskey,
                    "key \(id) of algorithm \(key.algorithmName) is active, but its private key does not match this algorithm; "
                        + "create a new key, and remove this one")
            }
            guard key.isActive || key.isPublished else { return }
            let identity = UInt32(dnskey.algorithm) << 16 | UInt32(dnskey.tag)
            if let other = ids[identity] {
                try report(
                    .sameKeyTag, type: .dnskey,
                    "the keys \(other) and \(id) both have the tag \(dnskey.tag), which makes validation slow or fail; replace "
                        + "one of them")
            }
            ids[identity] = id
        }
        if count > 0, active == 0, !isPresigned {
            try report(
                .noActiveKey, type: .dnskey,
                "the zone has DNSSEC keys, and none is active: it is not signed, and bogus where the zone above has a DS; "
                    + "activate one, or remove all")
        }
    }
}
