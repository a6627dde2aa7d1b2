import Glibc

/// A set of page numbers as a bitmap, one bit a page.
///
/// Its memory is reserved at once, and used only where pages are inserted.
// A class because several walks share it; immutable once it is shared.
final class PageSet: @unchecked Sendable {
    /// The greatest number that it can contain.
    let last: UInt
    private let words: UnsafeMutablePointer<UInt64>?

    /// - Parameter last: the greatest number to insert, below 2^47.
    init(last: UInt) {
        self.last = last
        words = calloc(Int(last / 64) + 1, 8)?.bindMemory(to: UInt64.self, capacity: Int(last / 64) + 1)
    }

    deinit { free(words) }

    /// Whether there was memory for it. Without, it is empty.
    var isUsable: Bool { words != nil }

    func contains(_ page: UInt) -> Bool {
        guard page <= last, let words else { return false }
        return words[Int(page / 64)] & 1 << (page % 64) != 0
    }

    /// - Returns: whether it is new in the set; false for one beyond ``last``.
    @discardableResult
    func insert(_ page: UInt) -> Bool {
        guard page <= last, let words else { return false }
        let (word, bit) = (Int(page / 64), UInt64(1) << (page % 64))
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        return true
    }

    /// Inserts many at once, without those beyond ``last``.
    ///
    /// - Parameter numbers: 8 bytes each, in native byte order.
    func insert(numbers: UnsafeRawBufferPointer) {
        guard let words, let base = numbers.baseAddress else { return }
        // Neighbours are mostly in the same word.
        var (word, bits) = (0, UInt64(0))
        for index in 0..<numbers.count / 8 {
            let page = base.loadUnaligned(fromByteOffset: index &* 8, as: UInt.self)
            guard page <= last else { continue }
            let next = Int(bitPattern: page / 64)
            if next != word {
                words[word] |= bits
                (word, bits) = (next, 0)
            }
            bits |= 1 &<< UInt64(page % 64)
        }
        words[word] |= bits
    }
}
