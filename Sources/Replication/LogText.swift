/// A duration for a log line: three or four digits and a unit, such as `1.32ms`.
func logText(_ duration: Duration) -> String {
    let seconds = duration / .seconds(1)
    let (value, unit) =
        switch seconds {
        case 1...: (seconds, "s")
        case 0.001..<1: (seconds * 1e3, "ms")
        default: (seconds * 1e6, "µs")
        }
    let hundredths = Int64(value * 100)
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)\(unit)"
}
