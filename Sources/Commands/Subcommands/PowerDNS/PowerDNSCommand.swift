import ArgumentParser

/// `lightningstream pdns`: shows the contents of PowerDNS's databases. Without a subcommand it shows its help.
struct PowerDNSCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pdns", abstract: "Show the contents of PowerDNS's databases in DNS terms, without changing them.",
        subcommands: [
            PowerDNSZones.self, PowerDNSShow.self, PowerDNSCheck.self, PowerDNSDiff.self,
            PowerDNSInSync.self,
        ])

    @OptionGroup(title: "Global options") var global: GlobalOptions
}
