/// A size in bytes for people: 862,978,048 is `823.0 MiB`; below 1 KiB it is exact.
package func humanSize(_ bytes: Int) -> String {
    var value = Double(bytes)
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    var unit = 0
    while value >= 1024 && unit < units.count - 1 {
        value /= 1024
        unit += 1
    }
    guard unit > 0 else { return "\(bytes) B" }
    return "\(oneDecimal(value)) \(units[unit])"
}

/// A number with one decimal place, rounded.
package func oneDecimal(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    let tenths = Int((abs(value) * 10).rounded())
    return (value < 0 ? "-" : "") + "\(tenths / 10).\(tenths % 10)"
}
