/// A whole YAML text as one tree of nodes: anchors, aliases and `<<` are resolved, duplicate keys detected.
///
/// Bounded against hostile input: the nesting (also through aliases) and the number of entries added by `<<`. Aliases
/// share their node, so a chain of them needs no memory.
struct YAMLDocument {
    static let deepestNesting = 32
    static let mostMergedEntries = 10_000

    /// The tree, or nil if the text is empty or cannot be parsed.
    var root: YAMLNode?
    /// All problems, in the order of detection.
    var problems: [YAMLProblem]

    /// Parses the text; never throws, problems are collected.
    init(_ bytes: [UInt8]) {
        let shield = ReferenceShield(bytes)
        var composer = Composer(shield: shield)
        do throws(YAMLProblem) {
            root = try composer.document(YAMLEventReader(shield.bytes))
        } catch {
            composer.problems.append(error)
        }
        problems = composer.problems
    }
}

/// Builds nodes from events. Collects problems that leave the rest of the tree readable, throws others.
private struct Composer {
    var problems: [YAMLProblem] = []
    private let shield: ReferenceShield
    private var anchors: [String: YAMLNode] = [:]
    private var mergedEntries = 0

    init(shield: ReferenceShield) { self.shield = shield }

    mutating func document(_ events: YAMLEventReader) throws(YAMLProblem) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            let event = try events.next()
            switch event.kind {
            case .streamStart, .documentEnd: continue
            case .documentStart:
                let document = try node(events.next(), events, path: [])
                // A `---` at the end begins an empty document.
                guard root == nil || document.isNull else {
                    throw YAMLProblem(position: event.position, fault: .secondDocument)
                }
                root = root ?? document
            default: return root
            }
        }
    }

    private mutating func node(
        _ event: YAMLEvent, _ events: YAMLEventReader, path: [String]
    ) throws(YAMLProblem) -> YAMLNode {
        guard path.count <= YAMLDocument.deepestNesting else { throw tooDeep(event.position, path) }
        var anchor: String?
        var node = YAMLNode(content: .invalid, position: event.position)
        switch event.kind {
        case .alias(let name):
            guard let target = anchors[name] else {
                // The name is not shown: a password that starts with `*` looks like an alias.
                report(event.position, path, .noAnchor)
                return node
            }
            guard path.count + target.height <= YAMLDocument.deepestNesting else {
                throw tooDeep(event.position, path)
            }
            return target
        case .scalar(let text, let style, let tag, let scalarAnchor):
            anchor = scalarAnchor
            if let known = scalarTag(tag, at: event.position, path) {
                node.content = .scalar(YAMLScalar(text: shield.restore(text), style: style, tag: known))
            }
        case .sequenceStart(let tag, let sequenceAnchor):
            anchor = sequenceAnchor
            let items = try sequence(events, path: path)
            node.height = (items.map(\.height).max() ?? 0) + 1
            if isPlain(tag, or: "seq", at: event.position, path) { node.content = .sequence(items) }
        case .mappingStart(let tag, let mappingAnchor):
            anchor = mappingAnchor
            let entries = try mapping(events, path: path)
            node.height = (entries.map(\.value.height).max() ?? 0) + 1
            if isPlain(tag, or: "map", at: event.position, path) { node.content = .mapping(entries) }
        default: break
        }
        if let anchor { anchors[anchor] = node }
        return node
    }

    private mutating func sequence(_ events: YAMLEventReader, path: [String]) throws(YAMLProblem) -> [YAMLNode] {
        var items: [YAMLNode] = []
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind { return items }
            items.append(try node(event, events, path: path + ["[\(items.count)]"]))
        }
    }

    private mutating func mapping(_ events: YAMLEventReader, path: [String]) throws(YAMLProblem) -> [YAMLEntry] {
        var written: [(entry: YAMLEntry, isMerge: Bool)] = []
        var firstUse: [String: Position] = [:]
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind { return try merged(written, path: path) }
            let (key, isMerge) = try self.key(event, events, path: path)
            let valuePath = path + [isMerge ? "<<" : key.map(Display.unknownKey) ?? "?"]
            let value = try node(events.next(), events, path: valuePath)
            guard let key else { continue }
            if let first = firstUse[key] {
                report(event.position, valuePath, .duplicateKey(first: first))
                continue
            }
            firstUse[key] = event.position
            written.append((YAMLEntry(name: key, keyPosition: event.position, value: value), isMerge))
        }
    }

    /// The text of a key (nil if it is not a scalar, which is reported), and whether it is the merge key.
    private mutating func key(
        _ event: YAMLEvent, _ events: YAMLEventReader, path: [String]
    ) throws(YAMLProblem) -> (String?, isMerge: Bool) {
        if case .scalar("<<", .plain, let tag, _) = event.kind, tag == nil || tag == "tag:yaml.org,2002:merge" {
            return ("<<", true)
        }
        let key = try node(event, events, path: path + ["?"])
        switch key.content {
        case .scalar(let scalar): return (scalar.text, false)
        case .sequence, .mapping:
            report(event.position, path, .oddKey(kind: key.kind))
            return (nil, false)
        case .invalid: return (nil, false)
        }
    }

    /// Replaces each `<<` by the entries it names. Entries written here win, then those of the first mapping.
    private mutating func merged(
        _ written: [(entry: YAMLEntry, isMerge: Bool)], path: [String]
    ) throws(YAMLProblem) -> [YAMLEntry] {
        guard written.contains(where: \.isMerge) else { return written.map(\.entry) }
        var taken = Set(written.lazy.filter { !$0.isMerge }.map(\.entry.name))
        var entries: [YAMLEntry] = []
        for (entry, isMerge) in written {
            guard isMerge else {
                entries.append(entry)
                continue
            }
            for source in mergeSources(entry.value, path: path + ["<<"]) {
                // Counted whether used or not: the work of checking them must stay bounded.
                mergedEntries += source.count
                guard mergedEntries <= YAMLDocument.mostMergedEntries else {
                    throw YAMLProblem(
                        position: entry.keyPosition, path: path + ["<<"],
                        fault: .tooManyMerged(limit: YAMLDocument.mostMergedEntries))
                }
                entries += source.filter { taken.insert($0.name).inserted }
            }
        }
        return entries
    }

    private mutating func mergeSources(_ node: YAMLNode, path: [String]) -> [[YAMLEntry]] {
        switch node.content {
        case .mapping(let entries): return [entries]
        case .sequence(let items):
            return items.flatMap { item in
                if case .mapping(let entries) = item.content { return [entries] }
                if item.content != .invalid {
                    report(item.position, path, .mergedItem(kind: item.kind))
                }
                return []
            }
        case .scalar:
            report(node.position, path, .merged(kind: node.kind))
            return []
        case .invalid: return []
        }
    }

    // Neither tag nor value is shown: a password that starts with `!` looks like a tag.
    private mutating func scalarTag(_ tag: String?, at position: Position, _ path: [String]) -> YAMLScalar.Tag? {
        switch tag {
        case nil: return YAMLScalar.Tag.none
        case "!", "tag:yaml.org,2002:str": return .text
        case "tag:yaml.org,2002:int", "tag:yaml.org,2002:float": return .number
        case "tag:yaml.org,2002:bool": return .bool
        case "tag:yaml.org,2002:null": return .null
        default:
            report(position, path, .unknownTag)
            return nil
        }
    }

    private mutating func isPlain(_ tag: String?, or name: String, at position: Position, _ path: [String]) -> Bool {
        if tag == nil || tag == "!" || tag == "tag:yaml.org,2002:\(name)" { return true }
        report(position, path, .otherTag(known: name))
        return false
    }

    private mutating func report(_ position: Position, _ path: [String], _ fault: YAMLFault) {
        problems.append(YAMLProblem(position: position, path: path, fault: fault))
    }

    private func tooDeep(_ position: Position, _ path: [String]) -> YAMLProblem {
        YAMLProblem(position: position, fault: .tooDeep(limit: YAMLDocument.deepestNesting))
    }
}
