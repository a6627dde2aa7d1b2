import Glibc

/// Names as PowerDNS puts them into keys: labels from the last to the first, in lower case, each followed by a zero,
/// so that bytewise order is DNSSEC's order; no labels are a single zero.
package enum KeyName {
    /// Appends the key form of a name.
    package static func append(_ name: DomainName, to key: inout [UInt8]) {
        if name.isRoot { return key.append(0) }
        name.wire.withUnsafeBytes { append(labels: UnsafeRawBufferPointer(rebasing: $0.dropLast()), to: &key) }
    }

    /// Appends the key form of labels in wire form, without the final zero; nothing for none.
    package static func append(labels wire: UnsafeRawBufferPointer, to key: inout [UInt8]) {
        let start = key.count
        // Reserves space for them.
        key.append(contentsOf: wire)
        key.withUnsafeMutableBytes {
            write(labels: wire, to: UnsafeMutableRawBufferPointer(rebasing: $0[start...]))
        }
    }

    /// Writes the key form of labels in wire form, without the final zero, which takes as many bytes.
    package static func write(labels wire: UnsafeRawBufferPointer, to key: UnsafeMutableRawBufferPointer) {
        // The first label in wire form is the last one of the key.
        var end = wire.count
        var position = 0
        while position < wire.count {
            let size = min(Int(wire[position]), end - 1)
            end -= size + 1
            for index in 0..<size { key[end + index] = DomainName.lowercase(wire[position + 1 + index]) }
            key[end + size] = 0
            position += 1 + size
        }
    }

    /// The key form of a name.
    package static func bytes(_ name: DomainName) -> [UInt8] {
        var key: [UInt8] = []
        append(name, to: &key)
        return key
    }

    /// Decodes the key form of a name that is all of `key`.
    ///
    /// - Parameter suffix: the name to which the key is relative; it is appended to the labels of the key.
    /// - Throws: ``DecodeError`` with the offset in `key`.
    package static func decode(
        _ key: UnsafeRawBufferPointer, relativeTo suffix: DomainName = .root
    ) throws(DecodeError) -> DomainName {
        try check(key)
        if key.count == 1 { return suffix }
        var wire: [UInt8] = []
        wire.reserveCapacity(key.count + suffix.wire.count)
        try append(checked: key, relativeTo: suffix, to: &wire)
        return DomainName(unchecked: wire)
    }

    /// Appends the wire form of a name whose key form has passed ``check(_:)``.
    static func append(
        checked key: UnsafeRawBufferPointer, relativeTo suffix: DomainName, to wire: inout [UInt8]
    ) throws(DecodeError) {
        if key.count == 1 { return wire.append(contentsOf: suffix.wire) }
        guard key.count + suffix.wire.count <= DomainName.maximumSize else { throw DecodeError(.longName, at: 0) }
        let start = wire.count
        // Reserves space for them.
        wire.append(contentsOf: key)
        wire.withUnsafeMutableBytes {
            write(checked: key, to: UnsafeMutableRawBufferPointer(rebasing: $0[start...]))
        }
        wire.append(contentsOf: suffix.wire)
    }

    /// Writes the labels of a key form that has passed ``check(_:)``, in wire form, which takes as many bytes.
    ///
    /// - Parameter key: has labels.
    package static func write(checked key: UnsafeRawBufferPointer, to wire: UnsafeMutableRawBufferPointer) {
        // In reverse, with a byte between labels in either form: each one ends before a zero.
        var next = 0
        var end = key.count - 1
        while end > 0 {
            var labelStart = end
            while labelStart > 0, key[labelStart - 1] != 0 { labelStart -= 1 }
            wire[next] = UInt8(truncatingIfNeeded: end - labelStart)
            for index in labelStart..<end { wire[next + 1 + index - labelStart] = key[index] }
            next += 1 + end - labelStart
            end = labelStart - 1
        }
    }

    /// Checks, without allocating, that `key` is the key form of a name.
    package static func check(_ key: UnsafeRawBufferPointer) throws(DecodeError) {
        guard let last = key.last else { throw DecodeError(.cutOff, at: 0) }
        if key.count == 1, last == 0 { return }
        guard last == 0 else { throw DecodeError(.cutOff, at: key.count) }
        guard key.count < DomainName.maximumSize else { throw DecodeError(.longName, at: 0) }
        var start = 0
        // The last byte is a zero.
        while start < key.count, let label = key.baseAddress.map({ $0 + start }),
            let end = memchr(label, 0, key.count - start)
        {
            let size = UnsafeRawPointer(end) - label
            guard size > 0 else { throw DecodeError(.badLabel, at: start) }
            guard size <= DomainName.maximumLabelSize else { throw DecodeError(.longLabel, at: start) }
            start += size + 1
        }
    }
}
