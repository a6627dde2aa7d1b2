/// Writes records as lines of a zone file.
package struct ZoneText {
    /// The style.
    package var style: ZoneTextStyle
    /// The lines written so far, in UTF-8, each with its end.
    package var bytes: [UInt8] = []

    /// Creates an empty text.
    package init(style: ZoneTextStyle = .zoneFile) { self.style = style }

    /// Writes the enabled records of an RRset, one line each.
    ///
    /// - Parameters:
    ///   - owner: the owner name, absolute; see ``RecordKey/owner(in:)``.
    ///   - payload: the payload of an entry of `records_v5`.
    /// - Throws: ``DecodeError``; the lines before the invalid record have been written then.
    package mutating func append(
        owner: DomainName, type: RecordType, payload: UnsafeRawBufferPointer
    ) throws(DecodeError) {
        var value = RecordValue(payload)
        while let record = try value.next() {
            if !record.isDisabled { try append(owner: owner, type: type, record) }
        }
    }

    /// Writes a record as a line.
    package mutating func append(owner: DomainName, type: RecordType, _ record: StoredRecord) throws(DecodeError) {
        let start = bytes.count
        do throws(DecodeError) {
            // pdnsutil separates columns by tabs; logs use spaces.
            let separator = style == .zoneFile ? UInt8(ascii: " ") : UInt8(ascii: "\t")
            style.append(owner: owner, to: &bytes)
            bytes.append(separator)
            bytes.append(number: record.ttl)
            bytes.append(separator)
            bytes.append("IN")
            bytes.append(separator)
            bytes.append(style.name(of: type))
            bytes.append(separator)
            try RData.append(type, record.rdata, owner: owner, style: style, to: &bytes)
            bytes.append(UInt8(ascii: "\n"))
        } catch {
            bytes.removeSubrange(start...)
            throw error
        }
    }

    /// The text written so far.
    package var text: String { String(decoding: bytes, as: UTF8.self) }
}
