import Config
import Testing

@testable import Commands

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
        ("help", "--help"),
        ("help sync", "sync --help"),
        ("-c a help stats", "stats -c a --help"),
        ("--version", "--version"),
        ("-c", "-c"),
        ("-c sync", "-c sync"),
        ("-- sync", "-- sync"),
        ("", ""),
    ]

    @Test(arguments: cases)
    func arranges(words: String, expected: String) throws {
        let arranged = try ArgumentOrder.arranged(
            words.split(separator: " ").map(String.init), for: Lightningstream.self)
        #expect(arranged == expected.split(separator: " ").map(String.init))
    }

    @Test(arguments: [
        ("synk", "unknown command \"synk\"; did you mean \"sync\"?"),
        ("snyc", "unknown command \"snyc\"; did you mean \"sync\"?"),
        ("-c a recieve", "unknown command \"recieve\"; did you mean \"receive\"?"),
        ("help stat", "unknown command \"stat\"; did you mean \"stats\"?"),
        ("frobnicate", "unknown command \"frobnicate\"; there are: sync, receive, dump, stats, version, help"),
    ])
    func suggests(words: String, message: String) {
        let error = #expect(throws: CommandFailure.self) {
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
