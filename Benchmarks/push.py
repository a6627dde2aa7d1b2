#!/usr/bin/env python3
"""Measures how soon a change is visible elsewhere over S3, and the requests of an idle minute, with and without announcements.

    .build/lab/venv/bin/python Benchmarks/push.py [CHANGES]

Two instances reach the S3 server of the tests through a proxy that announces what is stored, with the default configuration.
Environment: LIGHTNINGSTREAM names a binary to measure, else that of the tests is used.
"""

import pathlib
import random
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/Integration"))

import lmdb  # noqa: E402
from lab import lmdbs  # noqa: E402
from lab.listening import ListeningProxy  # noqa: E402
from lab.storage import S3Server  # noqa: E402
from lab.syncer import Lightningstream, database  # noqa: E402
from lab.waiting import eventually  # noqa: E402

MAP_SIZE = 64 << 20
IDLE = 60  # seconds


def main():
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with tempfile.TemporaryDirectory() as directory:
        server = S3Server(pathlib.Path(directory) / "s3")
        try:
            print("| announcements | visible after (median) | 95 % | slowest | LISTs a minute | GETs | listens |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            for name, refuses in (("yes", None), ("no", "listing")):
                measure(name, refuses, server, pathlib.Path(directory) / name, changes)
        finally:
            server.stop()


def measure(name, refuses, server, directory, changes):
    directory.mkdir()
    proxy = ListeningProxy(server.endpoint, refuses=refuses, ping_seconds=10)
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
            bucket.storage(endpoint=proxy.endpoint), directory / f"{instance}.log")
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
        # The server of this test announces from its first answer on.
        time.sleep(15)
        times = []
        for number in range(changes):
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
        time.sleep(IDLE)
        lists, gets, listens = (
            after - earlier for after, earlier in zip(
                (proxy.count("list"), proxy.count("GET"), proxy.count("listen")), before[1:]))
        times.sort()
        print(
            f"| {name} | {statistics.median(times):.0f} ms | {times[int(len(times) * 0.95)]:.0f} ms | {times[-1]:.0f} ms "
            f"| {lists} | {gets} | {listens} |", flush=True)
    finally:
        for syncer in syncers:
            syncer.kill()
        proxy.end()
        a.close()
        b.close()


if __name__ == "__main__":
    main()
