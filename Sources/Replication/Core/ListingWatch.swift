import BlobStorage
import Logging
import Snapshots

/// Detects problems that a listing shows: wrong clocks, other hosts with our name, names in the far future.
///
/// A pure value: it compares a listing with those before, and returns what is new.
struct ListingWatch: Sendable {
    private let instance: String
    /// The last listing.
    private(set) var catalog: Catalog?
    /// The newest timestamp of a snapshot under the own name. A later snapshot must sort after it.
    private(set) var newestOwn: UInt64 = 0
    /// Snapshots under our name that another host has written.
    var namesakes = NamesakeWatch()
    /// The last one reported.
    private var namesake: SnapshotName?
    private var farAhead: Set<SnapshotName> = []
    /// The objects of the last listing that are ignored.
    private var ignored: Set<String> = []
    private var clocks: ClockSkewWatch
    private var ownClock: OwnClockWatch

    /// The `Date` of a server has a resolution of one second.
    private static let precision = Duration.milliseconds(500)

    /// - Parameters:
    ///   - instance: this instance's name.
    ///   - tolerance: how far clocks may differ.
    init(instance: String, tolerance: Duration) {
        self.instance = instance
        clocks = ClockSkewWatch(tolerance: tolerance)
        ownClock = OwnClockWatch(tolerance: tolerance)
    }

    /// A snapshot of our own is about to be stored, which ends at this position.
    mutating func willStore(_ name: SnapshotName, position: UInt64) {
        newestOwn = max(newestOwn, position)
        namesakes.willStore(name)
    }

    /// Whether another host uses our name.
    var hasNamesake: Bool { namesake != nil }

    /// The size of a snapshot in the last listing; nil if it is not in it.
    func size(of name: SnapshotName) -> Int? {
        // A delta may have grown since.
        name.isDelta ? nil : catalog?.snapshots.last { $0.name == name }?.size
    }

    /// Checks a listing of the storage.
    ///
    /// - Parameters:
    ///   - positions: up to where the histories of instances are merged: deltas may end later than names show.
    ///   - began: when the listing began, by our clock, in nanoseconds since the UNIX epoch.
    ///   - clockOffset: how far the storage's clock is ahead of this host's; nil if there is none, or if it is the
    ///     same.
    ///   - isFenced: whether sending is blocked.
    ///   - now: the time since a fixed moment.
    /// - Returns: the notices, in this order.
    mutating func listed(
        _ catalog: Catalog, positions: [SnapshotName] = [], began: UInt64? = nil, clockOffset: Duration?,
        isFenced: Bool, at now: Duration
    ) -> [SyncNotice] {
        var notices: [SyncNotice] = []
        checkOthers(catalog.others, &notices)
        checkFarAhead(catalog, &notices)
        if let own = catalog.newest(of: instance)?.name { newestOwn = max(newestOwn, own.timestamp) }
        if let own = catalog.deltas(of: instance).last?.name { newestOwn = max(newestOwn, own.timestamp) }
        self.catalog = catalog
        checkNamesakes(catalog, began, isFenced: isFenced, now, &notices)
        if let clockOffset { checkOwnClock(clockOffset, &notices) }
        checkClocks(catalog, positions, clockOffset == nil ? .zero : Self.precision, &notices)
        return notices
    }

    private mutating func checkOthers(_ blobs: [Blob], _ notices: inout [SyncNotice]) {
        for blob in blobs where !ignored.contains(blob.name) {
            notices.append(.log(.debug, "ignored an object of another program", ["name": "\(blob.name)"]))
        }
        ignored = Set(blobs.map(\.name))
    }

    /// Reports names in the far future: no later snapshot sorts after them.
    private mutating func checkFarAhead(_ catalog: Catalog, _ notices: inout [SyncNotice]) {
        let found = Set(catalog.groups.filter(\.key.isFarAhead).values.joined().map(\.name))
        let new = found.subtracting(farAhead).sorted()
        farAhead = found
        guard let first = new.first else { return }
        let names = new.prefix(5).map(\.description).joined(separator: ", ")
        notices.append(
            .log(
                .warning,
                "the name of a snapshot is in the far future: other programs ignore newer snapshots of that instance; remove it from the storage",
                [
                    "snapshot_instance": "\(first.instance)", "snapshot_name": "\(names)",
                    "snapshots": .stringConvertible(new.count),
                ]))
    }

    private mutating func checkNamesakes(
        _ catalog: Catalog, _ began: UInt64?, isFenced: Bool, _ now: Duration, _ notices: inout [SyncNotice]
    ) {
        let own = catalog.all(of: instance).map(\.name) + catalog.deltas.map(\.name).filter { $0.instance == instance }
        // While sending is blocked, `resync` stores a snapshot under our name.
        if isFenced { namesakes.accept(own) }
        if let stranger = namesakes.listed(own, began: began, at: now) {
            notices.append(
                .log(
                    .error,
                    "another instance uses the same name, and neither sees the other's changes: set a unique name on each",
                    ["snapshot_name": "\(stranger)"]))
        }
        let before = namesake
        namesake = namesakes.stranger(at: now)
        if namesake != before { notices.append(.event(.namesake(namesake))) }
    }

    private mutating func checkOwnClock(_ offset: Duration, _ notices: inout [SyncNotice]) {
        let finding = ownClock.listed(offset: offset, precision: Self.precision)
        if finding.isNews {
            notices.append(
                finding.exceeds
                    ? .log(.warning, OwnClock.text(ahead: finding.ahead))
                    : .log(.info, "this host's clock agrees with the storage's again"))
        }
        notices.append(.event(.ownClock(ahead: finding.ahead, exceeds: finding.exceeds)))
    }

    private mutating func checkClocks(
        _ catalog: Catalog, _ positions: [SnapshotName], _ precision: Duration, _ notices: inout [SyncNotice]
    ) {
        // The newest of an instance is enough.
        let others = catalog.groups.compactMap { group, snapshots in
            group.isFarAhead || group.instance == instance ? nil : snapshots.last?.name
        }
        let deltas = catalog.lastDeltas
        let known = positions.filter { $0.instance != instance && deltas[$0.instance] != nil }
        for finding in clocks.listed(others + known, at: catalog.time, precision: precision) {
            let name = finding.name
            if finding.exceeds {
                notices.append(
                    .log(
                        .warning,
                        "a snapshot is from the future: the clock of its sender is wrong, and its changes win over later ones of others; correct that clock",
                        [
                            "snapshot_instance": "\(name.instance)", "snapshot_name": "\(name)",
                            "ahead": "\(logText(finding.ahead))",
                        ]))
            }
            notices.append(
                .event(.clockSkew(instance: name.instance, ahead: finding.ahead, exceeds: finding.exceeds)))
        }
    }
}
