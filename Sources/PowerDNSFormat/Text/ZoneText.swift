/// Writes records as lines of a zone file.
package struct ZoneText {
    /// In which way.
    package var style: ZoneTextStyle
    /// What has been written, in UTF-8, each line with its end.
    package var bytes: [UInt8] = []

    /// Nothing has been written yet.
    package init(style: ZoneTextStyle = .zoneFile) { self.style = style }

    /// Writes the records of an RRset, a line each, without those that are disabled.
    ///
    /// - Parameters:
    ///   - owner: the owner name, absolute; see ``RecordKey/owner(in:)``.
    ///   - payload: of an entry of `records_v5`.
    /// - Throws: ``DecodeError``; lines of the records before the bad one have been written then.
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
            // pdnsutil puts tabs between the columns, and people like to read spaces in a log.
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

    /// What has been written.
    package var text: String { String(decoding: bytes, as: UTF8.self) }
}
