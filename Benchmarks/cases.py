"""The cases of the benchmark: each sets the scene, runs lightningstream and its floor in turns, and checks that both
did what they are measured for."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import measure
from measure import BenchmarkError, Cost

NATIVE = "schema_tracks_changes: true"
CONFIGURATION = """\
instance: {instance}
lmdbs:
  shard:
    path: {database}
    {schema}
    options: {{no_subdir: true, create: true, map_size: 4GB}}
storage:
  type: fs
  options: {{root_path: {bucket}}}
"""

BLIND = "powerdns: {enabled: false}\n"

LOCK_DURATION = 50  # ms, the default of sweeper.lock_duration
SWEEPER = f"""\
sweeper:
  enabled: true
  retention_days: 30
  first_interval: 1s
  lock_duration: {LOCK_DURATION}ms
log: {{format: json}}
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


@dataclass
class Tools:
    lightningstream: str
    directory: str  # of the C programs
    scratch: str  # for data

    def path(self, name):
        return os.path.join(self.scratch, name)

    def tool(self, name, *arguments):
        return [os.path.join(self.directory, name), *arguments]

    def ask(self, name, *arguments):
        """Runs a C program and returns its words as {word: number or text}."""
        result = subprocess.run(self.tool(name, *arguments), capture_output=True, text=True)
        if result.returncode != 0:
            raise BenchmarkError(f"{name} {' '.join(arguments)}: {result.stderr.strip()}")
        words = result.stdout.split()
        return dict(zip(words[::2], words[1::2]))

    def ours(self, instance, database, bucket, *command, more="", schema=NATIVE):
        """The command line of lightningstream, with its configuration written."""
        file = self.path(f"{instance}.yaml")
        with open(file, "w") as configuration:
            configuration.write(CONFIGURATION.format(
                instance=instance, database=database, bucket=bucket, schema=schema) + more)
        return [self.lightningstream, "--config", file, *command]

    def remove_database(self, path):
        for file in (path, path + "-lock"):
            if os.path.exists(file):
                os.unlink(file)

    def empty_bucket(self, name):
        path = self.path(name)
        shutil.rmtree(path, ignore_errors=True)
        os.mkdir(path)
        return path

    def snapshot_in(self, bucket):
        names = [name for name in os.listdir(bucket) if name.endswith(".pb.gz")]
        if len(names) != 1:
            raise BenchmarkError(f"{bucket} should hold one snapshot, not {sorted(names)}")
        return os.path.join(bucket, names[0])


def typical(costs):
    """The medians of time; of memory the highest, because that is what a limit is about."""
    return Cost(
        statistics.median(cost.cpu for cost in costs), statistics.median(cost.wall for cost in costs),
        max(cost.memory for cost in costs))


def in_turns(name, repeat, ours, floor):
    """Runs both `repeat` times, one after the other, so that other load on the machine meets both."""
    pairs = []
    for number in range(repeat):
        pairs.append((ours(), floor()))
        a, b = pairs[-1]
        say(f"  {name} {number + 1}/{repeat}: CPU {a.cpu:.3f} s, floor {b.cpu:.3f} s")
    return typical([a for a, _ in pairs]), typical([b for _, b in pairs])


def check_unchanged(tools, database, before, what):
    after = tools.ask("probe", "info", database)
    if after["last_txn"] != before["last_txn"]:
        raise BenchmarkError(
            f"{what} moved LastTxnID of {database} from {before['last_txn']} to {after['last_txn']}")


