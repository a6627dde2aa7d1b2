/// The identities of a storage.
package struct Keyring: Sendable {
    /// Seals.
    package let first: AgeIdentity
    /// All that open, beginning with ``first``.
    package let identities: [AgeIdentity]
    /// Whether objects that are not sealed are read, too.
    package let acceptsUnsealed: Bool

    /// - Parameter identities: the first one seals, all open.
    /// - Returns: nil if there is none.
    package init?(_ identities: [AgeIdentity], acceptsUnsealed: Bool = false) {
        guard let first = identities.first else { return nil }
        self.first = first
        self.identities = identities
        self.acceptsUnsealed = acceptsUnsealed
    }

    /// Reads the identities in some files.
    ///
    /// - Parameter paths: the first one seals, all open.
    /// - Returns: nil if no file is named.
    package init?(files paths: [String], acceptsUnsealed: Bool) throws(IdentityFile.Failure) {
        var identities: [AgeIdentity] = []
        for path in paths { identities += try IdentityFile.read(path) }
        self.init(identities, acceptsUnsealed: acceptsUnsealed)
    }
}
