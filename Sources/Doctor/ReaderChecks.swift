import LMDB

/// What is known about the readers of an LMDB.
struct ReaderFacts: Sendable, Equatable {
    var table: ReaderTable
    var maximumReaders: Int
    var lastTransactionID: UInt64
    /// The ID of this process.
    var processID: Int
    /// Names of programs by process IDs of our namespace.
    var programs: [Int: String] = [:]

    /// `PID 17 (pdns_server)`, with what a process of another namespace is called here.
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

/// Whether readers hold up the reuse of pages, fill the table, or are mistaken for each other.
enum ReaderChecks {
    /// A reader this many transactions behind has been there longer than any query takes.
    static let farBehind: UInt64 = 100

    static func check(_ facts: ReaderFacts, _ findings: inout Findings) {
        checkProcessIDs(facts, &findings)
        // Nothing more can be read under an ID that somebody else has.
        guard !facts.table.isOwnIDTaken else { return }
        checkSlots(facts, &findings)
        checkOldest(facts, &findings)
    }

    private static func checkSlots(_ facts: ReaderFacts, _ findings: inout Findings) {
        let used = facts.table.slots.count { $0.owner != .gone }
        let gone = facts.table.slots.count - used
        let text =
            "\(used) of \(facts.maximumReaders) in use"
            + (gone > 0 ? ", and \(gone) left behind by processes that are gone, which are freed when needed" : "")
        let cure =
            "look for processes that keep read transactions open; the table's size is settled by whoever opens the LMDB first"
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
        else { return findings.pass("oldest reader", "nobody is reading") }
        let behind = facts.lastTransactionID > transaction ? facts.lastTransactionID - transaction : 0
        let text = "\(facts.name(oldest)) reads transaction \(transaction), \(behind) behind the newest"
        if behind >= farBehind {
            findings.warn(
                "oldest reader", "\(text): pages freed since can't be used again, so the file grows",
                cure: "end that process if it hangs; don't leave `lightningstream dump` open in a pager")
        } else {
            findings.pass("oldest reader", text)
        }
    }

    private static func checkProcessIDs(_ facts: ReaderFacts, _ findings: inout Findings) {
        let name = "process IDs"
        let cure =
            "start lightningstream with --minimum-pid 200 in its container: LMDB tells readers apart by process ID only"
        if facts.table.isOwnIDTaken {
            return findings.fail(
                name,
                "a process of another PID namespace reads this LMDB as PID \(facts.processID), which this process has too",
                cure: cure)
        }
        let elsewhere = facts.table.slots.filter { if case .elsewhere = $0.owner { true } else { false } }
        guard let first = elsewhere.first else {
            return findings.pass(name, "all readers are of this PID namespace")
        }
        let alive = Set(facts.table.slots.filter { $0.owner == .alive }.map(\.processID))
        if let same = elsewhere.first(where: { alive.contains($0.processID) }) {
            return findings.fail(name, "\(facts.name(same)) and PID \(same.processID) here collide", cure: cure)
        }
        findings.warn(
            name, "\(facts.name(first)) reads this LMDB; should its ID ever be that of a process here, both would fail",
            cure: cure)
    }
}
