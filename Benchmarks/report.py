"""Turns results into the table of the figures that are wanted."""

import os
import platform
import statistics

from picture import amount, bytes_text as size_text

MIB = 1024  # KiB
HEAD = ["case", "ours: CPU", "wall", "RssAnon", "floor: CPU", "wall", "RssAnon", "ratio", "wanted", "verdict"]
NONE = "–"


def seconds(value):
    return f"{value:.3f} s"


def mebibytes(kib):
    return f"{kib / MIB:.1f} MiB"


def cost_cells(cost):
    return [seconds(cost.cpu), seconds(cost.wall), mebibytes(cost.memory)]


def verdict(good):
    return "ok" if good else "MISSED"


def row(case, ours=(NONE, NONE, NONE), floor=(NONE, NONE, NONE), ratio=NONE, wanted=NONE, good=None):
    return [case, *ours, *floor, ratio, wanted, NONE if good is None else verdict(good)]


def waits(result):
    return f"{result['longest_us'] / 1000:.3f} ms (p99 {result['p99_us'] / 1000:.3f})"


def speed_rows(name, results):
    """CPU and wall time against the floor, at one size."""
    # Start-up weighs more with 1 M entries.
    limits = {
        "dump": ("dump to fs", 1.6, 1.0), "load": ("load into an empty LMDB", 1.8 if name == "1 M" else 1.25, None),
        "merge": ("merge, nothing new", 1.5 if name == "1 M" else 1.4, None)}
    for case, (title, cpu_limit, wall_limit) in limits.items():
        ours, floor = results[case]
        cpu, wall = ours.cpu / floor.cpu, ours.wall / floor.wall
        wanted = f"CPU <= {cpu_limit}"
        good = cpu <= cpu_limit
        if wall_limit is not None:
            wanted += f", wall <= {wall_limit}"
            good = good and wall <= wall_limit
        if case == "merge":
            # A merge that moved LastTxnID would have ended the run.
            wanted += ", LastTxnID kept"
        yield row(
            f"{title}, {name}", cost_cells(ours), cost_cells(floor), f"CPU {cpu:.2f}, wall {wall:.2f}", wanted, good)
    during, alone = results["wait"]
    yield row(
        f"longest wait for the write lock during that, {name}", (NONE, waits(during), NONE), (NONE, waits(alone), NONE),
        wanted="< 5 ms", good=during["longest_us"] < 5000)


def memory_rows(sizes):
    """Peak memory at all sizes; `sizes` is {name: results}."""
    for case, title in (("dump", "dump"), ("merge", "merge with nothing new")):
        peaks = {name: results[case][0].memory for name, results in sizes.items()}
        # What samples and the allocator leave open is well below one buffer.
        same = max(peaks.values()) - min(peaks.values()) <= 4 * MIB
        yield row(
            f"peak RssAnon of the {title}, {' and '.join(peaks)}",
            (NONE, NONE, ", ".join(mebibytes(peak) for peak in peaks.values())), wanted="< 48 MiB, the same for all",
            good=same and max(peaks.values()) < 48 * MIB)
    for name, results in sizes.items():
        ours, floor = results["load"]
        yield row(
            f"peak RssAnon of the load, {name}", (NONE, NONE, mebibytes(ours.memory)),
            (NONE, NONE, mebibytes(floor.memory)), f"+ {mebibytes(ours.memory - floor.memory)}", "floor + 48 MiB",
            ours.memory - floor.memory <= 48 * MIB)


def sealed_rows(sizes):
    """What sealing adds; `sizes` is {name: results}."""
    for name, results in sizes.items():
        for case, title in (("dump", "dump to fs"), ("merge", "merge, nothing new")):
            ours, plain = results[case]
            cpu = ours.cpu / plain.cpu
            # Whoever opens reads each byte once more; nobody asked for a limit there.
            limit = {"wanted": "CPU < 1.25", "good": cpu < 1.25} if case == "dump" else {}
            yield row(
                f"sealed: {title}, {name}; floor: the same, unsealed", cost_cells(ours), cost_cells(plain),
                f"CPU {cpu:.2f}, wall {ours.wall / plain.wall:.2f}", **limit)
    peaks = {name: max(ours.memory for ours, _ in results.values()) for name, results in sizes.items()}
    same = max(peaks.values()) - min(peaks.values()) <= 4 * MIB
    yield row(
        f"sealed: peak RssAnon of that, {' and '.join(peaks)}",
        (NONE, NONE, ", ".join(mebibytes(peak) for peak in peaks.values())), wanted="< 48 MiB, the same for all",
        good=same and max(peaks.values()) < 48 * MIB)


