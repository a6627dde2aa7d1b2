import Observability
import Support

/// Recent problems, each with the number of its repetitions.
struct ProblemList: Sendable {
    static let most = 50
    /// In bytes.
    static let longest = 1000

    /// Newest first.
    private(set) var problems: [StatusReport.Problem] = []
    /// The part of each text that is the same in its repetitions.
    private var likenesses: [String] = []

    mutating func add(_ text: String, database: String?, at time: WallTime) {
        let text = PrintableText.cut(text, longest: Self.longest)
        var problem = StatusReport.Problem()
        problem.text = text
        problem.database = database
        let like = likeness(text)
        if let index = problems.indices.first(where: { likenesses[$0] == like && problems[$0].database == database }) {
            problem.count += problems.remove(at: index).count
            likenesses.remove(at: index)
        }
        problem.time = time.rfc3339(digits: 3)
        problems.insert(problem, at: 0)
        likenesses.insert(like, at: 0)
        guard problems.count > Self.most else { return }
        problems.removeLast()
        likenesses.removeLast()
    }
}
