import Daemon
import LMDB
import PowerDNSDatabase
import PowerDNSFormat
import Snapshots

/// A failure of the command line, of a file, or of a small group of commands.
enum CommandFault: ReportedFailure {
    // The command line.

    /// Only global options are given.
    case noCommand
    /// A word is not a command: with the likely one, or the known ones.
    case unknownCommand(String, meant: String?, known: [String])
    /// The parser does not describe its commands.
    case noDescription
    /// The value of a flag is empty.
    case emptyValue
    /// The duration of a flag is not longer than 0.
    case noDuration
    /// The configuration has no database.
    case noDatabase

    // status

    /// The instance has no snapshots that others could merge.
    case onlyReceives
    /// The sending of a database is blocked, with the reason.
    case sendsNothing(database: String, String)

    // resync

    /// Databases are never kept from sending.
    case noSweeper(file: String)

    // experimental

    /// The two DBIs are the same.
    case sameDBI(String)
    /// The entries of a database do not allow a change.
    case unchanged(command: String, database: String, any Error)
    /// The LMDB of a database failed.
    case failedDatabase(command: String, database: String, LMDBError)
    /// The source DBI does not exist.
    case noSource(String, database: String)

    // Files

    /// A directory instead of a file.
    case isDirectory(String)
    /// A symbolic link instead of a file.
    case isLink(String)
    /// A device or a pipe instead of a file.
    case isSpecial(String)
    /// A file belongs to another user.
    case fileOfAnother(String, owner: UInt32, user: UInt32)
    /// The path of a file leads through a symbolic link of another user.
    case throughLink(String, owner: UInt32, link: String)

    var exitCode: Int32 {
        switch self {
        case .noCommand, .unknownCommand, .emptyValue, .noDuration, .sameDBI: ExitCode.usage
        case .noDescription, .noDatabase, .onlyReceives, .sendsNothing, .noSweeper, .unchanged, .failedDatabase,
            .noSource,
            .isDirectory, .isLink, .isSpecial, .fileOfAnother, .throughLink:
            ExitCode.failure
        }
    }

    var words: (problem: String, cure: String) {
        switch self {
        case .noCommand: ("no command given", "see lightningstream --help")
        case .unknownCommand(let word, let meant?, _): ("unknown command \"\(word)\"", "did you mean \"\(meant)\"?")
        case .unknownCommand(let word, nil, let known):
            ("unknown command \"\(word)\"", "known commands: " + known.joined(separator: ", "))
        case .noDescription: ("docs: cannot read the parser's description of the commands", "")
        case .emptyValue: ("it must not be empty", "")
        case .noDuration: ("it must be longer than 0", "")
        case .noDatabase: ("--database: no database", "")
        case .onlyReceives: ("this instance only receives: it has no snapshots that others could merge", "")
        case .sendsNothing(let database, let reason): ("database \(database) sends nothing: \(reason)", "")
        case .noSweeper(let file):
            ("resync: sweeper.enabled is false in \(file), so no database is ever kept from sending", "")
        case .sameDBI(let dbi): ("--src-dbi and --dst-dbi are both \"\(dbi)\"", "they must be two DBIs")
        case .unchanged(let command, let database, let error):
            ("\(command): database \(database): \(Advice.line(error))", "nothing was changed")
        case .failedDatabase(let command, let database, let error): ("\(command): database \(database): \(error)", "")
        case .noSource(let dbi, let database):
            (
                "migrate-timestamps: database \(database): there is no DBI \(dbi)",
                "nothing was changed (--ignore-src-dbi-not-present ignores this)"
            )
        case .isDirectory(let path): ("\(path) is a directory", "name a file in it")
        case .isLink(let path): ("\(path) is a symbolic link", "name the file that it points to")
        case .isSpecial(let path): ("\(path) is not a regular file", "use -o - for a pipe")
        case .fileOfAnother(let path, let owner, let user):
            (
                "\(path) belongs to uid \(owner), and this process runs as uid \(user)",
                "remove it, or name another file"
            )
        case .throughLink(let path, let owner, let link):
            ("\(path) leads through a symbolic link of uid \(owner), \(link)", "name another place")
        }
    }
}

