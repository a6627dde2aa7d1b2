import LMDB

/// Facts about the readers of an LMDB.
struct ReaderFacts: Sendable, Equatable {
    var table: ReaderTable
    var maximumReaders: Int
    var lastTransactionID: UInt64
    /// The ID of this process.
    var processID: Int
    /// Names of programs by process IDs of this namespace.
    var programs: [Int: String] = [:]

    /// `PID 17 (pdns_server)`, with the name of a process in another namespace if it is visible.
    func name(_ slot: ReaderSlot) -> String {
        switch slot.owner {
        case .gone: "PID \(slot.processID)"
        case .alive: "PID \(slot.processID)\(programs[slot.processID].map { " (\($0))" } ?? "")"
        case .elsewhere(let here):
            "PID \(slot.processID) of another PID namespace"
                + (here.map { " (here PID \($0)\(programs[$0].map { ", \($0)" } ?? ""))" } ?? "")
        }
    }
}

/// Checks whether readers block the reuse of pages, fill the table, or collide.
enum ReaderChecks {
    /// A reader that lags by this many transactions is older than any query.
    static let oldAge: UInt64 = 100

    static func check(_ facts: ReaderFacts, _ findings: inout Findings) {
        checkProcessIDs(facts, &findings)
        // Nothing more can be read with an ID that another process uses.
        guard !facts.table.isOwnIDTaken else { return }
        checkSlots(facts, &findings)
        checkOldest(facts, &findings)
    }

    private static func checkSlots(_ facts: ReaderFacts, _ findings: inout Findings) {
        let used = facts.table.slots.count { $0.owner != .gone }
        let gone = facts.table.slots.count - used
        let text =
            "\(used) of \(facts.maximumReaders) in use"
            + (gone > 0 ? ", and \(gone) of dead processes, which are freed when needed" : "")
        let cure =
            "find processes that keep read transactions open; the first process that opens the LMDB sets the table's size"
        if used * 10 >= facts.maximumReaders * 9 {
            findings.fail("reader slots", text, cure: cure)
        } else if used * 10 >= facts.maximumReaders * 7 {
            findings.warn("reader slots", text, cure: cure)
        } else {
            findings.pass("reader slots", text)
        }
    }

    private static func checkOldest(_ facts: ReaderFacts, _ findings: inout Findings) {
        let reading = facts.table.slots.filter { $0.owner != .gone && $0.transactionID != nil }
        guard let oldest = reading.min(by: { ($0.transactionID ?? 0) < ($1.transactionID ?? 0) }),
            let transaction = oldest.transactionID
        else { return findings.pass("oldest reader", "there are no readers") }
        let age = facts.lastTransactionID > transaction ? facts.lastTransactionID - transaction : 0
        let text = "\(facts.name(oldest)) reads transaction \(transaction), \(age) before the newest"
        if age >= oldAge {
            findings.warn(
                "oldest reader", "\(text): pages freed since cannot be reused, so the file grows",
                cure: "end that process if it hangs; do not leave `lightningstream dump` open in a pager")
        } else {
            findings.pass("oldest reader", text)
        }
    }

    private static func checkProcessIDs(_ facts: ReaderFacts, _ findings: inout Findings) {
        let name = "process IDs"
        let cure =
            "start lightningstream with --minimum-pid 200 in its container: LMDB distinguishes readers by process ID only"
        if facts.table.isOwnIDTaken {
            return findings.fail(
                name,
                "a process of another PID namespace reads this LMDB as PID \(facts.processID), the ID of this process",
                cure: cure)
        }
        let elsewhere = facts.table.slots.filter { if case .elsewhere = $0.owner { true } else { false } }
        guard let first = elsewhere.first else {
            return findings.pass(name, "all readers are in this PID namespace")
        }
        let alive = Set(facts.table.slots.filter { $0.owner == .alive }.map(\.processID))
        if let same = elsewhere.first(where: { alive.contains($0.processID) }) {
            return findings.fail(
                name, "\(facts.name(same)) and PID \(same.processID) in this namespace collide", cure: cure)
        }
        findings.warn(
            name, "\(facts.name(first)) reads this LMDB; if a process here ever gets its ID, both fail",
            cure: cure)
    }
}
