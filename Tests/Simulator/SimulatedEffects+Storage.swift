import BlobStorage
import Replication
import Snapshots
import Support
import TestSupport

/// The storage, as one process reaches it.
extension SimulatedEffects {
    func list(readsRecord: Bool) {
        let fails = chance(faults.listing) || node.isCutOff
        let process = process
        if readsRecord { report(after: delay(0.05)) { process.database.readRecord() } }
        list(fails: fails) { found in
            guard let found else { return .listingFailed("no answer") }
            process.lastListing = max(process.lastListing, found.time)
            return .listed(found.listing)
        }
    }

    func listForCleaner() {
        list(fails: chance(faults.listing) || node.isCutOff) {
            $0.map { .listedForCleaner($0.listing) } ?? .cleanerListingFailed("no answer")
        }
    }

    /// A listing, and when the storage was as it shows.
    private typealias Found = (listing: SyncCore.Listing, time: Duration)

    /// Lists, or finds that the last listing is still valid.
    private func list(fails: Bool, _ event: @escaping (Found?) -> SyncCore.Event) {
        let began = node.clock.wall
        guard process.marker != nil else {
            return report(after: .milliseconds(50) + delay(0.3)) { [self] in
                event(fails ? nil : listing(began, marker: nil))
            }
        }
        world.schedule(after: delay(0.1)) { [self] in
            guard !process.isDead else { return }
            writeMarker(isNew: false)
            let marker = world.bucket.marker
            let kept = process.marker?.listing(prefix: Self.prefix, marker: marker, at: world.time.instant)
            if let kept, !fails {
                world.count("listings that are still valid")
                return report(after: .zero) { [self] in event((listing(of: kept, began), process.lastKept)) }
            }
            let start = world.time.instant
            report(after: .milliseconds(50) + delay(0.3)) { [self] in
                event(fails ? nil : listing(began, marker: (marker, start)))
            }
        }
    }

    private static let prefix = "main__"

    /// The storage as it is now, or was some time ago.
    ///
    /// - Parameter marker: the marker before the listing, and when that began.
    private func listing(_ began: UInt64, marker: (text: [UInt8]?, start: ContinuousClock.Instant)?) -> Found {
        let age = chance(faults.staleListing) ? delay(10) : nil
        let blobs = world.bucket.listing(asOf: age.map { world.time.now - $0 }, to: node.instance)
        let time = age.map { world.time.now - $0 } ?? world.time.now
        if let marker {
            process.marker?.listed(blobs, prefix: Self.prefix, marker: marker.text, start: marker.start)
            process.lastKept = max(process.lastKept, time)
        }
        return (listing(of: blobs, began), time)
    }

    private func listing(of blobs: [Blob], _ began: UInt64) -> SyncCore.Listing {
        let offset: Duration? = world.scenario.storageHasClock ? .zero - node.clock.error : nil
        return .init(blobs: blobs, began: began, ended: node.clock.wall, clockOffset: offset)
    }

    /// The storage has changed: the marker follows.
    private func announce(_ name: SnapshotName, isDeletion: Bool) {
        process.marker?.changed(
            .init(name: name.description, etag: "", isDeletion: isDeletion), at: world.time.instant)
        writeMarker(isNew: true)
    }

    private func writeMarker(isNew: Bool) {
        guard let change = process.marker?.takeUnwritten(isNew: isNew, at: world.time.instant) else { return }
        if chance(faults.marker) || node.isCutOff {
            process.marker?.failed(change, at: world.time.instant)
        } else {
            process.marker?.written()
            world.bucket.marker = Array("\(change.name):\(world.time.wall)".utf8)
        }
    }

    func remove(_ removal: CleanerMachine.Removal) {
        let fails = node.isCutOff || chance(faults.upload)
        let (world, node) = (world, node)
        report(after: delay(5)) { [self] in
            if fails { return .removalFailed(removal, "no answer") }
            for delta in removal.deltas { try world.remove(delta, by: node) }
            try world.remove(removal.name, by: node)
            announce(removal.name, isDeletion: true)
            return .removed(removal)
        }
    }

