import Testing

@testable import Config

/// The smallest configuration that loads; tests put more in front of it.
let minimal = """
    lmdbs:
      main:
        path: /data/pdns.lmdb
    storage:
      type: memory

    """

/// Loads a text as `f.yaml` on the host `host`.
func load(_ text: String, environment: [String: String] = [:]) throws(ConfigurationErrors) -> LoadedConfiguration {
    try Configuration.parse(text, file: "f.yaml", environment: environment, hostname: "host")
}

/// The lines of the error, without `f.yaml:`; empty when the text loads.
func errors(_ text: String, environment: [String: String] = [:]) -> [String] {
    do throws(ConfigurationErrors) {
        _ = try load(text, environment: environment)
        return []
    } catch {
        #expect(!error.problems.isEmpty)
        return error.description.split(separator: "\n").map {
            String($0).replacing("f.yaml:", with: "", maxReplacements: 1)
        }
    }
}

/// The warnings, without `f.yaml:`.
func warnings(_ text: String) throws -> [String] {
    try load(text).warnings.map { $0.description.replacing("f.yaml:", with: "", maxReplacements: 1) }
}

/// A file with one key set, given by its path, besides what every file needs.
func file(setting path: [String], to value: String) -> String {
    let isLMDB = path.first == "lmdbs"
    let isOption = path.starts(with: ["storage", "options"])
    var needed: [([String], String)] = []
    if !isLMDB || path != ["lmdbs", "main", "path"] { needed.append((["lmdbs", "main", "path"], "/data/pdns.lmdb")) }
    if path != ["storage", "type"], !isOption { needed.append((["storage", "type"], "memory")) }
    return yaml(needed + [(path, value)])
}

/// YAML of keys given by their paths.
func yaml(_ keys: [([String], String)]) -> String {
    var text = ""
    var done: Set<String> = []
    for (path, value) in keys where path.count == 1 { text += "\(path[0]): \(value)\n" }
    for (path, _) in keys where path.count > 1 && done.insert(path[0]).inserted {
        let below = keys.filter { $0.0.count > 1 && $0.0[0] == path[0] }.map { (Array($0.0.dropFirst()), $0.1) }
        let lines = yaml(below).split(separator: "\n", omittingEmptySubsequences: true)
        text += "\(path[0]):\n" + lines.map { "  \($0)\n" }.joined()
    }
    return text
}

/// The value of a key in effective YAML, found by its indentation; empty when it is not there.
func effectiveValue(_ path: [String], in yaml: String) -> String {
    var stack: [String] = []
    for line in yaml.split(separator: "\n") {
        let depth = line.prefix { $0 == " " }.count / 2
        let parts = line.drop { $0 == " " }.split(separator: ":", maxSplits: 1)
        stack = Array(stack.prefix(depth)) + [String(parts[0])]
        if stack == path { return parts.count > 1 ? String(parts[1].dropFirst()) : "" }
    }
    return ""
}
