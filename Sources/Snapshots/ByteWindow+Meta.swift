extension ByteWindow {
    /// Reads what a snapshot says about itself; fields that are not there leave `meta` as it was.
    mutating func readMeta(_ tag: FieldTag, into meta: inout SnapshotMeta) throws(SnapshotError) {
        try expect(tag, .length, of: "meta")
        let end = try readLength(limit: .max, of: "meta") &+ offset
        while offset < end {
            let tag = try readTag(limit: end)
            switch tag.number {
            case SnapshotFields.Meta.generationID: meta.generationID = try metaText(tag, end, "generationID")
            case SnapshotFields.Meta.instanceID: meta.instanceID = try metaText(tag, end, "instanceID")
            case SnapshotFields.Meta.hostname: meta.hostname = try metaText(tag, end, "hostname")
            case SnapshotFields.Meta.databaseName: meta.databaseName = try metaText(tag, end, "databaseName")
            case SnapshotFields.Meta.transactionID:
                try expect(tag, .varint, of: "meta.lmdbTxnID")
                meta.transactionID = Int64(bitPattern: try readVarint(limit: end))
            case SnapshotFields.Meta.fromTransactionID:
                try expect(tag, .varint, of: "meta.fromLmdbTxnID")
                meta.fromTransactionID = Int64(bitPattern: try readVarint(limit: end))
            case SnapshotFields.Meta.timestamp:
                try expect(tag, .eightBytes, of: "meta.timestampNano")
                meta.timestamp = try readFixed64(limit: end)
            default: try skipValue(tag, limit: end)
            }
        }
    }

    private mutating func metaText(_ tag: FieldTag, _ end: UInt64, _ name: String) throws(SnapshotError) -> String {
        try expect(tag, .length, of: "meta.\(name)")
        return try readString(limit: end, maximum: 64 << 10, of: "meta.\(name)")
    }
}
