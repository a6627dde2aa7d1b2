/// What can change in DNS terms.
enum ChangeKind: Int, CaseIterable, Sendable {
    case rrsetAdded
    case rrsetChanged
    case rrsetRemoved
    /// The same once more, with a new timestamp: what load-zone and transfers make of what they leave as it was.
    case rrsetRewritten
    /// The same records with other marks of authority or of the chain of denial: answers may be others.
    case rrsetMarked
    /// Added, changed or rewritten: of what the application writes, the version before is not known.
    case rrsetWritten
    /// A row that PowerDNS keeps between the records, for empty non-terminals and NSEC3.
    case bookkeeping
    case zoneCreated
    case zoneChanged
    case zoneDeleted
    /// Created or changed.
    case zoneWritten
    case metadata
    case key
    case tsigKey
    case view
    case network
    case comment
    case setting

    /// The value of the label `kind` of the metric.
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

    /// Whether answers may be others after it.
    var isNews: Bool { self != .rrsetRewritten && self != .comment && self != .setting }

    /// Whether its records are shown.
    var isShown: Bool {
        switch self {
        case .rrsetAdded, .rrsetChanged, .rrsetRemoved, .rrsetWritten: true
        default: false
        }
    }
}

/// How many changes there are of each kind.
struct ChangeCounts: Sendable, Equatable {
    private var counts = [Int](repeating: 0, count: ChangeKind.allCases.count)

    subscript(kind: ChangeKind) -> Int {
        get { counts[kind.rawValue] }
        set { counts[kind.rawValue] = newValue }
    }

    /// Those that there are, in the order of their declaration.
    var present: [(kind: ChangeKind, count: Int)] {
        ChangeKind.allCases.lazy.map { ($0, self[$0]) }.filter { $0.count > 0 }
    }

    var isEmpty: Bool { counts.allSatisfy { $0 <= 0 } }

    /// Whether there is something that may change answers.
    var isNews: Bool { present.contains { $0.kind.isNews } }

    mutating func add(_ other: ChangeCounts) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }

    mutating func subtract(_ other: ChangeCounts) {
        for index in counts.indices { counts[index] -= other.counts[index] }
    }
}
