import ArgumentParser

/// `lightningstream pdns`: what PowerDNS's databases hold. Without a subcommand it shows its help.
struct PowerDNSCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pdns", abstract: "Look at what PowerDNS's databases hold, in DNS terms; nothing is changed.",
        subcommands: [PowerDNSZones.self, PowerDNSShow.self, PowerDNSCheck.self, PowerDNSDiff.self])

    @OptionGroup(title: "Global options") var global: GlobalOptions
}
