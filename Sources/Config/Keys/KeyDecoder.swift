/// Decodes a tree of YAML nodes with the key table. Collects problems instead of stopping at the first.
struct KeyDecoder {
    let file: String
    let environment: [String: String]
    private(set) var problems: [ConfigurationProblem] = []
    private(set) var warnings: [ConfigurationProblem] = []
    /// Keys and sections with a value in the file: the positions of values, and of sections' keys.
    private var given: [[String]: Position] = [:]
    /// Positions of the keys in the file, including those without a value.
    private var written: [[String]: Position] = [:]
    /// The given keys with an empty text.
    private var blank: Set<[String]> = []
    /// Keys whose values have been reported.
    private var failed: Set<[String]> = []

    init(file: String, environment: [String: String]) {
        self.file = file
        self.environment = environment
    }

    /// Decodes every key of a section, and reports keys that are not in the table.
    /// `explain` may describe a key that is not in the table.
    mutating func mapping<Root>(
        _ node: YAMLNode?, _ keys: [KeyDefinition<Root>], into root: inout Root, at scope: Scope,
        explain: (String) -> KeyFault? = { _ in nil }
    ) {
        let entries = entries(of: node, at: scope)
        var byName: [String: YAMLEntry] = [:]
        for entry in entries {
            byName[entry.name] = entry
            written[scope.path + [entry.name]] = entry.keyPosition
        }
        for key in keys { key.decode(byName[key.name], &root, scope, &self) }
        let names = keys.map(\.name)
        for entry in entries where !names.contains(entry.name) {
            if let explanation = explain(entry.name) {
                report(scope.below(entry.name, entry), .key(explanation))
            } else {
                unknownKey(entry, allowed: names, at: scope)
            }
        }
    }

    /// The entries of a section; empty, and reported, if the node is something else.
    mutating func entries(of node: YAMLNode?, at scope: Scope) -> [YAMLEntry] {
        guard let node, !node.isNull else { return [] }
        given[scope.path] = scope.position
        switch node.content {
        case .mapping(let entries): return entries
        case .invalid: break
        case .scalar, .sequence:
            report(scope, .key(.notSection(kind: node.kind)), at: node.position)
        }
        failed.insert(scope.path)
        return []
    }

    /// The typed value of a scalar; nil, which keeps the default, if the value is missing or invalid.
    mutating func value<Value>(
        of node: YAMLNode, as type: ValueType<Value>, at scope: Scope, isSecret: Bool
    ) -> Value? {
        if !node.isNull { given[scope.path] = node.position }
        guard case .scalar(let scalar) = node.content else {
            failed.insert(scope.path)
            if node.content != .invalid {
                report(scope, .key(.notValue(kind: node.kind, type: type.name)), at: node.position)
            }
            return nil
        }
        guard let text = expand(scalar, at: scope, node.position, isSecret: isSecret) else { return nil }
        if text.text.isEmpty { blank.insert(scope.path) }
        let found = isSecret || type.conceals(text.text) ? "a value that is not shown" : Display.quoted(text.text)
        do throws(ValueProblem) {
            let value = try type.parse(text)
            guard let odd = type.replacement(value) else { return value }
            warnings.append(problem(scope, .key(.replaced(found: found, odd.remark)), at: node.position))
            return odd.value
        } catch {
            failed.insert(scope.path)
            report(scope, .key(.value(found: found, error)), at: node.position)
            return nil
        }
    }

    /// The typed values of a list, or of a single scalar. An element without a value is reported: nothing must be left out of a
    /// list unnoticed.
    mutating func list<Value>(of node: YAMLNode, as type: ValueType<Value>, at scope: Scope) -> [Value] {
        let items: [YAMLNode] = if case .sequence(let items) = node.content { items } else { [node] }
        given[scope.path] = node.position
        return items.compactMap { item in
            let before = problems.count
            let value = value(of: item, as: type, at: scope, isSecret: false)
            if value == nil, problems.count == before {
                failed.insert(scope.path)
                report(
                    scope, .key(.value(found: "an empty element", ValueProblem(allowed: "a list of \(type.name)s"))),
                    at: item.position)
            }
            return value
        }
    }

