import Glibc

/// A part of a ``Spool``'s file, mapped into memory: many contiguous bytes that the system loads on access and may
/// evict at any time, so that they need no private memory.
package struct MappedBytes: ~Copyable {
    /// The bytes, valid as long as this lives.
    package let bytes: UnsafeRawBufferPointer
    private let base: UnsafeMutableRawPointer
    private let length: Int

    private init(_ base: UnsafeMutableRawPointer, _ length: Int, bytesFrom start: Int) {
        self.base = base
        self.length = length
        bytes = UnsafeRawBufferPointer(start: base + start, count: length - start)
    }

    /// Maps the bytes in `range`, which must be within the spool.
    ///
    /// - Returns: nil for a spool in memory.
    package static func map(_ spool: Spool, _ range: Range<Int>) throws(SystemError) -> MappedBytes? {
        guard let descriptor = spool.fileDescriptor else { return nil }
        guard range.lowerBound >= 0, range.upperBound <= spool.count, !range.isEmpty else {
            throw SystemError("map", "a spooled file", code: EINVAL)
        }
        // A mapping must start at a page.
        let start = range.lowerBound / pageSize * pageSize
        let length = range.upperBound - start
        guard let base = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, off_t(start)), base != MAP_FAILED else {
            throw SystemError("map", "a spooled file", code: errno)
        }
        return MappedBytes(base, length, bytesFrom: range.lowerBound - start)
    }

    deinit { munmap(base, length) }

    /// Releases the memory of whole pages within `part`, which can be read again. Does nothing for other memory.
    package func forget(_ part: UnsafeRawBufferPointer) {
        guard let start = part.baseAddress, start >= UnsafeRawPointer(base),
            start + part.count <= UnsafeRawPointer(base) + length
        else { return }
        let first = (start - UnsafeRawPointer(base) + Self.pageSize - 1) / Self.pageSize * Self.pageSize
        let end = (start + part.count - UnsafeRawPointer(base)) / Self.pageSize * Self.pageSize
        if first < end { madvise(base + first, end - first, MADV_DONTNEED) }
    }

    private static let pageSize = max(4096, sysconf(Int32(_SC_PAGESIZE)))
}
