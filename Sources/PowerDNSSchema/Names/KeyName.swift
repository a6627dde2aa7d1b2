/// Names as PowerDNS puts them into keys: labels from the last to the first, in lower case, each followed by a zero,
/// so that bytewise order is DNSSEC's order; no labels are a single zero.
package enum KeyName {
    /// Appends the key form of a name.
    package static func append(_ name: DomainName, to key: inout [UInt8]) {
        for label in Array(name.labels).reversed() {
            for byte in label { key.append(DomainName.lowercase(byte)) }
            key.append(0)
        }
        if name.isRoot { key.append(0) }
    }

    /// The key form of a name.
    package static func bytes(_ name: DomainName) -> [UInt8] {
        var key: [UInt8] = []
        append(name, to: &key)
        return key
    }

    /// Reads the key form of a name that takes up all of `key`.
    ///
    /// - Parameter suffix: what the name is relative to, so that it is appended to the labels of the key.
    /// - Throws: ``DecodeError`` with the offset in `key`.
    package static func decode(
        _ key: UnsafeRawBufferPointer, relativeTo suffix: DomainName = .root
    ) throws(DecodeError) -> DomainName {
        try check(key)
        if key.count == 1 { return suffix }
        guard key.count + suffix.wire.count <= DomainName.maximumSize else { throw DecodeError(.longName, at: 0) }
        var wire: [UInt8] = []
        wire.reserveCapacity(key.count + suffix.wire.count)
        // Walked backwards: each label ends before a zero.
        var end = key.count - 1
        while end > 0 {
            var start = end
            while start > 0, key[start - 1] != 0 { start -= 1 }
            wire.append(UInt8(truncatingIfNeeded: end - start))
            wire.append(contentsOf: key[start..<end])
            end = start - 1
        }
        wire.append(contentsOf: suffix.wire)
        return DomainName(unchecked: wire)
    }

    /// Checks, without allocating, that `key` is the key form of a name.
    package static func check(_ key: UnsafeRawBufferPointer) throws(DecodeError) {
        guard let last = key.last else { throw DecodeError(.cutOff, at: 0) }
        if key.count == 1, last == 0 { return }
        guard last == 0 else { throw DecodeError(.cutOff, at: key.count) }
        guard key.count < DomainName.maximumSize else { throw DecodeError(.longName, at: 0) }
        var start = 0
        for (offset, byte) in key.enumerated() where byte == 0 {
            let size = offset - start
            guard size > 0 else { throw DecodeError(.badLabel, at: start) }
            guard size <= DomainName.maximumLabelSize else { throw DecodeError(.longLabel, at: start) }
            start = offset + 1
        }
    }
}