    /// Replaces references to the environment. nil if the result is empty, or for a problem, which is reported.
    private mutating func expand(
        _ scalar: YAMLScalar, at scope: Scope, _ position: Position, isSecret: Bool
    ) -> ScalarText? {
        guard !scalar.isNull else { return nil }
        guard scalar.text.utf8.contains(UInt8(ascii: "$")) else {
            return ScalarText(text: scalar.text, isText: scalar.isText)
        }
        let expansion = EnvironmentExpansion(scalar.text, environment: environment, isSecret: isSecret)
        guard expansion.problems.isEmpty else {
            failed.insert(scope.path)
            for problem in expansion.problems { report(scope, .reference(problem), at: position) }
            return nil
        }
        guard expansion.isExpanded, scalar.style == .plain else {
            return ScalarText(text: expansion.result, isText: scalar.isText && !expansion.isExpanded)
        }
        // A plain scalar ends with its text, so a line feed at the end of a variable is not part of it.
        let blanks: Set<Unicode.Scalar> = [" ", "\t", "\n", "\r"]
        let scalars = expansion.result.unicodeScalars.drop { blanks.contains($0) }
        let end = scalars.lastIndex { !blanks.contains($0) }
        let trimmed = end.map { String(scalars[...$0]) } ?? ""
        // An empty result means the default.
        if trimmed.isEmpty, scalar.tag == .none {
            given[scope.path] = nil
            return nil
        }
        return ScalarText(text: trimmed, isText: scalar.tag == .text)
    }

    /// Whether the file contains the key, with a valid value or not; an empty text counts as missing.
    func isGiven(_ scope: Scope, _ name: String) -> Bool {
        let path = scope.path + [name]
        return given[path] != nil && !blank.contains(path)
    }

    /// Whether the file contains the section.
    func isGiven(_ scope: Scope) -> Bool { given[scope.path] != nil }

    /// Whether the file contains the section, with or without anything in it.
    func isWritten(_ scope: Scope) -> Bool { written[scope.path] != nil }

    /// Whether no problem of the key's value has been reported.
    func isSound(_ scope: Scope, _ name: String) -> Bool { !failed.contains(scope.path + [name]) }

    /// Whether no problem of the section itself has been reported.
    func isSound(_ scope: Scope) -> Bool { !failed.contains(scope.path) }

    /// The position of the key's value, or of the key if it has none, or of its section if the file lacks the key.
    func position(_ scope: Scope, _ name: String) -> Position {
        let path = scope.path + [name]
        return given[path] ?? written[path] ?? scope.position
    }

    /// Reports a problem with the key at `scope`.
    mutating func report(_ scope: Scope, _ fault: ConfigurationFault, at position: Position? = nil) {
        problems.append(problem(scope, fault, at: position))
    }

    /// Reports a problem with a key of the section at `scope`.
    mutating func report(_ scope: Scope, _ name: String, _ fault: CheckFault) {
        report(scope, name, .check(fault))
    }

    /// The same for any fault.
    mutating func report(_ scope: Scope, _ name: String, _ fault: ConfigurationFault) {
        problems.append(
            problem(Scope(path: scope.path + [name], position: scope.position), fault, at: position(scope, name)))
    }

    mutating func warn(_ scope: Scope, _ fault: ConfigurationFault) {
        warnings.append(problem(scope, fault, at: nil))
    }

    /// Warns about a key of the section at `scope`.
    mutating func warn(_ scope: Scope, _ name: String, _ fault: CheckFault) {
        warnings.append(
            problem(
                Scope(path: scope.path + [name], position: scope.position), .check(fault), at: position(scope, name)))
    }

    mutating func add(_ yamlProblem: YAMLProblem) {
        problems.append(
            ConfigurationProblem(
                file: file, position: yamlProblem.position, keyPath: yamlProblem.path.joined(separator: "."),
                fault: .yaml(yamlProblem.fault)))
    }

    private func problem(_ scope: Scope, _ fault: ConfigurationFault, at position: Position?) -> ConfigurationProblem {
        ConfigurationProblem(
            file: file, position: position ?? scope.position,
            keyPath: scope.path.map(Display.oneLine).joined(separator: "."), fault: fault)
    }
}
