import Config

/// The other instances that are told of changes: where they are, and whose state object is to be read to find out.
///
/// A pure value. Times are durations since a fixed moment.
struct PeerBook: Sendable {
    struct Peer: Sendable {
        /// The database in which its state object is read.
        var database: String
        /// nil until it is known, and if it has none that may be used.
        var url: PeerURL?
        /// When its state object was read; nil if it was not.
        var readAt: Duration?
        var budget = PeerBudget()
        /// The objects it has not been told of, the newest of each kind and database.
        var pending: [Subject: String] = [:]
        /// Whether it is being told.
        var isBusy = false
        /// Whether it has published our URL.
        var hasOurURL = false
    }

    /// Of two objects of the same subject the newer one says everything.
    struct Subject: Hashable, Sendable {
        var database: String
        var isState: Bool
    }

    /// More instances than this are not told.
    static let most = 1000
    /// How long a URL is used without another look, unless the instance shows that it has started.
    static let interval = Duration.seconds(900)
    /// The least time between two readings of one state object.
    static let shortest = Duration.seconds(10)

    private(set) var peers: [String: Peer] = [:]
    private var listed: [String: Set<String>] = [:]
    /// What was told last.
    private var latest: [Subject: String] = [:]
    private let own: String
    private let ownURL: PeerURL?

    /// - Parameters:
    ///   - own: the name of this instance.
    ///   - url: its URL, which is not told, whoever claims it.
    init(own: String, url: PeerURL?) {
        self.own = own
        ownURL = url
    }

    /// Takes the instances with a state object in a listing.
    mutating func listed(_ instances: Set<String>, of database: String) {
        listed[database] = instances
        for (name, peer) in peers where !(listed[peer.database]?.contains(name) ?? false) {
            guard let other = listed.first(where: { $0.value.contains(name) })?.key else {
                peers[name] = nil
                continue
            }
            peers[name]?.database = other
        }
        for name in instances.sorted() where name != own && peers[name] == nil && peers.count < Self.most {
            peers[name] = Peer(database: database)
        }
    }

    /// The instances whose state object is to be read now; each is returned once.
    mutating func due(at now: Duration) -> [(instance: String, database: String)] {
        let due = peers.filter { $0.value.readAt.map { now - $0 >= Self.interval } ?? true }.keys.sorted()
        for name in due { peers[name]?.readAt = now }
        return due.compactMap { name in peers[name].map { (name, $0.database) } }
    }

    /// Takes the URL of a state object that was read.
    ///
    /// - Returns: whether it is ours, for the first time: neither of the two is told of what the other one stores.
    @discardableResult
    mutating func read(_ instance: String, url text: String?) -> Bool {
        let url = text.flatMap { try? PeerURL($0) }
        let hadOurs = peers[instance]?.hasOurURL ?? false
        peers[instance]?.hasOurURL = url != nil && url == ownURL
        guard let url, url != ownURL else {
            peers[instance]?.url = nil
            return peers[instance]?.hasOurURL == true && !hadOurs
        }
        guard let peer = peers[instance], peer.url != url else { return false }
        // Another URL is another try. Whoever is there now has not been told of us.
        peers[instance]?.budget.succeeded()
        peers[instance]?.pending = latest
        peers[instance]?.url = url
        return false
    }

    /// An instance has told us something: it is there, and may have another URL if it has written its state. A new one is not in
    /// our last listing.
    ///
    /// - Parameter database: the database in which it has stored an object.
    mutating func heard(from instance: String, of database: String, hasNewState: Bool, at now: Duration) {
        guard let peer = peers[instance] else {
            guard hasNewState, instance != own, peers.count < Self.most else { return }
            listed[database, default: []].insert(instance)
            peers[instance] = Peer(database: database)
            return
        }
        let isUncertain = peer.url == nil || peer.budget.isFailing
        peers[instance]?.budget.heard(at: now)
        guard hasNewState, isUncertain, let readAt = peer.readAt, now - readAt >= Self.shortest else { return }
        peers[instance]?.readAt = nil
    }

    /// Takes an object to tell everybody of.
    ///
    /// - Returns: the number of instances that are not told because of failed attempts.
    mutating func tell(_ object: String, of subject: Subject, at now: Duration) -> Int {
        var suppressed = 0
        latest[subject] = object
        for (name, peer) in peers where peer.url != nil {
            guard peer.budget.allows(at: now) else {
                suppressed += 1
                continue
            }
            peers[name]?.pending[subject] = object
        }
        return suppressed
    }

    /// Instances to tell something: those that answer come first.
    var waiting: [String] {
        peers.filter { !$0.value.pending.isEmpty && !$0.value.isBusy }
            .sorted { ($0.value.budget.isFailing ? 1 : 0, $0.key) < ($1.value.budget.isFailing ? 1 : 0, $1.key) }.map(
                \.key)
    }

    /// The next thing to tell an instance, which is then busy; nil if there is none.
    mutating func next(for instance: String, at now: Duration) -> (url: PeerURL, subject: Subject, object: String)? {
        guard let peer = peers[instance], let url = peer.url, peer.budget.allows(at: now),
            let (subject, object) = peer.pending.min(by: { !$0.key.isState && $1.key.isState })
        else {
            peers[instance]?.pending = [:]
            peers[instance]?.isBusy = false
            return nil
        }
        peers[instance]?.pending[subject] = nil
        peers[instance]?.isBusy = true
        return (url, subject, object)
    }

    /// An attempt has ended.
    mutating func ended(_ instance: String, isFailure: Bool, at now: Duration) {
        if isFailure { peers[instance]?.budget.failed(at: now) } else { peers[instance]?.budget.succeeded() }
    }

    /// How many instances with a URL are reachable, and how many are not.
    var counts: (reachable: Int, failing: Int) {
        let told = peers.values.filter { $0.url != nil }
        let failing = told.count { $0.budget.isFailing }
        return (told.count - failing, failing)
    }
}
