import HTTP

/// The objects of a listing, page by page, in bounded memory.
struct ListingCollector {
    /// Memory limit for the names of one listing, in bytes; about 200,000 objects.
    static let largest = 64 << 20

    /// Prepended to all names in the storage, and not visible outside.
    var globalPrefix: String
    /// That of the listed names.
    var prefix: String

    private var blobs: [Blob] = []
    private var names = Set<[UInt8]>()
    private var emptyPages = 0
    private var room = largest

    init(globalPrefix: String, prefix: String) {
        self.globalPrefix = globalPrefix
        self.prefix = prefix
    }

    /// Adds a page, with the names in the storage.
    ///
    /// - Returns: whether it may be followed by another: not if the listing repeats itself.
    /// - Throws: ``TooMany`` if there is no room for it.
    mutating func add(_ page: [Blob]) throws(TooMany) -> Bool {
        let countBefore = names.count
        for blob in page where names.insert(Array(blob.name.utf8)).inserted {
            room -= 2 * (blob.name.utf8.count + (blob.version?.utf8.count ?? 0) + 80)
            guard room >= 0 else { throw TooMany(count: names.count - 1) }
            guard blob.name.startsBytewise(with: globalPrefix + prefix) else { continue }
            let name = String(Substring(blob.name.utf8.dropFirst(globalPrefix.utf8.count)))
            // The prefix itself may be an object: some tools create one for a folder.
            guard !name.isEmpty, name != UpdateMarkerStore.markerName else { continue }
            blobs.append(Blob(name: name, size: blob.size, modified: blob.modified, version: blob.version))
        }
        // A page without names is valid: it may contain only folders.
        emptyPages = page.isEmpty ? emptyPages + 1 : 0
        return (page.isEmpty || names.count > countBefore) && emptyPages < 10_000
    }

    /// All objects that were added, sorted.
    var sorted: [Blob] { blobs.sorted { $0.name.precedesBytewise($1.name) } }

    /// There are more objects than a listing can hold.
    struct TooMany: Error {
        var count: Int
    }
}
