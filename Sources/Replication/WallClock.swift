import BlobStorage
import Glibc

/// Tells the time: nanoseconds since the UNIX epoch.
package typealias WallClock = @Sendable () -> UInt64

/// The system's clock.
@Sendable
package func systemWallClock() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
}

extension BlobStore {
    /// A time of our clock by the storage's clock, which is what all instances share; both in nanoseconds since the
    /// UNIX epoch.
    package func storageTime(_ time: UInt64) -> UInt64 {
        let offset = Int64(clamping: Int128((clockOffset ?? .zero) / .nanoseconds(1)))
        let (shifted, overflows) = Int64(clamping: time).addingReportingOverflow(offset)
        return UInt64(clamping: overflows ? 0 : shifted)
    }
}
