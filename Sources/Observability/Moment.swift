import Support

/// A point in time by two clocks: one that never jumps, to measure with, and the one that people read.
package struct Moment: Sendable, Hashable {
    /// Since the process began to count.
    package var uptime: Duration
    /// By the system's clock.
    package var wall: WallTime

    /// See the properties of the same names.
    package init(uptime: Duration, wall: WallTime) {
        self.uptime = uptime
        self.wall = wall
    }

    /// A clock that counts from this call on.
    package static func clock() -> @Sendable () -> Moment {
        let start = ContinuousClock.now
        return { Moment(uptime: .now - start, wall: .now()) }
    }
}
