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
