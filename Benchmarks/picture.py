"""Draws what one changed record costs against the size of the database, with deltas and without: plain SVG."""

import math

WIDTH, HEIGHT = 760, 384
TOP, BOTTOM = 92, 312  # of the axes
PANELS = (
    ("cpu", "CPU of both hosts", 76, ((1, "1 ms"), (10, "10 ms"), (100, "0.1 s"), (1000, "1 s"), (10_000, "10 s"))),
    ("stored", "Stored in the bucket", 456, (
        (100, "100 B"), (1e3, "1 kB"), (1e4, "10 kB"), (1e5, "100 kB"), (1e6, "1 MB"), (1e7, "10 MB"), (1e8, "100 MB"),
        (1e9, "1 GB"))))
PANEL_WIDTH = 276
SERIES = (("with", "with deltas"), ("without", "deltas.enabled: false"))
# It has its own background, so that it can be read on pages of either colour.
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.page { fill: #ffffff; stroke: #d0d7de }
.head { font-size: 15px; font-weight: 600 }
.small { font-size: 12px; fill: #57606a }
.grid { stroke: #d8dee4 }
.with { stroke: #0969da; fill: #0969da }
.without { stroke: #bc4c00; fill: #bc4c00 }
polyline { fill: none !important; stroke-width: 2.5 }
.without polyline { stroke-dasharray: 7 4 }
text.with, text.without { stroke: none; font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.page { fill: #0d1117; stroke: #30363d }
.small { fill: #9198a1 }
.grid { stroke: #262c36 }
.with { stroke: #58a6ff; fill: #58a6ff }
.without { stroke: #f0883e; fill: #f0883e }
}"""


def amount(entries):
    """1 k, 6 M."""
    for factor, unit in ((1_000_000, " M"), (1000, " k")):
        if entries >= factor:
            return f"{entries / factor:g}{unit}"
    return str(entries)


def time_text(ms):
    return f"{ms / 1000:.2g} s" if ms >= 1000 else f"{ms:.2g} ms" if ms < 100 else f"{ms:.0f} ms"


def bytes_text(count):
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            value = count / factor
            return f"{value:.0f} {unit}" if value >= 9.5 else f"{value:.1f} {unit}"
    return f"{count:.0f} B"


def place(value, low, high, begin, end):
    """Where a value is on a logarithmic axis."""
    share = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
    return begin + share * (end - begin)


class Panel:
    """One of the two diagrams: its axes, and a line of points for each series."""

    def __init__(self, key, title, left, ticks, points):
        self.key, self.title, self.left, self.points = key, title, left, points
        values = [max(point[name][key], 0.1) for point in points for name, _ in SERIES]
        # The decades that are needed, and no others.
        self.low = 10 ** math.floor(math.log10(min(values)))
        self.high = 10 ** math.ceil(math.log10(max(values)) + 1e-9)
        known = dict(ticks)
        self.ticks = []
        for power in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1):
            value = 10**power
            self.ticks.append((value, known.get(value) or (time_text(value) if key == "cpu" else bytes_text(value))))
        sizes = [point["entries"] for point in points]
        self.first, self.last = sizes[0] / 1.6, sizes[-1] * 1.6

    def x(self, entries):
        return place(entries, self.first, self.last, self.left, self.left + PANEL_WIDTH)

    def y(self, value):
        return place(max(value, self.low), self.low, self.high, BOTTOM, TOP)

    def draw(self):
        yield f'<text class="head" x="{self.left}" y="{TOP - 14}">{self.title}</text>'
        for value, label in self.ticks:
            y = self.y(value)
            yield f'<line class="grid" x1="{self.left}" x2="{self.left + PANEL_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="small" x="{self.left - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        for point in self.points:
            x = self.x(point["entries"])
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BOTTOM}"/>'
            label = amount(point["entries"])
            yield f'<text class="small" x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle">{label}</text>'
        yield (
            f'<text class="small" x="{self.left + PANEL_WIDTH / 2}" y="{BOTTOM + 36}" text-anchor="middle">entries in the'
            " database</text>")
        for name, _ in SERIES:
            yield from self.line(name)

    def line(self, name):
        places = [(self.x(point["entries"]), self.y(point[name][self.key])) for point in self.points]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<g class="{name}"><polyline points="{joined}"/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
        yield "</g>"
        text = time_text if self.key == "cpu" else bytes_text
        (x, y), value = places[-1], self.points[-1][name][self.key]
        yield f'<text class="{name}" x="{x:.1f}" y="{y - 9:.1f}" text-anchor="end">{text(value)}</text>'


def description(points):
    """The figures in words, for who cannot see the lines."""
    parts = []
    for name, label in SERIES:
        words = [
            f"beside {amount(point['entries'])} entries {time_text(point[name]['cpu'])} and"
            f" {bytes_text(point[name]['stored'])}" for point in points]
        parts.append(f"{label}: {', '.join(words)}")
    return "CPU time of both hosts and bytes stored for one changed record. " + "; ".join(parts) + "."


def draw(points):
    """The picture of `points`, each {"entries": number, "with": {"cpu": ms, "stored": bytes}, "without": the same}."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
        ' aria-labelledby="title desc">', '<title id="title">What one changed record costs</title>',
        f'<desc id="desc">{description(points)}</desc>', f"<style>\n{STYLE}\n</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6"/>']
    x = PANELS[0][2]
    for name, label in SERIES:
        lines.append(f'<g class="{name}"><polyline points="{x},32 {x + 30},32"/><circle cx="{x + 15}" cy="32" r="3.5"/></g>')
        lines.append(f'<text x="{x + 38}" y="36">{label}</text>')
        x += 170
    for key, title, left, ticks in PANELS:
        lines += Panel(key, title, left, ticks, points).draw()
    return "\n".join([*lines, "</svg>", ""])
