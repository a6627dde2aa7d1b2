import BlobStorage
import Replication
import Snapshots
import Support
import TestSupport

/// The storage that all instances share.
struct Bucket {
    /// An object.
    struct Object {
        /// Its name as text.
        var text: String
        var body: Spool
        /// What was in the LMDB when it was read.
        var contents: TestContents
        var isDamaged = false
        /// Whether it has come after the LMDB that it was read from was lost, so that nobody can rely on it.
        var isLost = false
        /// When it was stored, in nanoseconds since the UNIX epoch.
        var modified: UInt64
    }

    private(set) var objects: [SnapshotName: Object] = [:]
    /// The text of the update marker.
    var marker: [UInt8]?
    /// What instances have published about themselves, and when.
    var states: [String: (progress: SyncProgress, time: UInt64)] = [:]
    /// How the storage was before each of the last changes, and when that ended.
    private var past: [(until: Duration, objects: [SnapshotName: Object])] = []

    private mutating func change(at now: Duration, _ body: (inout [SnapshotName: Object]) -> Void) {
        past.append((now, objects))
        if past.count > 8 { past.removeFirst() }
        body(&objects)
    }

    mutating func store(_ name: SnapshotName, _ object: Object, at now: Duration) {
        change(at: now) { $0[name] = object }
    }

    mutating func remove(_ name: SnapshotName, at now: Duration) {
        guard objects[name] != nil else { return }
        change(at: now) { $0[name] = nil }
    }

    var hasDamage: Bool { objects.values.contains { $0.isDamaged } }

    mutating func removeDamaged(at now: Duration) { change(at: now) { $0 = $0.filter { !$0.value.isDamaged } } }

    /// The objects, as they are now or were some time ago.
    ///
    /// - Parameter reader: who lists: what somebody has stored is shown to the same host at once, whatever else is missing.
    func listing(asOf time: Duration? = nil, to reader: String) -> [Blob] {
        var shown = objects
        if let time, let state = past.first(where: { $0.until > time }) {
            shown = state.objects.filter { $0.key.instance != reader }
            for (name, object) in objects where name.instance == reader { shown[name] = object }
        }
        return shown.values.map { Blob(name: $0.text, size: $0.body.count, modified: $0.modified) }
            .sorted { $0.name < $1.name }
    }

    /// What somebody gets who begins with nothing.
    var view: TestContents {
        var newest: [String: (name: SnapshotName, object: Object)] = [:]
        for (name, object) in objects where !object.isDamaged {
            if let known = newest[name.instance], known.name > name { continue }
            newest[name.instance] = (name, object)
        }
        var view: TestContents = [:]
        for (_, object) in newest.values { join(&view, with: object.contents) }
        return view
    }

    /// The newest intact snapshot of an instance.
    func newest(of instance: String) -> (SnapshotName, Object)? {
        objects.filter { $0.key.instance == instance && !$0.value.isDamaged }.max { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }
}
