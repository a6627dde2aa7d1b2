import ArgumentParser
import BlobStorage
import Daemon
import Glibc
import Monitoring
import Replication
import Snapshots
import Support

/// `lightningstream snapshots remove`: removes an object from the storage, or all of an instance.
struct SnapshotsRemove: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove an object from the storage, or all objects of an instance.",
        discussion: """
            Fails if the object does not exist. With --instance NAME and no object name: removes all snapshots, deltas \
            and state objects of that instance, for all configured databases. Data that only they contain are lost, so it \
            asks for confirmation.
            """)

    @Argument(help: ArgumentHelp("The name of the object.", valueName: "name"))
    var name: String?

    @Flag(help: "Do not ask before all objects of an instance are removed.")
    var yes = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        // Here the global flag selects the instance whose objects are removed.
        var global = global
        let instance = name == nil ? global.instance : nil
        global.instance = nil
        guard name != nil || instance != nil else {
            throw SnapshotsFault.nothingToRemove
        }
        guard name == nil || !yes else { throw SnapshotsFault.yesWithObject }
        return try Session.run(global, in: context) { session in
            if let name { try remove(Blob.nameWithoutSeal(name) ?? name, session) }
            if let instance { try removeAll(of: SnapshotName.sanitize(instance: instance), session) }
            return ExitCode.success
        }
    }

    private func remove(_ name: String, _ session: Session) throws {
        try session.withStorage(writes: true) { store in
            guard try await store.list(prefix: name).contains(where: { $0.name == name }) else {
                throw SnapshotsFault.noObject(name)
            }
            try await store.delete(name)
        }
    }

    private func removeAll(of instance: String, _ session: Session) throws {
        let (databases, context) = (session.configuration.databases.map(\.name), session.context)
        let found = try session.withStorage(writes: false) { [now = UInt64(context.clock())] store in
            try await InstanceObjects(instance, databases: databases, store, now: now)
        }
        guard !found.names.isEmpty else { throw SnapshotsFault.noInstance(instance, known: found.others) }
        if yes {
            for line in found.alarms { context.report(PrintableText.line("warning: \(line)")) }
        } else {
            try ask(found, isOwn: instance == SnapshotName.sanitize(instance: session.configuration.instance), session)
        }
        try session.withStorage(writes: true) { store in
            for name in found.names {
                try await store.delete(name)
                var output = BufferedOutput(context.standardOutput)
                output.append(PrintableText.line("removed \(name)"))
                try output.endLine()
                try output.flush()
            }
        }
    }

    private func ask(_ found: InstanceObjects, isOwn: Bool, _ session: Session) throws {
        let what =
            "\(found.names.count) objects of the instance \(found.instance)" + (isOwn ? ", which is this one," : "")
        guard session.context.ownsProcess, isatty(STDIN_FILENO) == 1 else {
            throw SnapshotsFault.noTerminal(removing: what)
        }
        for line in found.lines + found.alarms {
            session.context.standardError.write(line: Array(PrintableText.line(line).utf8 + [10]))
        }
        let question = "remove \(what) permanently? Data that only they contain are lost. Type yes: "
        session.context.standardError.write(line: Array(question.utf8))
        guard readLine()?.lowercased() == "yes" else { throw SnapshotsFault.notConfirmed }
    }
}

/// The objects of an instance in the storage.
struct InstanceObjects: Sendable {
    var instance: String
    /// Deltas, then snapshots, then state objects: what is left of a partially removed instance is complete in itself.
    var names: [String] = []
    /// The other instances, by name.
    var others: [String] = []
    /// Information shown before they are removed.
    var lines: [String] = []
    /// Warnings.
    var alarms: [String] = []

    /// - Parameter now: this machine's time in nanoseconds since the UNIX epoch.
    init(_ instance: String, databases: [String], _ store: any BlobStore, now: UInt64) async throws {
        self.instance = instance
        var (states, others): ([String], Set<String>) = ([], [])
        for database in databases {
            let blobs = try await store.list(prefix: SnapshotName.prefix(database: database))
            let catalog = Catalog(blobs, database: database, now: now)
            let own = catalog.all(of: instance)
            let deltas = catalog.deltas.filter { $0.name.instance == instance }
            names += deltas.map(\.name.description) + own.map(\.name.description)
            // All objects with its name, of any kind.
            names += catalog.others.map(\.name).filter {
                if case .unknownKind(let name) = ObjectName($0, database: database) {
                    name.instance == instance
                } else {
                    false
                }
            }
            let newest = catalog.newest[instance].map { ", the newest is \($0.name)" } ?? ""
            if !own.isEmpty || !deltas.isEmpty {
                lines.append(
                    "database \(database): \(own.count) snapshots\(newest)"
                        + (deltas.isEmpty ? "" : "; \(deltas.count) deltas"))
            }
            others.formUnion(catalog.instances.union(catalog.states.keys).union(catalog.deltas.map(\.name.instance)))
            guard let state = catalog.states[instance] else { continue }
            states.append(state.name)
            let time = store.storageTime(now)
            if let modified = state.modified, time.elapsed(since: modified) < 900 * 1_000_000_000 {
                let seconds = time.elapsed(since: modified) / 1_000_000_000
                alarms.append(
                    "database \(database): \(instance) was active \(seconds) s ago: it seems to be running, and will store again"
                )
            }
        }
        names += states
        self.others = others.subtracting([instance]).sorted()
    }
}
