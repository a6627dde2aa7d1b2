import ArgumentParser
import BlobStorage
import Config
import Daemon
import Doctor
import Glibc
import Snapshots

/// `lightningstream doctor`: whether everything that syncing needs is as it should be.
struct DoctorCommand: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check configuration, LMDBs, storage and PowerDNS, and say how to put right what is wrong.",
        discussion: """
            The LMDBs are opened read-only; the daemon and the application may run. In the storage an object \
            that syncers ignore is written, read and removed. Ends with exit code 1 if a check fails.
            """)

    @Option(
        help: ArgumentHelp("Also check this configuration file of the PowerDNS server.", valueName: "file"),
        completion: .file(extensions: ["conf"]))
    var pdnsConf: String?

    @Flag(help: "Check for a host that runs receive and does not write to the storage.")
    var receive = false

    @Flag(help: "Write JSON; docs/doctor.md describes it.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        var output = BufferedOutput(context.standardOutput)
        var report = DoctorReport()
        if !json {
            report.show = { lines in
                try output.append(lines: lines)
                try output.flush()
            }
        }
        do {
            let code = try Session.run(global, in: context) { session in
                try Examination(session, pdnsConf: pdnsConf, receives: receive).run(&report)
                return try show(report, in: context)
            }
            return code
        } catch let errors as ConfigurationErrors {
            try report.add(errors)
            return try show(report, in: context)
        }
    }

    private func show(_ report: DoctorReport, in context: CommandContext) throws -> Int32 {
        var output = BufferedOutput(context.standardOutput)
        output.append(json ? try report.json() : report.summary)
        try output.endLine()
        try output.flush()
        return report.exitCode
    }
}
