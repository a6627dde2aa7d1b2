/// One row of the key table: a key or a section in a value of type `Root`, with its decoding, description and output.
struct KeyDefinition<Root: ConfigurationSection>: Sendable {
    /// The key in the file.
    var name: String
    /// The description of this key, or of every key in this section, with relative paths.
    var descriptions: [KeyDescription]
    /// Decodes the entry, which is nil if the file lacks it, into the root.
    var decode: @Sendable (YAMLEntry?, inout Root, Scope, inout KeyDecoder) -> Void
    /// Writes the root's value.
    var render: @Sendable (Root, inout EffectiveWriter) -> Void
}

/// The position of a mapping in the file.
struct Scope {
    var path: [String]
    /// The position of the section's key, or of the file.
    var position: Position

    func below(_ name: String, _ entry: YAMLEntry?) -> Scope {
        Scope(path: path + [name], position: entry?.keyPosition ?? position)
    }
}

extension KeyDefinition {
    /// A key with a single value.
    static func value<Value>(
        _ name: String, _ property: WritableKeyPath<Root, Value> & Sendable, _ type: ValueType<Value>, _ help: String,
        default defaultText: String? = nil, _ traits: KeyTrait...
    ) -> KeyDefinition {
        let fromType = type.render(Root()[keyPath: property]).flatMap { $0 == "\"\"" ? nil : $0 }
        let isSecret = traits.contains(.secret)
        return KeyDefinition(
            name: name,
            descriptions: [
                KeyDescription(
                    path: [name], type: type.name, range: type.range, defaultText: defaultText ?? fromType ?? "",
                    help: help, traits: traits)
            ],
            decode: { entry, root, scope, decoder in
                guard let entry else { return }
                let here = scope.below(name, entry)
                for trait in traits where trait.warning != nil && !entry.value.isNull {
                    decoder.warn(here, .key(.trait(trait)))
                }
                guard let value = decoder.value(of: entry.value, as: type, at: here, isSecret: isSecret) else { return }
                root[keyPath: property] = value
            },
            render: { root, writer in
                guard let text = type.render(root[keyPath: property]) else { return }
                writer.value(name, isSecret && text != "\"\"" ? EffectiveWriter.mask : text)
            })
    }

    /// A key with a list of values; a single value is a list of one.
    static func list<Value>(
        _ name: String, _ property: WritableKeyPath<Root, [Value]> & Sendable, _ type: ValueType<Value>, _ help: String,
        default defaultText: String
    ) -> KeyDefinition {
        KeyDefinition(
            name: name,
            descriptions: [
                KeyDescription(
                    path: [name], type: "list of \(type.name)s", range: type.range, defaultText: defaultText,
                    help: help,
                    traits: [])
            ],
            decode: { entry, root, scope, decoder in
                guard let entry, !entry.value.isNull else { return }
                root[keyPath: property] = decoder.list(of: entry.value, as: type, at: scope.below(name, entry))
            },
            render: { root, writer in
                let texts = root[keyPath: property].compactMap(type.render)
                if !texts.isEmpty { writer.value(name, "[\(texts.joined(separator: ", "))]") }
            })
    }

    /// A section with keys of its own. `check` checks them together, even if the section is not in the file.
    static func section<Section: ConfigurationSection>(
        _ name: String, _ property: WritableKeyPath<Root, Section> & Sendable, _ keys: [KeyDefinition<Section>],
        check: @escaping @Sendable (inout Section, Scope, inout KeyDecoder) -> Void = { _, _, _ in }
    ) -> KeyDefinition {
        KeyDefinition(
            name: name, descriptions: keys.descriptions(below: name),
            decode: { entry, root, scope, decoder in
                let here = scope.below(name, entry)
                decoder.mapping(entry?.value, keys, into: &root[keyPath: property], at: here)
                check(&root[keyPath: property], here, &decoder)
            },
            render: { root, writer in writer.section(name) { keys.render(root[keyPath: property], &$0) } })
    }

    /// A section whose keys are names chosen by the operator, each with the same keys below it. `allowed` describes
    /// valid names; `insert` adds the decoded element to the root.
    static func named<Element: ConfigurationSection>(
        _ name: String, placeholder: String, _ keys: [KeyDefinition<Element>], allowed: String,
        isUsable: @escaping @Sendable (String) -> Bool,
        insert: @escaping @Sendable (String, Element, inout Root) -> Void,
        elements: @escaping @Sendable (Root) -> [(String, Element)],
        check: @escaping @Sendable (inout Element, Scope, inout KeyDecoder) -> Void = { _, _, _ in }
    ) -> KeyDefinition {
        KeyDefinition(
            name: name, descriptions: keys.descriptions(below: placeholder).map { $0.below(name) },
            decode: { entry, root, scope, decoder in
                let here = scope.below(name, entry)
                for element in decoder.entries(of: entry?.value, at: here) {
                    let place = here.below(element.name, element)
                    if !isUsable(element.name) {
                        decoder.report(
                            place, .key(.badName(element.name, allowed: allowed)), at: element.keyPosition)
                    }
                    var record = Element()
                    decoder.mapping(element.value, keys, into: &record, at: place)
                    check(&record, place, &decoder)
                    insert(element.name, record, &root)
                }
            },
            render: { root, writer in
                writer.sectionIfAny(name) { writer in
                    for (name, element) in elements(root) { writer.section(name) { keys.render(element, &$0) } }
                }
            })
    }

    /// The same key in a value that contains this one; the nesting is not visible in the file.
    func within<Outer: ConfigurationSection>(
        _ property: WritableKeyPath<Outer, Root> & Sendable
    ) -> KeyDefinition<Outer> {
        KeyDefinition<Outer>(
            name: name, descriptions: descriptions,
            decode: { [decode] entry, outer, scope, decoder in
                decode(entry, &outer[keyPath: property], scope, &decoder)
            },
            render: { [render] outer, writer in render(outer[keyPath: property], &writer) })
    }
}

extension Array {
    func descriptions<Root>(below name: String) -> [KeyDescription] where Element == KeyDefinition<Root> {
        flatMap(\.descriptions).map { $0.below(name) }
    }

    func render<Root>(_ root: Root, _ writer: inout EffectiveWriter) where Element == KeyDefinition<Root> {
        for key in self { key.render(root, &writer) }
    }
}

extension KeyDescription {
    func below(_ name: String) -> KeyDescription {
        var description = self
        description.path.insert(name, at: 0)
        return description
    }
}
