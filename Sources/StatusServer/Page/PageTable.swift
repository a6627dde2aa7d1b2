/// Tables of the page. On narrow screens each row becomes a card, whose cells are labelled by their columns; the roles
/// keep it a table for screen readers.
enum PageTable {
    struct Column {
        var name: HTML
        var isNumber: Bool

        static func text(_ name: HTML) -> Column { Column(name: name, isNumber: false) }
        static func number(_ name: HTML) -> Column { Column(name: name, isNumber: true) }
    }

    /// - Parameter isHidden: whether the title is only for screen readers, because it is already visible.
    static func html(
        _ title: HTML, style: HTML = "", isHidden: Bool = false, columns: [Column], rows: HTML
    ) -> HTML {
        var heads = HTML()
        for column in columns {
            heads += "<th role=\"columnheader\" scope=\"col\"\(column.isNumber ? number : "")>\(column.name)</th>"
        }
        return """
            <table role="table" class="\(style)">
            <caption\(isHidden ? " class=\"unseen\"" as HTML : "")>\(title)</caption>
            <thead role="rowgroup"><tr role="row">\(heads)</tr></thead>
            <tbody role="rowgroup">
            \(rows)</tbody>
            </table>

            """
    }

    /// The cell that names its row.
    static func head(_ content: HTML) -> HTML { "<th role=\"rowheader\" scope=\"row\">\(content)</th>" }

    /// Any other cell.
    ///
    /// - Parameter content: nil if unknown or not applicable.
    static func cell(_ column: HTML, _ content: HTML?, isNumber: Bool = false) -> HTML {
        guard let content else {
            return """
                <td role="cell" data-label="\(column)" class="none\(isNumber ? " number" : "")">\
                <span class="quiet" title="unknown or not applicable">–</span></td>
                """
        }
        return "<td role=\"cell\" data-label=\"\(column)\"\(isNumber ? number : "")><span>\(content)</span></td>"
    }

    private static let number: HTML = " class=\"number\""
}
