"""The cases of the benchmark for applications that keep no headers: their DBIs have shadows, and each change of theirs
is found by comparing the two."""

import json
import shutil
import statistics
import time
from dataclasses import dataclass, field

import cases
import measure
from cases import milliseconds, say, wait_until
from measure import BenchmarkError

SHADOW = "dupsort_hack: true"
# Changes come one after the other: the next need not wait for the longest time between two cycles.
SETTINGS = f"""\
lmdb_poll_interval: 100ms
log: {{level: debug, format: json}}
{cases.BLIND}"""  # The values are no RRsets, in spite of the name of their DBI.
BURST = 100  # commits
PAUSE = 250  # ms between two changes of a writer


@dataclass
class Cycles:
    """Cycles with one changed record each, and as many scans: seconds, and KiB at the highest point."""
    wall: list = field(default_factory=list)
    cpu: list = field(default_factory=list)
    lock: list = field(default_factory=list)  # of the write lock, in ms
    floor_wall: list = field(default_factory=list)
    floor_cpu: list = field(default_factory=list)
    memory: int = 0

    def typical(self):
        """Ours, and the floor."""
        return (measure.Cost(statistics.median(self.cpu), statistics.median(self.wall), self.memory),
                measure.Cost(statistics.median(self.floor_cpu), statistics.median(self.floor_wall), 0))


def lines(log, message):
    """The lines of a log in JSON with this message, as dicts."""
    with open(log) as file:
        return [json.loads(line) for line in file if message in line and line.endswith("\n")]


def captures(log):
    return lines(log, "captured the application's changes")


def with_shadow(tools, name, entries, kind):
    """Makes the database of an application, and lets lightningstream add the shadow."""
    say(f"{entries} entries ({kind}) and their shadow: generating")
    database, bucket = tools.path(name), tools.empty_bucket("shadow-bucket")
    tools.ask("generate", database, str(entries), "1", kind)
    measure.run(tools.ours("a", database, bucket, "sync", "--only-once", schema=SHADOW), tools.path("a.log"))
    return database, bucket


class Follower(measure.Daemon):
    """Captures what is changed, and has nothing else to do: it sends nothing, and nothing comes in."""

    def __init__(self, tools, database):
        command = tools.ours(
            "a", database, tools.empty_bucket("empty-bucket"), "receive", more=SETTINGS, schema=SHADOW)
        super().__init__(command, tools.path("capture.log"))
        self.tools, self.database = tools, database

    def change(self, count=1):
        """Lets the application change a record, and waits until that is captured."""
        before = len(captures(self.log))
        took = self.tools.ask("probe", "change", self.database, str(count))
        wait_until("the capture of a change", [self], lambda: len(captures(self.log)) > before)
        return float(took["took_us"]) / 1000


def cycles(tools, database, repeat):
    """Captures one changed record again and again, in turns with the floor."""
    result = Cycles()
    with Follower(tools, database) as daemon:
        daemon.change()
        sampler = measure.Sampler(daemon.pid)
        for number in range(repeat):
            time.sleep(PAUSE / 1000)
            cpu = measure.cpu_seconds(daemon.pid)
            daemon.change()
            result.cpu.append(measure.cpu_seconds(daemon.pid) - cpu)
            line = captures(daemon.log)[-1]
            result.wall.append(milliseconds(line["time_total"]) / 1000)
            result.lock.append(milliseconds(line["time_write_lock"]))
            floor = tools.ask("floor", "scan", database)
            result.floor_wall.append(float(floor["wall_ms"]) / 1000)
            result.floor_cpu.append(float(floor["cpu_ms"]) / 1000)
            say(f"  cycle {number + 1}/{repeat}: {result.wall[-1]:.3f} s (CPU {result.cpu[-1]:.3f}),"
                f" floor {result.floor_wall[-1]:.3f} s; lock {result.lock[-1]:.2f} ms")
        result.memory = sampler.stop()
    return result


