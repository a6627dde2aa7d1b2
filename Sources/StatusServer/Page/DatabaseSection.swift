import Monitoring
import Snapshots
import Support

/// The page's section for one database.
struct DatabaseSection {
    var database: StatusReport.Database
    var report: StatusReport
    var figures: Figures

    init(_ database: StatusReport.Database, _ report: StatusReport, _ figures: Figures) {
        self.database = database
        self.report = report
        self.figures = figures
    }

    var html: HTML {
        """
        <section class="card" data-key="\(database.name)" aria-label="Database \(database.name)">
        <h2>\(database.name)</h2>
        <p class="path">\(database.path)</p>
        \(notices)\(facts)\(HistoryChart(minutes: database.history, name: database.name).html)\(activities)\(dbis)</section>

        """
    }

    private var notices: HTML {
        var html = HTML()
        if let fence = database.fence {
            html += "<p class=\"notice bad\"><strong>Nothing is sent.</strong> \(fence)</p>\n"
        }
        if let reason = database.unsentReason {
            html += "<p class=\"notice bad\"><strong>Changes wait to be sent.</strong> \(reason)</p>\n"
        }
        if let blocked = database.blocked, database.unsentReason == nil {
            html += "<p class=\"notice warn\"><strong>Sending is blocked.</strong> \(blocked)</p>\n"
        }
        if let notInSync = database.notInSync {
            html += "<p class=\"notice warn\"><strong>Not in sync.</strong> \(notInSync)</p>\n"
        }
        if database.startupComplete == false {
            html +=
                "<p class=\"notice calm\"><strong>Starting.</strong> Snapshots of others are still being merged.</p>\n"
        }
        return html
    }

    // MARK: Facts

    private var facts: HTML {
        var html: HTML = "<dl class=\"facts\">\n"
        if let lmdb = database.lmdb {
            html += fact("Map", "wide", map(lmdb))
            html += fact("Last transaction", "", "\(Figures.count(lmdb.lastTransaction))")
            html += fact("Readers", "", "\(Figures.count(lmdb.readers)) of \(Figures.count(lmdb.maximumReaders))")
        } else {
            html += fact("LMDB", "wide", "<span class=\"quiet\">not open</span>")
        }
        if let storage = database.storage {
            let deltas: HTML =
                storage.deltas.map { $0 == 0 ? "" : ", \(Figures.counted($0, "delta", "deltas"))" } ?? ""
            html += fact(
                "In storage", "",
                "\(Figures.counted(storage.snapshots, "snapshot", "snapshots"))\(deltas)<br><span class=\"quiet\">\(Figures.size(storage.bytes))"
                    + (storage.listed.map { " · listed \(figures.ago($0))" } ?? "") + "</span>")
        }
        if report.mode != .receive { html += fact("Last sent", "", sent) }
        return html + "</dl>\n"
    }

    private func fact(_ name: HTML, _ style: HTML, _ value: HTML) -> HTML {
        "<div class=\"\(style)\"><dt>\(name)</dt><dd>\(value)</dd></div>\n"
    }

    private func map(_ lmdb: StatusReport.LMDBFacts) -> HTML {
        let share = lmdb.mapSize > 0 ? min(1, max(0, Double(lmdb.usedBytes) / Double(lmdb.mapSize))) : 0
        let percentage = oneDecimal(100 * share)
        let style = share >= 0.95 ? "bad" : share >= 0.8 ? "warn" : "calm"
        let (left, overflow) = lmdb.mapSize.subtractingReportingOverflow(lmdb.usedBytes)
        return """
            <strong>\(percentage) %</strong> used · \(Figures.size(overflow ? 0 : max(0, left))) free
            <svg class="bar \(HTML(trusted: style))" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" \
            aria-label="\(percentage) percent of the map is used"><rect class="all" width="100" height="1"/>\
            <rect class="used" width="\(percentage)" height="1"/></svg>
            <span class="quiet">\(Figures.size(lmdb.usedBytes)) of \(Figures.size(lmdb.mapSize)), \
            \(Figures.size(lmdb.dbiBytes)) in DBIs, \(Figures.size(lmdb.fileSize)) file</span>
            """
    }

    private var sent: HTML {
        var html: HTML = database.sent.map { figures.ago($0.time) } ?? "nothing yet"
        var more: [HTML] = []
        if let size = database.sent?.size { more.append(Figures.size(size)) }
        if let unsent = database.unsent { more.append(unsent ? "changes wait" : "nothing waits") }
        if let first = more.first {
            html += "<br><span class=\"quiet\">\(more.dropFirst().reduce(first) { "\($0) · \($1)" })</span>"
        }
        return html
    }

    // MARK: Instances

