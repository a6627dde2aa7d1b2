extension Duration {
    /// Whole nanoseconds, rounded towards zero; the nearest representable number if there are too many.
    ///
    /// Dividing durations converts to floating point, which is slow and not exact.
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, isTooLarge) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carries) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return isTooLarge || carries ? (seconds < 0 ? .min : .max) : sum
    }
}
