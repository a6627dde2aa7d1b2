"""What one changed record costs, beside few entries and beside many, with deltas and without; and what a thousand cost."""

import os
import shutil
import statistics
import subprocess
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass

import cases
import measure
from cases import say, wait_until
from measure import BenchmarkError

PAUSE = 1250  # ms between changes: each is a send of its own
# Full snapshots cost 1 % of the time by default, and would be a matter of luck in so short a time.
SETTINGS = cases.BLIND + "full_snapshot_interval: 1h\n"
WITHOUT = "deltas: {enabled: false}\n"
STORED = ("stored a delta", "stored a snapshot")


def daemon(tools, name, database, bucket, more=""):
    """A daemon of one database, with log and metrics."""
    port = measure.free_port()
    settings = SETTINGS + more + measure.LoggingDaemon.settings(port)
    return measure.LoggingDaemon(
        tools.ours(name, database, bucket, "sync", more=settings), tools.path(f"{name}.log"), port)


@dataclass
class Change:
    """What one changed record costs, A until visible in B, two daemons, fs."""

    times: list[float]  # milliseconds, sorted
    cpu: float  # milliseconds of both daemons
    stored: float  # bytes
    read: float  # milliseconds that A takes to find and read it; None without deltas
    pages: float  # that A reads for it; None without deltas
    private: int  # KiB that A alone has written to

    @property
    def median(self):
        return statistics.median(self.times)


def change(tools, entries, changes, enabled=True):
    """Changes one record in A, again and again, and waits until it is visible in B."""
    say(f"one changed record beside {entries} entries, {changes} times, {'with' if enabled else 'without'} deltas")
    a, b, bucket = tools.path("delta-a.lmdb"), tools.path("delta-b.lmdb"), tools.empty_bucket("delta-bucket")
    tools.ask("generate", a, str(entries))
    arrived = cases.arrival(tools, a, b)
    pair = [daemon(tools, name, path, bucket, "" if enabled else WITHOUT) for name, path in (("a", a), ("b", b))]
    try:
        with pair[0], pair[1]:
            wait_until("the first sync of A to B", pair, arrived, limit=300)
            # The first comparison is proved by one of all entries.
            cases.milliseconds_until_visible(tools, a, b, 2, PAUSE, pair[1].log)
            time.sleep(5 if enabled else 1)
            return measured(tools, pair, (a, b), changes, enabled)
    finally:
        for file in (a, b):
            tools.remove_database(file)
        shutil.rmtree(bucket)


def measured(tools, pair, paths, changes, enabled):
    metrics, log = pair[0].metrics(), pair[0].offset()
    before, start = cpu(pair), time.monotonic()
    times = cases.milliseconds_until_visible(tools, *paths, changes, PAUSE, pair[1].log)
    time.sleep(0.3)  # what they do once it is visible is part of it
    used, took = cpu(pair) - before, time.monotonic() - start
    # What they do while nothing happens is another figure.
    time.sleep(1)
    before, start = cpu(pair), time.monotonic()
    time.sleep(8)
    idle = (cpu(pair) - before) / (time.monotonic() - start)
    stored = pair[0].lines(*STORED, begin=log)
    kind = STORED[0] if enabled else STORED[1]
    if len(stored) < changes or any(line["msg"] != kind for line in stored):
        raise BenchmarkError(f"{changes} changes were not stored one by one:\n{measure.tail(pair[0].log)}")
    read, pages = None, None
    if enabled:
        after = pair[0].metrics()
        growth = {name: value - metrics.get(name, 0) for name, value in after.items()}
        count = growth['lightningstream_syncer_diff_seconds_count{lmdb="shard"}']
        read = 1000 * growth['lightningstream_syncer_diff_seconds_sum{lmdb="shard"}'] / count
        pages = growth['lightningstream_syncer_diff_pages_total{lmdb="shard"}'] / count
    result = Change(
        times, max(0.0, 1000 * (used - idle * took) / changes), statistics.mean(line["snapshot_size"] for line in stored), read,
        pages, measure.private_dirty(pair[0].pid))
    say(f"  visible after {result.median:.1f} ms, CPU {result.cpu:.1f} ms, {result.stored:.0f} B stored")
    return result