    func merged(_ instance: StatusReport.Instance) -> HTML? {
        let when: HTML = instance.mergedAt.map { " <span class=\"quiet\">\(figures.ago($0))</span>" } ?? ""
        guard let merged = instance.merged else { return instance.lag == nil ? nil : "<span class=\"warn\">no</span>" }
        if merged.name == instance.newest?.name { return "newest\(when)" }
        return "<span class=\"warn\">one of \(figures.ago(merged.time))</span>"
    }

    func lag(_ instance: StatusReport.Instance) -> HTML? {
        guard let lag = instance.lag else { return nil }
        guard lag > 0 else { return "<data value=\"\(lag)\">none</data>" }
        return "<span class=\"\(lag >= 60 ? "warn" : "")\">\(Figures.duration(lag))</span>"
    }

    func clock(_ instance: StatusReport.Instance) -> HTML? {
        guard let skew = instance.clockSkew else { return nil }
        guard skew != 0 else { return "<data value=\"\(skew)\">ok</data>" }
        let style: HTML = abs(skew) >= 1 ? "warn" : ""
        return "<span class=\"\(style)\">\(Figures.duration(abs(skew))) \(skew > 0 ? "ahead" : "behind")</span>"
    }

    func hasOurs(_ instance: StatusReport.Instance) -> HTML? {
        switch instance.standing(database.sent) {
        case .unpublished: return "<span class=\"quiet\">not published</span>"
        case .none: return "<span class=\"warn\">none</span>"
        case .newest: return "newest"
        case .older: return "<span class=\"warn\">an older one</span>"
        case .unknown: return database.sent == nil ? nil : "<span class=\"quiet\">unknown</span>"
        }
    }

    func healthOf(_ instance: StatusReport.Instance) -> HTML {
        let health = instance.isOwn ? instance.health ?? report.health.status : instance.health
        guard let health else { return "<span class=\"quiet\">not published</span>" }
        let style = health == "OK" ? "ok" : ["Warning", "Silent", "Stopped"].contains(health) ? "warn" : "bad"
        return "<span class=\"pill \(style)\">\(health)</span>"
    }

    // MARK: Activities

    private var activities: HTML {
        guard !database.activities.isEmpty else { return "" }
        var rows = HTML()
        for activity in database.activities.prefix(20) {
            let cells: [HTML] = [
                PageTable.head(figures.ago(activity.time)),
                PageTable.cell("What", what(activity)),
                PageTable.cell("Entries", Figures.count(activity.entries), isNumber: true),
                PageTable.cell("Changed here", activity.changed.map { Figures.count($0) }, isNumber: true),
                PageTable.cell("Size", Figures.size(activity.size), isNumber: true),
                PageTable.cell("Took", Figures.duration(activity.duration), isNumber: true),
                PageTable.cell("Lock held", activity.lock.map(Figures.duration), isNumber: true),
            ]
            rows += "<tr role=\"row\" data-key=\"\(activity.snapshot) \(activity.time)\">\(HTML(cells))</tr>\n"
        }
        let table = PageTable.html(
            "Recent merges and sends", isHidden: true,
            columns: [
                .text("When"), .text("What"), .number("Entries"), .number("Changed here"), .number("Size"),
                .number("Took"), .number("Lock held"),
            ], rows: rows)
        return "<details><summary>Recent merges and sends</summary>\n\(table)</details>\n"
    }

    private func what(_ activity: StatusReport.Activity) -> HTML {
        let done: HTML = activity.kind == .merge ? "merged \(activity.instance)" : "sent ours"
        guard let isDelta = activity.isDelta else { return done }
        return "\(done) <span class=\"quiet\">\(isDelta ? "delta" : "full snapshot")</span>"
    }

    // MARK: DBIs

    private var dbis: HTML {
        guard let dbis = database.lmdb?.dbis, !dbis.isEmpty else { return "" }
        var rows = HTML()
        for dbi in dbis {
            let cells: [HTML] = [
                PageTable.head("\(dbi.name)"),
                PageTable.cell("Entries", Figures.count(dbi.entries), isNumber: true),
                PageTable.cell("Size", Figures.size(dbi.bytes), isNumber: true),
                PageTable.cell("Depth", Figures.count(dbi.depth), isNumber: true),
                PageTable.cell(
                    "Pages",
                    "\(Figures.count(dbi.branchPages)) / \(Figures.count(dbi.leafPages)) / \(Figures.count(dbi.overflowPages))",
                    isNumber: true),
                PageTable.cell("Flags", "<code>\(dbi.flags == "0" ? "none" : dbi.flags)</code>"),
            ]
            rows += "<tr role=\"row\" data-key=\"\(dbi.name)\">\(HTML(cells))</tr>\n"
        }
        let table = PageTable.html(
            "DBIs", isHidden: true,
            columns: [
                .text("DBI"), .number("Entries"), .number("Size"), .number("Depth"),
                .number("Pages: branch / leaf / overflow"), .text("Flags"),
            ], rows: rows)
        return "<details><summary>\(Figures.counted(dbis.count, "DBI", "DBIs"))</summary>\n\(table)</details>\n"
    }
}
