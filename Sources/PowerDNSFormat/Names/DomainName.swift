import Glibc

/// A domain name: labels in wire form, each after its length, then a zero.
///
/// Comparison ignores the case of ASCII letters; the order is DNSSEC's canonical one
/// (RFC 4034, 6.1).
package struct DomainName: Hashable, Comparable, Sendable {
    /// The wire form: 1 to 255 bytes, including the final zero.
    package let wire: [UInt8]

    /// The longest wire form in bytes.
    package static let maximumSize = 255
    /// The longest label in bytes.
    package static let maximumLabelSize = 63
    /// The name without labels.
    package static let root = DomainName(unchecked: [0])

    /// The caller guarantees that it is a wire form.
    package init(unchecked wire: [UInt8]) { self.wire = wire }

    /// Reads exactly one uncompressed name.
    package init(wire bytes: UnsafeRawBufferPointer) throws(DecodeError) {
        var position = 0
        while true {
            guard position < bytes.count else { throw DecodeError(.cutOff, at: position) }
            let length = Int(bytes[position])
            if length == 0 { break }
            guard length <= Self.maximumLabelSize else { throw DecodeError(.badLabel, at: position) }
            position += 1 + length
            guard position < Self.maximumSize else { throw DecodeError(.longName, at: position) }
        }
        guard position + 1 == bytes.count else { throw DecodeError(.leftOver, at: position + 1) }
        self.init(unchecked: Array(bytes))
    }

    /// The labels from the first to the last, without their lengths.
    package var labels: Labels { Labels(rest: wire[...]) }

    /// The number of labels; the root has none.
    package var labelCount: Int { labels.reduce(0) { count, _ in count + 1 } }

    /// Whether it has no labels.
    package var isRoot: Bool { wire.count == 1 }

    /// Whether the first label is an asterisk.
    package var isWildcard: Bool { wire.count >= 2 && wire[0] == 1 && wire[1] == UInt8(ascii: "*") }

    /// The name without its first label; nil for the root.
    package var parent: DomainName? {
        isRoot ? nil : DomainName(unchecked: Array(wire[(1 + Int(wire[0]))...]))
    }

    /// The same name in lower case.
    package var lowercased: DomainName { DomainName(unchecked: wire.map(Self.lowercase)) }

    /// Whether it equals `other` or is below it.
    package func isSubdomain(of other: DomainName) -> Bool { prefixSize(below: other) != nil }

    /// The number of bytes of the wire form before those of `other`, if it equals `other` or is below it.
    func prefixSize(below other: DomainName) -> Int? { wire.withUnsafeBytes { Self.prefixSize($0, below: other) } }

    /// The number of bytes of a name's wire form before those of `other`; nil if it does not equal `other` and is not below it.
    package static func prefixSize(_ wire: UnsafeRawBufferPointer, below other: DomainName) -> Int? {
        let size = wire.count - other.wire.count
        guard size >= 0,
            other.wire.withUnsafeBytes({ areEqual(UnsafeRawBufferPointer(rebasing: wire[size...]), $0) })
        else { return nil }
        var position = 0
        while position < size { position += 1 + Int(wire[position]) }
        return position == size ? size : nil
    }

    /// The labels of this name, then those of `suffix`.
    ///
    /// - Throws: ``DecodeError/Problem/longName``.
    package func appending(_ suffix: DomainName) throws(DecodeError) -> DomainName {
        guard wire.count - 1 + suffix.wire.count <= Self.maximumSize else {
            throw DecodeError(.longName, at: wire.count)
        }
        return DomainName(unchecked: wire.dropLast() + suffix.wire)
    }

    /// Iterates over the labels of a name.
    package struct Labels: Sequence, IteratorProtocol {
        fileprivate var rest: ArraySlice<UInt8>

        /// The next label; nil after the last one.
        package mutating func next() -> ArraySlice<UInt8>? {
            guard let length = rest.first, length > 0 else { return nil }
            let label = rest.dropFirst().prefix(Int(length))
            rest = rest.dropFirst(1 + Int(length))
            return label
        }
    }

    /// A byte in lower case; a length, at most 63, is unchanged.
    @inline(__always)
    static func lowercase(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    private static func areEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        guard a.count == b.count, let start = a.baseAddress, let other = b.baseAddress else { return false }
        // Nearly all are in lower case.
        if memcmp(start, other, a.count) == 0 { return true }
        for index in 0..<a.count where lowercase(a[index]) != lowercase(b[index]) { return false }
        return true
    }

    /// Whether they are equal, ignoring case.
    package static func == (a: DomainName, b: DomainName) -> Bool {
        a.wire.withUnsafeBytes { a in b.wire.withUnsafeBytes { areEqual(a, $0) } }
    }

    /// Equal names have equal hashes.
    package func hash(into hasher: inout Hasher) {
        withUnsafeTemporaryAllocation(byteCount: wire.count, alignment: 1) { buffer in
            wire.withUnsafeBytes { wire in
                for index in 0..<min(wire.count, buffer.count) { buffer[index] = Self.lowercase(wire[index]) }
            }
            hasher.combine(bytes: UnsafeRawBufferPointer(buffer))
        }
    }

    /// Canonical order: labels from the last to the first, as lower-case bytes.
    package static func < (a: DomainName, b: DomainName) -> Bool {
        let (left, right) = (Array(a.labels), Array(b.labels))
        for (x, y) in zip(left.reversed(), right.reversed()) {
            for (p, q) in zip(x, y) {
                let (p, q) = (lowercase(p), lowercase(q))
                if p != q { return p < q }
            }
            if x.count != y.count { return x.count < y.count }
        }
        return left.count < right.count
    }
}
