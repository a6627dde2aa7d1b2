import BlobStorage
import Synchronization

/// Which objects of a storage are sealed: the name of a sealed one ends with `.age`.
///
/// Everything else knows the names without that. An object may be there in both forms for a while, after the storage was converted.
final class SealedNames: Sendable {
    /// In which forms an object is there.
    struct Forms: Equatable {
        var sealed: Blob?
        var plain: Blob?
    }

    private struct State {
        /// Those of the last listings.
        var forms: [String: Forms] = [:]
        /// The key IDs of the objects that were read or stored last; nil of those that are not sealed.
        var keys: [String: String?] = [:]
    }

    private let state = Mutex(State())

    /// The name in the storage.
    static func stored(_ name: String, isSealed: Bool) -> String { isSealed ? name + Blob.sealSuffix : name }

    /// The objects of a listing under their names, sorted by these.
    ///
    /// - Parameter choose: picks one of two forms of the same object.
    func listed(_ blobs: [Blob], prefix: String, _ choose: (Forms) -> Blob?) -> [Blob] {
        var found: [String: Forms] = [:]
        var hasSealed = false
        for blob in blobs {
            if let name = Blob.nameWithoutSeal(blob.name) {
                hasSealed = true
                var plain = blob
                plain.name = name
                found[name, default: Forms()].sealed = plain
            } else {
                found[blob.name, default: Forms()].plain = blob
            }
        }
        state.withLock { state in
            state.forms = state.forms.filter { !$0.key.utf8.starts(with: prefix.utf8) }
            state.forms.merge(found) { $1 }
            // Those of objects that are gone.
            state.keys = state.keys.filter { !$0.key.utf8.starts(with: prefix.utf8) || found[$0.key] != nil }
        }
        guard hasSealed else { return blobs }
        return found.values.compactMap(choose).sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// The forms of an object in the last listing; nil if it was not in it.
    func forms(of name: String) -> Forms? { state.withLock { $0.forms[name] } }

    /// The key ID of an object that was read or stored: the inner value is nil if it is not sealed, the outer one if it is not known.
    func key(of name: String) -> String?? { state.withLock { $0.keys[name] } }

    /// An object was read, and sealed with the identity of this key ID, or not at all.
    func read(_ name: String, key: String?) { state.withLock { $0.keys[name] = .some(key) } }

    /// An object was stored, or removed, in one form.
    func changed(_ name: String, isSealed: Bool, isThere: Bool) {
        state.withLock { state in
            let blob = isThere ? Blob(name: name, size: 0) : nil
            if isSealed {
                state.forms[name, default: Forms()].sealed = blob
            } else {
                state.forms[name, default: Forms()].plain = blob
            }
            guard state.forms[name] == Forms() else { return }
            state.forms[name] = nil
            state.keys[name] = nil
        }
    }
}
