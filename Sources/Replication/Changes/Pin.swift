import LMDB
import Support

/// The pinned transaction, up to which everything was read.
struct Pin: ~Copyable, Sendable {
    /// The transaction.
    var base: DiffBase
    /// Its position, in nanoseconds since the UNIX epoch.
    let position: UInt64
    /// What was merged of other instances at that time.
    let positions: [String: UInt64]
    /// Its DBIs.
    let sent: SentDatabases
    /// The delta that ends at it.
    let open: OpenDelta?

    /// Where a delta from a position begins.
    enum Beginning {
        /// At the pinned transaction.
        case new
        /// It is the one that ends here.
        case continued(OpenDelta)
    }

    /// - Returns: nil for an unknown position.
    func beginning(of from: UInt64) -> Beginning? {
        if let open, open.from == from { return .continued(open) }
        return position == from ? .new : nil
    }
}

/// A delta that may be continued.
struct OpenDelta: Sendable {
    /// The position at which it begins, in nanoseconds since the UNIX epoch.
    let from: UInt64
    /// The transaction of that position.
    let transaction: UInt64
    /// The compressed bytes.
    let body: Spool
}

/// When a pinned transaction costs too much.
enum PinRules {
    /// The most transactions since: each keeps about 8 pages.
    static let mostTransactions: UInt64 = 4096
    /// A comparison of pages is proved after this many others.
    static let comparisonsBetweenProofs = 1000
    /// How long nothing may be stored while the delta grows.
    static let longestUnstored = Duration.seconds(60)

    /// Whether there were too many transactions since one.
    static func isOld(_ transaction: UInt64, _ info: EnvironmentInfo) -> Bool {
        info.lastTransactionID > transaction && info.lastTransactionID - transaction > mostTransactions
    }

    /// Whether a delta is large compared with the last full snapshot.
    static func isLarge(_ delta: Int, lastFull: Int) -> Bool { delta > lastFull / 4 }

    /// Whether writers have less than a tenth of the map left.
    ///
    /// Looks at the free pages below the last one only if the part of the map above it is smaller than that.
    static func isMapNearlyFull(_ environment: Environment, pinned: UInt64) -> Bool {
        let info = environment.info
        let least = info.mapSize / 10
        guard info.mapSize - info.usedBytes < least else { return false }
        // What can't be read is not known to be free.
        return ((try? environment.freeBytes(before: pinned)) ?? 0) < least
    }
}
