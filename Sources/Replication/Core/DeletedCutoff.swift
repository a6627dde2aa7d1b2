/// The age from which Deleted entries of other instances are not added, because they have been swept or soon would be.
package struct DeletedCutoff: Sendable {
    /// How long Deleted entries are kept; nil when they are never removed.
    package var retention: Duration?
    /// How much younger than the retention an entry must be to be added; zero for 1 % of the retention.
    package var margin: Duration

    /// See the properties of the same names.
    package init(retention: Duration?, margin: Duration = .zero) {
        self.retention = retention
        self.margin = margin
    }

    /// The timestamp below which Deleted entries are not added; 0 to add all.
    ///
    /// - Parameter now: nanoseconds since the UNIX epoch.
    package func timestamp(at now: UInt64) -> UInt64 {
        guard let retention, retention > .zero else { return 0 }
        let margin = margin > .zero ? min(margin, retention * 3 / 4) : retention / 100
        let age = (retention - margin) / .nanoseconds(1)
        return age >= Double(now) ? 0 : now - UInt64(age)
    }
}
