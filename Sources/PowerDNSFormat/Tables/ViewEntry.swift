/// The variant of a zone in a view, in `views_v6`.
package struct ViewEntry: Hashable, Sendable {
    /// The name of the view.
    package var view: String
    /// The zone and its variant; no variant means the zone itself.
    package var zone: ZoneName

    /// Reads an entry of `views_v6`: the key is the view's name, a zero, the zone's name.
    package init(key: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) throws(DecodeError) {
        guard let end = key.firstIndex(of: 0), end > 0 else { throw DecodeError(.badKey, at: 0) }
        view = String(decoding: key[..<end], as: UTF8.self)
        let name: DomainName
        do throws(DecodeError) {
            name = try KeyName.decode(UnsafeRawBufferPointer(rebasing: key[(end + 1)...]))
        } catch { throw DecodeError(error.problem, at: end + 1 + error.offset) }
        zone = ZoneName(name, variant: String(decoding: payload, as: UTF8.self))
    }
}
