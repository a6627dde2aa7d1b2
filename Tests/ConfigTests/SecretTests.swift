import Testing

@testable import Config

/// No part of a secret is ever shown, whatever is wrong with it.
@Suite struct SecretTests {
    /// The keys that hold secrets, each with the storage it belongs to.
    private static let secrets = [
        ("s3", "bucket: b, access_key: a, secret_key: SECRET"), ("s3", "bucket: b, tls: { cert: c, key: SECRET }"),
        ("azure", "container: b, account_key: SECRET"),
    ]

    private func file(_ type: String, _ options: String, _ secret: String) -> String {
        "lmdbs: { main: { path: /m } }\nstorage:\n  type: \(type)\n  options: { "
            + options.replacing("SECRET", with: secret) + " }\n"
    }

    @Test func theKeyOfTheAPIIsMasked() throws {
        let text = minimal + "powerdns: { api: { url: 'http://127.0.0.1:8081', key: hunter2 } }\n"
        let effective = try load(text).configuration.maskedYAML()
        #expect(effective.contains("key: \"******\"") && !effective.contains("hunter2"))
        #expect(!errors(text.replacing("hunter2", with: "[hunter2]")).joined().contains("hunter2"))
    }

    @Test(arguments: secrets, ["hunter2", "\"hunter2\"", "'hunter2'", "${PASSWORD}", "\"${U:-hunter2}\"", "hun$$ter2"])
    func theEffectiveConfigurationMasksThem(secret: (type: String, options: String), value: String) throws {
        let loaded = try load(file(secret.type, secret.options, value), environment: ["PASSWORD": "hunter2"])
        let effective = loaded.configuration.maskedYAML()
        #expect(!effective.contains("hunter2") && !effective.contains("hun$"))
        #expect(effective.split(separator: "\n").filter { $0.hasSuffix(": \"******\"") }.count == 1)
        #expect(!"\(loaded.warnings)".contains("hunter2"))
    }

    @Test(
        arguments: secrets,
        [
            "*hunter2", "!hunter2 x", "!!binary hunter2", "[hunter2]", "{hunter2: 1}", "\"a\\nhunter2\\0\"",
            "a$hunter2",
            "$hunter2", "x${hunter2}", "${hunter2", "x${U:?hunter2}", "${hunter2}${hunter2}", "${A:+hunter2}x",
            "$1hunter2",
            "@hunter2", "%hunter2", "`hunter2", "\"hunter2", "'hunter2", "hunter2: x", "&hunter2", "| hunter2",
            "hunter2]",
            "\"\\hunter2\"", "x\u{1}hunter2", "x ${1hunter2}",
        ])
    func errorsDoNotShowThem(secret: (type: String, options: String), value: String) {
        let flow = file(secret.type, secret.options, value)
        let key = secret.options.contains("account_key") ? "account_key" : "secret_key"
        let block =
            "lmdbs: { main: { path: /m } }\nstorage:\n  type: \(secret.type)\n  options:\n    \(key): \(value)\n"
        for text in [flow, block] {
            let found = errors(text).joined(separator: "\n")
            #expect(!found.contains("hunter2"), "\(found)")
        }
        #expect(!errors(flow).isEmpty || value == "&hunter2")
    }

    @Test(arguments: [
        "secret_kye: hunter2", "{secret_key:hunter2}", "secret_key=hunter2: x", "sekret: [hunter2]",
        "secret_key hunter2: x",
        "SecretKey: { hunter2: hunter2 }", "? hunter2 hunter2\n    : x",
    ])
    func unknownKeysDoNotShowWhatFollowsThem(line: String) {
        let text = "lmdbs: { main: { path: /m } }\nstorage:\n  type: s3\n  options:\n    \(line)\n"
        let found = errors(text).joined(separator: "\n")
        #expect(!found.isEmpty)
        #expect(!found.replacing("hunter2…: unknown key", with: "").contains("hunter2"), "\(found)")
    }

    @Test func credentialsInAnEndpointAreNotShown() {
        let found = errors(file("s3", "bucket: b, endpoint_url: \"SECRET\"", "https://user:hunter2@host")).joined()
        #expect(found.contains("set credentials with their own keys"))
        #expect(!found.contains("hunter2"))
    }

    @Test func aVariableThatIsTheWholeSecretIsNamed() {
        let found = errors(file("s3", "bucket: b, access_key: a, secret_key: SECRET", "${S3_SECRET}"))
        #expect(
            found == [
                "4:52: storage.options.secret_key: environment variable S3_SECRET is not set;"
                    + " set it, or give a default: ${S3_SECRET:-default}"
            ])
        let message = errors(file("s3", "bucket: b, access_key: a, secret_key: SECRET", "${S3_SECRET:?see the vault}"))
        #expect(message.first?.hasSuffix("environment variable S3_SECRET is not set or empty: see the vault") == true)
    }

    @Test func valuesThatAreNoSecretAreShown() throws {
        let effective = try load(file("s3", "bucket: b, access_key: a1, secret_key: SECRET", "x")).configuration
            .maskedYAML()
        #expect(effective.contains("access_key: \"a1\""))
        #expect(effective.contains("key_file: \"\"") && effective.contains("    key: \"\""))
    }
}
