extension KeyTable {
    /// The reference page of all keys, as Markdown.
    package static func referenceMarkdown() -> String {
        var text = """
            # Configuration reference

            <!-- Generated from the table of keys in the program; a test compares the two. -->

            Every key of the configuration file. The file, its types, and examples are described in
            [configuration.md](configuration.md).

            """
        let titles = descriptions.map(title)
        var seen: Set<String> = []
        for section in titles where seen.insert(section).inserted {
            text += "\n## \(section)\n\n| key | type | default | |\n| --- | --- | --- | --- |\n"
            for (key, _) in zip(descriptions, titles).filter({ $0.1 == section }) {
                let path = key.path.joined(separator: ".")
                text += "| `\(path)` | \(type(key)) | \(defaultText(key)) | \(notes(key)) |\n"
            }
        }
        return text
    }

    private static func title(of key: KeyDescription) -> String {
        if let type = key.storageType { return "storage.options for \(type.rawValue)" }
        if key.path.count == 1 { return "Top level" }
        return key.path.first ?? ""
    }

    private static func type(_ key: KeyDescription) -> String {
        key.range.isEmpty ? key.type : "\(key.type), \(key.range)"
    }

    private static func defaultText(_ key: KeyDescription) -> String {
        if key.traits.contains(.required) { return "required" }
        // The quotes belong to YAML, not to the value.
        return key.defaultText.filter { $0 != "\"" }
    }

    private static func notes(_ key: KeyDescription) -> String {
        ([key.help.replacing("|", with: "\\|")] + key.traits.compactMap(note)).joined(separator: " ")
    }

    private static func note(_ trait: KeyTrait) -> String? {
        switch trait {
        case .required: nil
        case .secret: "**Secret:** never shown."
        case .deprecated(let instead): "**Deprecated:** \(instead)."
        case .noEffect(let why): "**No effect:** \(why)."
        }
    }
}
