import BlobStorage
import HeapModule
import LMDB
import Replication
import Snapshots
import Support
import TestSupport

/// A simulated history: hosts with real LMDBs, the real core and engine, one storage and one clock.
///
/// Only waiting is simulated. Every effect takes a random time and may fail; applications write in between. The model of what must
/// be true is checked whenever an LMDB or the storage changes, and in the end, when everybody is there and nothing happens any more.
package final class World {
    private struct Pending: Comparable {
        var time: Duration
        /// Earlier ones first among those of one time.
        var number: Int
        var run: () throws -> Void

        static func < (a: Pending, b: Pending) -> Bool { (a.time, a.number) < (b.time, b.number) }
        static func == (a: Pending, b: Pending) -> Bool { a.number == b.number }
    }

    package let scenario: Scenario
    /// What goes wrong now.
    var faults: Scenario.Faults
    /// Receives a line for each thing that happens; nil for none.
    let trace: ((String) -> Void)?
    let time = SimulatedTime()
    var bucket = Bucket()
    private(set) var nodes: [Node] = []
    var model: Model
    private var queue = Heap<Pending>()
    private var counter = 0
    /// When an object was stored last.
    private var lastStore = Duration.zero
    /// Whether nothing goes wrong any more.
    private(set) var isEnding = false
    /// When the last upload arrives that is minutes late.
    var lastUpload = Duration.zero
    private var violation: Violation?
    /// The full snapshots that were stored, by instance.
    private var stored: [String: Set<SnapshotName>] = [:]
    /// Those of them that arrived after the process that had sent them ended.
    private var ofEarlierRuns: Set<SnapshotName> = []
    /// What has happened, by kind.
    package private(set) var counts: [String: Int] = [:]

    /// - Parameter trace: receives a line for each thing that happens; nil for none.
    package init(_ scenario: Scenario, trace: ((String) -> Void)? = nil) throws {
        self.scenario = scenario
        self.trace = trace
        faults = scenario.faults
        model = Model(usesShadows: scenario.usesShadows, holdersLose: scenario.holdersLose)
        for (index, member) in scenario.members.enumerated() { try add(index, member) }
    }

    private func add(_ index: Int, _ member: Scenario.Member) throws {
        nodes.append(try Node(index, member, time, seed: scenario.seed, mapSize: mapSize(member)))
    }

    func mapSize(_ member: Scenario.Member, isEnd: Bool = false) -> Int {
        member.hasSmallMap && !isEnd ? 96 << 10 : 4 << 20
    }

    /// Something has broken a promise: the history ends.
    func fail(_ rule: String, _ text: String) { violation = violation ?? Violation(rule: rule, text: text) }

    func count(_ what: String) { counts[what, default: 0] += 1 }

    // MARK: Time

    func schedule(after delay: Duration, _ run: @escaping () throws -> Void) {
        counter += 1
        queue.insert(Pending(time: time.now + delay, number: counter, run: run))
    }

    /// Has a process take in an event after a while, if it lives until then.
    func deliver(
        to process: Process, of node: Node, after delay: Duration,
        _ event: @escaping () throws -> SyncCore.Event?
    ) {
        schedule(after: delay) { [self] in
            guard !process.isDead, !process.isFinished, let event = try event() else { return }
            trace?("\(time.now) \(node.name) < \("\(event)".prefix(300))")
            count("events")
            process.engine?.handle(event)
        }
    }

    package func run(until end: Duration) throws {
        while let next = queue.min, next.time <= end {
            queue.removeMin()
            time.now = next.time
            try next.run()
            if let violation { throw violation }
        }
        time.now = end
    }

    func noteBusyLoop(_ node: Node) { fail("nobody asks for a tick that has come", node.name) }

    // MARK: The whole history

    /// Lets everything happen, and checks the promises.
    ///
    /// - Throws: ``Violation``.
    package func run() throws {
        // What waits refers to this.
        defer { queue = Heap() }
        try begin()
        for step in scenario.steps { try perform(step) }
        try settle()
    }

    /// Starts everybody.
    package func begin() throws {
        for node in nodes {
            // What somebody has at the start differs from what the others have.
            if node.index == 0 || scenario.seed.isMultiple(of: 3) { try write(node, 2) }
            schedule(after: node.member.start + .milliseconds(Int64(node.index) * 10)) { [self] in try start(node) }
        }
    }

    /// Lets everything end well, and checks what must be true then.
    package func settle() throws {
        faults = .init()
        isEnding = true
        trace?("-- from here on nothing goes wrong")
        for node in nodes {
            node.isCutOff = false
            node.downloadsFrom = .zero
            if node.member.hasSmallMap {
                stop(node)
                let copy = (try readFile("\(node.directory.path)/data.mdb"), node.contents)
                try node.replaceLMDB(with: copy, mapSize: mapSize(node.member, isEnd: true))
            }
            try start(node)
        }
        try rest()
        if needsLastWord {
            for node in nodes where !node.member.isReceiver { try write(node, 1) }
            try rest()
        }
        if scenario.endsWithOnce {
            try runOnce()
            try rest()
        }
        for node in nodes { try checkAtRest(node) }
        if scenario.retention == nil { try checkThatAllAreEqual() }
    }

    private func checkThatAllAreEqual() throws {
        let first = nodes[0].contents.filter { !model.isExempt($0.key) }
        for node in nodes where node.contents.filter({ !model.isExempt($0.key) }) != first {
            // What a receiver has merged from a snapshot that came after its LMDB was lost, nobody else need ever see.
            if node.member.isReceiver, counts["stores of what was lost"] != nil { continue }
            throw Violation(rule: "all are equal", text: "\(node.name) differs from \(nodes[0].name)")
        }
    }

    /// Runs until everybody has merged everything, and an operator has rebuilt what needs it.
    private func rest() throws {
        if lastUpload > time.now { try run(until: lastUpload) }
        // Those with one name may wait for ten minutes each before they send what both have.
        let end = time.now + max(scenario.pollInterval * 120, .seconds(2000))
        while time.now < end {
            count("rounds")
            try run(until: time.now + scenario.pollInterval / 4)
            for node in nodes where isFenced(node) && (node.process?.lastListing ?? .zero) > node.lastResync {
                try resync(node, fails: false)
            }
            if nodes.allSatisfy(isAtRest), try !scenario.hasNamesakes || namesakesAreAtRest() { return }
        }
    }

    /// Whether those with one name have found each other, and have sent what both have.
    private func namesakesAreAtRest() throws -> Bool {
        for node in nodes where scenario.isShared(node.index) && hasSnapshot(node) {
            if let process = node.process, !process.isFinished, process.namesake == nil { return false }
        }
        // Who joins later gets everything.
        let view = bucket.view
        return nodes.allSatisfy { node in
            node.process?.isFinished == true
                || node.contents.allSatisfy { key, version in
                    let isSwept = scenario.retention != nil && version.isDeleted && view[key]?.isDeleted != false
                    return view[key] == version || isSwept || model.isExempt(key)
                }
                    // Those who follow deltas do not read what others have merged of it.
                    && (node.process?.isFinished == true || scenario.retention != nil
                        || view.allSatisfy { model.isExempt($0.key) || node.contents[$0.key] == $0.value })
        }
    }

    /// Whether everything that is in the storage is here, and the other way round.
    private func isAtRest(_ node: Node) -> Bool {
        guard let process = node.process, let machine = process.engine?.core.machine, !process.isFinished else {
            return true
        }
        return process.isStarted && !isFenced(node) && process.lastListing > lastStore && machine.receiver.isSettled
            && (node.member.isReceiver || machine.sender.isDone && (machine.cover.due == nil || scenario.hasNamesakes))
    }

    /// Where something is left out until the next snapshot, there is a next one.
    private var needsLastWord: Bool {
        // What some have merged from a snapshot that was hidden soon after is sent with the next change.
        counts["stores of what was lost"] != nil || scenario.faults.garbled > 0
            || scenario.steps.contains { $0.action == .dropDatabase }
            || scenario.members.contains { $0.inspection == .holds }
    }

    private func runOnce() throws {
        let index = nodes.count
        var member = Scenario.Member()
        member.usesDeltas = true
        try add(index, member)
        let node = nodes[index]
        if !scenario.usesShadows { try write(node, 1) }
        try start(node, once: true)
        // Long enough for a cleaner to find that the instance is gone.
        try run(until: time.now + .seconds(200))
        guard node.process?.isFinished == true else {
            throw Violation(rule: "a single run ends", text: node.name)
        }
    }

    private func checkAtRest(_ node: Node) throws {
        try checkNamesake(node)
        if let process = node.process {
            guard process.isStarted else { throw Violation(rule: "start-up completes", text: node.name) }
            let sender = process.engine?.core.machine.sender
            guard node.member.isReceiver || process.isFinished || sender.map({ $0.isDone || $0.isSending }) ?? true
            else {
                throw Violation(rule: "everything is sent", text: node.name)
            }
        }
        if isFenced(node) { throw Violation(rule: "resync lifts the fence", text: node.name) }
        // Two with one name answer each other. A listing that shows less than the one before looks as if somebody had removed something.
        if scenario.retention == nil, scenario.faults.staleListing == 0, !scenario.isShared(node.index),
            // A full snapshot that follows a change takes another send.
            node.sends > (node.member.isReceiver ? 0 : node.reasonsToSend * (node.member.usesDeltas ? 2 : 1))
        {
            throw Violation(
                rule: "nobody sends without a reason",
                text: "\(node.name): \(node.sends), \(node.reasonsToSend) reasons")
        }
        try refresh(node, .application)
        try model.checkAtRest(node.contents, sweeps: scenario.retention != nil, node.name)
        guard scenario.usesShadows else { return }
        let live = node.contents.filter { !$0.value.isDeleted }.mapValues(\.value)
        guard try node.environment.applicationContents() == live else {
            throw Violation(rule: "the application has what its shadows have", text: node.name)
        }
    }

    /// Whether somebody else uses its name, and nobody else is blamed for that.
    private func checkNamesake(_ node: Node) throws {
        guard let process = node.process, !process.isFinished, !node.member.isReceiver else { return }
        if scenario.isShared(node.index) {
            guard !hasSnapshot(node) || process.namesake != nil else {
                throw Violation(rule: "two with one name are told of each other", text: node.name)
            }
        } else if process.sawNamesake, !mayLookLikeNamesake {
            throw Violation(rule: "nobody is told of a namesake without one", text: node.name)
        }
    }

    /// Whether two snapshots were stored under the name of a host. Two hosts that have nothing can't notice each other, and what
    /// one stores while the other one starts may be taken for an earlier one of its own.
    private func hasSnapshot(_ node: Node) -> Bool { stored[node.instance]?.count ?? 0 > 1 }

    /// Whether snapshots under a name may appear that its instance does not know of: copies, and those that a server stores after
    /// the process that sent them has ended.
    private var mayLookLikeNamesake: Bool {
        scenario.faults.uploadLate > 0 || scenario.faults.uploadDone > 0
            || scenario.steps.contains {
                switch $0.action {
                case .damageNewest, .jumpClock, .resync: true
                default: false
                }
            }
    }

    // MARK: LMDBs and the storage

    /// Everything that is synced in an LMDB.
    func read(_ node: Node) throws -> TestContents {
        let transaction = node.environment.info.lastTransactionID
        if let last = node.lastRead, last.transaction == transaction { return last.contents }
        let contents = scenario.usesShadows ? try node.environment.versions() : try node.environment.contents()
        node.lastRead = (transaction, contents)
        return contents
    }

    /// Checks what has changed in an LMDB.
    func refresh(_ node: Node, _ change: Model.Change) throws {
        let new = try read(node)
        guard new != node.contents else { return }
        if scenario.usesShadows {
            for (key, version) in new where version.isDeleted && node.contents[key]?.isDeleted == false {
                model.deleted(key, at: version.timestamp)
            }
        }
        try model.check(node.contents, new, change, node.name)
        node.contents = new
        count("changes")
    }

    /// An upload has arrived.
    ///
    /// - Returns: its version.
    @discardableResult
    func stored(
        _ name: SnapshotName, _ body: Spool, _ contents: TestContents, by node: Node, isLost: Bool = false,
        isOfEarlierRun: Bool = false
    ) -> String {
        trace?("storage: \(name) is there")
        if isOfEarlierRun { ofEarlierRuns.insert(name) }
        count(name.isDelta ? "stores of deltas" : "stores")
        if !name.isDelta { stored[name.instance, default: []].insert(name) }
        lastStore = time.now
        if isLost { count("stores of what was lost") }
        let version = bucket.store(name, body, contents, isLost: isLost, at: time.now, time.wall)
        let age = scenario.retention.map { UInt64($0 * 9 / 10 / .nanoseconds(1)) }
        // Who reads only full snapshots does not get what is only in a delta.
        let isHidden = name.isDelta && scenario.members.contains { !$0.usesDeltas }
        model.stored(contents, isLost: isLost || isHidden, oldest: age.map { time.wall - $0 } ?? 0)
        hint(name, version: version, by: node)
        return version
    }

    func remove(_ name: SnapshotName, by node: Node) throws {
        guard let object = bucket.objects[name] else { return }
        trace?("\(node.name) removes \(name)")
        count("removals")
        // One whose last snapshot was removed, because it sent none for long, stores another one.
        if bucket.newest(of: name.instance)?.0 == name {
            for node in nodes where node.instance == name.instance { node.reasonsToSend += 1 }
        }
        bucket.remove(name, at: time.now)
        // What one host has sent, another one with its name may hide.
        if object.isDamaged || object.isLost || scenario.hasNamesakes || isHiddenByEarlierRun(name) { return }
        if willBeStoredAgain(name, object) { return }
        try model.checkRemoval(of: object.contents, "\(name)", view: bucket.view)
    }

    /// Whether it is a delta that its instance has just overwritten, while somebody who took it for gone cleaned up: it notices with its
    /// next listing.
    private func willBeStoredAgain(_ name: SnapshotName, _ object: Bucket.Object) -> Bool {
        guard name.isDelta, time.wall.elapsed(since: object.blob.modified ?? 0) < 30_000_000_000 else { return false }
        return nodes.contains {
            $0.instance == name.instance && $0.process.map { !$0.isDead && !$0.isFinished } ?? false
        }
    }

    /// Whether a snapshot of an earlier run has arrived late and is the newest by its name, because the clock was set back since. Its
    /// instance sends everything again once it has listed it; who joins in the end shows that.
    private func isHiddenByEarlierRun(_ name: SnapshotName) -> Bool {
        guard scenario.setsClocks, let newest = bucket.newest(of: name.instance)?.0 else { return false }
        return newest > name && ofEarlierRuns.contains(newest)
    }
}