/// A failure of `snapshots`.
enum SnapshotsFault: ReportedFailure {
    /// An object's name does not end in a file name.
    case noFileName(String)
    /// A name is not that of a snapshot.
    case badSnapshotName(String)
    /// A file is not a snapshot.
    case badSnapshotFile(String, SnapshotError)
    /// A snapshot is damaged.
    case damaged(String, SnapshotError)
    /// The metadata of a delta do not agree with its name; the text says how.
    case badDelta(String, String)
    /// A snapshot has no such DBI.
    case noDBI(String, snapshot: String)
    /// Neither an object nor an instance is given.
    case nothingToRemove
    /// `--yes` is given with an object.
    case yesWithObject
    /// The object does not exist.
    case noObject(String)
    /// The storage has no objects of an instance.
    case noInstance(String, known: [String])
    /// There is no terminal to ask.
    case noTerminal(removing: String)
    /// The question was not answered with yes.
    case notConfirmed
    /// A sealed file cannot be opened, for this reason.
    case sealedFile(String, String)
    /// There is no identity to seal with.
    case nothingSeals

    var exitCode: Int32 {
        switch self {
        case .noFileName, .nothingToRemove, .yesWithObject, .noTerminal: ExitCode.usage
        case .badSnapshotName, .badSnapshotFile, .damaged, .badDelta, .noDBI, .noObject, .noInstance, .notConfirmed,
            .sealedFile, .nothingSeals:
            ExitCode.failure
        }
    }

    var words: (problem: String, cure: String) {
        switch self {
        case .noFileName(let name): ("snapshots get: \"\(name)\" contains no file name", "set one with -o")
        case .badSnapshotName(let name):
            (
                "snapshots put: \"\(name)\" is not the name of a snapshot, so no syncer would read it; names are like "
                    + "main__ns1__20261120-173955-012345678__GX.pb.gz",
                "give one with -n, or use --force"
            )
        case .badSnapshotFile(let file, let error): ("snapshots put: \(file): \(error)", "--force stores it anyway")
        case .damaged(let name, let error): ("snapshots dump: \(name): \(error)", "")
        case .badDelta(let file, let problem):
            ("snapshots put: \(file): readers would reject this delta: \(problem)", "--force stores it anyway")
        case .noDBI(let dbi, let snapshot): ("snapshots dump: \(snapshot) has no DBI \"\(dbi)\"", "")
        case .nothingToRemove:
            (
                "snapshots remove: Missing expected argument: the name of an object, or --instance with that of an "
                    + "instance", ""
            )
        case .yesWithObject:
            ("snapshots remove: --yes requires --instance, and cannot be used with the name of an object", "")
        case .noObject(let name):
            ("snapshots remove: there is no object \(name) in the storage", "`snapshots list` shows the names")
        case .noInstance(let instance, let known):
            (
                "snapshots remove: the storage has nothing of an instance \(instance)",
                known.isEmpty ? "there are no instances" : "known instances: \(known.joined(separator: ", "))"
            )
        case .noTerminal(let what):
            (
                "snapshots remove: \(what) would be removed", "without a terminal for confirmation, use --yes"
            )
        case .notConfirmed: ("snapshots remove: nothing has been removed", "")
        case .sealedFile(let file, let reason):
            (
                "snapshots dump: \(file) is sealed: \(reason)",
                "name its identity in storage.sealing.identity_files, or open it with `age -d -i IDENTITY`"
            )
        case .nothingSeals:
            ("snapshots reseal: storage.sealing is not set", "make an identity with `lightningstream keygen -o FILE`")
        }
    }
}

