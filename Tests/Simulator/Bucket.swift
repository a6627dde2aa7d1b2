import BlobStorage
import Replication
import Snapshots
import Support
import TestSupport

/// The storage that all instances share.
struct Bucket {
    /// An object. It is a class because states of the storage are copied with every change.
    final class Object {
        /// Its name, size, time and version, as a listing shows them.
        let blob: Blob
        let body: Spool
        /// What was in the LMDB when it was read; of a delta what is in it.
        let contents: TestContents
        let isDamaged: Bool
        /// Whether it has come after the LMDB that it was read from was lost, so that nobody can rely on it.
        let isLost: Bool

        init(_ blob: Blob, _ body: Spool, _ contents: TestContents, isDamaged: Bool, isLost: Bool) {
            (self.blob, self.body, self.contents) = (blob, body, contents)
            (self.isDamaged, self.isLost) = (isDamaged, isLost)
        }
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
        blobs = Self.blobs(objects)
    }

    private static func blobs(_ objects: [SnapshotName: Object]) -> [Blob] {
        objects.values.map(\.blob).sorted { $0.name < $1.name }
    }

    private var stores = 0
    /// What a listing shows.
    private var blobs: [Blob] = []

    /// - Parameters:
    ///   - isDamaged: whether nobody can read it.
    ///   - isLost: whether nobody can rely on it.
    ///   - wall: the time in nanoseconds since the UNIX epoch.
    /// - Returns: the version, which changes whenever it is overwritten.
    @discardableResult
    mutating func store(
        _ name: SnapshotName, _ body: Spool, _ contents: TestContents, isDamaged: Bool = false, isLost: Bool = false,
        at now: Duration, _ wall: UInt64
    ) -> String {
        stores += 1
        let version = "v\(stores)"
        var blob = Blob(name: name.description, size: body.count, modified: wall)
        blob.version = version
        let object = Object(blob, body, contents, isDamaged: isDamaged, isLost: isLost)
        change(at: now) { $0[name] = object }
        return version
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
        guard let time, let state = past.first(where: { $0.until > time }) else { return blobs }
        var shown = state.objects.filter { $0.key.instance != reader }
        for (name, object) in objects where name.instance == reader { shown[name] = object }
        return Self.blobs(shown)
    }

    /// What somebody gets who begins with nothing.
    var view: TestContents { view(without: nil) }

    /// The same without the objects of one instance.
    func view(without instance: String?) -> TestContents {
        let objects = instance == nil ? objects : objects.filter { $0.key.instance != instance }
        var newest: [String: (name: SnapshotName, object: Object)] = [:]
        for (name, object) in objects where !object.isDamaged && !name.isDelta {
            if let known = newest[name.instance], known.name > name { continue }
            newest[name.instance] = (name, object)
        }
        var view: TestContents = [:]
        for (_, object) in newest.values { join(&view, with: object.contents) }
        for (name, object) in objects where name.isDelta {
            // A later full snapshot hides it.
            if let full = newest[name.instance], full.name.timestamp > name.timestamp { continue }
            join(&view, with: object.contents)
        }
        return view
    }

    /// The newest intact snapshot of an instance.
    func newest(of instance: String) -> (SnapshotName, Object)? {
        objects.filter { $0.key.instance == instance && !$0.value.isDamaged && !$0.key.isDelta }.max { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }
}
