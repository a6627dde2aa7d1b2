import Testing

@testable import Config

@Suite struct EnvironmentTests {
    private let environment = [
        "NAME": "value", "EMPTY": "", "SIZE": "1GB", "COUNT": "7", "_x9": "under",
        "TRICK": "a: b # 'c' \"d\" [e] $NAME",
        "PADDED": " 5s\n", "NO": "null", "LINES": "a\nb",
    ]

    @Test(arguments: [
        ("$NAME", "value"), ("${NAME}", "value"), ("a${NAME}b$NAME.c", "avaluebvalue.c"), ("$_x9", "under"),
        ("$$", "$"),
        ("$$NAME", "$NAME"), ("$$${NAME}", "$value"), ("$${NAME}", "${NAME}"), ("${UNSET:-default}", "default"),
        ("${EMPTY:-default}", "default"), ("${NAME:-default}", "value"), ("${UNSET:-}", ""), ("${EMPTY}", ""),
        ("$EMPTY", ""),
        ("${NAME:?needed}", "value"), ("${UNSET:-a:-b}", "a:-b"), ("${UNSET:-${NAME}}", "value"),
        ("${UNSET:-${ALSO:-x}y}z", "xyz"), ("${UNSET:-$$}", "$"), ("${NAME:-${UNSET}}", "value"), ("a $ b", "a $ b"),
        ("$", "$"), ("5$", "5$"), ("$.x", "$.x"), ("$ä", "$ä"), ("", ""), ("ä$NAME€", "ävalue€"),
        ("${TRICK}", "a: b # 'c' \"d\" [e] $NAME"),
    ])
    func replaces(text: String, result: String) {
        let expansion = EnvironmentExpansion(text, environment: environment, isSecret: false)
        #expect(expansion.problems.isEmpty)
        #expect(expansion.result == result)
    }

    @Test(arguments: [
        ("$UNSET", "environment variable UNSET is not set; set it, or give a default: ${UNSET:-default}"),
        ("${UNSET}", "environment variable UNSET is not set; set it, or give a default: ${UNSET:-default}"),
        ("${UNSET:?give it}", "environment variable UNSET is not set or empty: give it"),
        ("${EMPTY:?}", "environment variable EMPTY is not set or empty"),
        ("${NAME", "`${` without its `}`; write `$$` for a literal dollar"),
        ("${}", "`${` is not followed by a name; write `$$` for a literal dollar"),
        ("${1A}", "`${` is not followed by a name; write `$$` for a literal dollar"),
        ("${UNSET:-${NAME}", "`${` without its `}`; write `$$` for a literal dollar"),
        (
            "${NAME:+x}",
            "invalid reference NAME; expected ${NAME}, ${NAME:-default}, ${NAME:?message} and `$$` for a"
                + " literal dollar"
        ),
        (
            "${NAME-x}",
            "invalid reference NAME; expected ${NAME}, ${NAME:-default}, ${NAME:?message} and `$$` for a"
                + " literal dollar"
        ),
        ("a$1", "`$` before a digit or one of *#@!?- does not name a variable; write `$$` for a literal dollar"),
        ("a$!", "`$` before a digit or one of *#@!?- does not name a variable; write `$$` for a literal dollar"),
    ])
    func refuses(text: String, problem: String) {
        let expansion = EnvironmentExpansion(text, environment: environment, isSecret: false)
        #expect(expansion.problems.map(\.text) == [problem])
    }

