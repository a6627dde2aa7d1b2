import Glibc

/// One of the two pages at the start of a data file that describe a commit.
///
/// The layout is that of LMDB 0.9's data format version 1 on 64-bit systems, in native byte order:
/// a page header of 16 bytes with the page's flags at 10, then magic (4 bytes), version (4), map address (8), map
/// size (8), the records of the free-page and the main database (48 each), last page (8), transaction ID (8). The
/// page size is in the first 4 bytes of the free-page database's record, its root in the last 8.
struct MetaPage {
    let mapSize: UInt
    let pageSize: Int
    /// The root page of the tree of free pages.
    let freeRoot: UInt
    let lastPage: UInt
    let transactionID: UInt

    private static let magic: UInt32 = 0xBEEF_C0DE
    private static let version: UInt32 = 1
    private static let isMeta: UInt16 = 0x08
    private static let size = 16 + 24 + 2 * 48 + 16

    /// The reason why a file cannot be opened.
    enum Refusal: Error {
        case failed(Int32)
        case notLMDB
        case version(UInt32)
        case damaged(String)
    }

    /// The two meta pages of a file, the one with the newer transaction first.
    ///
    /// liblmdb also checks magic and version, but divides by the page size and maps pages without further checks.
    static func read(_ descriptor: Int32) throws(Refusal) -> (newer: MetaPage, older: MetaPage) {
        let first = try MetaPage(descriptor, at: 0)
        let second = try MetaPage(descriptor, at: first.pageSize)
        guard second.pageSize == first.pageSize else { throw .damaged("its meta pages differ in the page size") }
        return second.transactionID > first.transactionID ? (second, first) : (first, second)
    }

    /// The same for a path.
    ///
    /// - Parameter writable: whether the file must be writable as well.
    static func read(path: String, writable: Bool = false) throws(Refusal) -> (newer: MetaPage, older: MetaPage) {
        let descriptor = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failed(errno) }
        defer { close(descriptor) }
        return try read(descriptor)
    }

    private init(_ descriptor: Int32, at offset: Int) throws(Refusal) {
        let bytes: FilePage
        do throws(FileFailure) {
            bytes = try FilePage(descriptor, offset: offset, size: Self.size)
        } catch {
            throw .failed(error.code)
        }
        guard bytes.count == Self.size else {
            // The first page identifies LMDB, so a missing second one means damage.
            if offset > 0 { throw .damaged("it ends within its meta pages") }
            throw .notLMDB
        }
        guard bytes.load(10, as: UInt16.self) & Self.isMeta != 0, bytes.load(16, as: UInt32.self) == Self.magic else {
            if offset > 0 { throw .damaged("its second meta page is not one") }
            throw .notLMDB
        }
        let version = bytes.load(20, as: UInt32.self)
        guard version == Self.version else { throw .version(version) }
        mapSize = bytes.load(32, as: UInt.self)
        pageSize = Int(bytes.load(40, as: UInt32.self))
        freeRoot = bytes.load(80, as: UInt.self)
        lastPage = bytes.load(136, as: UInt.self)
        transactionID = bytes.load(144, as: UInt.self)
        guard (256...65536).contains(pageSize), pageSize & (pageSize - 1) == 0 else {
            throw .damaged("its page size is \(pageSize) bytes")
        }
        // LMDB stores page numbers in 48 bits.
        guard lastPage >= 1, lastPage < 1 << 47 else { throw .damaged("its last page is \(lastPage)") }
    }
}

/// Bytes read from a file, not mapped: access to a mapped page beyond the end of the file ends the process.
struct FilePage {
    private let bytes: [UInt8]
    var count: Int { bytes.count }

    /// Reads up to `size` bytes, fewer at the end of the file.
    init(_ descriptor: Int32, offset: Int, size: Int) throws(FileFailure) {
        var failure: Int32 = 0
        bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let result = pread(descriptor, buffer.baseAddress.map { $0 + count }, size - count, offset + count)
                if result < 0 && errno == EINTR { continue }
                if result < 0 { failure = errno }
                if result <= 0 { break }
                count += result
            }
        }
        if failure != 0 { throw FileFailure(code: failure, operation: "read the file") }
    }

    /// The number at an offset, in native byte order; 0 after the end.
    func load<T: FixedWidthInteger>(_ offset: Int, as: T.Type) -> T {
        guard offset >= 0, offset <= count - MemoryLayout<T>.size else { return 0 }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
    }
}
