extension Sequence<Int> {
    /// The sum, or the maximum on overflow: counts in a damaged file may be arbitrary.
    package func saturatedSum() -> Int {
        reduce(0) { sum, number in
            let (larger, overflows) = sum.addingReportingOverflow(number)
            return overflows ? .max : larger
        }
    }
}
