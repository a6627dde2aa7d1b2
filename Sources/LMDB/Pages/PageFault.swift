/// What does not fit in a page, or in what refers to it.
///
/// A page comes from the file, which may be damaged. Page numbers are those of the file.
package enum PageFault: Error, Sendable, Hashable {
    /// The page is beyond the last one of its transaction, or beyond the end of the file.
    case outside(UInt)
    /// The header has another page's number.
    case otherNumber(UInt)
    /// The page is of another kind than its place in the tree needs.
    case kind(UInt)
    /// Its nodes, or a key or value in one, are outside of it.
    case bounds(UInt)
    /// A key is not above its predecessor.
    case order(UInt)
    /// The tree refers to it twice.
    case twice(UInt)
    /// The tree is deeper than its record says, or than liblmdb allows.
    case depth(UInt)
    /// A record of the list of free pages is not one.
    case freeList
    /// The record of a DBI is not one.
    case record
    /// The address of the map is unknown.
    case noMap
}

extension PageFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .outside(let page): "page \(page) is outside of the file"
        case .otherNumber(let page): "page \(page) has another page's number"
        case .kind(let page): "page \(page) is of the wrong kind"
        case .bounds(let page): "page \(page) has an entry outside of it"
        case .order(let page): "page \(page) has keys that are not in order"
        case .twice(let page): "page \(page) is referred to twice"
        case .depth(let page): "page \(page) is at the wrong depth"
        case .freeList: "the list of free pages is damaged"
        case .record: "the record of a DBI is damaged"
        case .noMap: "the address of the memory map is unknown"
        }
    }
}
