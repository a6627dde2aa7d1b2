import BlobStorage
import Support

/// The two clocks of syncing. No other code in this room reads the time.
package struct SyncClock: Sendable {
    /// The time of day, for timestamps.
    package var wall: WallClock
    /// The monotonic time, for intervals.
    package var uptime: Uptime

    /// See the properties of the same names.
    package init(wall: @escaping WallClock = systemWallClock, uptime: @escaping Uptime = systemUptime) {
        (self.wall, self.uptime) = (wall, uptime)
    }

    /// The current time of both clocks.
    package var moment: Moment {
        Moment(uptime: uptime(), wall: WallTime(nanosecondsSinceEpoch: wall()))
    }
}

/// Converts a time of this host's clock to the storage's clock, which all instances share.
///
/// - Parameters:
///   - time: in nanoseconds since the UNIX epoch.
///   - offset: how far the storage's clock is ahead; nil if it is the same clock.
package func storageTime(_ time: UInt64, offset: Duration?) -> UInt64 {
    let (shifted, overflows) = Int64(clamping: time).addingReportingOverflow((offset ?? .zero).wholeNanoseconds)
    return UInt64(clamping: overflows ? 0 : shifted)
}

extension BlobStore {
    /// Converts a time of our clock to the storage's clock; both in nanoseconds since the UNIX epoch.
    package func storageTime(_ time: UInt64) -> UInt64 { Replication.storageTime(time, offset: clockOffset) }
}
