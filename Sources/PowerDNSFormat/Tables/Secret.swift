/// Bytes that must never be shown: neither a description nor a mirror has them.
package struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    let bytes: [UInt8]

    init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// Says only that it is there.
    package var description: String { "(secret)" }
    /// Says only that it is there.
    package var debugDescription: String { description }
    /// Empty.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
