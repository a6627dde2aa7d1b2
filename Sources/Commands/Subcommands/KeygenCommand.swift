import ArgumentParser
import Daemon
import Glibc
import Sealing
import Support

/// `lightningstream keygen`: makes an identity; needs no configuration file.
struct Keygen: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen", abstract: "Make an identity with which objects in the storage are sealed.",
        discussion: """
            Writes a file of mode 0600 for storage.sealing.identity_files, in the format of age-keygen. An existing file \
            is never replaced: what is sealed with a lost identity cannot be opened again.
            """)

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The file. Without it the identity goes to standard output.", valueName: "file"),
        completion: .file())
    var output: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        let made = context.clock().rfc3339(digits: 0)
        guard let output else {
            let identity = try AgeIdentity.generated()
            if context.ownsProcess, Self.othersCanRead(STDOUT_FILENO) {
                context.report("warning: keygen: others can read the file that gets the identity; use -o FILE")
            }
            try context.standardOutput.write(Array(IdentityFile.text(identity, made: made).utf8))
            return ExitCode.success
        }
        do {
            let identity = try IdentityFile.create(output, made: made)
            let text = "keygen: made the identity with the key ID \(identity.keyID) in \(output)"
            context.report(PrintableText.line(text))
        } catch let error as SystemError {
            throw KeygenFault(error: error, path: output)
        }
        return ExitCode.success
    }

    /// Whether a descriptor is of a file that others can read.
    static func othersCanRead(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_mode & 0o004 != 0
    }
}

/// A file of an identity cannot be made.
struct KeygenFault: ReportedFailure {
    var error: SystemError
    var path: String

    var exitCode: Int32 { ExitCode.failure }

    var words: (problem: String, cure: String) {
        error.code == EEXIST
            ? ("keygen: \(path) exists", "choose another name: an identity is never replaced")
            : ("keygen: \(error)", "")
    }
}
