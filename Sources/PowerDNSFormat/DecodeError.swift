/// The reason why bytes of a PowerDNS database, or the text of a name, cannot be decoded.
///
/// It never contains any of the bytes: some of them are secrets.
package struct DecodeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The problem, as the end of "the value …".
    package enum Problem: String, Sendable {
        /// A part exceeds the end.
        case cutOff = "ends too early"
        /// Bytes are left over.
        case leftOver = "has bytes left over"
        /// A key of the wrong size or structure.
        case badKey = "has a key of the wrong shape"
        /// An unknown class version, or another mark of an unknown format.
        case unknownFormat = "is in an unknown format"
        /// A number that is invalid at its position.
        case badNumber = "has a number out of range"
        /// A label that is empty, or has a NUL in a key that cannot contain it; in wire form also one that is too long.
        case badLabel = "has a bad label in a name"
        /// A label in a key that is longer than 63 bytes: no version of PowerDNS can answer entries after it.
        case longLabel = "has a label of more than 63 bytes in a name"
        /// A name of more than 255 bytes.
        case longName = "has a name that is too long"
        /// A compression pointer that does not refer to an earlier name.
        case badPointer = "has a bad compression pointer"
        /// Data that PowerDNS 4.9 serves, and PowerDNS 5 does not.
        case refusedByNewer = "has a parameter that PowerDNS 5 rejects"
        /// Text with invalid contents.
        case badText = "has unreadable text"
        /// Unusable key material.
        case badKeyMaterial = "has unusable key material"
    }

    /// The problem.
    package let problem: Problem
    /// The offset in bytes from the start of the decoded bytes.
    package let offset: Int

    /// Creates an error at this offset in bytes.
    package init(_ problem: Problem, at offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    /// For example "ends too early at byte 12".
    package var description: String { "\(problem.rawValue) at byte \(offset)" }
}