def large(tools, entries, repeat):
    """Dump, load, merge and lock waits with a database of `entries` entries; {case: (ours, floor)} of Costs."""
    name = f"{entries // 1_000_000}M"
    say(f"{name} entries: generating")
    database = tools.path(f"{name}.lmdb")
    tools.ask("generate", database, str(entries))
    before = tools.ask("probe", "info", database)
    digest = tools.ask("probe", "digest", database)
    results = {}

    def dump():
        bucket = tools.empty_bucket("bucket")
        cost = measure.run(tools.ours("a", database, bucket, "sync", "--only-once"), tools.path("a.log"))
        tools.snapshot_in(bucket)
        return cost

    def floor_dump():
        snapshot = tools.path("floor.pb.gz")
        cost = measure.run(tools.tool("floor", "dump", database, snapshot), tools.path("floor.log"))
        os.unlink(snapshot)
        return cost

    results["dump"] = in_turns(f"dump {name}", repeat, dump, floor_dump)
    check_unchanged(tools, database, before, "the dump")
    bucket = tools.path("bucket")
    snapshot = tools.snapshot_in(bucket)
    sizes = {
        "database": int(before["pages"]) * os.sysconf("SC_PAGESIZE"), "snapshot": os.path.getsize(snapshot)}

    copy = tools.path("copy.lmdb")

    def load():
        tools.remove_database(copy)
        # The floor does not look into entries either; zones.py has what that costs.
        return measure.run(
            tools.ours("b", copy, bucket, "receive", "--only-once", more=BLIND), tools.path("b.log"))

    def floor_load():
        # Only one copy at a time: they are large.
        if tools.ask("probe", "digest", copy) != digest:
            raise BenchmarkError(f"the load of {snapshot} gave other entries than {database} has:\n"
                                 + measure.tail(tools.path("b.log")))
        tools.remove_database(copy)
        cost = measure.run(tools.tool("floor", "load", snapshot, copy), tools.path("floor.log"))
        tools.remove_database(copy)
        return cost

    results["load"] = in_turns(f"load {name}", repeat, load, floor_load)

    def merge():
        return measure.run(tools.ours("b", database, bucket, "receive", "--only-once"), tools.path("b.log"))

    def floor_merge():
        return measure.run(tools.tool("floor", "merge", snapshot, database), tools.path("floor.log"))

    results["merge"] = in_turns(f"merge {name}", repeat, merge, floor_merge)
    results["wait"] = lock_waits(tools, database, repeat, merge)
    check_unchanged(tools, database, before, "the merge with nothing new")
    tools.remove_database(database)
    shutil.rmtree(bucket)
    return results, sizes


def waits_for_lock(tools, database, work, pause=None):
    """How long a concurrent writer waits for the lock during `work`: its µs, as a dict.

    It changes one record every `pause` ms.
    """
    writer = subprocess.Popen(
        tools.tool("probe", "wait", database, *([] if pause is None else [str(pause)])), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.1)
        work()
    finally:
        output, _ = writer.communicate()
    say(f"  wait for the lock: {output.strip()}")
    words = output.split()
    return {word: float(number) for word, number in zip(words[::2], words[1::2])}


def lock_waits(tools, database, repeat, merge):
    """How long a concurrent writer waits for the lock: during merges, and alone."""
    start = time.monotonic()
    during = waits_for_lock(tools, database, lambda: [merge() for _ in range(repeat)])
    alone = waits_for_lock(tools, database, lambda: time.sleep(max(1.0, time.monotonic() - start)))
    return during, alone


def sweep(tools, entries):
    """Sweeps `entries` Deleted entries while a writer takes the lock again and again.

    Returns the waits of that writer, the longest time that the sweeper held the lock in ms, and the seconds it took.
    """
    say(f"sweep of {entries // 1_000_000}M Deleted entries beside a writer")
    database, bucket = tools.path("swept.lmdb"), tools.empty_bucket("swept-bucket")
    tools.ask("generate", database, str(entries), "1", "deleted")
    log, reports = tools.path("sweep.log"), []

    def is_swept():
        with open(log) as lines:
            found = [json.loads(line) for line in lines if '"swept"' in line]
        reports[:] = found
        return found

    with measure.Daemon(tools.ours("a", database, bucket, "sync", more=SWEEPER), log) as daemon:
        waits = waits_for_lock(
            tools, database, lambda: wait_until("the sweep", [daemon], is_swept, limit=300))
    report = reports[0]
    left = tools.ask("probe", "info", database)["entries"]
    if int(report["cleaned"]) != entries or left != "0":
        raise BenchmarkError(f"the sweeper removed {report['cleaned']} of {entries} entries, {left} are left")
    tools.remove_database(database)
    shutil.rmtree(bucket)
    return waits, milliseconds(report["time_write_lock"]), milliseconds(report["time_total"]) / 1000


