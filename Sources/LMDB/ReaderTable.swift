import CLMDB
import Glibc

/// A used slot of an LMDB's reader table.
package struct ReaderSlot: Sendable, Equatable {
    /// Whether the process of the slot is alive, and where.
    package enum Owner: Sendable, Equatable {
        /// It has ended without freeing the slot; the next process to open the LMDB frees it.
        case gone
        /// It is alive, with the same ID in this namespace.
        case alive
        /// It is alive in another PID namespace, such as a container. `here` is its ID in this namespace, nil if it
        /// is not visible.
        case elsewhere(here: Int?)
    }

    /// The ID in the slot: that of the process in its own PID namespace.
    package var processID: Int
    /// The transaction that it reads; nil if none.
    package var transactionID: UInt64?
    /// The owner of the slot.
    package var owner: Owner

    /// See the properties of the same names.
    package init(processID: Int, transactionID: UInt64?, owner: Owner) {
        self.processID = processID
        self.transactionID = transactionID
        self.owner = owner
    }
}

/// The reader table of an LMDB, read without taking a slot.
///
/// liblmdb treats two processes with the same ID as one. Each process holds a lock on the byte of the lock file at the offset of
/// its ID, from its first read transaction on; the kernel knows the owner of that lock, across PID namespaces.
package struct ReaderTable: Sendable, Equatable {
    /// The used slots.
    package var slots: [ReaderSlot] = []
    /// Whether another process reads with the ID of this process.
    package var isOwnIDTaken = false

    /// A table with these slots.
    package init(slots: [ReaderSlot] = [], isOwnIDTaken: Bool = false) {
        self.slots = slots
        self.isOwnIDTaken = isOwnIDTaken
    }

    /// Reads the table of an LMDB that this process does not have open. Nothing is created or changed, not even slots
    /// of dead processes.
    ///
    /// Without a lock file the table is empty.
    ///
    /// - Throws: ``LMDBError`` if the LMDB cannot be opened for reading.
    package static func read(_ options: EnvironmentOptions) throws(LMDBError) -> ReaderTable {
        var options = options
        options.readOnly = true
        let opening = try Opening(options)
        guard opening.usesLock, let identity = FileIdentity(of: options.lockFile) else { return ReaderTable() }
        // Closing any descriptor of the lock file would release the locks of an open environment.
        guard OpenLocks.add(identity) else {
            throw LMDBError(
                .alreadyOpen, "cannot read the reader table of \(options.dataFile): this process has it open")
        }
        defer { OpenLocks.remove(identity) }
        let listed = parse(try list(options, opening.flags))
        let descriptor = open(options.lockFile, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LMDBError(errno, "open the lock file", options) }
        defer { close(descriptor) }
        let slots = listed.map { entry in
            ReaderSlot(
                processID: entry.processID, transactionID: entry.transactionID,
                owner: owner(of: entry.processID, descriptor))
        }
        // This process has no slot and no lock, so a lock on its byte belongs to another process.
        return ReaderTable(slots: slots, isOwnIDTaken: owner(of: Int(getpid()), descriptor) != .gone)
    }

    /// liblmdb's listing of the table, as text.
    private static func list(_ options: EnvironmentOptions, _ flags: UInt32) throws(LMDBError) -> String {
        var environment: OpaquePointer?
        defer { mdb_env_close(environment) }
        var result = mdb_env_create(&environment)
        if result == 0 { result = mdb_env_open(environment, options.path, flags, FileFacts.defaultFileMode) }
        guard result == 0 else { throw LMDBError(result, "open the file", options) }
        // No transaction is begun, because that would take a slot.
        guard let environment, let text = text(of: environment) else {
            throw LMDBError(result, "list the readers", options)
        }
        return text
    }

    /// liblmdb's listing of the table of an open environment; nil on failure.
    static func text(of environment: OpaquePointer) -> String? {
        var text = ""
        let result = withUnsafeMutablePointer(to: &text) { context in
            mdb_reader_list(
                environment,
                { message, context in
                    guard let message, let context else { return 0 }
                    context.assumingMemoryBound(to: String.self).pointee += String(cString: message)
                    return 0
                }, context)
        }
        return result >= 0 ? text : nil
    }

    /// Parses lines of process ID, thread, and transaction or `-`; a title, or a remark that there are none, comes first.
    static func parse(_ text: String) -> [(processID: Int, transactionID: UInt64?)] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count == 3, let processID = Int(fields[0]) else { return nil }
            return (processID, UInt64(fields[2]))
        }
    }

    private static func owner(of processID: Int, _ descriptor: Int32) -> ReaderSlot.Owner {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = off_t(processID)
        lock.l_len = 1
        guard fcntl(descriptor, F_GETLK, &lock) == 0, lock.l_type != Int16(F_UNLCK) else { return .gone }
        if Int(lock.l_pid) == processID { return .alive }
        return .elsewhere(here: lock.l_pid > 0 ? Int(lock.l_pid) : nil)
    }
}

extension Environment {
    /// Whether the reader table contains a transaction of this process with this ID.
    func hasReader(at transactionID: UInt64) -> Bool {
        var search = ReaderSearch(processID: Int(getpid()), transactionID: transactionID)
        let result = withUnsafeMutablePointer(to: &search) { context in
            mdb_reader_list(
                pointer,
                { line, context in
                    guard let line, let context else { return 0 }
                    context.assumingMemoryBound(to: ReaderSearch.self).pointee.take(line)
                    return 0
                }, context)
        }
        return result >= 0 && search.isFound
    }
}

/// Searches liblmdb's listing for a slot, without making strings: this happens with each read of a pinned transaction.
struct ReaderSearch {
    let processID: Int
    let transactionID: UInt64
    private(set) var isFound = false

    init(processID: Int, transactionID: UInt64) { (self.processID, self.transactionID) = (processID, transactionID) }

    /// Takes a line of process ID, thread, and transaction or `-`, or the title.
    mutating func take(_ line: UnsafePointer<CChar>) {
        var rest = line
        guard let process = Self.number(&rest), process == UInt64(UInt(bitPattern: processID)) else { return }
        Self.skip(&rest) { $0 == Self.space }
        // The thread, in hexadecimal.
        Self.skip(&rest) { $0 != Self.space && $0 != 0 }
        if let transaction = Self.number(&rest), transaction == transactionID { isFound = true }
    }

    private static let space = CChar(UInt8(ascii: " "))

    private static func skip(_ rest: inout UnsafePointer<CChar>, while isSkipped: (CChar) -> Bool) {
        while isSkipped(rest.pointee) { rest += 1 }
    }

    /// The next field as a decimal number; nil if it is none, or too large.
    private static func number(_ rest: inout UnsafePointer<CChar>) -> UInt64? {
        skip(&rest) { $0 == space }
        var number: UInt64?
        while rest.pointee >= UInt8(ascii: "0"), rest.pointee <= UInt8(ascii: "9") {
            let (product, overflows) = (number ?? 0).multipliedReportingOverflow(by: 10)
            let (sum, carries) = product.addingReportingOverflow(UInt64(rest.pointee) - UInt64(UInt8(ascii: "0")))
            if overflows || carries { return nil }
            number = sum
            rest += 1
        }
        return number
    }
}
