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
            case SnapshotFields.Meta.from:
                try expect(tag, .eightBytes, of: "meta.from")
                meta.from = try readFixed64(limit: end)
            case SnapshotFields.Meta.positions: try readPosition(tag, end, into: &meta)
            case SnapshotFields.Meta.readsDeltas:
                try expect(tag, .varint, of: "meta.readsDeltas")
                meta.readsDeltas = try readVarint(limit: end) != 0
            case SnapshotFields.Meta.proof:
                try expect(tag, .length, of: "meta.proof")
                let proof = try readBytes(
                    limit: end, maximum: SnapshotFields.Meta.longestProof, of: "meta.proof")
                // One that was put before it replaces the proof of an earlier seal.
                if meta.proof.isEmpty { meta.proof = proof }
            default: try skipValue(tag, limit: end)
            }
        }
    }

    private mutating func readPosition(
        _ tag: FieldTag, _ limit: UInt64, into meta: inout SnapshotMeta
    ) throws(SnapshotError) {
        try expect(tag, .length, of: "a position")
        let end = try readLength(limit: limit, of: "a position") &+ offset
        var (instance, timestamp) = ("", UInt64(0))
        while offset < end {
            let tag = try readTag(limit: end)
            switch tag.number {
            case SnapshotFields.Position.instance:
                try expect(tag, .length, of: "the instance of a position")
                instance = try readString(
                    limit: end, maximum: SnapshotFields.Position.longestInstance, of: "the instance of a position")
            case SnapshotFields.Position.timestamp:
                try expect(tag, .eightBytes, of: "the time of a position")
                timestamp = try readFixed64(limit: end)
            default: try skipValue(tag, limit: end)
            }
        }
        guard !instance.isEmpty, SnapshotName.sanitize(instance: instance) == instance else {
            throw refusal("the instance of a position is not as in object names")
        }
        guard timestamp > 0 else { throw refusal("a position has no time") }
        meta.positions[instance] = timestamp
        guard meta.positions.count <= SnapshotFields.Meta.mostPositions else {
            throw refusal("it has more than \(SnapshotFields.Meta.mostPositions) positions", .unsupported)
        }
    }

    private mutating func metaText(_ tag: FieldTag, _ end: UInt64, _ name: String) throws(SnapshotError) -> String {
        try expect(tag, .length, of: "meta.\(name)")
        return try readString(limit: end, maximum: 64 << 10, of: "meta.\(name)")
    }

    /// Reads and checks the format version after its tag.
    mutating func readFormatVersion(_ tag: FieldTag) throws(SnapshotError) -> UInt32 {
        try expect(tag, .varint, of: "formatVersion")
        let number = try readVarint(limit: .max)
        guard let version = UInt32(exactly: number) else { throw refusal("formatVersion is \(number)") }
        return version
    }

    /// Reads and checks the compatible version after its tag.
    mutating func readCompatVersion(_ tag: FieldTag) throws(SnapshotError) {
        try expect(tag, .varint, of: "compatVersion")
        let version = try readVarint(limit: .max)
        guard version <= SnapshotFields.currentVersion else {
            throw refusal(
                "it requires a reader of format version \(version) or later, this one supports \(SnapshotFields.currentVersion)",
                .unsupported)
        }
    }

    /// An error for a message without format version.
    var noFormatVersion: SnapshotError { refusal("it has no formatVersion: it is empty, or not a snapshot") }
}
