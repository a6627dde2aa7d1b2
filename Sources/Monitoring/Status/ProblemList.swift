import Telemetry

/// What went wrong last, each with all its repetitions.
struct ProblemList: Sendable {
    static let most = 50
    /// In characters.
    static let longest = 1000

    /// Newest first.
    private(set) var problems: [StatusReport.Problem] = []

    mutating func add(_ text: String, database: String?, at time: WallTime) {
        let text = text.unicodeScalars.count > Self.longest ? String(text.prefix(Self.longest)) + "…" : text
        var problem = StatusReport.Problem()
        problem.text = text
        problem.database = database
        if let index = problems.firstIndex(where: { $0.text == text && $0.database == database }) {
            problem = problems.remove(at: index)
            problem.count += 1
        }
        problem.time = time.rfc3339(digits: 3)
        problems.insert(problem, at: 0)
        if problems.count > Self.most { problems.removeLast() }
    }
}
