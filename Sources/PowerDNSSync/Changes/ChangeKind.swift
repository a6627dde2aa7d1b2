/// Kinds of changes in DNS terms.
enum ChangeKind: Int, CaseIterable, Sendable {
    case rrsetAdded
    case rrsetChanged
    case rrsetRemoved
    /// Unchanged with a new timestamp, as written by load-zone and zone transfers.
    case rrsetRewritten
    /// The same records with different fields for authority or the chain of denial, which may change answers.
    case rrsetMarked
    /// Added, changed or rewritten: the previous version is unknown, because a send has read everything.
    case rrsetWritten
    /// An internal row of PowerDNS between the records, for empty non-terminals and NSEC3.
    case bookkeeping
    case zoneCreated
    case zoneChanged
    case zoneDeleted
    /// Created or changed, in the same case.
    case zoneWritten
    case metadata
    case key
    case tsigKey
    case view
    case network
    case comment
    case setting

    /// The value of the metric's label `kind`.
    var label: String {
        switch self {
        case .rrsetAdded: "rrset_added"
        case .rrsetChanged: "rrset_changed"
        case .rrsetRemoved: "rrset_removed"
        case .rrsetRewritten, .rrsetMarked: "rrset_rewritten"
        case .rrsetWritten: "rrset_written"
        case .bookkeeping: "bookkeeping"
        case .zoneCreated: "zone_created"
        case .zoneChanged: "zone_changed"
        case .zoneDeleted: "zone_deleted"
        case .zoneWritten: "zone_written"
        case .metadata: "metadata"
        case .key: "key"
        case .tsigKey: "tsig"
        case .view: "view"
        case .network: "network"
        case .comment: "comment"
        case .setting: "setting"
        }
    }

    /// Whether it may change answers.
    var isNews: Bool { self != .rrsetRewritten && self != .comment && self != .setting }

    /// Whether its records are shown.
    var isShown: Bool {
        switch self {
        case .rrsetAdded, .rrsetChanged, .rrsetRemoved, .rrsetWritten: true
        default: false
        }
    }
}

/// The number of changes of each kind.
struct ChangeCounts: Sendable, Equatable {
    private var counts = [Int](repeating: 0, count: ChangeKind.allCases.count)

    subscript(kind: ChangeKind) -> Int {
        get { counts[kind.rawValue] }
        set { counts[kind.rawValue] = newValue }
    }

    /// The nonzero counts, in the order of the kinds' declaration.
    var present: [(kind: ChangeKind, count: Int)] {
        ChangeKind.allCases.lazy.map { ($0, self[$0]) }.filter { $0.count > 0 }
    }

    var isEmpty: Bool { counts.allSatisfy { $0 <= 0 } }

    /// Whether any of them may change answers.
    var isNews: Bool { contains(\.isNews) }

    /// Whether there are changes of such a kind.
    func contains(_ isMeant: (ChangeKind) -> Bool) -> Bool {
        counts.indices.contains { counts[$0] > 0 && ChangeKind(rawValue: $0).map(isMeant) == true }
    }

    mutating func add(_ other: ChangeCounts) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }

    mutating func subtract(_ other: ChangeCounts) {
        for index in counts.indices { counts[index] -= other.counts[index] }
    }
}