def lock_waits(tools, database):
    """How long a writer waits for the lock that changes a record now and then: beside the daemon.

    As floor, how long one waits beside a program that changes a record as often, and does nothing else.
    """
    seconds = 10

    def changing():
        return cases.waits_for_lock(tools, database, lambda: time.sleep(seconds), pause=PAUSE)

    with Follower(tools, database) as daemon:
        daemon.change()
        before = len(captures(daemon.log))
        during = changing()
        count = len(captures(daemon.log)) - before
    if count == 0:
        raise BenchmarkError(f"not one cycle in {seconds} s beside the writer")
    return during, cases.waits_for_lock(tools, database, changing)


def burst(tools, database, commits):
    """The number of passes that wrote something after so many commits without a pause, and the ms these took."""
    with Follower(tools, database) as daemon:
        daemon.change()
        time.sleep(1)
        before = len(captures(daemon.log))
        took = daemon.change(commits)
        time.sleep(2)
        return len(captures(daemon.log)) - before, took


def merges(tools, database, repeat):
    """Merges snapshots of another instance in which one record is new.

    Returns (the Costs of comparing and writing, the floor's, the longest time of the write lock in ms).
    """
    other, bucket = tools.path("other.lmdb"), tools.empty_bucket("shadow-bucket")
    shutil.copyfile(database, other)
    locks = []

    def ours():
        tools.ask("probe", "change", other, "1")
        tools.empty_bucket("shadow-bucket")
        measure.run(tools.ours("b", other, bucket, "sync", "--only-once", schema=SHADOW), tools.path("b.log"))
        log = tools.path("a.log")
        cost = measure.run(
            tools.ours("a", database, bucket, "receive", "--only-once", more=SETTINGS, schema=SHADOW), log)
        (merge,) = lines(log, "merged a snapshot")
        if merge["merged"] != 1:
            raise BenchmarkError(f"{merge['merged']} entries were merged, not one")
        locks.append(milliseconds(merge["time_write_lock"]))
        return measure.Cost(cost.cpu, milliseconds(merge["time_total"]) / 1000, cost.memory)

    def floor():
        return measure.run(tools.tool("floor", "merge", tools.snapshot_in(bucket), database), tools.path("floor.log"))

    result = cases.in_turns("merge of one change", repeat, ours, floor)
    tools.remove_database(other)
    return *result, max(locks)


def sends(tools, database, bucket, repeat):
    """Sends a database with its shadow, and as floor one in native mode that has the same entries."""
    native = tools.path("native.lmdb")
    empty = tools.empty_bucket("shadow-bucket")
    measure.run(tools.ours("a", database, empty, "sync", "--only-once", schema=SHADOW), tools.path("a.log"))
    measure.run(
        tools.ours("b", native, empty, "receive", "--only-once", more=cases.BLIND), tools.path("b.log"))

    def send(path, schema):
        cost = measure.run(
            tools.ours("a", path, tools.empty_bucket("shadow-bucket"), "sync", "--only-once", schema=schema),
            tools.path("a.log"))
        tools.snapshot_in(bucket)
        return cost

    result = cases.in_turns(
        "send", repeat, lambda: send(database, SHADOW), lambda: send(native, cases.NATIVE))
    tools.remove_database(native)
    return result


def all_cases(tools, entries, repeat):
    """{case: result} with `entries` entries, a tenth of them, and a fifth where keys have several values."""
    results = {"burst_commits": BURST}
    small, _ = with_shadow(tools, "small-shadow.lmdb", entries // 10, "plain")
    results["small"] = cycles(tools, small, repeat)
    tools.remove_database(small)
    dupsort, _ = with_shadow(tools, "dupsort-shadow.lmdb", entries // 5, "dupsort")
    results["dupsort"] = cycles(tools, dupsort, repeat)
    tools.remove_database(dupsort)
    database, bucket = with_shadow(tools, "shadow.lmdb", entries, "plain")
    results["plain"] = cycles(tools, database, repeat)
    results["wait"] = lock_waits(tools, database)
    results["burst"] = [burst(tools, database, BURST) for _ in range(repeat)]
    results["merge"] = merges(tools, database, repeat)
    results["send"] = sends(tools, database, bucket, repeat)
    tools.remove_database(database)
    shutil.rmtree(bucket)
    return results
