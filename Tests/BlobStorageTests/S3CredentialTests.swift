import TestSupport
import Testing

@testable import BlobStorage

@Suite struct S3CredentialTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func read(
        _ options: S3Options, _ environment: [String: String] = [:]
    ) throws(BlobStoreError) -> S3Credentials {
        let environment = ["AWS_EC2_METADATA_DISABLED": "true", "HOME": directory.path].merging(environment) { $1 }
        let source = try S3CredentialSource(options, environment: { environment[$0] })
        do {
            return try source.credentials()
        } catch {
            throw BlobStoreError(.other, "\(error)")
        }
    }

    private func problem(_ options: S3Options, _ environment: [String: String] = [:]) -> String {
        do throws(BlobStoreError) {
            _ = try read(options, environment)
            return ""
        } catch {
            return error.description
        }
    }

    @Test func theConfigurationComesFirst() throws {
        let options = S3Options(bucket: "b", accessKey: "a", secretKey: "s")
        let environment = ["AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_SESSION_TOKEN": "z"]
        #expect(try read(options, environment) == S3Credentials(accessKey: "a", secretKey: "s"))
        #expect(
            try read(S3Options(bucket: "b"), environment)
                == S3Credentials(accessKey: "x", secretKey: "y", sessionToken: "z"))
    }

    @Test func keyFilesAreReadAgain() throws {
        try directory.write("access", "first\n")
        try directory.write("secret", "secret one\r\n\n")
        let source = try S3CredentialSource(
            S3Options(
                bucket: "b", accessKeyFile: directory.file("access"), secretKeyFile: directory.file("secret"),
                secretsRefreshInterval: .zero), environment: { _ in nil })
        #expect(try source.credentials() == S3Credentials(accessKey: "first", secretKey: "secret one"))
        try directory.write("access", "second\n")
        #expect(try source.credentials().accessKey == "second")
        // While a file is being replaced, the keys stay.
        try directory.write("access", "")
        #expect(try source.credentials().accessKey == "second")
        try directory.write("access", "third")
        #expect(try source.credentials().accessKey == "third")
    }

    @Test func keyFilesAreNotReadMoreOftenThanAskedFor() throws {
        try directory.write("access", "first")
        let source = try S3CredentialSource(
            S3Options(
                bucket: "b", secretKey: "s", accessKeyFile: directory.file("access"),
                secretsRefreshInterval: .seconds(3600)), environment: { _ in nil })
        try directory.write("access", "second")
        #expect(try source.credentials().accessKey == "first")
    }

    @Test func theFileOfTheAWSToolsIsRead() throws {
        try directory.write(
            "credentials",
            """
            # comment
            [default]
            aws_access_key_id = one
            aws_secret_access_key=secret=one+/=
            [ dns ]
            ; comment
            AWS_ACCESS_KEY_ID=two
              aws_secret_access_key = two secret
            aws_session_token = token==
            [broken]
            aws_access_key_id = three
            """)
        let file = ["AWS_SHARED_CREDENTIALS_FILE": directory.file("credentials")]
        let none = S3Options(bucket: "b")
        #expect(try read(none, file) == S3Credentials(accessKey: "one", secretKey: "secret=one+/="))
        #expect(
            try read(none, file.merging(["AWS_PROFILE": "dns"]) { $1 })
                == S3Credentials(accessKey: "two", secretKey: "two secret", sessionToken: "token=="))
        let path = directory.file("credentials")
        for (profile, expected) in [
            ("broken", "profile broken in \(path) has no aws_secret_access_key"),
            ("missing", "no profile missing in \(path) or \(directory.path)/.aws/config"),
        ] {
            let text = problem(none, file.merging(["AWS_PROFILE": profile]) { $1 })
            #expect(text == expected)
            #expect(!text.contains("three"))
        }
    }

    /// All sources alike: a line end behind a key, blanks around it, a byte order mark in front.
    @Test(arguments: ["%", "%\n", "%\r\n", "  %\t\n\n", "\u{FEFF}%\n", "\u{FEFF}% \r\nsecond line\n"])
    func whatIsAroundAKeyIsCut(_ pattern: String) throws {
        func around(_ key: String) -> String { pattern.replacing("%", with: key) }
        let expected = S3Credentials(accessKey: "a", secretKey: "s s")
        #expect(try read(S3Options(bucket: "b", accessKey: around("a"), secretKey: around("s s"))) == expected)
        try directory.write("access", around("a"))
        try directory.write("secret", around("s s"))
        #expect(
            try read(
                S3Options(bucket: "b", accessKeyFile: directory.file("access"), secretKeyFile: directory.file("secret"))
            ) == expected)
        #expect(
            try read(
                S3Options(bucket: "b"),
                [
                    "AWS_ACCESS_KEY_ID": around("a"), "AWS_SECRET_ACCESS_KEY": around("s s"),
                    "AWS_SESSION_TOKEN": around("t"),
                ]) == S3Credentials(accessKey: "a", secretKey: "s s", sessionToken: "t"))
        // Nothing but that is no key.
        let blank = around("")
        if !blank.contains("second") {
            #expect(problem(S3Options(bucket: "b", accessKey: "a", secretKey: blank)).contains("secret key is missing"))
        }
    }

    @Test func aCredentialsFileMayBeginWithAByteOrderMark() throws {
        try directory.write(
            "credentials", "\u{FEFF}[default]\r\naws_access_key_id = a \r\naws_secret_access_key = s\r\n")
        let file = ["AWS_SHARED_CREDENTIALS_FILE": directory.file("credentials"), "AWS_PROFILE": "default\n"]
        #expect(try read(S3Options(bucket: "b"), file) == S3Credentials(accessKey: "a", secretKey: "s"))
    }

    @Test func missingKeysAreSaidInOneLine() throws {
        try directory.write("empty", "\n")
        for (text, part) in [
            (problem(S3Options(bucket: "b", accessKey: "a")), "the S3 secret key is missing"),
            (problem(S3Options(bucket: "b", secretKey: "s")), "the S3 access key is missing"),
            (
                problem(S3Options(bucket: "b")),
                "(cannot open \(directory.path)/.aws/credentials: No such file or directory) has any; AWS_EC2"
            ),
            (
                problem(S3Options(bucket: "b", secretKey: "s", accessKeyFile: directory.file("none"))),
                "access key: cannot open \(directory.file("none")): No such file or directory"
            ),
            (
                problem(S3Options(bucket: "b", accessKey: "a", secretKeyFile: directory.file("empty"))),
                "secret key: \(directory.file("empty")) has no key in its first line"
            ),
        ] {
            #expect(text.contains(part))
            #expect(!text.contains { $0.isNewline })
        }
    }
}
