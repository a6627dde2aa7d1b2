import Dispatch
import Glibc
import Simulator
import Synchronization

/// `simulate SEEDS [FROM]`: that many histories, from a seed on. `simulate SEEDS --first`: until the first one that breaks a promise.
/// `simulate --seed N`: one of them, with its log.
@main
struct Simulate {
    static func main() {
        // Dictionaries are walked in another order in each process unless that is set: a seed must repeat its history.
        if getenv("SWIFT_DETERMINISTIC_HASHING") == nil {
            setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
            // The buffers of a snapshot are freed soon, and needed again: the process keeps the memory. But not the larger ones
            // of liblmdb, which have to be zero.
            setenv("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=1048576:glibc.malloc.trim_threshold=268435456", 1)
            execv("/proc/self/exe", CommandLine.unsafeArgv)
        }
        let arguments = CommandLine.arguments.dropFirst()
        if arguments.first == "--seed", let seed = arguments.dropFirst().first.flatMap({ UInt64($0) }) {
            exit(show(seed) ? 0 : 1)
        }
        guard let count = arguments.first.flatMap({ UInt64($0) }), count > 0 else {
            print("usage: simulate SEEDS [FROM] | simulate SEEDS --first | simulate --seed SEED")
            exit(2)
        }
        let isFirstOnly = arguments.contains("--first")
        let first = arguments.dropFirst().first.flatMap { UInt64($0) } ?? 0
        exit(run(count, from: first, atMost: isFirstOnly ? 1 : mostBroken) ? 0 : 1)
    }

    /// Runs one history and prints what happens; of one that breaks a promise the shortest one that does, too.
    private static func show(_ seed: UInt64) -> Bool {
        let scenario = Scenario.drawn(seed: seed)
        guard let violation = trace(scenario) else { return true }
        print("\nseed \(seed): \(violation)\n\nThe shortest history that breaks the same promise:\n")
        let short = Shrinker.shrink(scenario, rule: violation.rule)
        if let violation = trace(short) { print("\n\(violation)") }
        return false
    }

    private static func trace(_ scenario: Scenario) -> Violation? {
        print(scenario.script)
        return Shrinker.violation(of: scenario) { print($0) }
    }

    private struct Progress {
        var next: UInt64
        var broken: [UInt64] = []
        var counts: [String: Int] = [:]
    }

    private static let mostBroken = 5

    private static func run(_ count: UInt64, from first: UInt64, atMost limit: Int) -> Bool {
        let progress = Mutex(Progress(next: first))
        let begin = ContinuousClock.now
        let threads = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            while let seed = progress.withLock({ progress -> UInt64? in
                guard progress.next < first + count, progress.broken.count < limit else { return nil }
                defer { progress.next += 1 }
                return progress.next
            }) {
                if !isGood(seed, progress) { progress.withLock { $0.broken.append(seed) } }
            }
        }
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        let end = progress.withLock { $0 }
        let done = end.next - first
        for (what, number) in end.counts.sorted(by: { $0.key < $1.key }) { print("  \(number) \(what)") }
        print(
            "\(done) histories in \(Int(seconds)) s: \(Int(Double(done) / seconds / Double(threads))) a second and core; "
                + "\(end.broken.count) broke a promise")
        if limit > 1 { for seed in end.broken.sorted() { explain(seed) } }
        return end.broken.isEmpty
    }

    private static func isGood(_ seed: UInt64, _ progress: borrowing Mutex<Progress>) -> Bool {
        do {
            let world = try World(Scenario.drawn(seed: seed))
            try world.run()
            progress.withLock { $0.counts.merge(world.counts, uniquingKeysWith: +) }
            return true
        } catch {
            print("seed \(seed): \(error)")
            return false
        }
    }

    /// Prints the shortest history that breaks the same promise.
    private static func explain(_ seed: UInt64) {
        let scenario = Scenario.drawn(seed: seed)
        guard let violation = Shrinker.violation(of: scenario) else {
            return print("seed \(seed) keeps all promises when it is repeated")
        }
        let short = Shrinker.shrink(scenario, rule: violation.rule)
        print("\nshortest history like seed \(seed): \(Shrinker.violation(of: short) ?? violation)")
        print(short.script)
    }
}
