import Monitoring

import func HTTP.base64SHA256

/// The status page: a report for people, complete without its script, which only fetches the page repeatedly.
struct StatusPage {
    var report: StatusReport
    /// The requested zone.
    var zone: StatusReport.Zone?
    var figures: Figures

    /// - Parameter zone: the zone to show.
    init(_ report: StatusReport, zone: StatusReport.Zone? = nil) {
        self.report = report
        self.zone = zone
        figures = Figures(now: Figures.seconds(report.time))
    }

    /// The page as UTF-8.
    var bytes: [UInt8] { Array(document.markup.utf8) }

    /// The policy for the page: it may use its own style and script, and fetch itself.
    static let securityPolicy = policy(
        ["style": PageStyle.css, "script": PageScript.javascript].sorted { $0.key < $1.key }
            .map { "; \($0.key)-src '\(base64SHA256($0.value).map { "sha256-\($0)" } ?? "none")'" }.joined()
            + "; connect-src 'self'; img-src data:", form: "'self'")

    /// The policy for all other answers.
    static let strictestPolicy = policy("")

    private static func policy(_ allowed: String, form: String = "'none'") -> String {
        "default-src 'none'\(allowed); base-uri 'none'; form-action \(form); frame-ancestors 'none'"
    }

    private var document: HTML {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <title>\(title)</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="robots" content="noindex">
        <noscript><meta http-equiv="refresh" content="15"></noscript>
        <link id="icon" rel="icon" href="\(icon)">
        <style>\(HTML(trusted: PageStyle.css))</style>
        </head>
        <body>
        <p id="lost" role="alert" hidden></p>
        <div id="view">\(view)</div>
        <script>\(HTML(trusted: PageScript.javascript))</script>
        </body>
        </html>

        """
    }

    private var title: String { "\(standing.word) · \(report.instance) · lightningstream" }

    // A disc in the colour of the overall health, visible among many tabs.
    private var icon: String {
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7'"
            + " fill='%23\(standing.colour)'/%3E%3C/svg%3E"
    }

    private var view: HTML {
        var html: HTML = "<header>\(head)</header>\n<main>\n\(health)\n"
        if report.databases.isEmpty {
            html += "<section class=\"card\"><p class=\"quiet\">No database is open yet.</p></section>\n"
        }
        html += InstanceTable(report: report, figures: figures).html
        if let zones = report.zones { html += ZoneSection(zones: zones, found: zone, figures: figures).html }
        for database in report.databases { html += DatabaseSection(database, report, figures).html }
        html += problems
        html += "</main>\n<footer>\(foot)</footer>"
        return html
    }

    private var head: HTML {
        let mode: HTML =
            switch report.mode {
            case .sync: "syncs both ways"
            case .receive: "only receives"
            case .none: "no daemon"
            }
        var about: HTML = "\(report.hostname) · \(mode)"
        if let started = report.started { about += " · running for \(figures.since(started))" }
        return """
            <p class="brand">lightningstream</p>
            <h1>\(report.instance)</h1>
            <p class="quiet">\(about)</p>
            <p class="quiet live"><span id="live">As of</span> \(Figures.clock(report.time)) UTC</p>
            """
    }

    private var foot: HTML {
        """
        <nav aria-label="Other views"><a href="status.json">status.json</a> <a href="metrics">metrics</a> \
        <a href="healthz">healthz</a> <a href="storage">storage</a></nav>
        <p class="quiet">\(report.software). Times are UTC.</p>
        """
    }

    // MARK: Health

    private var standing: Standing { Standing(report) }

    private var health: HTML {
        let health = report.health
        var html: HTML = "<section class=\"health \(standing.style)\" aria-labelledby=\"health\">\n"
        html +=
            "<h2 id=\"health\"><span class=\"sign\" aria-hidden=\"true\">\(standing.sign)</span> \(standing.word)</h2>\n"
        html += "<p>\(summary)</p>\n"
        for (style, name, checks) in [("bad", "Failing", health.failures), ("warn", "Warning", health.warnings)] {
            guard !checks.isEmpty else { continue }
            html += "<ul class=\"checks \(style)\">\n"
            for (check, text) in checks.sorted(by: { $0.key < $1.key }) {
                html += """
                    <li data-key="\(check)"><span class="kind">\(name)</span> <p>\(text)</p><code>\(check)</code></li>

                    """
            }
            html += "</ul>\n"
        }
        return html + "</section>"
    }

    private var summary: HTML {
        let health = report.health
        var parts: [HTML] = []
        if !health.failures.isEmpty {
            parts.append("\(Figures.counted(health.failures.count, "check fails", "checks fail"))")
        }
        if !health.warnings.isEmpty { parts.append("\(Figures.counted(health.warnings.count, "warning", "warnings"))") }
        if parts.isEmpty { parts.append(standing == .starting ? "Reading the storage" : "No check fails") }
        if let since = health.since { parts.append("for \(figures.since(since))") }
        return parts.dropFirst().reduce(parts[0]) { "\($0) · \($1)" }
    }

    // MARK: Problems

    private var problems: HTML {
        guard !report.problems.isEmpty else { return "" }
        var rows = HTML()
        for problem in report.problems.prefix(20) {
            let times = problem.count > 1 ? "\(Figures.grouped(problem.count)) times" : ""
            rows += """
                <li data-key="\(problem.database ?? "") \(problem.text)"><p>\(problem.text)</p>\
                <p class="quiet">\(figures.ago(problem.time))\(problem.database.map { " · \($0)" } ?? "")\
                \(times.isEmpty ? "" : " · \(times)")</p></li>

                """
        }
        return """
            <section class="card" aria-labelledby="problems">
            <h2 id="problems">Recent errors</h2>
            <ul class="problems">
            \(rows)</ul>
            </section>

            """
    }
}

/// The overall health.
enum Standing {
    case ok, starting, warning, failing

    init(_ report: StatusReport) {
        switch report.health.status {
        case "OK":
            self =
                report.databases.contains { $0.startupComplete == false } || report.databases.isEmpty ? .starting : .ok
        case "Warning": self = .warning
        default: self = .failing
        }
    }

    var word: String {
        switch self {
        case .ok: "All well"
        case .starting: "Starting"
        case .warning: "Warning"
        case .failing: "Failing"
        }
    }

    var sign: String {
        switch self {
        case .ok: "✓"
        case .starting: "…"
        case .warning: "!"
        case .failing: "✕"
        }
    }

    var style: String {
        switch self {
        case .ok: "ok"
        case .starting: "calm"
        case .warning: "warn"
        case .failing: "bad"
        }
    }

    /// The icon's colour in hexadecimal; visible on light and dark backgrounds.
    var colour: String {
        switch self {
        case .ok: "2e9e5b"
        case .starting: "6b7683"
        case .warning: "d98e04"
        case .failing: "d63b3b"
        }
    }
}