    func download(_ name: SnapshotName) {
        let fails = chance(faults.download) || node.isCutOff || node.downloadsFrom > world.time.now
        let isMissing = chance(faults.missing)
        let isGarbled = chance(faults.garbled)
        let time = delay(2)
        let (world, node, process) = (world, node, process)
        report(after: time) {
            if fails { return .downloadFailed(name, BlobStoreError(.timeout, "no answer"), time: time) }
            guard !isMissing, let object = world.bucket.objects[name] else {
                process.marker?.vanished()
                return .downloadFailed(name, BlobStoreError(.notFound, "not found"), time: time)
            }
            let version = node.random.chance(0.9) ? object.blob.version : nil
            // One that is damaged each time is a damaged object.
            let body =
                isGarbled && !object.isDamaged && node.garbled.insert(name).inserted
                ? try garbled(object.body, &node.random) : object.body
            return .downloaded(name, body, version: version, time: time)
        }
    }

    /// Merges deltas. It may end after any step.
    func widen(_ deltas: [OwnChain.Stored]) {
        let fails = chance(faults.upload) || node.isCutOff
        let (isUnheard, isHalfDone) = (chance(faults.uploadDone), chance(faults.upload))
        let (world, node, process) = (world, node, process)
        let noAnswer = SyncCore.Event.wideningFailed(BlobStoreError(.timeout, "no answer"))
        report(after: delay(2)) { [self] in
            let bodies = deltas.compactMap { world.bucket.objects[$0.name]?.body }
            guard !fails, bodies.count == deltas.count, let first = deltas.first, let last = deltas.last else {
                return noAnswer
            }
            let body: Spool
            do {
                body = try Widening(deltas).join(
                    bodies, schema: process.database.settings.schema, stagingDirectory: nil)
            } catch {
                return .wideningFailed(error)
            }
            world.count("widenings")
            let version = world.stored(first.name, body, try entries(in: body), by: node)
            announce(first.name, isDeletion: false)
            if isUnheard, isHalfDone { return noAnswer }
            for delta in deltas.dropFirst() {
                try world.remove(delta.name, by: node)
                announce(delta.name, isDeletion: true)
            }
            guard !isUnheard, !process.isDead else { return noAnswer }
            return .widened(
                .init(name: first.name, position: last.position, size: body.count, version: version))
        }
    }

    func store(_ result: FullScan.Result) {
        let contents =
            process.scanned.removeValue(forKey: result.name) ?? (try? entries(in: result.body)) ?? [:]
        let isLost = chance(faults.upload) || node.isCutOff
        let isUnheard = chance(faults.uploadDone)
        let isLate = chance(faults.uploadLate)
        let time = .milliseconds(200) + delay(2)
        if isLost || isUnheard || isLate { node.reasonsToSend += 1 }
        let (world, node, process) = (world, node, process)
        let version = Version()
        if !isLost {
            // A server goes on with what it has, whatever becomes of who sent it.
            let lateness = isLate ? .seconds(60) + delay(240) : .zero
            let generation = node.generation
            if isLate { world.lastUpload = max(world.lastUpload, world.time.now + time + lateness) }
            world.schedule(after: time + lateness) {
                if process.isDead, node.random.chance(0.5) { return }
                // One of an earlier run is loaded, and sent on.
                if isLate || process.isDead { node.reasonsToSend += 1 }
                version.text = world.stored(
                    result.name, result.body, contents, by: node, isLost: node.generation != generation,
                    isOfEarlierRun: process.isDead)
            }
        }
        let fails = isLost || isUnheard || isLate
        report(after: time) { [self] in
            if fails { return .storeFailed(BlobStoreError(.timeout, "no answer")) }
            announce(result.name, isDeletion: false)
            return .stored(version: version.text)
        }
    }
}

/// A copy that is cut short, or of which one bit is wrong.
func garbled(_ body: Spool, _ random: inout SeededGenerator) throws -> Spool {
    var bytes = [UInt8](repeating: 0, count: body.count)
    _ = try bytes.withUnsafeMutableBytes { try body.read(at: 0, into: $0) }
    if bytes.count <= 10 || random.chance(0.5) {
        bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
    } else {
        // The header and the padding of the compressed data have bits that mean nothing; those of the checksum all count.
        bytes[bytes.count - Int.random(in: 5...8, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    }
    return Spool(bytes)
}

/// The version that an upload has got.
private final class Version { var text: String? }

/// The entries of a snapshot.
func entries(in body: Spool) throws -> TestContents {
    var contents: TestContents = [:]
    var reader = SnapshotReader(body, maximumEntrySize: 1 << 20)
    while true {
        switch try reader.next() {
        case .entry:
            let version = TestVersion(
                timestamp: reader.timestamp, isDeleted: reader.isDeleted, value: Array(reader.value))
            contents[TestKey(database: reader.databaseName, key: Array(reader.key))] = version
        case .databaseBegin, .databaseEnd: break
        case .end: return contents
        }
    }
}