def cpu(daemons):
    return sum(measure.cpu_seconds(daemon.pid) for daemon in daemons)


def curve(tools, sizes, changes):
    """{entries: (Change with deltas, Change without)}; `changes` for the first and the last size, fewer for those between."""
    results = {}
    for entries in sizes:
        count = changes if entries in (sizes[0], sizes[-1]) else max(5, changes // 3)
        # Without deltas a change takes seconds beside many entries.
        results[entries] = (
            change(tools, entries, count), change(tools, entries, 10 if entries < 1_000_000 else 4, enabled=False))
    return results


@dataclass
class Stream:
    """What many changes of different records cost, one after the other."""

    changes: int
    sends: int  # deltas stored
    most: int  # deltas in the bucket at a time
    deltas: float  # bytes of deltas that were stored for a change
    fulls: int  # full snapshots stored
    full: float  # bytes of full snapshots that were stored for a change


def streams(tools, sizes, changes, pause):
    """{entries: Stream}: one daemon for each size, at the same time; a change every `pause` ms, each of another record."""
    say(f"{changes} changes, one every {pause} ms, beside {' and '.join(map(str, sizes))} entries")
    # As many sends as changes: their shortest interval is that of the polls.
    settings = f"lmdb_poll_interval: {max(100, pause)}ms\n"
    sites = []
    try:
        with ExitStack() as stack:
            for number, entries in enumerate(sizes):
                database, bucket = tools.path(f"stream-{number}.lmdb"), tools.empty_bucket(f"stream-{number}")
                tools.ask("generate", database, str(entries))
                sites.append((database, bucket, daemon(tools, f"s{number}", database, bucket, settings)))
                stack.enter_context(sites[-1][2])
            wait_until(
                "the first snapshots", [site[2] for site in sites], lambda: all(
                    any(name.endswith(".pb.gz") for name in os.listdir(site[1])) for site in sites), limit=300)
            time.sleep(2)
            return dict(zip(sizes, streamed(tools, sites, changes, pause)))
    finally:
        for database, bucket, _ in sites:
            tools.remove_database(database)
            shutil.rmtree(bucket, ignore_errors=True)


def streamed(tools, sites, changes, pause):
    before, most, done = [site[2].metrics() for site in sites], [0] * len(sites), threading.Event()

    def count():
        while not done.wait(0.5):
            for number, (_, bucket, _) in enumerate(sites):
                most[number] = max(most[number], sum(name.endswith(".delta") for name in os.listdir(bucket)))

    counter = threading.Thread(target=count, daemon=True)
    counter.start()
    writers = [
        subprocess.Popen(
            tools.tool("probe", "stream", site[0], str(changes), str(pause)), stdout=subprocess.PIPE, text=True)
        for site in sites]
    for writer, (database, _, running) in zip(writers, sites):
        output, _ = writer.communicate()
        if writer.returncode != 0:
            raise BenchmarkError(f"probe stream {database} ended with {writer.returncode}")
        last = int(output.split()[1])
        wait_until(
            "the last change", [running], lambda: any(line["txnID"] >= last for line in running.lines(*STORED)))
    done.set()
    counter.join()
    for (_, _, running), metrics, deltas in zip(sites, before, most):
        after, name = running.metrics(), 'lightningstream_syncer_{}_total{{lmdb="shard",kind="{}"}}'

        def growth(what, kind):
            return after[name.format(what, kind)] - metrics[name.format(what, kind)]

        yield Stream(
            changes, int(growth("sends", "delta")), deltas, growth("sent_bytes", "delta") / changes,
            int(growth("sends", "full")), growth("sent_bytes", "full") / changes)
