/// A rule that PowerDNS's data are checked against. The raw values are names that scripts may rely on.
package enum ValidationRule: String, CaseIterable, Sendable, Hashable, Encodable {
    // Structure
    case badHeader = "bad-header"
    case badKey = "bad-key"
    case badValue = "bad-value"
    // Relations
    case recordsWithoutZone = "records-without-zone"
    case metadataWithoutZone = "metadata-without-zone"
    case keyWithoutZone = "key-without-zone"
    case indexWithoutObject = "index-without-object"
    case objectWithoutIndex = "object-without-index"
    case duplicateZone = "duplicate-zone"
    case viewWithoutZone = "view-without-zone"
    case networkWithoutView = "network-without-view"
    // Zones
    case soaMissing = "soa-missing"
    case severalSOAs = "several-soas"
    case soaNotAtApex = "soa-not-at-apex"
    case nsMissing = "ns-missing"
    case cnameWithOtherData = "cname-with-other-data"
    case severalCNAMEs = "several-cnames"
    case severalDNAMEs = "several-dnames"
    case namesBelowDNAME = "names-below-dname"
    case dsAtApex = "ds-at-apex"
    case dsWithoutNS = "ds-without-ns"
    case dataBelowDelegation = "data-below-delegation"
    case missingGlue = "missing-glue"
    case ttlMismatch = "ttl-mismatch"
    case targetIsCNAME = "target-is-cname"
    case targetMissing = "target-missing"
    case badNSEC3PARAM = "bad-nsec3param"
    case nsec3Iterations = "nsec3-iterations"
    case noActiveKey = "no-active-key"
    case unusableKey = "unusable-key"
    case sameKeyTag = "same-key-tag"

    /// What rules are about; `powerdns.validation` has a key for each.
    package enum Group: String, Sendable, CaseIterable {
        /// Whether PowerDNS can read the entries.
        case structure
        /// Whether entries that belong together are there.
        case relations
        /// Whether a zone is what DNS wants of one.
        case zones
    }

    /// What it is about.
    package var group: Group {
        switch self {
        case .badHeader, .badKey, .badValue: .structure
        case .recordsWithoutZone, .metadataWithoutZone, .keyWithoutZone, .indexWithoutObject, .objectWithoutIndex,
            .duplicateZone, .viewWithoutZone, .networkWithoutView:
            .relations
        default: .zones
        }
    }

    /// How bad it mostly is.
    package var severity: ValidationFinding.Severity {
        switch self {
        case .recordsWithoutZone, .metadataWithoutZone, .keyWithoutZone, .viewWithoutZone, .networkWithoutView,
            .nsMissing, .dsWithoutNS, .dataBelowDelegation, .targetIsCNAME, .targetMissing, .nsec3Iterations,
            .sameKeyTag:
            .warning
        default: .error
        }
    }
}
