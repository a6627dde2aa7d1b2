import CLMDB
import Glibc

/// A slot of an LMDB's reader table that a process has taken.
package struct ReaderSlot: Sendable, Equatable {
    /// Whether the process that took it lives, and where.
    package enum Owner: Sendable, Equatable {
        /// It has ended without giving the slot back; whoever opens the LMDB next frees it.
        case gone
        /// It lives, and has this ID here as well.
        case alive
        /// It lives in another PID namespace, such as a container. `here` is its ID in our namespace, nil when it
        /// can't be seen from here.
        case elsewhere(here: Int?)
    }

    /// The ID in the slot: that of the process in its own PID namespace.
    package var processID: Int
    /// The transaction that it reads; nil when it reads none at the moment.
    package var transactionID: UInt64?
    /// Whose it is.
    package var owner: Owner

    /// See the properties of the same names.
    package init(processID: Int, transactionID: UInt64?, owner: Owner) {
        self.processID = processID
        self.transactionID = transactionID
        self.owner = owner
    }
}

/// The reader table of an LMDB, looked at without taking a slot in it.
///
/// liblmdb takes two processes with one ID for the same process. Each has a lock on the byte of the lock file whose
/// number is its ID, from its first read transaction on; the kernel tells whose lock that is, across PID namespaces.
package struct ReaderTable: Sendable, Equatable {
    /// The slots that are taken.
    package var slots: [ReaderSlot] = []
    /// Whether another process reads under the ID that this process has.
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
    /// - Throws: ``LMDBError`` when the LMDB can't be opened for reading.
    package static func read(_ options: EnvironmentOptions) throws(LMDBError) -> ReaderTable {
        var options = options
        options.readOnly = true
        let opening = try Opening(options)
        guard opening.usesLock, let identity = FileIdentity(of: options.lockFile) else { return ReaderTable() }
        // Closing any descriptor of the lock file would give up the locks of an open environment.
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
        // This process has no slot and no lock, so a lock on its byte is somebody else's.
        return ReaderTable(slots: slots, isOwnIDTaken: owner(of: Int(getpid()), descriptor) != .gone)
    }

    /// What liblmdb writes about the table, as text.
    private static func list(_ options: EnvironmentOptions, _ flags: UInt32) throws(LMDBError) -> String {
        var environment: OpaquePointer?
        defer { mdb_env_close(environment) }
        var result = mdb_env_create(&environment)
        if result == 0 { result = mdb_env_open(environment, options.path, flags, FileFacts.defaultFileMode) }
        guard result == 0 else { throw LMDBError(result, "open the file", options) }
        // No transaction is begun: that would take a slot.
        guard let environment, let text = text(of: environment) else {
            throw LMDBError(result, "list the readers", options)
        }
        return text
    }

    /// What liblmdb writes about the table of an open environment; nil when it does not.
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

    /// Lines of process ID, thread, and transaction or `-`; a title, or a remark that there are none, comes first.
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
    /// Whether a transaction of this process stands in the reader table that sees everything up to this one.
    func hasReader(at transactionID: UInt64) -> Bool {
        let processID = Int(getpid())
        return ReaderTable.parse(ReaderTable.text(of: pointer) ?? "").contains {
            $0.processID == processID && $0.transactionID == transactionID
        }
    }
}
