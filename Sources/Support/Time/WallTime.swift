import Glibc

/// A point in time as the system clock counts it.
package struct WallTime: Sendable, Hashable {
    /// Whole seconds since 1970-01-01T00:00:00Z, negative before.
    package var seconds: Int64
    /// 0 to 999,999,999, counted up from ``seconds``.
    package var nanoseconds: Int32

    /// A time; nanoseconds outside of a second are cut.
    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = min(max(nanoseconds, 0), 999_999_999)
    }

    /// A time given in nanoseconds since 1970-01-01T00:00:00Z.
    package init(nanosecondsSinceEpoch: UInt64) {
        self.init(
            seconds: Int64(nanosecondsSinceEpoch / 1_000_000_000),
            nanoseconds: Int32(nanosecondsSinceEpoch % 1_000_000_000))
    }

    /// The beginning of a second, with nanoseconds after it.
    package init(_ time: CivilTime, nanoseconds: Int = 0) {
        self.init(seconds: Int64(time.secondsSinceEpoch), nanoseconds: Int32(clamping: nanoseconds))
    }

    /// The system clock, now.
    package static func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int32(truncatingIfNeeded: time.tv_nsec))
    }

    /// The second that it is in.
    package var civil: CivilTime { CivilTime(secondsSinceEpoch: Int(seconds)) }

    /// Nanoseconds since 1970-01-01T00:00:00Z; nil before that, and where they do not fit.
    package var nanosecondsSinceEpoch: UInt64? {
        guard let seconds = UInt64(exactly: seconds) else { return nil }
        let (scaled, isTooLarge) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carries) = scaled.addingReportingOverflow(UInt64(nanoseconds))
        return isTooLarge || carries ? nil : sum
    }
}

extension UInt64 {
    /// Nanoseconds since the UNIX epoch; 0 for a time before it.
    package init(_ time: WallTime) { self = time.nanosecondsSinceEpoch ?? (time.seconds < 0 ? 0 : .max) }
}

/// Tells the time: nanoseconds since the UNIX epoch.
package typealias WallClock = @Sendable () -> UInt64

/// The system's clock.
@Sendable
package func systemWallClock() -> UInt64 { UInt64(.now()) }