/// A failure of `pdns`.
enum PowerDNSFault: ReportedFailure {
    /// More than two parts of a PowerDNS database are given.
    case tooManyParts(Int)
    /// The records are given without the zones.
    case noZones
    /// Two configured databases have the same contents.
    case ambiguous(String, String, PowerDNSRole)
    /// No configured database is PowerDNS's.
    case noPowerDNS(file: String, configured: [String], problems: [(database: String, problem: String)])
    /// No configured database has PowerDNS's records.
    case noRecords(file: String)
    /// A snapshot or a file is not PowerDNS's; the problem of its schema, if it has one.
    case notPowerDNS(String, problem: String?)
    /// Both given snapshots have the same contents.
    case sameContents(String, PowerDNSRole)
    /// The other snapshot is not in the storage.
    case noPartner(PowerDNSRole, of: String)
    /// The storage has a full snapshot of one database of an instance only.
    case halfInstance(PowerDNSRole, of: String)
    /// The storage has no full snapshot of an instance.
    case noInstance(String, known: [String])
    /// A snapshot is not valid.
    case badSnapshot(String, SnapshotError)
    /// The entries of a snapshot are not valid.
    case badContents(String, PowerDNSReadError)
    /// A text is not the name of a zone.
    case badZoneName(String, DecodeError)
    /// There is no such zone; the hint begins with its separator.
    case noZone(ZoneName, hint: String)
    /// The daemon says that there is no such zone.
    case noZoneAnswers(String, String)
    /// The daemon syncs no database of PowerDNS.
    case noPowerDNSDaemon
    /// The daemon can never tell, for this reason.
    case cannotTell(String)
    /// No daemon has answered for so long, with the last failure.
    case noDaemonReached(within: String, String)
    /// The configuration has no address of the daemon.
    case noAddress
    /// Any failure of `pdns diff`, where the exit code 1 is not a failure.
    case noDifference(String)

    var exitCode: Int32 {
        switch self {
        case .tooManyParts, .badZoneName: ExitCode.usage
        case .noDifference: PowerDNSDiff.troubleCode
        case .noZones, .ambiguous, .noPowerDNS, .noRecords, .notPowerDNS, .sameContents, .noPartner, .halfInstance,
            .noInstance, .badSnapshot, .badContents, .noZone, .noZoneAnswers, .noPowerDNSDaemon, .cannotTell,
            .noDaemonReached, .noAddress:
            ExitCode.failure
        }
    }

    var words: (problem: String, cure: String) {
        switch self {
        case .tooManyParts(let count):
            ("\(count) snapshots are given: a PowerDNS database has two, zones and records", "")
        case .noZones: ("there are records, but not their zones", "give the other snapshot, too")
        case .ambiguous(let first, let second, let role):
            (
                "both \(first) and \(second) contain \(role.contents) of PowerDNS",
                "set powerdns.\(role.rawValue) to select one"
            )
        case .noPowerDNS(let file, let configured, let problems):
            (
                "no database under lmdbs in \(file) is one of PowerDNS 4.8 or later",
                (["configured are: " + configured.joined(separator: ", ")]
                    + problems.map { "\($0.database) is not: \($0.problem)" }).joined(separator: "; ")
            )
        case .noRecords(let file):
            ("no database under lmdbs in \(file) has PowerDNS's records", "add the file whose name ends in -0")
        case .notPowerDNS(let name, let problem):
            ("\(name) is not of PowerDNS 4.8 or later: \(problem ?? "it has neither zones nor records")", "")
        case .sameContents(let name, let role): ("\(name) contains \(role.contents), as does the other one", "")
        case .noPartner(let role, let name):
            ("there are no matching \(role.contents) for \(name)", "give their snapshot, too")
        case .halfInstance(let role, let name):
            (
                "the storage has no full snapshot of the \(role.contents) of instance \(name)",
                "its daemon stores one at its start: `snapshots list` shows what it has stored, by database"
            )
        case .noInstance(let name, let known):
            (
                "\(name) is not the name of a snapshot, and the storage has no full snapshot of an instance with this name",
                known.isEmpty
                    ? "`snapshots list` shows the names" : "known instances: \(known.joined(separator: ", "))"
            )
        case .badSnapshot(let name, let error): ("\(name): \(error)", "")
        case .badContents(let name, let error): ("\(name): \(error)", "")
        case .badZoneName(let text, let error): ("\"\(text)\" is not the name of a zone: it \(error)", "")
        case .noZone(let name, let hint): ("there is no zone \(name.shown)\(hint)", "")
        case .noZoneAnswers(let zone, let problem): ("\(zone): \(problem)", "pdns zones lists all zones")
        case .noPowerDNSDaemon: ("the daemon syncs no database of PowerDNS 4.8 or later", "")
        case .cannotTell(let reason): ("the daemon cannot tell: \(reason)", "")
        case .noDaemonReached(let limit, let failure): ("no daemon was reached within \(limit): \(failure)", "")
        case .noAddress:
            ("http.address is empty, and only the daemon knows what others have of a zone", "set it on this host")
        case .noDifference(let line): (line, "")
        }
    }
}