def shadow_rows(size, small_size, dupsort_size, results):
    """What an application without headers costs; sizes are names."""
    for case, title in (("plain", size), ("dupsort", f"{dupsort_size}, MDB_DUPSORT")):
        ours, floor = results[case].typical()
        cpu, wall = ours.cpu / floor.cpu, ours.wall / floor.wall
        yield row(
            f"shadows: one changed record, {title}", cost_cells(ours), (seconds(floor.cpu), seconds(floor.wall), NONE),
            f"CPU {cpu:.2f}, wall {wall:.2f}", "wall <= 2", wall <= 2)
    small, large = results["small"].memory, results["plain"].memory
    yield row(
        f"shadows: peak RssAnon of that, {small_size} and {size}",
        (NONE, NONE, f"{mebibytes(small)}, {mebibytes(large)}"), wanted="< 48 MiB, the same for all",
        good=abs(small - large) <= 4 * MIB and large < 48 * MIB)
    during, alone = results["wait"]
    yield row(
        f"shadows: longest wait for the write lock during that, {size}",
        (NONE, f"{waits(during)}; longest lock {max(results['plain'].lock):.3f} ms", NONE), (NONE, waits(alone), NONE),
        f"{(during['longest_us'] - alone['longest_us']) / 1000:+.1f} ms", "floor + 5 ms",
        during["longest_us"] - alone["longest_us"] < 5000)
    passes = [count for count, _ in results["burst"]]
    yield row(
        f"shadows: cycles after {results['burst_commits']} commits in a row, {size}",
        (NONE, f"{statistics.median(passes):.0f} (most {max(passes)})", NONE),
        (NONE, f"commits {statistics.median(ms for _, ms in results['burst']):.0f} ms", NONE), wanted="<= 2",
        good=max(passes) <= 2)
    ours, floor, lock = results["merge"]
    yield row(
        f"shadows: merge of one changed record, {size}",
        (seconds(ours.cpu), f"{seconds(ours.wall)}; longest lock {lock:.3f} ms", mebibytes(ours.memory)), cost_cells(floor),
        f"wall {ours.wall / floor.wall:.2f}")
    ours, native = results["send"]
    yield row(
        f"shadows: dump to fs, {size}; floor: the same in native mode", cost_cells(ours), cost_cells(native),
        f"CPU {ours.cpu / native.cpu:.2f}, wall {ours.wall / native.wall:.2f}")


def visible_row(times):
    median = statistics.median(times)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    return row(
        "one changed record, A until visible in B, fs",
        (NONE, f"median {median:.1f} ms (p95 {p95:.1f}, longest {times[-1]:.1f})", NONE), wanted="median < 100 ms",
        good=median < 100)


def change_rows(results):
    """One changed record beside few entries and beside many; {entries: (with deltas, without)}."""
    few, many = min(results), max(results)
    small, large = results[few][0], results[many][0]
    yield row(
        f"find and read one changed record, {amount(few)} and {amount(many)} entries",
        (NONE, f"{small.read:.2f} ms, {large.read:.2f} ms; {small.pages:.0f} and {large.pages:.0f} pages", NONE),
        ratio=f"{large.read / small.read:.2f}", wanted="< 1 ms, ratio <= 3",
        good=max(small.read, large.read) < 1 and large.read / small.read <= 3)
    for entries, (new, old) in results.items():
        # The floor of deltas is what they replace.
        yield row(
            f"one changed record beside {amount(entries)} entries, A until visible in B, fs; floor: deltas.enabled: false",
            (f"{new.cpu:.1f} ms of both", f"median {new.median:.1f} ms (longest {new.times[-1]:.1f})", mebibytes(new.private)),
            (f"{old.cpu:.1f} ms of both", f"median {old.median:.1f} ms", mebibytes(old.private)),
            f"{size_text(new.stored)} and {size_text(old.stored)} stored", "median < 30 ms, CPU < 10 ms, < 1 kB",
            new.median < 30 and new.cpu < 10 and new.stored < 1000)
    ratio = large.cpu / small.cpu
    yield row(
        f"the same, {amount(many)} entries against {amount(few)}",
        ratio=f"CPU {ratio:.2f}, time {large.median / small.median:.2f}", wanted="CPU <= 2", good=ratio <= 2)
    extra = large.private - results[many][1].private
    yield row(
        f"private memory of A during that, {amount(many)} entries; floor: deltas.enabled: false",
        (NONE, NONE, mebibytes(large.private)), (NONE, NONE, mebibytes(results[many][1].private)),
        f"{extra / MIB:+.1f} MiB", "< 16 MiB, floor + 16 MiB", large.private < 16 * MIB and extra < 16 * MIB)


def stream_rows(pause, results):
    """Many changes of different records, one every `pause` ms; {entries: Stream}."""
    for entries, found in results.items():
        uploaded = found.deltas + found.full
        yield row(
            f"{found.changes} changed records, one every {pause / 1000:g} s, beside {amount(entries)} entries",
            (NONE, f"{found.sends} deltas stored, {found.fulls} full snapshots", NONE),
            ratio=f"at most {found.most} deltas in the bucket; {size_text(uploaded)} uploaded a change",
            wanted="< 20 deltas, < 10 kB", good=found.most < 20 and uploaded < 10_000)


