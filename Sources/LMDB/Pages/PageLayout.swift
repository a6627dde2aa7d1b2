/// Numbers of LMDB 0.9's data format version 1 on 64-bit systems.
enum PageLayout {
    /// The header of a page, in bytes.
    static let headerSize = 16
    /// The header of a node in a page, in bytes.
    static let nodeHeaderSize = 8
    /// The flag of a page whose nodes refer to other pages.
    static let branch: UInt16 = 0x01
    /// The flag of a page whose nodes are entries.
    static let leaf: UInt16 = 0x02
    /// The flag of the first of the pages of a large value.
    static let overflow: UInt16 = 0x04
    /// The flag of a node whose data are the number of the first overflow page.
    static let bigData: UInt16 = 0x01
    /// The root of an empty tree.
    static let noPage = UInt.max
    /// The limit of liblmdb's cursors for the levels of a tree.
    static let maximumDepth = 32
}
