import Monitoring

/// All instances in one table, a row for each. A row shows and names the worst database.
struct InstanceTable {
    var report: StatusReport
    var figures: Figures

    private struct Part {
        var section: DatabaseSection
        var instance: StatusReport.Instance
    }

    var html: HTML {
        var parts: [String: [Part]] = [:]
        for database in report.databases {
            let section = DatabaseSection(database, report, figures)
            for instance in database.instances {
                parts[instance.name, default: []].append(Part(section: section, instance: instance))
            }
        }
        guard !parts.isEmpty else { return "" }
        var rows = HTML()
        for (name, parts) in parts.sorted(by: { $0.key < $1.key }) { rows += row(name, parts) }
        var columns: [PageTable.Column] = [
            .text("Instance"), .number("Newest"), .text("Merged here"), .number("Lag"), .number("Latency"),
            .number("Clock"), .text("Has ours"), .text("Heard by"), .number("Last heard"),
        ]
        if isSealed { columns.append(.text("Sealed with")) }
        columns.append(.text("Health"))
        let table = PageTable.html("Instances", style: "cards", isHidden: true, columns: columns, rows: rows)
        return """
            <section class="card" data-key="instances" aria-labelledby="instances">
            <h2 id="instances">\(Figures.counted(parts.count, "instance", "instances"))</h2>
            \(table)</section>

            """
    }

    private func row(_ name: String, _ parts: [Part]) -> HTML {
        let isOwn = parts.contains { $0.instance.isOwn }
        var cells = PageTable.head(isOwn ? "\(name) <span class=\"tag\">this one</span>" : "\(name)")
        cells += PageTable.cell(
            "Newest", parts.compactMap(\.instance.newest?.time).max().map(figures.ago), isNumber: true)
        cells += PageTable.cell("Merged here", isOwn ? nil : worst(parts) { $0.section.merged($0.instance) })
        let numbers: [(HTML, (StatusReport.Instance) -> Double?, (Part) -> HTML?)] = [
            ("Lag", { $0.lag }, { $0.section.lag($0.instance) }),
            ("Latency", { $0.latency }, { $0.instance.latency.map(Figures.duration) }),
            ("Clock", { $0.clockSkew.map { abs($0) } }, { $0.section.clock($0.instance) }),
        ]
        for (column, value, shown) in numbers {
            let part = parts.max { (value($0.instance) ?? -1) < (value($1.instance) ?? -1) }
            // The clock of this instance is compared with the storage's.
            let isShown = !isOwn || column.markup == "Clock"
            cells += PageTable.cell(column, isShown ? part.flatMap(shown) : nil, isNumber: true)
        }
        cells += PageTable.cell("Has ours", isOwn ? nil : worst(parts) { $0.section.hasOurs($0.instance) })
        cells += PageTable.cell("Heard by", heardBy(parts))
        cells += PageTable.cell(
            "Last heard", parts.compactMap(\.instance.lastHeard).min().map(figures.ago), isNumber: true)
        if isSealed { cells += PageTable.cell("Sealed with", sealedWith(parts)) }
        cells += PageTable.cell("Health", worst(parts) { $0.section.healthOf($0.instance) })
        return "<tr role=\"row\" data-key=\"\(name)\">\(cells)</tr>\n"
    }

    /// Whether anything is sealed.
    private var isSealed: Bool { report.databases.contains { $0.instances.contains { $0.sealedWith != nil } } }

    /// The key IDs of an instance's full snapshots; while an identity is being replaced, its databases differ.
    private func sealedWith(_ parts: [Part]) -> HTML? {
        let keys = Set(parts.map(\.instance.sealedWith)).map { $0 ?? "unsealed" }.sorted()
        return keys == ["unsealed"] ? nil : "\(keys.joined(separator: ", "))"
    }

    /// By which ways the changes of an instance become known.
    private func heardBy(_ parts: [Part]) -> HTML? {
        let ways = Set(parts.compactMap(\.instance.heardBy)).sorted()
        return ways.isEmpty ? nil : "\(ways.joined(separator: ", "))"
    }

    /// The cell of the worst database, with the database's name if there are several.
    private func worst(_ parts: [Part], _ shown: (Part) -> HTML?) -> HTML? {
        let cells = parts.compactMap { part in shown(part).map { (part.section.database.name, $0) } }
        func weight(_ cell: HTML) -> Int {
            let markup = cell.markup
            return markup.contains("class=\"pill bad\"") ? 2 : markup.contains("warn\"") ? 1 : 0
        }
        guard let worst = cells.max(by: { weight($0.1) < weight($1.1) }) else { return nil }
        guard weight(worst.1) > 0, report.databases.count > 1 else { return cells.first?.1 }
        return "\(worst.1) <span class=\"quiet\">\(worst.0)</span>"
    }
}
