import Monitoring

/// The page's section for PowerDNS's zones: their number, recent changes, and the requested zone.
struct ZoneSection {
    var zones: StatusReport.Zones
    /// The requested zone and its result.
    var found: StatusReport.Zone?
    var figures: Figures

    var html: HTML {
        """
        <section class="card" data-key="zones" aria-labelledby="zones">
        <h2 id="zones">\(zones.count.map { Figures.counted($0, "zone", "zones") } ?? "Zones")</h2>
        <form class="search" method="get" role="search"><label for="zone">Find a zone</label>
        <input id="zone" name="zone" type="search" value="\(found?.name ?? "")" placeholder="example.org" maxlength="1100" \
        autocomplete="off" autocapitalize="none" spellcheck="false"> <button>Find</button></form>
        \(found.map(answer) ?? "")\(changed)</section>

        """
    }

    private func answer(_ zone: StatusReport.Zone) -> HTML {
        if let problem = zone.problem {
            return "<p class=\"notice calm\" data-key=\"found\"><strong>\(zone.name)</strong>: \(problem)</p>\n"
        }
        var facts: [(HTML, HTML)] = [("Serial", zone.serial.map { "\($0)" } ?? "no SOA record")]
        if let rrsets = zone.rrsets {
            facts.append(
                ("RRsets", zone.hasMoreRRsets == true ? "more than \(Figures.count(rrsets))" : Figures.count(rrsets)))
        }
        if let kind = zone.kind { facts.append(("Kind", "\(kind)")) }
        if let changed = zone.changed { facts.append(("Last change", figures.ago(changed))) }
        let have = zone.instances.filter { $0.hasIt == true }
        let lack = zone.instances.filter { $0.hasIt == false }
        let unknown = zone.instances.filter { $0.hasIt == nil }
        var list = HTML()
        for (name, value) in facts { list += "<div><dt>\(name)</dt><dd>\(value)</dd></div>\n" }
        list += "<div class=\"wide\"><dt>Who has it</dt><dd>\(names(have, "nobody else"))"
        if !lack.isEmpty { list += "<br><span class=\"warn\">not yet: \(names(lack, ""))</span>" }
        if !unknown.isEmpty { list += "<br><span class=\"quiet\">unknown: \(names(unknown, ""))</span>" }
        list += "</dd></div>\n"
        return "<h3 data-key=\"found\">\(zone.name)</h3>\n<dl class=\"facts zone\">\n\(list)</dl>\n"
    }

    private func names(_ holders: [StatusReport.ZoneHolder], _ none: HTML) -> HTML {
        let names = holders.map { holder -> HTML in
            holder.isOwn ? "\(holder.name) <span class=\"tag\">this one</span>" : "\(holder.name)"
        }
        guard let first = names.first else { return none }
        return names.dropFirst().reduce(first) { "\($0), \($1)" }
    }

    private var changed: HTML {
        guard !zones.changed.isEmpty else {
            return "<p class=\"quiet\">No zone has changed since the daemon was started.</p>\n"
        }
        var rows = HTML()
        for zone in zones.changed.prefix(20) {
            let cells: [HTML] = [
                PageTable.head("\(zone.name)"), PageTable.cell("Changed", figures.ago(zone.time), isNumber: true),
                PageTable.cell("By", "\(zone.instance)"), PageTable.cell("Database", "\(zone.database)"),
            ]
            rows += "<tr role=\"row\" data-key=\"\(zone.name)\">\(HTML(cells))</tr>\n"
        }
        return PageTable.html(
            "Changed last", columns: [.text("Zone"), .number("Changed"), .text("By"), .text("Database")], rows: rows)
    }
}
