import LMDB

extension ChangeTracker {
    /// What to read.
    package struct Order: Sendable {
        /// The lowest position of the result, in nanoseconds since the UNIX epoch.
        package var floor: UInt64
        /// The position at which a delta has to begin; nil for a full snapshot.
        package var from: UInt64?
        /// What was merged of other instances, in nanoseconds since the UNIX epoch, by their names in object names.
        package var positions: [String: UInt64]

        /// See the properties of the same names.
        package init(floor: UInt64, from: UInt64?, positions: [String: UInt64]) {
            (self.floor, self.from, self.positions) = (floor, from, positions)
        }
    }

    /// What was read.
    package struct Reading: Sendable {
        /// The snapshot, full or a delta as its name says; nil if there are no DBIs.
        package var snapshot: FullScan.Result?
        /// The newest transaction read.
        package var transaction: UInt64
        /// The position at which the delta begins; nil if it is a full snapshot.
        package var from: UInt64?
        /// The position that was reached, in nanoseconds since the UNIX epoch.
        package var to: UInt64
        /// What the comparison of pages has found; nil if there was none.
        package var changes: Changes?
        /// Why a full snapshot was read although a delta was ordered.
        package var fallback: Fallback?
        /// Details of the fallback, if there are any.
        package var cause: String?
    }

    /// What one comparison of pages has found. The delta may contain earlier changes as well.
    package struct Changes: Sendable, Equatable {
        /// The number of entries that differ.
        package var found = 0
        /// Of these, how many were written.
        package var written = 0
        /// How many were left out because other instances send them.
        package var merged = 0
        /// How many were removed from the LMDB, which is not sent.
        package var removed = 0
        /// How many of these were not marked as Deleted, and how many DBIs were dropped: the application has removed what others may
        /// still have.
        package var lost = 0
        /// The number of tree pages read.
        package var pages = 0
        /// How long it took, without the compression of an earlier part of the delta.
        package var time = Duration.zero
    }

    /// Why there is no delta.
    package enum Fallback: String, Sendable, CaseIterable {
        /// The reason as in logs and metrics: `map_nearly_full`.
        package var label: String {
            rawValue.reduce(into: "") { text, letter in
                text += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
            }
        }

        /// Nothing has been read since the start of the process.
        case start
        /// The owner has given up the pinned transaction.
        case released
        /// There were too many transactions since the pinned one.
        case tooManyTransactions
        /// Writers have little space left in the map.
        case mapNearlyFull
        /// Nothing could be stored for a while, and the delta became large.
        case notStored
        /// The delta has to begin at a position that is no longer known.
        case otherPosition
        /// This process has resized its map.
        case mapResized
        /// A DBI was dropped or recreated, and its handle closed.
        case handleClosed
        /// Another process has freed the slot in the reader table, or there is no table.
        case slotTaken
        /// The data file was replaced, or overwritten by an older copy.
        case fileReplaced
        /// The reader table has no free slot for another transaction.
        case readersFull
        /// A DBI was recreated with other flags, or exists again.
        case recreated
        /// A page does not have the expected contents.
        case damaged
        /// A DBI has several values for a key.
        case severalValues
        /// Other processes commit faster than a transaction can be pinned.
        case busy
        /// Pages cannot be compared on this machine.
        case unsupported
        /// The earlier part of the delta cannot be read.
        case damagedDelta
        /// A comparison of pages was wrong.
        case broken
    }

    /// What is pinned.
    package struct State: Sendable, Equatable {
        /// The pinned transaction.
        package var transaction: UInt64?
        /// The transactions since then.
        package var age: UInt64 = 0
        /// The position of the pinned transaction.
        package var position: UInt64?
        /// The bytes of the delta that is continued; 0 if there is none.
        package var size = 0
        /// Whether a comparison of pages was wrong, after which there are no more.
        package var isBroken = false
    }

    /// The result of comparing a comparison of pages with one of all entries.
    package struct Proof: Sendable, Equatable {
        /// The earlier transaction.
        package var earlier: UInt64
        /// The later one.
        package var later: UInt64
        /// The number of differences that the comparison of pages has found.
        package var found: Int
        /// The number of differences that there are.
        package var expected: Int
        /// Whether they are the same.
        package var isSound: Bool
    }
}

extension ChangeTracker.Fallback {
    /// Whether it happens in normal operation.
    var isExpected: Bool {
        switch self {
        case .start, .released, .tooManyTransactions, .notStored, .otherPosition, .mapResized, .handleClosed,
            .recreated:
            true
        case .mapNearlyFull, .slotTaken, .fileReplaced, .readersFull, .damaged, .severalValues, .busy, .unsupported,
            .damagedDelta, .broken:
            false
        }
    }

    /// The reason for an error of the comparison of pages, or of pinning a transaction, with details; nil for other errors.
    static func of(_ error: any Error) -> (reason: Self, cause: String?)? {
        switch error {
        case let loss as PinnedReader.Loss: return (of(loss), nil)
        case let failure as PageDiff.Failure: return of(failure)
        case let error as LMDBError where error.code == .readersFull: return (.readersFull, nil)
        case let error as LMDBError: return (.damaged, "\(error)")
        default: return nil
        }
    }

    /// The reason for the loss of a pinned transaction.
    static func of(_ loss: PinnedReader.Loss) -> Self {
        switch loss {
        case .mapResized: .mapResized
        case .handleClosed: .handleClosed
        case .slotTaken: .slotTaken
        case .fileReplaced: .fileReplaced
        }
    }

    private static func of(_ failure: PageDiff.Failure) -> (reason: Self, cause: String?) {
        switch failure {
        case .unsupportedMachine: (.unsupported, nil)
        case .busy: (.busy, nil)
        // Transaction IDs fall only with the file.
        case .order: (.fileReplaced, nil)
        case .recreated(let name): (.recreated, "DBI \(name)")
        case .damaged(let fault, database: let name):
            (.damaged, name.map { "DBI \($0): \(fault)" } ?? "\(fault)")
        }
    }
}
