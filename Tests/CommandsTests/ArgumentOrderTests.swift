import ArgumentParser
import Config
import Testing

@testable import Commands
@testable import Daemon

@Suite struct ArgumentOrderTests {
    private static let cases: [(String, String)] = [
        ("sync", "sync"),
        ("-c a sync", "sync -c a"),
        ("-ca -i b sync --only-once", "sync -c a -i b --only-once"),
        ("--config=a --debug dump -n main", "dump --config=a --debug -n main"),
        ("-c a stats -c b", "stats -c a -c b"),
        (
            "--minimum-pid 10 --timeout 3s --log-level debug --log-format json --log-timestamp full --instance x receive",
            "receive --minimum-pid 10 --timeout 3s --log-level debug --log-format json --log-timestamp full --instance x"
        ),
        ("--only-once sync", "sync --only-once"),
        ("sync --only-once=true --debug=false", "sync --only-once"),
        ("sync --only-once=maybe", "sync --only-once=maybe"),
        ("dump -H=true -- --hide=true", "dump -H -- --hide=true"),
        ("dump -nplain -H", "dump -n plain -H"),
        ("dump -Hnplain -c=a", "dump -Hn plain -c=a"),
        ("-iname -n=x dump -- -cfile", "dump -i name -n=x -- -cfile"),
        ("-in -c a stats", "stats -i n -c a"),
        ("-c a -in snapshots list", "snapshots list -c a -i n"),
        ("help", "--help"),
        ("help sync", "sync --help"),
        ("-c a help stats", "stats -c a --help"),
        ("--version", "--version"),
        ("-c", "-c"),
        ("-c sync", "-c sync"),
        ("-- sync", "-- sync"),
        ("snapshots list -l", "snapshots list -l"),
        ("-l snapshots -t list", "snapshots list -l -t"),
        ("-pmain__ snapshots -ltpshard list", "snapshots list -p main__ -ltp shard"),
        ("snapshots -p list list", "snapshots list -p list"),
        ("snapshots -l dump -fdebug -d zones name", "snapshots dump -l -f debug -d zones name"),
        ("-o out -c a snapshots get name", "snapshots get -o out -c a name"),
        ("snapshots get -o - name", "snapshots get -o - name"),
        ("snapshots get name -o=-", "snapshots get name -o=-"),
        ("--force=false snapshots put -nx --force=true -l=true file", "snapshots put -n x --force -l=true file"),
        ("snapshots remove -- --json=true", "snapshots remove -- --json=true"),
        ("dump --name --hide=true", "dump --name --hide=true"),
        ("help snapshots list", "snapshots list --help"),
        ("snapshots help list", "snapshots list --help"),
        ("snapshots list help", "snapshots list help"),
        ("snapshots", "snapshots"),
        ("", ""),
    ]

    @Test(arguments: cases)
    func arranges(words: String, expected: String) throws {
        let arranged = try ArgumentOrder.arranged(
            words.split(separator: " ").map(String.init), for: Lightningstream.self)
        #expect(arranged == expected.split(separator: " ").map(String.init))
    }

    /// What is found out without the parser's description is the same as with it.
    @Test(arguments: cases)
    func arrangesAsDescribed(words: String, expected: String) throws {
        let arranged = try ArgumentOrder.arrangedAsDescribed(
            words.split(separator: " ").map(String.init), for: Lightningstream.self)
        #expect(arranged == expected.split(separator: " ").map(String.init))
    }

    /// The flags that need no description are those that the parser describes for every command.
    @Test func knowsTheGlobalFlags() throws {
        func check(_ command: CommandDescription) {
            let global = command.globalArguments.filter { $0.sectionTitle == GlobalOptions.title }
            let described = global.flatMap { argument in argument.spellings.map { ($0, argument.kind == .option) } }
            #expect(Dictionary(uniqueKeysWithValues: described) == GlobalOptions.takesValue, "\(command.commandName)")
            for child in command.children { check(child) }
        }
        check(try #require(CommandDescription.describe(Lightningstream.self)))
    }

    private static let known = names(Lightningstream.self)
    private static let knownBelow = names(SnapshotsCommand.self)

    private static func names(_ command: any ParsableCommand.Type) -> String {
        command.configuration.subcommands.map { ArgumentOrder.name(of: $0) }.joined(separator: ", ")
    }

    @Test(arguments: [
        ("synk", "unknown command \"synk\"; did you mean \"sync\"?"),
        ("snyc", "unknown command \"snyc\"; did you mean \"sync\"?"),
        ("-c a recieve", "unknown command \"recieve\"; did you mean \"receive\"?"),
        ("help stat", "unknown command \"stat\"; did you mean \"stats\"?"),
        ("frobnicate", "unknown command \"frobnicate\"; known commands: \(known), help"),
        ("snapshots lits", "unknown command \"snapshots lits\"; did you mean \"snapshots list\"?"),
        ("snapshots -l upload x", "unknown command \"snapshots upload\"; known commands: \(knownBelow), help"),
    ])
    func suggests(words: String, message: String) {
        let error = #expect(throws: CommandFault.self) {
            try ArgumentOrder.arranged(words.split(separator: " ").map(String.init), for: Lightningstream.self)
        }
        #expect(error?.description == message)
        #expect(error?.exitCode == 64)
    }

    @Test(arguments: [
        ("", "", 0), ("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("abc", "abcd", 1),
        ("abc", "xbc", 1), ("receive", "recieve", 1), ("kitten", "sitting", 3),
    ])
    func distance(first: String, second: String, distance: Int) {
        #expect(Suggestion.distance(Array(first), Array(second)) == distance)
        #expect(Suggestion.distance(Array(second), Array(first)) == distance)
    }
}
