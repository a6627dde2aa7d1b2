/// A rule for PowerDNS's data. The raw values are names that scripts may rely on.
package enum ValidationRule: String, CaseIterable, Sendable, Hashable, Encodable {
    // Structure
    /// A value without a usable Lightning Stream header.
    case badHeader = "bad-header"
    /// A key that does not match its table.
    case badKey = "bad-key"
    /// A value that cannot be decoded.
    case badValue = "bad-value"
    /// A record key with upper-case letters, which PowerDNS does not find.
    case upperCaseName = "upper-case-name"
    // Relations
    /// A requested zone that does not exist.
    case noSuchZone = "no-such-zone"
    /// Records with an ID of no zone.
    case recordsWithoutZone = "records-without-zone"
    /// Metadata of a nonexistent zone.
    case metadataWithoutZone = "metadata-without-zone"
    /// DNSSEC keys of a nonexistent zone.
    case keyWithoutZone = "key-without-zone"
    /// Comments with an ID of no zone.
    case commentsWithoutZone = "comments-without-zone"
    /// An entry of `domains_extra_v6` without a zone.
    case extraWithoutZone = "domain-extra-without-zone"
    /// An index entry that refers to nothing, or to an object of another name.
    case indexWithoutObject = "index-without-object"
    /// An object missing in its index.
    case objectWithoutIndex = "object-without-index"
    /// Several zones of one name.
    case duplicateZone = "duplicate-zone"
    /// A view that shows a nonexistent zone.
    case viewWithoutZone = "view-without-zone"
    /// A network whose view has no zones.
    case networkWithoutView = "network-without-view"
    // Zones
    /// A zone without SOA record.
    case soaMissing = "soa-missing"
    /// A zone with several SOA records.
    case severalSOAs = "several-soas"
    /// An SOA record below the apex.
    case soaNotAtApex = "soa-not-at-apex"
    /// An apex without NS records.
    case nsMissing = "ns-missing"
    /// A CNAME record at a name that has other records.
    case cnameWithOtherData = "cname-with-other-data"
    /// Several CNAME records at one name.
    case severalCNAMEs = "several-cnames"
    /// Several DNAME records at one name.
    case severalDNAMEs = "several-dnames"
    /// Names below one with a DNAME record.
    case namesBelowDNAME = "names-below-dname"
    /// DS records at the apex.
    case dsAtApex = "ds-at-apex"
    /// DS records at a name that is not delegated.
    case dsWithoutNS = "ds-without-ns"
    /// Records hidden by a delegation.
    case dataBelowDelegation = "data-below-delegation"
    /// A delegation whose name server is below it and has no address here.
    case missingGlue = "missing-glue"
    /// Different TTLs in one RRset.
    case ttlMismatch = "ttl-mismatch"
    /// The same record twice in an RRset.
    case duplicateRecord = "duplicate-record"
    /// An MX, NS or SRV record whose target is a CNAME.
    case targetIsCNAME = "target-is-cname"
    /// An MX, NS or SRV record whose target has no address in this zone.
    case targetMissing = "target-missing"
    /// NSEC3PARAM metadata that PowerDNS cannot use.
    case badNSEC3PARAM = "bad-nsec3param"
    /// Additional NSEC3 iterations.
    case nsec3Iterations = "nsec3-iterations"
    /// DNSSEC keys, none of them active.
    case noActiveKey = "no-active-key"
    /// An active DNSSEC key that cannot sign.
    case unusableKey = "unusable-key"
    /// Two DNSSEC keys with the same tag.
    case sameKeyTag = "same-key-tag"
    /// RRSIG or NSEC records in a zone that is not presigned.
    case storedSignature = "stored-signature"
    /// Wrong authority marks in a zone with DNSSEC.
    case wrongAuthority = "wrong-auth"
    /// A deleted or missing name with names below it.
    case missingEmptyNonTerminal = "missing-empty-non-terminal"

    /// The groups of rules; `powerdns.validation` has a key for each.
    package enum Group: String, Sendable, CaseIterable {
        /// PowerDNS can read the entries.
        case structure
        /// Related entries exist.
        case relations
        /// Zones are valid in DNS.
        case zones
    }

    /// The group of the rule.
    package var group: Group {
        switch self {
        case .badHeader, .badKey, .badValue, .upperCaseName: .structure
        case .noSuchZone, .recordsWithoutZone, .metadataWithoutZone, .keyWithoutZone, .commentsWithoutZone,
            .extraWithoutZone, .indexWithoutObject,
            .objectWithoutIndex,
            .duplicateZone, .viewWithoutZone, .networkWithoutView:
            .relations
        default: .zones
        }
    }

    /// The usual severity.
    package var severity: ValidationFinding.Severity {
        switch self {
        case .upperCaseName, .recordsWithoutZone, .metadataWithoutZone, .keyWithoutZone, .commentsWithoutZone,
            .extraWithoutZone,
            .viewWithoutZone, .duplicateRecord, .storedSignature,
            .networkWithoutView, .nsMissing, .dsWithoutNS, .dataBelowDelegation, .targetIsCNAME, .targetMissing,
            .nsec3Iterations,
            .sameKeyTag:
            .warning
        default: .error
        }
    }
}
