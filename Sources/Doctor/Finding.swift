/// The result of one check of `doctor`.
struct Finding: Sendable, Equatable, Encodable {
    enum Status: String, Sendable, Encodable {
        /// No problem.
        case pass
        /// Works with restrictions.
        case warn
        /// Does not work, or endangers data.
        case fail
        /// Could not be checked; the text contains the reason.
        case skip
    }

    /// The subject, such as `storage` or `database main`.
    var group: String
    /// The name of the check.
    var check: String
    var status: Status
    /// The result; one line.
    var text: String
    /// The fix; one line, nil if there is none.
    var cure: String?
}

/// Collects the findings of one group.
struct Findings: Sendable, Equatable {
    let group: String
    private(set) var all: [Finding] = []

    init(_ group: String) { self.group = group }

    mutating func pass(_ check: String, _ text: String) { add(check, .pass, text, nil) }
    mutating func skip(_ check: String, _ text: String) { add(check, .skip, text, nil) }
    mutating func warn(_ check: String, _ text: String, cure: String) { add(check, .warn, text, cure) }
    mutating func fail(_ check: String, _ text: String, cure: String) { add(check, .fail, text, cure) }

    /// Adds a finding; without a cure its text already contains the fix.
    mutating func add(_ check: String, _ status: Finding.Status, _ text: String, _ cure: String?) {
        all.append(Finding(group: group, check: check, status: status, text: text, cure: cure))
    }
}
