import Testing

@testable import Config

@Suite struct ErrorTests {
    @Test func allProblemsAtOnceInTheOrderOfTheFile() {
        let text = """
            lmdb_poll_interval: 10
            storage_retry_count: many
            log:
              levle: info
              format: xml
            lmdbs:
              main: {}
              ma__in:
                path: /x
                options: { file_mask: 664, map_size: 1.5GB }
                dupsort_hack: yes
                schema_tracks_changes: on
            storage:
              typ: s3
              options: { root_path: /x, bukcet: b }
            instance: ${WHO}
            log: {}
            """
        #expect(
            errors(text) == [
                "1:21: lmdb_poll_interval: found \"10\"; expected a duration of at least 100ms, with its unit, such as"
                    + " 250ms, 10s or 1h30m (a number needs a unit: ns, us, ms, s, m or h)",
                "2:22: storage_retry_count: found \"many\"; expected a whole number of at least 1",
                "4:3: log.levle: unknown key; did you mean level?",
                "5:11: log.format: found \"xml\"; expected one of human, logfmt, json",
                "7:3: lmdbs.main.path: required: the path of the LMDB",
                "8:3: lmdbs.ma__in: \"ma__in\" is not a valid name; expected a name of at most 100 bytes without dot, slash,"
                    + " backslash, `__`, control characters, or `_` at its end",
                "10:27: lmdbs.ma__in.options.file_mask: found \"664\"; expected a file mode from 0 to 0777, in octal"
                    + " such as 0664 (without a leading 0 it is a decimal number: write 0664 for octal)",
                "10:42: lmdbs.ma__in.options.map_size: found \"1.5GB\"; expected a size, such as 1000MB, 1GB or a"
                    + " number of bytes (use a smaller unit instead of a fraction)",
                "11:19: lmdbs.ma__in.dupsort_hack: not allowed together with schema_tracks_changes: remove one of them",
                "13:1: storage.type: required: one of s3, fs, memory",
                "14:3: storage.typ: unknown key; did you mean type?",
                "15:29: storage.options.bukcet: unknown key; did you mean bucket?",
                "16:11: instance: environment variable WHO is not set; set it, or give a default: ${WHO:-default}",
                "17:1: log: duplicate key; first given at 3:1",
            ])
    }

    /// A file without `lmdbs` and `storage`, a line each, and what is said of it.
    @Test(arguments: [
        (
            "foo: bar",
            [
                "1:1: lmdbs: required: at least one database, as in lmdbs.main.path",
                "1:1: storage.type: required: one of s3, fs, memory",
            ]
        ),
        ("- a", ["1:1: found a list; expected a section of keys"]),
        ("\n\n foo", ["3:2: found a single value; expected a section of keys"]),
        ("a: b: c", ["1:5: YAML syntax: mapping values are not allowed in this context"]),
    ])
    func filesThatAreSomethingElse(text: String, expected: [String]) {
        #expect(errors(text).filter { !$0.contains("unknown key") }.sorted() == expected)
    }

    @Test(arguments: [
        (
            "lmdbs: 5\nstorage: []",
            [
                "1:8: lmdbs: found a single value; expected a section of keys",
                "2:10: storage: found a list; expected a section of keys",
            ]
        ),
        (
            "lmdbs:\nstorage:",
            [
                "1:1: lmdbs: required: at least one database, as in lmdbs.main.path",
                "2:1: storage.type: required: one of s3, fs, memory",
            ]
        ),
        (
            "lmdbs: {main: 5, b: [1]}\nstorage: {type: memory}",
            [
                "1:15: lmdbs.main: found a single value; expected a section of keys",
                "1:21: lmdbs.b: found a list; expected a section of keys",
            ]
        ),
        ("lmdbs: {main: }\nstorage: {type: memory}", ["1:9: lmdbs.main.path: required: the path of the LMDB"]),
        (
            "lmdbs: {main: {path: ''}}\nstorage: {type: memory}",
            ["1:22: lmdbs.main.path: required: the path of the LMDB"]
        ),
        (
            "lmdbs: {main: {path: [x]}}\nstorage: {type: memory}",
            ["1:22: lmdbs.main.path: found a list; expected one value (string)"]
        ),
        (
            "lmdbs: {main: {path: *x}}\nstorage: {type: memory}",
            ["1:22: lmdbs.main.path: alias (`*`) of an anchor that is not defined above it"]
        ),
        (
            "lmdbs: {main: {path: /m, dbi_options: {'': {}}}}\nstorage: {type: memory}",
            ["1:40: lmdbs.main.dbi_options.: \"\" is not a valid name; expected a name that is not empty"]
        ),
    ])
    func sectionsThatAreSomethingElse(text: String, expected: [String]) {
        #expect(errors(text) == expected)
    }

    @Test(arguments: [
        // Unknown keys of the storage, and those of another one.
        (
            "{type: memory, options: {bucket: b}}",
            ["2:35: storage.options.bucket: belongs to storage.type s3; the type here is memory"]
        ),
        (
            "{type: fs, options: {root_path: /r, dial_timeout: 1s}}",
            ["2:46: storage.options.dial_timeout: belongs to storage.type s3 or azure; the type here is fs"]
        ),
        (
            "{type: s3, options: {bucket: b, root_path: /r}}",
            ["2:42: storage.options.root_path: belongs to storage.type fs; the type here is s3"]
        ),
        (
            "{type: s3, root_path: /r, options: {bucket: b}}",
            ["2:32: storage.root_path: belongs to storage.type fs; the type here is s3"]
        ),
        (
            "{type: memory, bucket: b}",
            ["2:25: storage.bucket: unknown key; it belongs at storage.options.bucket (check the indentation)"]
        ),
        (
            "{options: {buckets: b}}",
            [
                "2:1: storage.type: required: one of s3, fs, memory",
                "2:21: storage.options.buckets: unknown key; did you mean bucket?",
            ]
        ),
        (
            "{type: S3, options: {bucket: b}}",
            ["2:17: storage.type: found \"S3\"; expected one of s3, fs, memory"]
        ),
        // Required ones.
        ("{type: s3}", ["2:1: storage.options.bucket: required: the name of the bucket"]),
        ("{type: s3, options: {}}", ["2:21: storage.options.bucket: required: the name of the bucket"]),
        ("{type: s3, options: []}", ["2:30: storage.options: found a list; expected a section of keys"]),
        ("{type: fs}", ["2:1: storage.options.root_path: required: the directory of the snapshots"]),
        (
            "{type: azure, options: {bucket: b}}",
            [
                "2:24: storage.options.container: required: the name of the container",
                "2:34: storage.options.bucket: belongs to storage.type s3; the type here is azure",
            ]
        ),
        ("{type: s3, options: }", ["2:21: storage.options.bucket: required: the name of the bucket"]),
        ("", ["2:1: storage.type: required: one of s3, fs, memory"]),
        // What does not go together.
        (
            "{type: s3, options: {bucket: b, access_key: a}}",
            ["2:54: storage.options.access_key: needs secret_key as well"]
        ),
        (
            "{type: s3, options: {bucket: b, secret_key: a}}",
            ["2:54: storage.options.secret_key: needs access_key as well"]
        ),
        (
            "{type: s3, options: {bucket: b, access_key: a, secret_key: ''}}",
            ["2:54: storage.options.access_key: needs secret_key as well"]
        ),
        (
            "{type: s3, options: {bucket: b, access_key_file: a}}",
            ["2:59: storage.options.access_key_file: needs secret_key_file as well"]
        ),
        (
            "{type: s3, options: {bucket: b, secret_key_file: a}}",
            ["2:59: storage.options.secret_key_file: needs access_key_file as well"]
        ),
        (
            "{type: azure, options: {container: c, account_key: a, account_key_file: f}}",
            ["2:82: storage.options.account_key_file: not allowed together with account_key: keep one of them"]
        ),
        (
            "{type: s3, options: {bucket: b, endpoint_url: minio}}",
            [
                "2:56: storage.options.endpoint_url: found \"minio\"; expected http:// or https:// and a host, optionally with a"
                    + " port and a path, such as https://s3.example.org:9000 (put https:// or http:// in front)"
            ]
        ),
    ])
    func storages(storage: String, expected: [String]) {
        let found = errors("lmdbs: {main: {path: /m}}\nstorage: \(storage)\n")
        #expect(found == expected)
    }

    @Test(arguments: [
        ("/a", false, "/a", false, true), ("/a", true, "/b", true, false), ("/a/", false, "//a/.", false, true),
        ("/a", false, "/a/data.mdb", true, true), ("a", true, "/a", true, false), ("./a", true, "a", true, true),
        ("/a", false, "/a", true, false), ("/a-0", true, "/a", true, false),
    ])
    func twoDatabasesAreTwoFiles(one: String, isFile1: Bool, other: String, isFile2: Bool, isError: Bool) {
        let text = """
            lmdbs:
              a: { path: \(one), options: { no_subdir: \(isFile1) } }
              b: { path: \(other), options: { no_subdir: \(isFile2) } }
            storage: { type: memory }
            """
        let expected = ["3:14: lmdbs.b.path: found \"\(other)\", but database a uses the same LMDB"]
        #expect(errors(text) == (isError ? expected : []))
    }

    @Test func keysThroughAnAliasAreReportedForEachUse() {
        let text = """
            lmdbs:
              a: { path: /a, options: &o { max_dbs: x } }
              b: { path: /b, options: *o }
            storage: { type: memory }
            """
        #expect(
            errors(text).map { $0.prefix(30) } == ["2:41: lmdbs.a.options.max_dbs:", "2:41: lmdbs.b.options.max_dbs:"])
    }

    @Test(arguments: [
        ("lmdb_pol_interval", "did you mean lmdb_poll_interval?"),
        ("lmdb-poll-interval", "did you mean lmdb_poll_interval?"),
        ("Instance", "did you mean instance?"), ("hhtp", "did you mean http?"), ("lgo", "did you mean log?"),
        ("bucket", "it belongs at storage.options.bucket (check the indentation)"),
        ("no_subdir", "it belongs at lmdbs.{name}.options.no_subdir (check the indentation)"),
        ("cleanup", "it belongs at storage.cleanup (check the indentation)"),
        ("http:8500", "a blank is required after http:"),
        ("frobnicate", "expected instance, lmdb_poll_interval, "),
    ])
    func unknownKeysGetAHint(key: String, hint: String) {
        let found = errors("\(key): 1\n" + minimal)
        #expect(found.count == 1)
        #expect(found.first?.contains("unknown key; \(hint)") == true, "\(found)")
    }

    @Test func noNameOfThisNodeAtAll() {
        #expect(throws: ConfigurationErrors.self) { try Configuration.parse(minimal, hostname: "") }
        #expect(throws: Never.self) { try Configuration.parse("instance: a\n" + minimal, hostname: "") }
    }

    @Test func messagesAreOneLineAndBounded() {
        let long = String(repeating: "x", count: 500)
        for value in ["\"a\\nb\\u2028c\\u0085\"", long] {
            let found = errors("log: {level: \(value)}\n\(long): 1\n" + minimal)
            #expect(found.count == 2)
            for line in found {
                #expect(line.count < 700)
                #expect(!line.unicodeScalars.contains { $0.isControl })
            }
        }
    }
}
