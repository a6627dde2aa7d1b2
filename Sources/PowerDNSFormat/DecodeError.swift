/// Why bytes of a PowerDNS database, or the text of a name, can't be read.
///
/// It never holds any of the bytes: some of them are secrets.
package struct DecodeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong, as the end of "the value …".
    package enum Problem: String, Sendable {
        /// Something reaches beyond the end.
        case cutOff = "ends too early"
        /// Bytes are left over.
        case leftOver = "has bytes left over"
        /// A key of the wrong size or build.
        case badKey = "has a key of the wrong shape"
        /// A class version that is not known here, or another mark of an unknown format.
        case unknownFormat = "is in an unknown format"
        /// A number that means nothing where it stands.
        case badNumber = "has a number out of range"
        /// A label that is empty, or that has a NUL where a key can't hold it; in wire form also one that is too long.
        case badLabel = "has a bad label in a name"
        /// A label in a key that is longer than 63 bytes: no version of PowerDNS can answer what is read past it.
        case longLabel = "has a label of more than 63 bytes in a name"
        /// A name of more than 255 bytes.
        case longName = "has a name that is too long"
        /// A compression pointer that does not lead to an earlier name.
        case badPointer = "has a bad compression pointer"
        /// What PowerDNS 4.9 serves, and PowerDNS 5 does not.
        case refusedByNewer = "has a parameter that PowerDNS 5 does not take"
        /// Text that does not mean what it should.
        case badText = "has text that can't be read"
        /// A key that can't be computed with.
        case badKeyMaterial = "has unusable key material"
    }

    /// What is wrong.
    package let problem: Problem
    /// Where, in bytes from the beginning of what was read.
    package let offset: Int

    /// The problem at this offset in bytes.
    package init(_ problem: Problem, at offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    /// For example "ends too early at byte 12".
    package var description: String { "\(problem.rawValue) at byte \(offset)" }
}
