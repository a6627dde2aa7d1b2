/// What one check of `doctor` came to.
struct Finding: Sendable, Equatable, Encodable {
    enum Status: String, Sendable, Encodable {
        /// As it should be.
        case pass
        /// Works, but not as well as it should, or not for everything.
        case warn
        /// Does not work, or endangers data.
        case fail
        /// Could not be checked; the text says why.
        case skip
    }

    /// What was looked at, such as `storage` or `database main`.
    var group: String
    /// The name of the check.
    var check: String
    var status: Status
    /// What was found; one line.
    var text: String
    /// What to do about it; one line, nil where there is nothing to do.
    var cure: String?
}

/// Gathers the findings of one group.
struct Findings: Sendable, Equatable {
    let group: String
    private(set) var all: [Finding] = []

    init(_ group: String) { self.group = group }

    mutating func pass(_ check: String, _ text: String) { add(check, .pass, text, nil) }
    mutating func skip(_ check: String, _ text: String) { add(check, .skip, text, nil) }
    mutating func warn(_ check: String, _ text: String, cure: String) { add(check, .warn, text, cure) }
    mutating func fail(_ check: String, _ text: String, cure: String) { add(check, .fail, text, cure) }

    /// Adds a finding; without a cure its text already says what to do.
    mutating func add(_ check: String, _ status: Finding.Status, _ text: String, _ cure: String?) {
        all.append(Finding(group: group, check: check, status: status, text: text, cure: cure))
    }
}
