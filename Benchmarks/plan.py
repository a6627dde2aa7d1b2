"""The cases by name, in the order of the table: each measures, and gives its rows."""

from dataclasses import dataclass, field

import away
import cases
import deltas
import report
import sealed
import shadows
import zones
from picture import amount

LARGE = 6_000_000


@dataclass
class Options:
    quick: bool
    repeat: int
    real_time: bool
    keep: bool

    @property
    def large(self):
        return 1_000_000 if self.quick else LARGE


@dataclass
class Result:
    rows: list
    facts: list = field(default_factory=list)
    points: list = field(default_factory=list)  # of the picture


def full(tools, options):
    sizes, facts = {}, []
    for entries in [1_000_000] if options.quick else [1_000_000, LARGE]:
        name = amount(entries)
        sizes[name], bytes_used = cases.large(tools, entries, options.repeat)
        facts.append(
            f"{name} entries: an LMDB of {bytes_used['database'] / 1e6:.0f} MB, a snapshot of"
            f" {bytes_used['snapshot'] / 1e6:.0f} MB.")
    rows = [row for name, results in sizes.items() for row in report.speed_rows(name, results)]
    return Result([*rows, *report.memory_rows(sizes)], facts)


def sealing(tools, options):
    sizes = {amount(size): sealed.dumps(tools, size, options.repeat) for size in {1_000_000, options.large}}
    return Result(list(report.sealed_rows(dict(sorted(sizes.items())))))


def visible(tools, options):
    return Result([report.visible_row(cases.visible(tools, 30 if options.quick else 60))])


def change(tools, options):
    sizes = [size for size in (1000, 10_000, 100_000, 1_000_000, LARGE) if size <= options.large]
    results = deltas.curve(tools, sizes, 20 if options.quick else 40)
    points = [{
        "entries": entries, "with": {"cpu": new.cpu, "stored": new.stored},
        "without": {"cpu": old.cpu, "stored": old.stored}} for entries, (new, old) in results.items()]
    return Result(list(report.change_rows(results)), points=points)


def stream(tools, options):
    changes, pause = (200 if options.quick else 1000), (1000 if options.real_time else 100)
    return Result(list(report.stream_rows(pause, deltas.streams(tools, [1000, options.large], changes, pause))))


def returning(tools, options):
    return Result(list(report.away_rows(amount(options.large), away.all_cases(tools, options.large, options.repeat))))


def sweep(tools, options):
    return Result([report.sweep_row("1 M", cases.LOCK_DURATION, *cases.sweep(tools, 1_000_000))])


def shadow(tools, options):
    return Result(
        list(report.shadow_rows("1 M", "100 k", "200 k", shadows.all_cases(tools, 1_000_000, options.repeat))))


def zone(tools, options):
    return Result(list(report.zone_rows("1 M", zones.all_cases(tools, 1_000_000, options.repeat))))


def idle(tools, options):
    return Result([report.idle_row("1 M", *cases.idle(tools, 1_000_000, 20))])


def start(tools, options):
    return Result([report.start_row(cases.start(tools, 21))])


CASES = {
    "full": full, "sealed": sealing, "visible": visible, "change": change, "stream": stream, "away": returning, "sweep": sweep,
    "shadows": shadow, "zones": zone, "idle": idle, "start": start}
