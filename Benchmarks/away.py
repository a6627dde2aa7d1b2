"""A daemon that comes back: what it reads again, and how long that takes."""

import datetime
import json
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass

import cases
import deltas
import measure
from cases import milliseconds, say, wait_until
from measure import BenchmarkError

INSTANCES = 10
CHANGES = 600


@dataclass
class Return:
    """Starts of a daemon; milliseconds from the start of its process, medians."""

    first: float  # until it had compared the snapshots of the others, the first time
    restart: float  # until it began its own full snapshot, having missed nothing
    compared: int  # full snapshots that were compared for that
    caught_up: list[float]  # until the last change that it had missed was visible
    bytes: float  # that it loaded for that
    loaded: int  # full snapshots that were loaded for that


def others(tools, database, bucket, count):
    """Stores a full snapshot of so many other instances: each of its own daemon, with the entries of `database`."""
    for number in range(count):
        own = tools.empty_bucket("other-bucket")
        measure.run(
            tools.ours(f"other{number}", database, own, "sync", "--only-once", more=cases.BLIND), tools.path("other.log"))
        shutil.move(tools.snapshot_in(own), bucket)
        shutil.rmtree(own)


def began_full(daemon, started):
    """Milliseconds from `started`, by the wall clock, until a daemon began to read its own first full snapshot.

    The line comes when it is stored, and says how long that took.
    """
    (line, *_) = daemon.lines("stored a snapshot")
    stored = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()
    return 1000 * (stored - started) - milliseconds(line["time_total"])


def is_started(daemon):
    return lambda: daemon.lines("start-up is complete")


def merged(daemon):
    """The names of what a daemon has merged since its start."""
    return [line["snapshot_name"] for line in daemon.lines("merged a snapshot")]


def restart(daemon):
    """Starts a daemon that has missed nothing: the time until it begins its own full snapshot, and how many it compared."""
    started = time.time()
    with daemon:
        wait_until("the start", [daemon], is_started(daemon), limit=300)
        return began_full(daemon, started), sum(name.endswith(".pb.gz") for name in merged(daemon))


def catch_up(tools, a, daemon, path_a, path_b):
    """Changes records in A while `daemon`, that of B, is stopped; milliseconds from its start until the last one is visible,
    the bytes it has loaded, and the number of full snapshots among it."""
    end = tools.ask("probe", "stream", path_a, str(CHANGES), "10")
    wait_until(
        "the last change in the bucket", [a],
        lambda: any(line["txnID"] >= int(end["last_txn"]) for line in a.lines(*deltas.STORED)))
    watcher = subprocess.Popen(
        tools.tool("probe", "arrive", path_b, str(CHANGES), end["time"]), stdout=subprocess.PIPE, text=True)
    watcher.stdout.readline()
    start = time.monotonic()
    with daemon:
        output, _ = watcher.communicate()
        if watcher.returncode != 0:
            raise BenchmarkError(f"the changes did not arrive:\n{measure.tail(daemon.log)}")
        took = 1000 * (int(output) / 1e9 - start)
        wait_until("the start", [daemon], is_started(daemon), limit=300)
        lines = daemon.lines("merged a snapshot")
    say(f"  caught up after {took:.0f} ms: {json.dumps([line['snapshot_size'] for line in lines])} B")
    return (
        took, sum(line["snapshot_size"] for line in lines),
        sum(line["snapshot_name"].endswith(".pb.gz") for line in lines))


def all_cases(tools, entries, repeat):
    """Two daemons among ten instances of `entries` entries; the second one stops and comes back."""
    say(f"{INSTANCES} instances of {entries} entries: generating")
    path_a, path_b, bucket = tools.path("away-a.lmdb"), tools.path("away-b.lmdb"), tools.empty_bucket("away-bucket")
    tools.ask("generate", path_a, str(entries))
    others(tools, path_a, bucket, INSTANCES - 2)
    shutil.copyfile(path_a, path_b)
    new = lambda name, path: deltas.daemon(tools, name, path, bucket)  # a daemon runs once
    a = new("a", path_a)
    with a:
        wait_until("the start of A", [a], is_started(a), limit=300)
        b, started = new("b", path_b), time.time()
        with b:
            wait_until("the start of B", [b], is_started(b), limit=300)
            first = began_full(b, started)
            # Positions are recorded with the next entry that is merged.
            end = tools.ask("probe", "stream", path_a, "1", "0")
            tools.ask("probe", "arrive", path_b, "1", end["time"])
        restarts = [restart(new("b", path_b)) for _ in range(repeat)]
        say(f"  first start {first:.0f} ms, restarts {', '.join(f'{took:.0f} ms' for took, _ in restarts)}")
        returns = [catch_up(tools, a, new("b", path_b), path_a, path_b) for _ in range(repeat)]
    for file in (path_a, path_b):
        tools.remove_database(file)
    shutil.rmtree(bucket)
    return Return(
        first, statistics.median(took for took, _ in restarts), max(count for _, count in restarts),
        sorted(took for took, _, _ in returns), statistics.mean(size for _, size, _ in returns),
        max(count for _, _, count in returns))
