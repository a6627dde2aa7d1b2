/// A branch or leaf page of a tree, with each access checked.
///
/// The layout is that of LMDB 0.9's data format version 1 on 64-bit little-endian systems. A page begins with its number (8
/// bytes), flags (2 bytes at 10) and the bounds of its free space (2 bytes each at 12 and 14); the offsets of its nodes (2 bytes
/// each) follow from 16 on. A node has a header of 8 bytes, key and data. In a branch page the first six bytes of
/// the header are the child's number. In a leaf page they are the size of the data (4 bytes) and flags (2 bytes). The last
/// two are the size of the key.
struct TreePage {
    let number: UInt
    let isLeaf: Bool
    /// The number of nodes.
    let count: Int
    private let address: UnsafeRawPointer
    private let size: Int

    init(_ number: UInt, in pages: MappedPages) throws(PageFault) {
        address = try pages.address(number)
        size = pages.pageSize
        self.number = number
        guard address.loadUnaligned(as: UInt.self) == number else { throw .otherNumber(number) }
        switch address.loadUnaligned(fromByteOffset: 10, as: UInt16.self) {
        case PageLayout.branch: isLeaf = false
        case PageLayout.leaf: isLeaf = true
        default: throw .kind(number)
        }
        let lower = Int(address.loadUnaligned(fromByteOffset: 12, as: UInt16.self))
        let upper = Int(address.loadUnaligned(fromByteOffset: 14, as: UInt16.self))
        guard lower >= PageLayout.headerSize, lower <= upper, upper <= size else { throw .bounds(number) }
        count = (lower - PageLayout.headerSize) / 2
    }

    /// The child of a branch page.
    ///
    /// - Parameter index: below ``count``.
    func child(_ index: Int) throws(PageFault) -> UInt {
        let node = try node(index)
        let low = UInt(node.loadUnaligned(as: UInt32.self))
        return UInt(node.loadUnaligned(fromByteOffset: 4, as: UInt16.self)) << 32 | low
    }

    /// An entry of a leaf page.
    struct Entry {
        var key: UnsafeRawBufferPointer
        var value: UnsafeRawBufferPointer
        /// The first overflow page of the value; 0 if the value is in the leaf.
        var overflowPage: UInt = 0
    }

    /// An entry of a leaf page.
    ///
    /// - Parameter index: below ``count``.
    /// - Throws: ``PageFault/kind(_:)`` for an entry with several values.
    func entry(_ index: Int, _ pages: MappedPages) throws(PageFault) -> Entry {
        let node = try node(index)
        let valueSize = Int(node.loadUnaligned(as: UInt32.self))
        let flags = node.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        let keySize = Int(node.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
        let key = node + PageLayout.nodeHeaderSize
        let rest = address + size - key
        guard keySize > 0, keySize <= rest else { throw .bounds(number) }
        let value = key + keySize
        let keyBytes = UnsafeRawBufferPointer(start: key, count: keySize)
        switch flags {
        case 0:
            guard valueSize <= rest - keySize else { throw .bounds(number) }
            return Entry(key: keyBytes, value: UnsafeRawBufferPointer(start: value, count: valueSize))
        case PageLayout.bigData:
            guard rest - keySize >= 8 else { throw .bounds(number) }
            let first = value.loadUnaligned(as: UInt.self)
            let bytes = try Self.overflowValue(first, size: valueSize, pages)
            return Entry(key: keyBytes, value: bytes, overflowPage: first)
        default: throw .kind(number)
        }
    }

    private func node(_ index: Int) throws(PageFault) -> UnsafeRawPointer {
        let offset = Int(address.loadUnaligned(fromByteOffset: PageLayout.headerSize + 2 * index, as: UInt16.self))
        guard offset >= PageLayout.headerSize + 2 * count, offset <= size - PageLayout.nodeHeaderSize else {
            throw .bounds(number)
        }
        return address + offset
    }

    /// A value in overflow pages: one header with the number of pages (4 bytes at 12), then the value.
    private static func overflowValue(
        _ first: UInt, size: Int, _ pages: MappedPages
    ) throws(PageFault) -> UnsafeRawBufferPointer {
        let address = try pages.address(first)
        guard address.loadUnaligned(as: UInt.self) == first else { throw .otherNumber(first) }
        guard address.loadUnaligned(fromByteOffset: 10, as: UInt16.self) == PageLayout.overflow else {
            throw .kind(first)
        }
        let count = UInt(address.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
        guard count > 0, count <= pages.last - first + 1 else { throw .outside(first) }
        guard size <= Int(count) * pages.pageSize - PageLayout.headerSize else { throw .bounds(first) }
        return UnsafeRawBufferPointer(start: address + PageLayout.headerSize, count: size)
    }
}
