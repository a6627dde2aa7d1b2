import Monitoring
import Support

/// An object that an S3 server says was stored.
package struct StorageEvent: Sendable, Equatable {
    /// Its bucket; nil if that is part of the key.
    package var bucket: String?
    /// The key as stated, perhaps URL-encoded.
    package var key: String
    /// Its ETag, if stated.
    package var etag: String?

    /// See the properties of the same names.
    package init(bucket: String? = nil, key: String, etag: String? = nil) {
        (self.bucket, self.key, self.etag) = (bucket, key, etag)
    }

    /// The events in a body: the records of S3's notifications, as MinIO, Ceph and VersityGW send them, or one event of
    /// SeaweedFS's filer.
    ///
    /// Events that store nothing are left out, and so is everything in test events.
    ///
    /// - Returns: nil if the body is no JSON object of these kinds.
    package static func parse(_ body: [UInt8]) -> [StorageEvent]? {
        guard let document = try? JSON.decode(Document.self, from: body) else { return nil }
        if let records = document.Records { return records.compactMap(StorageEvent.init) }
        guard let key = document.key, let type = document.eventType, type != "delete" else { return [] }
        return [StorageEvent(key: key)]
    }

    private init?(_ record: Record) {
        guard let key = record.s3?.object?.key, !(record.eventName ?? "").contains("ObjectRemoved") else { return nil }
        // Some quote it.
        let etag = record.s3?.object?.eTag?.filter { $0 != "\"" }
        self.init(bucket: record.s3?.bucket?.name, key: key, etag: etag?.isEmpty == false ? etag : nil)
    }

    /// The keys that may be meant: as it is, and URL-encoded as in S3's notifications, in which `+` is a blank.
    package var keys: [String] {
        guard key.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }),
            let decoded = percentDecoded(key)
        else { return [key] }
        return [key, decoded]
    }

    private struct Document: Decodable {
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var Records: [Record]?
        var key: String?
        var eventType: String?
    }

    private struct Record: Decodable {
        var eventName: String?
        var s3: Entity?
    }

    private struct Entity: Decodable {
        var bucket: Bucket?
        var object: Object?
    }

    private struct Bucket: Decodable { var name: String? }

    private struct Object: Decodable {
        var key: String?
        var eTag: String?
    }
}
