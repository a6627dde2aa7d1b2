import CLMDB

/// Where LMDB's pages come from that a transaction has written and not committed yet.
package enum PageMemory {
    /// Makes all threads of the process share one arena of glibc's malloc.
    ///
    /// LMDB allocates these pages one by one. An arena of a thread grows by one call of mprotect(2) for each of them, which takes as
    /// long as writing the page; the main arena grows by 128 KiB. To be called before there are other threads, which have an arena
    /// of their own from then on.
    package static func useOneArena() { mallopt(M_ARENA_MAX, 1) }
}
