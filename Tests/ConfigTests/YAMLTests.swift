import Testing

@testable import Config

@Suite struct YAMLTests {
    private func document(_ text: String) -> YAMLDocument { YAMLDocument(Array(text.utf8)) }

    private func entries(_ text: String) throws -> [YAMLEntry] {
        let document = document(text)
        #expect(document.problems.isEmpty)
        guard case .mapping(let entries) = try #require(document.root).content else {
            Issue.record("no mapping")
            return []
        }
        return entries
    }

    @Test func everyKeyAndValueHasItsPlaceAndStyle() throws {
        let entries = try entries("a: 1\nbé:   'x'\n\"c\":\n  - \"y\"\n  - |\n    z\n")
        #expect(entries.map(\.name) == ["a", "bé", "c"])
        #expect(entries.map(\.keyPosition.line) == [1, 2, 3])
        #expect(entries[0].value == .scalar(YAMLScalar(text: "1"), at: Position(line: 1, column: 4)))
        #expect(
            entries[1].value
                == .scalar(YAMLScalar(text: "x", style: .singleQuoted), at: Position(line: 2, column: 7)))
        #expect(
            entries[2].value.content
                == .sequence([
                    .scalar(YAMLScalar(text: "y", style: .doubleQuoted), at: Position(line: 4, column: 5)),
                    .scalar(YAMLScalar(text: "z\n", style: .block), at: Position(line: 5, column: 5)),
                ]))
    }

    @Test(arguments: [
        ("a: 1\n\tb: 2\n", "2:1"), ("a: [1\n", "2:1"), ("a: @x\n", "1:4"), ("a: b: c\n", "1:5"), ("a: \"x\n", "2:1"),
        ("a: 'x", "1:6"), ("a: {b\n", "2:1"), ("%FOO\n", "1:5"), ("a: b\u{1}", "1:5"), ("é: \u{7f}", "1:4"),
        ("a:\n  - b\n c\n", "3:2"),
        ("a: \"\\q\"", "1:5"), ("a: %x", "1:4"), ("a: `x`", "1:4"), ("]", "1:1"), ("a: |x\n", "1:5"),
    ])
    func syntaxErrorsNameTheirPlace(text: String, place: String) {
        let problems = document(text).problems
        #expect(problems.count == 1)
        #expect(problems.first.map { "\($0.position.line):\($0.position.column)" } == place)
        #expect(problems.first?.message.hasPrefix("YAML syntax: ") == true)
    }

    @Test func aTabGetsAHint() {
        #expect(
            document("a: 1\n\tb: 2\n").problems.first?.message.contains("this is a tab: indent with blanks") == true)
        #expect(document("a: @b").problems.first?.message.contains("into quotes") == true)
    }

    @Test func aliasesStandForTheirAnchors() throws {
        let entries = try entries("a: &x {k: v}\nb: *x\nc: &y z\n*y : w\n")
        #expect(entries[0].value == entries[1].value)
        #expect(entries[3].name == "z")
    }

    @Test(arguments: ["a: *x\n", "a: *x\nb: &x 1\n", "a: &x [*x]\n"])
    func unknownAliasesAreErrors(text: String) {
        let problems = document(text).problems
        #expect(problems.count == 1)
        #expect(problems.first?.message.contains("not defined above it") == true)
    }

    @Test func mergeKeysBringInWhatIsNotThere() throws {
        let text =
            "a: &a {k: 1, l: 2}\nb: &b {l: 3, m: 4}\nc:\n  <<: [*a, *b]\n  k: 5\nd: {m: 6, <<: *b}\ne: {\"<<\": 7}\n"
        let entries = try entries(text)
        func contents(_ index: Int) -> [String] {
            guard case .mapping(let entries) = entries[index].value.content else { return [] }
            return entries.map { entry in
                guard case .scalar(let scalar) = entry.value.content else { return "?" }
                return "\(entry.name)=\(scalar.text)"
            }
        }
        #expect(contents(2) == ["l=2", "m=4", "k=5"])
        #expect(contents(3) == ["m=6", "l=3"])
        #expect(contents(4) == ["<<=7"])
    }

    @Test(arguments: ["a: {<<: 1}", "a: {<<: [1]}", "a: {<<: [[b]]}", "a: {<<: ~}"])
    func mergeKeysTakeSectionsOnly(text: String) {
        #expect(document(text).problems.count == 1)
    }

    @Test func duplicateKeysAreReportedWithBothPlaces() {
        let text = "a: 1\nb:\n  c: 1\n  c: 2\n  \"c\": 3\na: 2\nd: {<<: {x: 1}, <<: {y: 1}}\n"
        #expect(
            document(text).problems == [
                YAMLProblem(
                    position: Position(line: 4, column: 3), path: ["b", "c"],
                    fault: .duplicateKey(first: Position(line: 3, column: 3))),
                YAMLProblem(
                    position: Position(line: 5, column: 3), path: ["b", "c"],
                    fault: .duplicateKey(first: Position(line: 3, column: 3))),
                YAMLProblem(
                    position: Position(line: 6, column: 1), path: ["a"],
                    fault: .duplicateKey(first: Position(line: 1, column: 1))),
                YAMLProblem(
                    position: Position(line: 7, column: 17), path: ["d", "<<"],
                    fault: .duplicateKey(first: Position(line: 7, column: 5))),
            ])
    }

    @Test(arguments: ["? [a]\n: b\n", "? {a: b}\n: c\n", "[a]: b\n"])
    func keysAreScalars(text: String) {
        #expect(document(text).problems.map(\.message).allSatisfy { $0.contains("as a key; expected a name") })
        #expect(document(text).problems.count == 1)
    }

    @Test(arguments: ["a: 1\n---\nb: 2\n", "---\na: 1\n---\n---\n[]\n", "a: 1\n...\n---\nb: 1\n"])
    func oneDocumentAFile(text: String) {
        #expect(document(text).problems.last?.message == "a second YAML document starts here; expected one per file")
    }

    @Test(arguments: [
        "---\na: 1\n...\n", "a: 1\n---\n", "a: 1\n---\n# nothing\n---\n...\n", "%YAML 1.1\n---\na: 1\n",
        "\u{feff}a: 1\n", "# c\n--- # d\na: 1 # e\n", "a: 1\r\n",
    ])
    func marksOfASingleDocumentAreFine(text: String) throws {
        #expect(try entries(text).map(\.name) == ["a"])
    }

    @Test(arguments: [
        ("!!str 5", YAMLScalar.Tag.text), ("! 5", .text), ("!!int \"5\"", .number), ("!!float 5", .number),
        ("!!bool 'no'", .bool), ("!!null ''", .null), ("5", YAMLScalar.Tag.none),
    ])
    func standardTagsAreKnown(value: String, tag: YAMLScalar.Tag) throws {
        let entry = try #require(try entries("a: \(value)\n").first)
        guard case .scalar(let scalar) = entry.value.content else { return #expect(Bool(false), "no scalar") }
        #expect(scalar.tag == tag)
    }

    @Test(arguments: [
        "!x 5", "!!binary aGk=", "!<tag:example.org,2000:x> 5", "!x [a]", "!!str {a: b}", "!!map [a]", "!!seq {}",
    ])
    func otherTagsAreErrors(value: String) {
        #expect(document("a: \(value)\n").problems.count == 1)
    }

    @Test func tagsCountInTyping() throws {
        #expect(try load("storage_retry_count: !!int \"5\"\n" + minimal).configuration.storageRetryCount == 5)
        #expect(errors("storage_retry_count: !!str 5\n" + minimal).count == 1)
        #expect(try load("only_once: !!bool \"yes\"\n" + minimal).configuration.onlyOnce)
        #expect(try load("instance: !!null x\n" + minimal).configuration.instance == "host")
    }

    @Test func nestingIsBounded() {
        for depth in [33, 5000, 200_000] {
            let flow = document("a: " + String(repeating: "[", count: depth))
            #expect(flow.problems.map(\.message) == ["nested more than 32 levels deep"])
            #expect(flow.root == nil)
        }
        var block = ""
        for level in 0..<100 { block += String(repeating: " ", count: level) + "a:\n" }
        #expect(document(block).problems.last?.message == "nested more than 32 levels deep")
    }

    @Test func nestingThroughAliasesIsBounded() {
        var text = "a0: &a0 [x]\n"
        for level in 1..<20_000 { text += "a\(level): &a\(level) [*a\(level - 1)]\n" }
        #expect(document(text).problems.last?.message == "nested more than 32 levels deep")
    }

    @Test func anAliasBombStaysSmall() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<25 {
            let aliases = [String](repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(document(text).problems.isEmpty)
        #expect(errors(text + minimal).count == 25)
    }

    @Test func aMergeBombIsRefused() {
        var text = "a: &a {" + (0..<200).map { "k\($0): 1" }.joined(separator: ", ") + "}\n"
        let merges = [String](repeating: "*a", count: 100).joined(separator: ", ")
        text += "b: {<<: [\(merges)]}\n"
        let problems = document(text).problems
        #expect(problems.count == 1)
        #expect(problems.first?.message.contains("add too many entries; the maximum is 10000") == true)
    }

    @Test func aLineOfNothingButReferencesIsReadInReasonableTime() {
        let text = "a: " + String(repeating: "${", count: 10_000)
        #expect(!errors(text).isEmpty)
    }
}
