extension Sequence<Int> {
    /// The sum, or the greatest number where it is larger: in a damaged file counts may be anything.
    package func saturatedSum() -> Int {
        reduce(0) { sum, number in
            let (larger, overflows) = sum.addingReportingOverflow(number)
            return overflows ? .max : larger
        }
    }
}
