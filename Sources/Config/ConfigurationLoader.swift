/// A configuration with the warnings of its file.
package struct LoadedConfiguration: Sendable, Equatable {
    /// The configuration; flags of the command line are applied to it afterwards.
    package var configuration: Configuration
    /// Warnings about deprecated keys and keys without effect, one each, in the order of the file. To be logged at start.
    package var warnings: [ConfigurationProblem]
}

extension Configuration {
    /// Reads and checks a configuration file. Reports all problems at once.
    ///
    /// `environment` contains the variables for `$NAME`; `hostname` is the default instance name.
    package static func load(
        file: String, environment: [String: String], hostname: String
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        let contents: [UInt8]
        do throws(ConfigurationProblem) {
            contents = try ConfigurationFile.read(file)
        } catch {
            throw ConfigurationErrors([error])
        }
        return try parse(contents, file: file, environment: environment, hostname: hostname)
    }

    /// Reads and checks the text of a configuration file; `file` is its name in messages.
    package static func parse(
        _ text: String, file: String = "lightningstream.yaml", environment: [String: String] = [:], hostname: String
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        try parse(Array(text.utf8), file: file, environment: environment, hostname: hostname)
    }

    static func parse(
        _ bytes: [UInt8], file: String, environment: [String: String], hostname: String
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        var decoder = KeyDecoder(file: file, environment: environment)
        if let offset = firstInvalidUTF8(bytes) {
            let position = Position(offset: offset, in: bytes)
            decoder.report(Scope(path: [], position: position), .file(.notUTF8))
            throw ConfigurationErrors(decoder.problems)
        }
        let document = YAMLDocument(bytes)
        for problem in document.problems { decoder.add(problem) }
        var configuration = Configuration()
        let whole = Scope(path: [], position: .start)
        if let root = document.root, !root.isNull {
            if case .mapping = root.content {
                decoder.mapping(root, KeyTable.topLevel, into: &configuration, at: whole)
                Checks.configuration(&configuration, hostname: hostname, whole, &decoder)
            } else if root.content != .invalid {
                decoder.report(whole, .key(.notSection(kind: root.kind)), at: root.position)
            }
        } else if document.problems.isEmpty {
            decoder.report(whole, .file(.empty))
        }
        guard decoder.problems.isEmpty else { throw ConfigurationErrors(decoder.problems) }
        return LoadedConfiguration(configuration: configuration, warnings: decoder.warnings.inOrderOfPosition())
    }

    private static func firstInvalidUTF8(_ bytes: [UInt8]) -> Int? {
        guard String(validating: bytes, as: UTF8.self) == nil else { return nil }
        var offset = 0
        var iterator = bytes.makeIterator()
        var decoder = UTF8()
        while case .scalarValue(let scalar) = decoder.decode(&iterator) { offset += UTF8.width(scalar) }
        return offset
    }

    /// The effective configuration as YAML, every key with its value, secrets masked. Parses to the same
    /// configuration, except for the secrets.
    package func maskedYAML() -> String {
        var writer = EffectiveWriter()
        KeyTable.topLevel.render(self, &writer)
        return writer.text
    }
}
