/// A view of the wire form of a domain name, valid as long as its bytes.
package struct NameView: CustomStringConvertible {
    /// 1 to ``DomainName/maximumSize`` bytes.
    package let wire: UnsafeRawBufferPointer

    /// The caller knows that it is a wire form.
    package init(unchecked wire: UnsafeRawBufferPointer) { self.wire = wire }

    /// The absolute name in zone-file format.
    package var description: String { plainText ?? DomainName(unchecked: Array(wire)).text() }
}

extension DomainName {
    /// Calls `body` with a view of the name.
    @inline(__always)
    package func withView<R, E>(_ body: (NameView) throws(E) -> R) throws(E) -> R {
        try wire.withUnsafeBufferPointer { wire throws(E) in
            try body(NameView(unchecked: UnsafeRawBufferPointer(wire)))
        }
    }
}
