import Glibc

/// Compares bytewise; a prefix sorts before a longer string. This is also LMDB's default order.
///
/// - Returns: negative, zero or positive.
@inlinable @inline(__always)
package func compareBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    let common = min(a.count, b.count)
    if common > 0, let a = a.baseAddress, let b = b.baseAddress {
        let order = memcmp(a, b, common)
        if order != 0 { return Int(order) }
    }
    return a.count - b.count
}

/// Whether both are the same bytes.
@inline(__always)
func areEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    a.count == b.count && compareBytes(a, b) == 0
}
