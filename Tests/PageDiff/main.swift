import Glibc
import LMDB

// Compares the pages of an LMDB that others write, for Tests/Integration/test_page_diff.py: page-diff FILE. For each line of
// standard input, it prints "CHANGES PAGES" if a comparison of pages since the last line finds what one of all entries finds,
// otherwise what differs.

typealias Contents = [String: [[UInt8]: [UInt8]]]

func contents(_ base: inout DiffBase) throws -> Contents {
    try base.reader.read { transaction in
        var contents: Contents = [:]
        for database in try transaction.databases() where !database.flags.contains(.duplicateSort) {
            var cursor = try transaction.openCursor(database)
            while try cursor.next() { contents[database.name, default: [:]][Array(cursor.key)] = Array(cursor.value) }
        }
        return contents
    }
}

/// Applies the changes that a comparison of pages finds.
func apply(_ base: inout DiffBase, _ later: inout DiffBase, to contents: inout Contents) throws -> String {
    var count = 0
    let outcome = try PageDiff.run(from: &base, to: &later) { change in
        count += 1
        let key = Array(change.key)
        guard contents[change.database.name, default: [:]][key] == change.old.map({ Array($0) }) else {
            throw Difference(text: "\(change.database.name) \(key): the old value is another one")
        }
        contents[change.database.name, default: [:]][key] = change.new.map { Array($0) }
    }
    return "\(count) \(outcome.pages)"
}

struct Difference: Error { let text: String }

/// Prints a line that the reader of a pipe gets at once.
func answer(_ text: String) {
    print(text)
    fflush(nil)
}

do {
    let path = CommandLine.arguments.dropFirst().first ?? ""
    let environment = try Environment(EnvironmentOptions(path: path, noSubdirectory: true, maximumDatabases: 512))
    var base = try DiffBase(environment)
    var known = try contents(&base)
    answer("ready")
    while readLine() != nil {
        var later = try DiffBase(environment)
        let text = try apply(&base, &later, to: &known)
        let expected = try contents(&later)
        base = later
        let found = known.filter { !$0.value.isEmpty }
        for name in Set(found.keys).union(expected.keys) where found[name] != expected[name] {
            throw Difference(text: "\(name) differs")
        }
        answer(text)
    }
} catch let difference as Difference {
    answer("WRONG: \(difference.text)")
} catch {
    answer("ERROR: \(error)")
}
