import Support
import TestSupport

extension SeededGenerator {
    /// Random bytes.
    mutating func bytes(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count + 8)
        while result.count < count { withUnsafeBytes(of: next()) { result.append(contentsOf: $0) } }
        result.removeLast(result.count - count)
        return result
    }
}

/// All bytes of a spool.
func bytes(_ spool: Spool) throws -> [UInt8] {
    var result = [UInt8](repeating: 0, count: spool.count)
    _ = try result.withUnsafeMutableBytes { try spool.read(at: 0, into: $0) }
    return result
}
