import Glibc

/// Returns the time since a fixed moment of the process. It is monotonic.
package typealias Uptime = @Sendable () -> Duration

/// The system's monotonic clock.
@Sendable
package func systemUptime() -> Duration {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Duration(secondsComponent: Int64(time.tv_sec), attosecondsComponent: Int64(time.tv_nsec) * 1_000_000_000)
}
