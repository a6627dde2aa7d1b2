import Support

/// Performs the effects of ``SyncCore``.
package protocol SyncEffects {
    /// The time, by the only clock of the engine.
    var moment: Moment { get }

    /// Begins an effect. Never blocks: the result of longer work is reported as an event, never before this returns.
    func perform(_ effect: SyncCore.Effect)

    /// Sets the time of the next tick; nil for none. It may be early, and occur more than once.
    func wake(at time: Duration?)
}

/// Runs the core of one database: passes events to it and performs its effects.
///
/// The daemon runs it with live effects, the simulation with simulated ones.
package struct SyncEngine<Effects: SyncEffects> {
    /// Decides.
    package private(set) var core: SyncCore
    /// Performs.
    package let effects: Effects

    /// See the properties of the same names.
    package init(core: SyncCore, effects: Effects) { (self.core, self.effects) = (core, effects) }

    /// Handles an event. No effect after ``SyncCore/hasEnded``.
    package mutating func handle(_ event: SyncCore.Event) {
        for effect in core.handle(event, at: effects.moment) { effects.perform(effect) }
        effects.wake(at: core.nextTick)
    }
}
