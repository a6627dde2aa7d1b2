import CLMDB
import Foundation
import TestSupport
import Testing

@testable import LMDB

/// A transaction is pinned for a comparison of pages while another process commits.
@Suite(.timeLimit(.minutes(5))) struct PinDuringCommitTests {
    /// Where the number of its transaction is in a meta page: behind the header of the page, and of what precedes it.
    private static let transactionOffset: off_t = 16 + 24 + 2 * 48 + 8

    /// A commit is in the meta page before it is flushed, which takes a disk milliseconds. Readers do not see it until then.
    @Test func itWaitsForTheFlush() throws {
        let scratch = try Scratch()
        let environment = try scratch.open()
        try environment.put([(key(1), "a")])
        try environment.put([(key(2), "b")])
        let info = environment.info
        let (last, other) = (info.lastTransactionID, off_t((info.lastTransactionID + 1) & 1))
        let descriptor = open(scratch.file, O_RDWR | O_CLOEXEC)
        defer { close(descriptor) }
        func writeMeta(_ transaction: UInt64) {
            var number = transaction
            pwrite(descriptor, &number, 8, other * off_t(info.pageSize) + Self.transactionOffset)
        }
        writeMeta(last + 1)
        #expect(environment.info.lastTransactionID == last + 1)
        var pauses = 0
        let base = try DiffBase(environment) {
            pauses += 1
            if pauses == 3 { writeMeta(last - 1) }
        }
        #expect(pauses == 3)
        #expect(base.reader.id == last)
        #expect(environment.info.lastTransactionID == last)
    }
}
