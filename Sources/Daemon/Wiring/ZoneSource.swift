import LMDB
import Monitoring
import PowerDNSDatabase
import PowerDNSFormat
import PowerDNSSync
import Snapshots
import Support
import Synchronization

/// The zone data of the status server: from the change log, and from short reads of the LMDBs.
final class ZoneSource: Sendable {
    /// Maximum number of waiting requests: further ones are rejected.
    private static let mostWaiting = 8

    let databases: PowerDNSDatabases
    private let recent: RecentZones
    let monitor: Monitor
    /// The changes of earlier answers of ``inSync(_:ticket:except:)``.
    let tickets = InSyncTickets()
    private let pool: BlockingPool
    private let waiting = Mutex(0)
    private let count: OnDemand<Int>

    init(_ databases: PowerDNSDatabases, _ recent: RecentZones, _ monitor: Monitor) {
        self.databases = databases
        self.recent = recent
        self.monitor = monitor
        // A separate pool, because a transaction waits for those of the syncers.
        let pool = BlockingPool(label: "zones", width: 1)
        self.pool = pool
        count = OnDemand(interval: .seconds(10)) {
            guard let main = databases.environment(.main) else { return nil }
            return (try? await pool.run { _ in try ZoneGlance.count(main) }) ?? nil
        }
    }

    /// Number and last changes of zones; nil if no database is PowerDNS's.
    func overview() async -> StatusReport.Zones? {
        guard databases.environment(.main) != nil else { return nil }
        var zones = StatusReport.Zones()
        zones.count = await count.value()
        zones.changed = recent.newest.map { change in
            var zone = StatusReport.ChangedZone()
            zone.name = "\(change.zone)"
            zone.time = WallTime(nanosecondsSinceEpoch: change.newest.timestamp).rfc3339(digits: 3)
            zone.instance = change.newest.instance
            zone.database = change.database
            return zone
        }
        return zones
    }

    /// Finds one zone. Waits only briefly.
    func zone(_ text: String) async -> StatusReport.Zone {
        var answer = StatusReport.Zone()
        answer.name = text
        guard text.utf8.count <= 1100, let zone = try? ZoneName(text) else {
            answer.problem = "this is not the name of a zone"
            return answer
        }
        guard let main = databases.environment(.main) else {
            answer.problem = "no PowerDNS database is open"
            return answer
        }
        let shard = databases.environment(.shard)
        switch await read({ try ZoneGlance(zone, main: main, shard: shard) }) {
        case nil: answer.problem = "the database is busy; try again"
        case .failure(let error): answer.problem = "it cannot be read: \(error)"
        case .success(nil): answer.problem = "there is no such zone"
        case .success(let glance?):
            answer.name = "\(zone)"
            answer.kind = glance.kind
            answer.serial = glance.serial
            answer.rrsets = glance.rrsets
            answer.hasMoreRRsets = glance.hasMore
            answer.changed = WallTime(nanosecondsSinceEpoch: max(glance.changed, glance.recordsChanged))
                .rfc3339(digits: 3)
            answer.instances = await holders(zone, glance)
        }
        return answer
    }

    /// Reads the LMDBs with `body`, within its own transactions.
    ///
    /// - Returns: nil if it takes too long.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async -> Result<Value, any Error>? {
        let mayWait = waiting.withLock { count in
            guard count < Self.mostWaiting else { return false }
            count += 1
            return true
        }
        guard mayWait else { return nil }
        return await OnDemand<Result<Value, any Error>> { [self] in
            defer { waiting.withLock { $0 -= 1 } }
            do {
                return .success(try await pool.run { _ in try body() })
            } catch {
                return .failure(error)
            }
        }.value()
    }

    private func holders(_ zone: ZoneName, _ glance: ZoneGlance) async -> [StatusReport.ZoneHolder] {
        let change = recent.newest.first { $0.zone == zone }
        var found: [String: StatusReport.ZoneHolder] = [:]
        for (role, time) in [(PowerDNSRole.main, glance.changed), (.shard, glance.recordsChanged)] where time > 0 {
            guard let database = databases.name(role) else { continue }
            let positions = await monitor.positions(of: database)
            for position in positions {
                let has = position.has(change?.snapshots[database], changedAt: time, among: positions)
                var holder = StatusReport.ZoneHolder()
                (holder.name, holder.isOwn, holder.hasIt) = (position.name, position.isOwn, has)
                // Both databases of a zone must have the change.
                if let other = found[position.name] {
                    holder.hasIt = other.hasIt == false || has == false ? false : other.hasIt == nil ? nil : has
                }
                found[position.name] = holder
            }
        }
        return found.values.sorted { $0.name < $1.name }
    }
}
