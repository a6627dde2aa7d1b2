"""What instances leave behind in the storage, and how little they ask of it while nothing happens."""

import re
import time

import pytest

from lab import lmdbs
from lab.syncer import database
from lab.waiting import eventually

NOW = time.time_ns()
DBI = "entries"
QUICK = {"storage_retry_interval": "200ms", "lmdb_poll_interval": "100ms", "storage_poll_interval": "100ms"}


@pytest.fixture
def node(tmp_path, lightningstream):
    """node("a", storage section, ...) is an instance whose LMDB holds one record, its own name."""

    def make(name, storage, **settings):
        path = tmp_path / f"{name}.lmdb"
        lmdbs.write(path, {DBI: {name.encode(): lmdbs.stored(NOW, b"v")}})
        instance = lightningstream(name, {"main": database(path)}, storage, **(QUICK | settings))
        instance.path = path
        return instance

    return make


def keys(path):
    return sorted(lmdbs.contents(path)[DBI].entries)


def snapshots_of(storage):
    """Instances of the snapshots in the storage, one for each snapshot."""
    return [name.split("__")[1] for name in storage.names() if name.endswith(".pb.gz")]


def age(storage, instance):
    """Makes the snapshots of an instance a year older, by their names."""
    for name in storage.names():
        if name.startswith(f"main__{instance}__"):
            year = int(re.search(r"__(\d{4})", name).group(1))
            storage.put(name.replace(f"__{year}", f"__{year - 1}", 1), storage.get(name))
            storage.remove(name)


def test_what_is_old_goes_and_nothing_is_lost(node, storage):
    cleanup = {"enabled": True, "interval": "1s", "must_keep_interval": "1s"}
    node("gone", storage.storage()).once("sync")
    age(storage, "gone")
    storage.put("main__gone.txt", b"not ours")
    section = storage.storage() | {"cleanup": cleanup}
    a, b = node("a", section).start(), node("b", section).start()
    for number in range(5):
        for one in (a, b):
            lmdbs.write(one.path, {DBI: {b"%s %d" % (one.name.encode(), number): lmdbs.stored(time.time_ns(), b"v")}})
        time.sleep(0.2)  # So that there are several snapshots.
    eventually("one snapshot of each stays", lambda: snapshots_of(storage) == ["a", "b"])
    eventually("all is merged", lambda: len(keys(a.path)) == len(keys(b.path)) == 13)
    a.stop()
    b.stop()
    assert "main__gone.txt" in storage.names()
    assert 'reason="stale instance"' in a.log.read_text() + b.log.read_text()
    new = node("new", storage.storage())
    new.once("receive")
    assert keys(new.path) == sorted({*keys(a.path), b"new"})
    assert b"gone" in keys(new.path)


def test_who_cannot_open_snapshots_does_not_judge_them(node, directory, tmp_path):
    """What cannot be opened here is no reason to remove what cannot be opened either: others may be able to."""
    cleanup = {"enabled": True, "interval": "500ms", "must_keep_interval": "1s"}
    for name in ("theirs", "ours"):
        assert node(name, directory.storage()).run("keygen", "-o", tmp_path / f"{name}.identity").returncode == 0
    sealed = {name: directory.storage() | {"sealing": {"identity_files": [str(tmp_path / f"{name}.identity")]}}
              for name in ("theirs", "ours")}
    node("gone", sealed["theirs"]).once("sync")
    good = [name for name in directory.names() if name.endswith(".pb.gz.age")]
    # Anybody with access to the bucket can write this.
    directory.put(f"main__gone__{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-999999999__GX.pb.gz.age", b"x" * 300)
    cleaner = node("cleaner", sealed["ours"] | {"cleanup": cleanup}).start()
    eventually("both are rejected", lambda: cleaner.process.output().count("snapshot rejected") >= 2)
    time.sleep(4)  # Several rounds of the cleaner.
    assert set(good) <= set(directory.names())
    cleaner.stop()
    # Whoever has the identity gets everything.
    back = node("back", sealed["theirs"]).start()
    eventually("what it had is there", lambda: b"gone" in keys(back.path))
    back.stop()


def test_pruning_by_hand(node, storage):
    a = node("a", storage.storage() | {"cleanup": {"must_keep_interval": "0s", "interval": "1s"}})
    for _ in range(3):
        a.once("sync")
    before = storage.names()
    time.sleep(1.5)  # The newest one must not have just appeared, by the storage's clock of whole seconds.
    eventually("it has not just appeared", lambda: " would be removed" in a.run("snapshots", "prune", "--dry-run").stdout
               and "1 of 4" in a.run("snapshots", "prune", "--dry-run").stdout)
    assert storage.names() == before
    done = a.run("snapshots", "prune")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("newer snapshot") == 1 and "newest of this instance" in done.stdout
    eventually("the state and the newest two are left", lambda: storage.names() == [before[0], *before[-2:]])


def test_while_nothing_changes_nothing_is_listed(s3_server, bucket, proxy, node):
    watched = proxy(s3_server.endpoint)
    options = {"use_update_marker": True, "global_prefix": "site/"}
    a = node("a", bucket.storage(**options), publish_state=False)
    b = node("b", bucket.storage(endpoint=watched.endpoint, **options), publish_state=False)
    a.start()
    b.start()
    eventually("they have met", lambda: keys(a.path) == keys(b.path) == [b"a", b"b"])

    def polls():
        return [path for method, path in watched.requests if method == "GET" and "/site/update-marker" in path]

    def lists():
        return [path for _, path in watched.requests if "list-type=2" in path]

    def is_quiet():
        """Whether there have been many polls without a listing."""
        watched.requests.clear()
        eventually("it polls", lambda: len(polls()) >= 15)
        return lists() == []

    eventually("listings end", is_quiet)
    watched.requests.clear()
    eventually("it goes on polling", lambda: len(polls()) >= 20)
    assert {method for method, _ in watched.requests} == {"GET"} and lists() == []
    # News still come.
    lmdbs.write(a.path, {DBI: {b"news": lmdbs.stored(time.time_ns(), b"v")}})
    eventually("the change arrives", lambda: b"news" in keys(b.path))
    a.stop()
    b.stop()
    assert "site/update-marker" in bucket.names()
