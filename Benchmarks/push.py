#!/usr/bin/env python3
"""Measures how soon a change is visible elsewhere over S3, and the requests while nothing happens, by what makes changes known.

    .build/lab/venv/bin/python Benchmarks/push.py [--changes N] [--idle SECONDS] [listen] [peers] [listings]

Two instances reach the S3 server of the tests through a proxy, which announces what is stored (listen) or not, with the default
configuration; with peers they tell each other. Environment: LIGHTNINGSTREAM names a binary to measure, else that of the tests is used.
"""

import argparse
import pathlib
import random
import secrets
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/Integration"))

import lmdb  # noqa: E402
from lab import lmdbs  # noqa: E402
from lab.listening import ListeningProxy  # noqa: E402
from lab.process import free_port  # noqa: E402
from lab.storage import S3Server  # noqa: E402
from lab.syncer import Lightningstream, database  # noqa: E402
from lab.waiting import eventually  # noqa: E402

MAP_SIZE = 64 << 20
MODES = ["listen", "peers", "listings"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modes", nargs="*", metavar="MODE", help=f"all by default: {', '.join(MODES)}")
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--idle", type=int, default=60, help="seconds in which requests are counted")
    options = parser.parse_args()
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as directory:
        server = S3Server(pathlib.Path(directory) / "s3")
        try:
            print(f"| known by | visible after (median) | 95 % | slowest | LISTs in {options.idle} s | GETs | listens |")
            print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
            for name in options.modes or MODES:
                measure(name, server, pathlib.Path(directory) / name, options)
        finally:
            server.stop()


def measure(name, server, directory, options):
    directory.mkdir()
    proxy = ListeningProxy(server.endpoint, refuses=None if name == "listen" else "listing", ping_seconds=10)
    bucket = server.bucket(f"push-{name}")
    files = [directory / "a.mdb", directory / "b.mdb"]
    for file in files:
        with lmdbs.opened(file, readonly=False, create=True, map_size=MAP_SIZE) as environment:
            handle = environment.open_db(b"entries")
            with environment.begin(write=True) as transaction:
                for number in range(1000 if file is files[0] else 0):
                    transaction.put(b"entry %d" % number, lmdbs.stored(time.time_ns(), random.randbytes(100)), db=handle)
    syncers = [
        Lightningstream(
            instance, directory / instance, {"main": database(file, map_size=f"{MAP_SIZE >> 20}MB")},
            bucket.storage(endpoint=proxy.endpoint), directory / f"{instance}.log",
            **(peer_settings(directory) if name == "peers" else {}))
        for instance, file in zip("ab", files)]
    a, b = (lmdb.open(str(file), subdir=False, max_dbs=8, map_size=MAP_SIZE) for file in files)
    handles = [environment.open_db(b"entries") for environment in (a, b)]

    def write(value):
        with a.begin(write=True) as transaction:
            transaction.put(b"k", lmdbs.stored(time.time_ns(), value, transaction=transaction.id()), db=handles[0])
        return time.monotonic()

    def has(value):
        with b.begin() as transaction:
            found = transaction.get(b"k", db=handles[1])
        return found is not None and bytes(found).endswith(value)

    try:
        write(b"begin")
        for syncer in syncers:
            syncer.start()
        eventually("the first change is there", lambda: has(b"begin"))
        # Both know each other by then: the proxy announces from its first answer on, and URLs are in state objects.
        time.sleep(15)
        times = []
        for number in range(options.changes):
            # The full snapshot that follows a change by default is stored by then.
            time.sleep(2.5 + random.random())
            begin = write(b"change %d" % number)
            while not has(b"change %d" % number):
                time.sleep(0.001)
                if time.monotonic() > begin + 60:
                    raise SystemExit(f"change {number} is not there after a minute")
            times.append(1000 * (time.monotonic() - begin))
        time.sleep(5)
        before = len(proxy.requests), proxy.count("list"), proxy.count("GET"), proxy.count("listen")
        time.sleep(options.idle)
        lists, gets, listens = (
            after - earlier for after, earlier in zip(
                (proxy.count("list"), proxy.count("GET"), proxy.count("listen")), before[1:]))
        times.sort()
        latency = [statistics.median(times), times[int(len(times) * 0.95)], times[-1]] if times else []
        cells = [f"{value:.0f} ms" for value in latency] or ["–"] * 3
        print(f"| {name} | {' | '.join(cells)} | {lists} | {gets} | {listens} |", flush=True)
    finally:
        for syncer in syncers:
            syncer.kill()
        proxy.end()
        a.close()
        b.close()


def peer_settings(directory):
    """What lets an instance tell the other one, and be told."""
    token = directory / "token"
    if not token.exists():
        token.touch(0o600)
        token.write_text(secrets.token_hex(32) + "\n")
    address = f"127.0.0.1:{free_port()}"
    return {"http": {"address": address}, "push": {"advertise": f"http://{address}", "token_file": str(token)}}


if __name__ == "__main__":
    main()
