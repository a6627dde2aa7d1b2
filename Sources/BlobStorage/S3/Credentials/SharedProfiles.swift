import Glibc
import HTTP
import Support

/// The files with profiles that AWS's tools share.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>
struct SharedProfiles: Sendable {
    /// One profile of both files.
    struct Profile: Sendable, Equatable {
        var name: String
        /// The file with its keys, or else the one in which it is.
        var file: String
        var values: [String: String]

        /// A value without blanks around it; empty if there is none.
        subscript(_ key: String) -> String { keyText(values[key] ?? "") }
    }

    private var credentialsFile: String
    private var configFile: String
    /// Whether these files have to be readable, because the environment names them.
    private var needsCredentials: Bool
    private var needsConfig: Bool

    init(_ environment: (String) -> String?) {
        func named(_ variable: String, _ usual: String) -> (String, Bool) {
            let name = environment(variable) ?? ""
            return name.isEmpty ? ("\(environment("HOME") ?? "")/.aws/\(usual)", false) : (name, true)
        }
        (credentialsFile, needsCredentials) = named("AWS_SHARED_CREDENTIALS_FILE", "credentials")
        (configFile, needsConfig) = named("AWS_CONFIG_FILE", "config")
    }

    /// The files, for messages.
    var place: String { "\(credentialsFile) or \(configFile)" }

    /// A profile; nil if neither file has it.
    ///
    /// - Parameter unreadable: called with each file that cannot be read, unless the environment names it.
    func profile(
        _ name: String, unreadable: (HTTPSetupError) -> Void = { _ in }
    ) throws(HTTPSetupError) -> Profile? {
        let keys = try sections(credentialsFile, needsCredentials, unreadable)?[name]
        let all = try sections(configFile, needsConfig, unreadable)
        let rest = all?["profile \(name)"] ?? (name == "default" ? all?[name] : nil)
        guard keys != nil || rest != nil else { return nil }
        return Profile(
            name: name, file: keys == nil ? configFile : credentialsFile,
            values: (rest ?? [:]).merging(keys ?? [:]) { $1 })
    }

    private func sections(
        _ file: String, _ isNeeded: Bool, _ unreadable: (HTTPSetupError) -> Void
    ) throws(HTTPSetupError) -> [String: [String: String]]? {
        do throws(HTTPSetupError) {
            return Self.parse(String(decoding: try readSmallFile(file, for: .sharedCredentials), as: UTF8.self))
        } catch {
            if isNeeded { throw error }
            unreadable(error)
            return nil
        }
    }

    /// The values by section, with keys in lower case.
    static func parse(_ text: String) -> [String: [String: String]] {
        var sections: [String: [String: String]] = [:]
        var current: String?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = keyText(String(line))
            if line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("["), let end = line.lastIndex(of: "]") {
                let words = line[line.index(after: line.startIndex)..<end].split(whereSeparator: \.isWhitespace)
                let name = words.joined(separator: " ")
                if sections[name] == nil { sections[name] = [:] }
                current = name
            } else if let current, let equals = line.firstIndex(of: "=") {
                let value = keyText(String(line[line.index(after: equals)...]))
                sections[current]?[keyText(String(line[..<equals])).lowercased()] = value
            }
        }
        return sections
    }
}
