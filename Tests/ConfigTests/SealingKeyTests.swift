import Testing

@testable import Config

/// `storage.sealing`: what is written there must not lead to anything that is stored in the clear.
@Suite struct SealingKeyTests {
    private func text(_ sealing: String) -> String { minimal + "  sealing: \(sealing)\n" }

    @Test func files() throws {
        let loaded = try load(text("{ identity_files: [/a, '/b c'], accept_unsealed: true }")).configuration.storage
            .sealing
        #expect(loaded.identityFiles == ["/a", "/b c"])
        #expect(loaded.acceptUnsealed)
        #expect(try load(text("{ identity_files: /a }")).configuration.storage.sealing.identityFiles == ["/a"])
        #expect(try load(minimal).configuration.storage.sealing == SealingConfiguration())
        let variable = try load(text("{ identity_files: ['${FILE}'] }"), environment: ["FILE": "/f"])
        #expect(variable.configuration.storage.sealing.identityFiles == ["/f"])
    }

    @Test(arguments: [
        "", "~", "{}", "{ accept_unsealed: true }",
        "{ identity_files: }", "{ identity_files: [] }", "{ identity_files: ~ }",
    ])
    func aSectionWithoutIdentitiesIsAnError(sealing: String) {
        let problems = errors(text(sealing))
        #expect(problems.count == 1)
        #expect(problems.first?.contains("storage.sealing.identity_files") == true, "\(problems)")
    }

    @Test(arguments: ["[/a, ]", "[/a, ~]", "[/a, '${NONE:-}']", "[/a, [/b]]", "[/a, {b: c}]", "{a: b}"])
    func noElementIsLeftOutUnnoticed(list: String) {
        let problems = errors(text("{ identity_files: \(list) }"))
        // A comma at the end of a list of YAML adds no element.
        #expect(problems.isEmpty == (list == "[/a, ]"), "\(problems)")
        if let problem = problems.first { #expect(problem.contains("storage.sealing.identity_files")) }
    }

    /// Neither in an error nor in the effective configuration.
    @Test(arguments: ["AGE-SECRET-KEY-1QQQSECRET", "[/a, age-secret-key-1qqqsecret]", "[' AGE-Secret-Key-1QQQSECRET']"])
    func anIdentityInPlaceOfAFileIsNotShown(files: String) throws {
        let problems = errors(text("{ identity_files: \(files) }"))
        #expect(problems.count == 1)
        let problem = try #require(problems.first).lowercased()
        #expect(problem.contains("an identity stands in its place") && !problem.contains("qqq"))
        #expect(ValueType.identityFile.render("AGE-SECRET-KEY-1QQQ") == EffectiveWriter.mask)
    }

    @Test func theEffectiveConfigurationIsTheSame() throws {
        let loaded = try load(text(#"{ identity_files: [/a, '/b "$$"'] }"#)).configuration
        let again = try load(loaded.maskedYAML()).configuration
        #expect(again.storage.sealing == loaded.storage.sealing && loaded.storage.sealing.identityFiles.count == 2)
        #expect(try !load(minimal).configuration.maskedYAML().contains("sealing"))
    }
}
