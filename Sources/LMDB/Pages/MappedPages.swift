import CLMDB
import Glibc

/// The pages of a data file in memory, as one read transaction may read them.
///
/// Valid while the transaction is open: a pinned one is ended before the map is resized.
// Sendable because it only refers to the map.
struct MappedPages: @unchecked Sendable {
    let pageSize: Int
    /// The last page of the transaction that is in the file.
    let last: UInt
    private let base: UnsafeRawPointer

    /// Pages in memory, beginning with page 0.
    init(base: UnsafeRawPointer, pageSize: Int, last: UInt) {
        (self.base, self.pageSize, self.last) = (base, pageSize, last)
    }

    /// - Parameters:
    ///   - address: the address of anything in a page of the transaction, such as a key.
    ///   - last: the last page of the transaction.
    init(
        containing address: UnsafeRawPointer, last: UInt, _ environment: Environment
    ) throws(PageFault) {
        let info = environment.info
        var descriptor: Int32 = -1
        mdb_env_get_fd(environment.pointer, &descriptor)
        var status = stat()
        guard info.pageSize >= 256, fstat(descriptor, &status) == 0 else { throw .noMap }
        pageSize = info.pageSize
        // A page beyond the end of the file would end the process.
        let inFile = min(UInt(status.st_size), UInt(info.mapSize)) / UInt(info.pageSize)
        guard inFile > 0 else { throw .noMap }
        self.last = min(last, inFile - 1)
        base = try Self.base(address, descriptor, info)
    }

    /// The start of the map.
    ///
    /// The map is aligned to the system's pages. Within it pages that are not larger are aligned to their own size, and
    /// contain their number; for larger ones the kernel is asked.
    private static func base(
        _ address: UnsafeRawPointer, _ descriptor: Int32, _ info: EnvironmentInfo
    ) throws(PageFault) -> UnsafeRawPointer {
        guard info.pageSize <= PageBounds.systemPageSize else {
            guard let base = MemoryMaps.start(of: address) else { throw .noMap }
            return base
        }
        let page = UnsafeRawPointer(bitPattern: UInt(bitPattern: address) & ~UInt(info.pageSize - 1))
        guard let page else { throw .noMap }
        let number = page.load(as: UInt.self)
        guard number < UInt(info.mapSize / info.pageSize) else { throw .noMap }
        return page - Int(number) * info.pageSize
    }

    /// The address of a page.
    func address(_ number: UInt) throws(PageFault) -> UnsafeRawPointer {
        guard number > 1, number <= last else { throw .outside(number) }
        return base + Int(number) * pageSize
    }
}

/// The memory maps of this process, from `/proc/self/maps`.
enum MemoryMaps {
    /// The start of the map that contains an address.
    static func start(of address: UnsafeRawPointer) -> UnsafeRawPointer? {
        guard let file = fopen("/proc/self/maps", "re") else { return nil }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, file) > 0 {
            guard let text = line else { return nil }
            // Two hexadecimal numbers with a minus between them.
            var rest: UnsafeMutablePointer<CChar>?
            let start = strtoul(text, &rest, 16)
            guard let separator = rest, separator.pointee == CChar(UInt8(ascii: "-")) else { continue }
            let end = strtoul(separator + 1, nil, 16)
            if (start..<max(start, end)).contains(UInt(bitPattern: address)) {
                return UnsafeRawPointer(bitPattern: start)
            }
        }
        return nil
    }
}
