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

/// A number of seconds in a suitable unit: 0.0123 is `12 ms`, 7300 is `2 h`.
package func humanDuration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0 else { return "?" }
    return switch seconds {
    case ..<0.9995: "\(Int((seconds * 1000).rounded())) ms"
    case ..<99.5: "\(oneDecimal(seconds)) s"
    case ..<5970: "\(Int((seconds / 60).rounded())) min"
    case ..<171_000: "\(Int((seconds / 3600).rounded())) h"
    default: "\(oneDecimal(seconds / 86_400)) d"
    }
}
