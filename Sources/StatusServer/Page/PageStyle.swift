/// The style of the status page.
enum PageStyle {
    /// Designed for phones first; colour only carries meaning.
    static let css = #"""

        :root {
          color-scheme: light dark;
          --ground: #f3f4f6; --card: #ffffff; --text: #1b1f24; --quiet: #58616c; --line: #dfe3e8; --track: #e3e7ec;
          --link: #1d57b0; --bar: #5b7fb5;
          --ok: #14683a; --ok-ground: #e3f3e9; --warn: #7d4a00; --warn-ground: #fdf0d7;
          --bad: #a5141b; --bad-ground: #fde6e5; --calm: #3d4752; --calm-ground: #e8ecf1;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #0f1114; --card: #181b1f; --text: #e7e9ec; --quiet: #a2abb6; --line: #2b3036; --track: #2a2f36;
            --link: #8ab6f5; --bar: #7d9fd0;
            --ok: #7ad69f; --ok-ground: #11291b; --warn: #f3c069; --warn-ground: #30240d;
            --bad: #ff9b95; --bad-ground: #3a1616; --calm: #c3cad3; --calm-ground: #22272e;
          }
        }
        *, *::before, *::after { box-sizing: border-box; }
        body {
          margin: 0 auto; padding: 1rem; max-width: 72rem; background: var(--ground); color: var(--text);
          font: 1rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
          font-variant-numeric: tabular-nums; overflow-wrap: anywhere; -webkit-text-size-adjust: 100%;
        }
        h1, h2, h3, p, ul, dl, dd, figure { margin: 0; padding: 0; }
        h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -0.01em; }
        h2 { font-size: 1.25rem; line-height: 1.3; }
        h3, caption { font-size: 1rem; font-weight: 600; }
        ul { list-style: none; }
        a { color: var(--link); }
        a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; border-radius: 3px; }
        code { font: 0.8125rem/1.4 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }
        .quiet { color: var(--quiet); font-weight: 400; }
        p.quiet, dd .quiet, td .quiet, .strip .quiet { font-size: 0.875rem; }
        .warn { color: var(--warn); } .bad { color: var(--bad); }
        .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        #lost {
          position: sticky; top: 0; z-index: 1; margin: 0 0 1rem; padding: 0.75rem 1rem; border-radius: 0.5rem;
          background: var(--bad-ground); color: var(--bad); font-weight: 600; border: 1px solid currentColor;
        }

        header { display: grid; grid-template-columns: 1fr; gap: 0.125rem; margin-bottom: 1rem; }
        .brand { color: var(--quiet); font-size: 0.875rem; }
        .card, .health { border-radius: 0.75rem; padding: 1rem; margin-bottom: 1rem; }
        .card { background: var(--card); border: 1px solid var(--line); }
        .path { color: var(--quiet); font: 0.8125rem/1.4 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }

        .health { border: 1px solid transparent; }
        .health.ok { background: var(--ok-ground); color: var(--ok); }
        .health.warn { background: var(--warn-ground); color: var(--warn); border-color: currentColor; }
        .health.bad { background: var(--bad-ground); color: var(--bad); border-color: currentColor; }
        .health.calm { background: var(--calm-ground); color: var(--calm); }
        .sign { display: inline-block; min-width: 1.1em; }
        .checks li { margin-top: 0.75rem; padding: 0.625rem 0.875rem; border-radius: 0.5rem; background: var(--card); color: var(--text); }
        .checks .kind { font-size: 0.8125rem; font-weight: 700; }
        .checks.bad .kind { color: var(--bad); } .checks.warn .kind { color: var(--warn); }
        .checks p { font-weight: 500; }
        .checks code { color: var(--quiet); }
        .notice { margin-top: 0.75rem; padding: 0.625rem 0.875rem; border-radius: 0.5rem; }
        .notice.bad { background: var(--bad-ground); color: var(--bad); }
        .notice.warn { background: var(--warn-ground); color: var(--warn); }
        .notice.calm { background: var(--calm-ground); color: var(--calm); }

        .facts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem; margin: 1rem 0; }
        .facts .wide { grid-column: 1 / -1; }
        dt { color: var(--quiet); font-size: 0.875rem; }
        .bar { display: block; width: 100%; height: 0.5rem; margin: 0.375rem 0; border-radius: 0.25rem; overflow: hidden; }
        .bar .all { fill: var(--track); } .bar .used { fill: var(--bar); }
        .bar.warn .used { fill: var(--warn); } .bar.bad .used { fill: var(--bad); }

        table { width: 100%; border-collapse: collapse; margin-top: 1.25rem; font-size: 0.9375rem; }
        details table { margin-top: 0.5rem; }
        caption { text-align: left; padding-bottom: 0.375rem; }
        th, td { text-align: left; vertical-align: baseline; padding: 0.4375rem 1.5rem 0.4375rem 0; border-top: 1px solid var(--line); }
        th:last-child, td:last-child { padding-right: 0; }
        thead th { border-top: 0; color: var(--quiet); font-size: 0.8125rem; font-weight: 500; overflow-wrap: normal; }
        tbody th { font-weight: 600; }
        .number { text-align: right; overflow-wrap: normal; }
        time, data { white-space: nowrap; }
        .tag, .pill { display: inline-block; padding: 0 0.5rem; border-radius: 1rem; font-size: 0.8125rem; font-weight: 500; }
        .tag { background: var(--calm-ground); color: var(--calm); }
        .pill.ok { background: var(--ok-ground); color: var(--ok); }
        .pill.warn { background: var(--warn-ground); color: var(--warn); }
        .pill.bad { background: var(--bad-ground); color: var(--bad); }

        .search { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem; margin-top: 0.75rem; }
        .search label { color: var(--quiet); font-size: 0.875rem; }
        .search input { flex: 1 1 12rem; max-width: 28rem; min-width: 0; }
        .search input, .search button { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.375rem 0.75rem; }
        .search input:focus-visible, .search button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
        .card h3[data-key] { margin-top: 1rem; }

        .history { margin-top: 1.5rem; }
        .strip { display: flex; justify-content: space-between; gap: 1rem; margin-top: 0.75rem; font-size: 0.875rem; }
        .history svg { display: block; width: 100%; height: 2.5rem; }
        .history rect { fill: var(--bar); }
        .history line { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
        .axis { display: flex; justify-content: space-between; margin-top: 0.25rem; }

        details { margin-top: 1rem; border-top: 1px solid var(--line); padding-top: 0.75rem; }
        summary { cursor: pointer; font-weight: 600; padding: 0.25rem 0; }
        .problems li { padding: 0.625rem 0; border-top: 1px solid var(--line); }
        .problems li:first-child { border-top: 0; padding-top: 0.375rem; }
        .problems li:last-child { padding-bottom: 0; }

        footer { margin: 1.5rem 0 1rem; }
        footer a { display: inline-block; padding: 0.25rem 0; margin-right: 1rem; }

        @media (max-width: 52rem) {
          thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
          table, tbody, caption { display: block; }
          tr { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.125rem 1rem; padding: 0.625rem 0; border-top: 1px solid var(--line); }
          tbody th, td, td.number { display: block; padding: 0; border: 0; text-align: left; }
          tbody th { grid-column: 1 / -1; }
          td.none { display: none; }
          .cards tr { position: relative; }
          .cards tbody th { padding-right: 7rem; }
          .cards td:last-child { position: absolute; top: 0.625rem; right: 0; }
          .cards td:last-child::before { content: none; }
          td::before { content: attr(data-label); display: block; color: var(--quiet); font-size: 0.8125rem; line-height: 1.3; margin-top: 0.25rem; }
        }
        @media (min-width: 52.01rem) {
          body { padding: 1.5rem; }
          header { grid-template-columns: 1fr auto; }
          header .brand, header .live { grid-column: 2; justify-self: end; }
          header .brand { grid-row: 1; align-self: center; } header .live { grid-row: 2; }
          header h1 { grid-row: 1; grid-column: 1; } header h1 + .quiet { grid-row: 2; grid-column: 1; }
          .card, .health { padding: 1.25rem 1.5rem; }
          .facts { grid-template-columns: 2.2fr 1fr 1fr 1.2fr 1.2fr; gap: 1.5rem; }
          .facts .wide { grid-column: auto; }
        }
        @media print { body { max-width: none; } }

        """#
}