    @Test func reportsEveryReferenceOfAScalar() {
        #expect(
            errors("instance: $ONE-${TWO}\n" + minimal) == [
                "1:11: instance: environment variable ONE is not set; write `$$` for a dollar that is part of the value, or set"
                    + " the variable",
                "1:11: instance: environment variable TWO is not set; set it, or give a default: ${TWO:-default}",
            ])
    }

    /// In a password a dollar is more likely than a variable.
    @Test(arguments: [
        (
            "pa$word1",
            "environment variable is not set; write `$$` for a dollar that is part of the value, or set the variable"
        ),
        (
            "$word1",
            "environment variable is not set; write `$$` for a dollar that is part of the value, or set the variable"
        ),
        (
            "pa${word}1",
            "environment variable is not set; write `$$` for a dollar that is part of the value, or set the variable"
        ),
        ("pa$1", "`$` before a digit or one of *#@!?- does not name a variable; write `$$` for a literal dollar"),
        ("pa${word", "`${` without its `}`; write `$$` for a literal dollar"),
        ("${WORD}", "environment variable WORD is not set; set it, or give a default: ${WORD:-default}"),
    ])
    func aDollarInAPassword(text: String, problem: String) {
        #expect(EnvironmentExpansion(text, environment: [:], isSecret: true).problems.map(\.text) == [problem])
    }

    @Test func nestingAndLengthAreBounded() {
        let deep = String(repeating: "${U:-", count: 500) + "x" + String(repeating: "}", count: 500)
        #expect(EnvironmentExpansion(deep, environment: [:], isSecret: false).problems.count == 1)
        let large = [String: String](uniqueKeysWithValues: [("BIG", String(repeating: "x", count: 600_000))])
        #expect(EnvironmentExpansion("$BIG", environment: large, isSecret: false).problems.isEmpty)
        #expect(!EnvironmentExpansion("$BIG$BIG", environment: large, isSecret: false).problems.isEmpty)
    }

    @Test(arguments: [
        (["lmdbs", "main", "options", "map_size"], "${SIZE}", "map_size: 1GB"),
        (["lmdbs", "main", "options", "map_size"], "\"${SIZE}\"", "map_size: 1GB"),
        (["lmdbs", "main", "options", "map_size"], "'${SIZE}'", "map_size: 1GB"),
        (["storage_retry_count"], "${COUNT}", "storage_retry_count: 7"),
        (["storage_retry_count"], "\"$COUNT\"", "storage_retry_count: 7"),
        (["storage_retry_count"], "1${COUNT}", "storage_retry_count: 17"),
        (["storage_retry_count"], "${EMPTY}", "storage_retry_count: 100"),
        (["lmdb_poll_interval"], "${PADDED}", "lmdb_poll_interval: 5s"),
        (["only_once"], "'${UNSET:-yes}'", "only_once: true"),
        (["lmdbs", "main", "path"], "'/$NAME/x'", "path: \"/value/x\""),
        (["lmdbs", "main", "path"], "\"$TRICK\"", "path: \"a: b # 'c' \\\"d\\\" [e] $$NAME\""),
        (["lmdbs", "main", "path"], "$TRICK", "path: \"a: b # 'c' \\\"d\\\" [e] $$NAME\""),
        (["lmdbs", "main", "path"], "$NO", "path: \"null\""),
        (["lmdbs", "main", "path"], "|-\n      /$NAME", "path: \"/value\""),
        (["lmdbs", "main", "options"], "{map_size: ${SIZE}, no_subdir: $UNSET_}", ""),
        (["lmdbs", "main", "options"], "{map_size: ${SIZE}, no_subdir: ${U:-yes}}", "map_size: 1GB"),
        (["lmdbs", "main", "options"], "{map_size: ${SIZE:?a, b: ${c} [d] #e}}", "map_size: 1GB"),
        (["lmdbs", "main", "options"], "{map_size: ${U:-1}GB}", "map_size: 1GB"),
    ])
    func happensBeforeTyping(path: [String], value: String, line: String) throws {
        let text = file(setting: path, to: value)
        guard !line.isEmpty else {
            #expect(errors(text, environment: environment).count == 1)
            return
        }
        let lines = try load(text, environment: environment).configuration.maskedYAML().split(separator: "\n")
        #expect(lines.contains { $0.drop { $0 == " " } == line }, "\(lines)")
    }

    @Test func keysAreNotExpanded() {
        #expect(errors("$NAME: 1\n" + minimal, environment: environment).first?.contains("unknown key") == true)
    }

    @Test func aVariableCanNotPutALineBreakIntoAPath() {
        let lines = errors(file(setting: ["lmdbs", "main", "path"], to: "$LINES"), environment: environment)
        #expect(lines.count == 1)
        #expect(lines.first?.contains("found \"a.b\"; expected a text of one line") == true)
    }

    @Test func bracesOfReferencesDoNotMoveThePlacesOfErrors() {
        #expect(
            errors("log: {level: ${L:-info}, format: x}\n" + minimal) == [
                "1:34: log.format: found \"x\"; expected one of human, logfmt, json"
            ])
    }

    @Test func privateCharactersOfTheFileStayAsTheyAre() throws {
        let text = file(setting: ["lmdbs", "main", "path"], to: "/\u{ee00}${NAME}")
        #expect(try load(text, environment: environment).configuration.databases.first?.path == "/\u{ee00}value")
    }
}
