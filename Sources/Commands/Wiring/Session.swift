import Glibc

/// What every command that uses the configuration begins with.
struct Session {
    var global: GlobalOptions
    var localDatabases: [LocalDatabase]

    /// Takes care of the process ID and the time limit, loads the configuration and runs `body`.
    ///
    /// - Returns: the exit code: that of `body`, or of the child that ran the command instead.
    static func run(
        _ global: GlobalOptions, in context: CommandContext, _ body: (Session) throws -> Int32
    ) throws -> Int32 {
        if let minimum = global.minimumPid, context.ownsProcess,
            PIDSupervisor.isNeeded(minimum: minimum, own: Int(getpid()), environment: context.environment)
        {
            return try PIDSupervisor.run(minimum: minimum, arguments: CommandLine.arguments)
        }
        return try body(Session(global: global, localDatabases: []))
    }

    /// The databases with these names, all of them when there are none.
    func databases(named names: [String], flag: String) throws(CommandFailure) -> [LocalDatabase] {
        let known = localDatabases.map(\.name)
        if let unknown = names.first(where: { !known.contains($0) }) {
            throw .usage(
                "\(flag): there is no database \"\(unknown)\" in \(global.config); there are: "
                    + known.joined(separator: ", "))
        }
        return names.isEmpty ? localDatabases : localDatabases.filter { names.contains($0.name) }
    }
}
