/// A point in time by two clocks: one that never jumps, to measure with, and the one that people read.
package struct Moment: Sendable, Hashable {
    /// Time since the process started to count.
    package var uptime: Duration
    /// Time of the system clock.
    package var wall: WallTime

    /// See the properties of the same names.
    package init(uptime: Duration, wall: WallTime) {
        self.uptime = uptime
        self.wall = wall
    }

    /// A clock that starts with this call.
    package static func clock() -> @Sendable () -> Moment {
        let start = ContinuousClock.now
        return { Moment(uptime: .now - start, wall: .now()) }
    }
}