def milliseconds(text):
    """The milliseconds of a duration in a log line, such as 1.32ms."""
    for unit, factor in (("ms", 1), ("µs", 1e-3), ("s", 1e3)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise BenchmarkError(f"{text} is no duration")


def wait_until(what, daemons, condition, limit=60):
    end = time.monotonic() + limit
    while not condition():
        for daemon in daemons:
            daemon.check()
        if time.monotonic() > end:
            raise BenchmarkError(f"{what} did not happen within {limit} s:\n{measure.tail(daemons[-1].log)}")
        time.sleep(0.05)


def arrival(tools, a, b):
    """A function that tells whether B has the entries that A has now."""
    digest = tools.ask("probe", "digest", a)

    def arrived():
        if not os.path.exists(b):
            return False
        result = subprocess.run(tools.tool("probe", "digest", b), capture_output=True, text=True)
        return result.stdout.split()[1:2] == [digest["digest"]]

    return arrived


def milliseconds_until_visible(tools, a, b, changes, pause, log):
    """Milliseconds from the start of the commit of one change in A until a reader sees it in B, sorted.

    `pause` is the time between changes in ms.
    """
    result = subprocess.run(tools.tool("probe", "visible", a, b, str(changes), str(pause)), capture_output=True, text=True)
    if result.returncode != 0:
        raise BenchmarkError(f"probe visible: {result.stderr.strip()}\n{measure.tail(log)}")
    return sorted(int(line) / 1000 for line in result.stdout.split())


def visible(tools, changes):
    """Milliseconds from the start of the commit of one change in A until a reader sees it in B, sorted."""
    say(f"one changed record, A until visible in B, {changes} times")
    a, b, bucket = tools.path("small-a.lmdb"), tools.path("small-b.lmdb"), tools.empty_bucket("small-bucket")
    tools.ask("generate", a, "1000")
    arrived = arrival(tools, a, b)
    first = measure.Daemon(tools.ours("a", a, bucket, "sync"), tools.path("a.log"))
    second = measure.Daemon(tools.ours("b", b, bucket, "sync"), tools.path("b.log"))
    with first, second:
        wait_until("the first sync of A to B", [first, second], arrived)
        time.sleep(2.5)
        return milliseconds_until_visible(tools, a, b, changes, 1250, second.log)


def start(tools, repeat):
    """What it costs to start and to end: `version` does nothing else."""
    say(f"version, {repeat} times")
    return typical([measure.run([tools.lightningstream, "version"], tools.path("version.log")) for _ in range(repeat)])


def idle(tools, entries, seconds):
    """CPU ms per second and RssAnon in KiB of a daemon with nothing to do, after it has sent its first snapshot."""
    say(f"idle daemon, {seconds} s")
    database, bucket = tools.path("idle.lmdb"), tools.empty_bucket("idle-bucket")
    tools.ask("generate", database, str(entries))
    with measure.Daemon(tools.ours("a", database, bucket, "sync"), tools.path("idle.log")) as daemon:
        wait_until(
            "the first snapshot", [daemon], lambda: any(name.endswith(".pb.gz") for name in os.listdir(bucket)))
        time.sleep(5)
        daemon.check()
        start, cpu = time.monotonic(), measure.cpu_seconds(daemon.pid)
        time.sleep(seconds)
        daemon.check()
        used = measure.cpu_seconds(daemon.pid) - cpu
        per_second = 1000 * used / (time.monotonic() - start)
        memory = measure.rss_anon(daemon.pid)
    tools.remove_database(database)
    shutil.rmtree(bucket)
    return per_second, memory