def away_rows(size, found):
    """A daemon that comes back."""
    times = found.caught_up
    yield row(
        f"catch up after 600 changes by another one, {size} entries, 10 instances",
        (NONE, f"median {statistics.median(times):.0f} ms (longest {times[-1]:.0f})", NONE),
        ratio=f"{size_text(found.bytes)} loaded, {found.loaded} full snapshots", wanted="< 100 ms, no full snapshot",
        good=statistics.median(times) < 100 and found.loaded == 0)
    yield row(
        f"restart until all is known, {size} entries, 10 instances; floor: the first start",
        (NONE, f"{found.restart:.0f} ms", NONE), (NONE, f"{found.first:.0f} ms", NONE),
        f"{found.compared} full snapshots compared", "< 100 ms, none", found.restart < 100 and found.compared == 0)


def sweep_row(name, lock_duration, result, longest_lock, seconds_taken):
    """The sweeper against the time that it may hold the lock, `lock_duration` in ms."""
    longest_wait = result["longest_us"] / 1000
    longest = max(longest_wait, longest_lock)
    return row(
        f"sweep of {name} Deleted entries, another writer's longest wait", (NONE, waits(result), NONE),
        (NONE, f"lock_duration {lock_duration} ms; longest lock {longest_lock:.1f} ms, {seconds_taken:.1f} s in all", NONE),
        f"wait {longest_wait / lock_duration:.2f}, lock {longest_lock / lock_duration:.2f}", "<= 1.5",
        longest <= 1.5 * lock_duration)


def zone_rows(size, results):
    """What it costs to know the zones, and how fast `pdns check` is; that its memory does not grow with the database."""
    aware, blind = results["load"]
    extra, cpu = aware.cpu - blind.cpu, aware.cpu / blind.cpu
    yield row(
        f"zones: load of {size} RRsets, each decoded and told; floor: the same, powerdns.enabled: false",
        cost_cells(aware), cost_cells(blind),
        f"CPU {cpu:.2f}, wall {aware.wall / blind.wall:.2f}, + {extra:.3f} s of CPU",
        "CPU <= 1.4, floor + 24 MiB", cpu <= 1.4 and aware.memory - blind.memory <= 24 * MIB)
    aware, blind = results["merge"]
    cpu, wall = aware.cpu / blind.cpu, aware.wall / blind.wall
    yield row(
        f"zones: merge of one changed RRset in {size}; floor: the same, powerdns.enabled: false", cost_cells(aware),
        cost_cells(blind), f"CPU {cpu:.2f}, wall {wall:.2f}", "CPU <= 1.05", cpu <= 1.05)
    for entries, (cost, findings) in results["check"].items():
        # One thread does all of it; the time of other programs does not count.
        rate = entries / cost.cpu / 1e6
        wanted = {"wanted": ">= 2 M per s", "good": rate >= 2} if entries >= 1_000_000 else {}
        yield row(
            f"pdns check of {entries} RRsets, {findings} findings", cost_cells(cost),
            ratio=f"{rate:.2f} M RRsets per s of CPU", **wanted)
    peaks = [cost.memory for cost, _ in results["check"].values()]
    yield row(
        "peak RssAnon of the checks", (NONE, NONE, ", ".join(mebibytes(peak) for peak in peaks)),
        wanted="< 48 MiB, the same for all", good=max(peaks) - min(peaks) <= 4 * MIB and max(peaks) < 48 * MIB)


def idle_row(name, per_second, memory):
    return row(
        f"idle daemon, {name}", (f"{per_second:.2f} ms per s", NONE, mebibytes(memory)),
        wanted="< 0.4 ms per s, < 20 MiB", good=per_second < 0.4 and memory < 20 * MIB)


def start_row(cost):
    return row("start: version", cost_cells(cost), wanted="CPU < 20 ms", good=cost.cpu < 0.020)


def text(rows):
    """The table for a terminal."""
    widths = [max(len(line[column]) for line in [HEAD, *rows]) for column in range(len(HEAD))]
    lines = [HEAD, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def machine():
    """What was measured on, in one line."""
    model = "unknown CPU"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} x {model}, Linux {platform.release().split('-')[0]}"


def write_markdown(path, rows, facts):
    """Writes `facts` (lines of text) and the table below the heading "## Figures", which ends the file."""
    heading = "## Figures\n"
    before = ""
    if os.path.exists(path):
        with open(path) as file:
            before, found, _ = file.read().partition(heading)
        before = before + heading + "\n" if found else ""
    lines = [*facts, ""]
    lines += ["| " + " | ".join(line) + " |" for line in [HEAD, ["---"] * len(HEAD), *rows]]
    with open(path, "w") as file:
        file.write(before + "\n".join(lines) + "\n")
