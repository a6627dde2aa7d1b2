import ArgumentParser
import Daemon
import LMDB
import PowerDNSDatabase
import PowerDNSFormat

/// `lightningstream pdns show`: a zone as text.
struct PowerDNSShow: ProgramCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a zone of PowerDNS in zone-file format.",
        discussion: "The format is that of pdnsutil list-zone. Private keys are never shown.")

    @Argument(help: ArgumentHelp("The zone; a variant of it as example.org..variant.", valueName: "zone"))
    var zone: String

    @OptionGroup var source: PowerDNSSourceOptions

    @Flag(help: "Show the zone's metadata as well, as comments.")
    var meta = false

    @Flag(help: "Show the zone's DNSSEC keys as well, as comments: algorithm, key tag, flags.")
    var keys = false

    @Flag(help: "Show an object; docs/pdns-commands.md describes it.")
    var json = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func perform(in context: CommandContext) throws -> Int32 {
        let name: ZoneName
        do { name = try ZoneName(zone) } catch { throw PowerDNSFault.badZoneName(zone, error) }
        return try context.withPowerDNS([source.source], global) { databases in
            guard let database = databases.first else { return ExitCode.failure }
            return try database.read { main, shard in
                let lookup = try ZoneLookup(main)
                let found = try lookup.zones(name, main)
                guard let (id, info) = found.first else { throw try unknown(name, main) }
                if found.count > 1 {
                    let others = found.dropFirst().map { "\($0.id)" }.joined(separator: ", ")
                    context.report(
                        "\(name.shown) exists \(found.count) times: this is the one with ID \(id), which PowerDNS "
                            + "serves; the others have \(others)")
                }
                return try show(info.zone, id, lookup, main, shard, in: context)
            }
        }
    }

    private func show(
        _ name: ZoneName, _ id: UInt32, _ lookup: ZoneLookup, _ main: borrowing ReadTransaction,
        _ shard: borrowing ReadTransaction, in context: CommandContext
    ) throws -> Int32 {
        var code = ExitCode.success
        let report = { (error: any Error) in
            context.report("zone \(name.shown): \(error)")
            code = ExitCode.failure
        }
        var output = BufferedOutput(context.standardOutput)
        let metadata = meta ? try lookup.objects(.metadata, of: name, main, DomainMetadata.init).map(\.object) : nil
        let keyData = keys ? try lookup.objects(.keys, of: name, main, KeyData.init) : nil
        if json {
            guard let summary = try ZoneSummary(id, lookup, main, shard, report: report) else { return code }
            let head = ShownZone(summary, metadata, keyData)
            var text = try ZoneJSON(head, zone: name.name, to: &output)
            var walk = try ZoneRecords(zone: id, shard)
            // Unreadable data have been reported by the summary.
            try walk.forEach(report: { _ in }, { try text.append($0, to: &output) })
            try text.end(&output)
        } else {
            let version = try PdnsValue.schemaVersion(main) ?? 0
            var text = ShownZoneText(zone: name.name, style: .pdnsutil(schemaVersion: version))
            try text.begin(metadata, keyData, to: &output)
            var walk = try ZoneRecords(zone: id, shard)
            try walk.forEach(report: report) { rrset in
                do { try text.append(rrset, to: &output) } catch let error as DecodeError {
                    report(PowerDNSReadError("\(try rrset.key.owner(in: name.name)) \(rrset.key.type) \(error)"))
                }
            }
        }
        try output.flush()
        return code
    }

    private func unknown(_ name: ZoneName, _ main: borrowing ReadTransaction) throws -> PowerDNSFault {
        .noZone(name, hint: try NearZones.hint(for: name, main))
    }
}
