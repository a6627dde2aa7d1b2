/// Performs what ``SyncCore`` decides.
package protocol SyncEffects {
    /// The time, by the one clock of the engine.
    var moment: SyncClock.Moment { get }

    /// Begins an effect. Never blocks: what takes time is reported as an event later, never before this returns.
    func perform(_ effect: SyncCore.Effect)

    /// Sets the time of the next tick, nil for none. It may come earlier, and more than once.
    func wake(at time: Duration?)
}

/// Runs the core of one database: an event goes in, its effects go out.
///
/// The daemon runs it with the effects of the world, the simulation with simulated ones.
package struct SyncEngine<Effects: SyncEffects> {
    /// What decides.
    package private(set) var core: SyncCore
    /// What performs that.
    package let effects: Effects

    /// See the properties of the same names.
    package init(core: SyncCore, effects: Effects) { (self.core, self.effects) = (core, effects) }

    /// Takes in an event. Nothing happens any more once ``SyncCore/hasEnded``.
    package mutating func handle(_ event: SyncCore.Event) {
        for effect in core.handle(event, at: effects.moment) { effects.perform(effect) }
        effects.wake(at: core.nextTick)
    }
}
