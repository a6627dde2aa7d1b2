/// Why something can't be sealed or opened.
package enum AgeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// It does not begin as age files do.
    case notSealed
    /// It is sealed, but for none of the identities.
    case otherIdentity
    /// It is damaged, or was not made by the rules.
    ///
    /// - Parameter offset: where, in bytes from the beginning.
    case damaged(String, offset: Int)
    /// OpenSSL can't do what is needed.
    case unavailable(String)

    /// One line.
    package var description: String {
        switch self {
        case .notSealed: "it is no age file"
        case .otherIdentity: "it is sealed for another identity"
        case .damaged(let reason, let offset): "it is damaged at byte \(offset): \(reason)"
        case .unavailable(let what): "OpenSSL provides no \(what)"
        }
    }
}
