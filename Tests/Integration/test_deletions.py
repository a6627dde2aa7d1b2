"""Deletions that are forgotten: the sweeper, and a node that comes back after that."""

import json
import os
import time

import pytest

from lab import lmdbs, snapshots
from lab.powerdns import MAP_SIZE
from lab.syncer import database
from lab.waiting import eventually

RETENTION = 30  # seconds
SWEEPER = {
    "sweeper": {"enabled": True, "retention_days": RETENTION / 86400, "first_interval": "1s", "interval": "1s"},
    "lmdb_poll_interval": "200ms", "storage_poll_interval": "200ms", "storage_retry_interval": "200ms"}
DBI = "entries"


def deleted(path):
    return [key for dbi in lmdbs.contents(path).values() for key, entry in dbi.entries.items() if entry.deleted]


def own_snapshots(storage, instance, name="shard"):
    return [one for one in storage.names() if one.startswith(f"{name}__{instance}__")]


@pytest.fixture
def nodes(powerdns, lightningstream, directory):
    """Two PowerDNS servers with their syncers, in sync."""
    made = []
    for name in ("a", "b"):
        server = powerdns(name).start()
        options = {"create": True, "file_mask": "0600", "map_size": MAP_SIZE}
        syncer = lightningstream(
            name, {"main": database(server.main, **options), "shard": database(server.shard, **options)},
            directory.storage(), **SWEEPER)
        made.append((server, syncer))
    (a, first), (b, second) = made
    a.util("create-zone", "example.org", "ns1.example.org")
    a.util("create-zone", "gone.example", "ns1.gone.example")
    first.start()
    second.start()
    eventually("both are equal", lambda: agree(a, b))
    return made


def agree(a, b):
    return [lmdbs.assert_equal(a.main, b.main), lmdbs.assert_equal(a.shard, b.shard)]


def test_a_node_that_was_away_too_long_brings_nothing_back(nodes, directory):
    (a, first), (b, second) = nodes
    eventually("b knows when it was in sync", lambda: all("_sync_state" in lmdbs.contents(path) for path in (b.main, b.shard)))
    eventually("b has sent both", lambda: all(own_snapshots(directory, "b", name) for name in ("main", "shard")))
    second.stop()
    a.util("delete-zone", "gone.example")
    eventually("a has swept", lambda: not deleted(a.main) and not deleted(a.shard), limit=3 * RETENTION)
    # Snapshots are stored now and then, so that the newest ones know nothing of it any more.
    eventually("a has stored that", lambda: not any(
        entry.deleted for name in ("main", "shard")
        for dbi in snapshots.contents(snapshots.decode(directory.get(own_snapshots(directory, "a", name)[-1]))).values()
        for entry in dbi.entries.values()))
    assert b.answer("gone.example", "SOA")[0] == "NOERROR"
    # What b changes while it is away is so young that nobody can have forgotten its deletion.
    b.util("add-record", "example.org", "young", "A", "300", "192.0.2.7")

    # A single run says why it sends nothing, and so does the daemon; others are not disturbed.
    before = own_snapshots(directory, "b")
    done = second.run("sync", "--only-once")
    assert done.returncode == 1
    assert "not in sync since" in done.stderr and "lightningstream resync --only-db" in done.stderr
    second.start()
    second.process.wait_for_output("not in sync since")
    a.util("add-record", "example.org", "after", "A", "300", "192.0.2.8")
    eventually("b still receives", lambda: b.answer("after.example.org", "A")[1])
    assert own_snapshots(directory, "b") == before
    assert a.answer("gone.example", "SOA")[0] == "REFUSED"

    # Beside both of them. What its state object claimed before does not count any more, also without a daemon.
    second.stop()
    done = second.run("resync")
    for name in ("main", "shard"):
        state = json.loads(directory.get(f"{name}__b.state"))
        assert state["sent"] == own_snapshots(directory, "b", name)[-1]
        assert state["covered"] == state["applied"] and list(state["applied"]) == ["a"]
    # Whatever that object says, nothing counts as merged for prune: what a daemon's cleaner would keep after that stays.
    month_ago = time.time() - 30 * 86400
    retired = f"main__retired__{time.strftime('%Y%m%d-%H%M%S', time.gmtime(month_ago))}-000000000__GX.pb.gz"
    directory.put(retired, directory.get(own_snapshots(directory, "a", "main")[-1]))
    kept = {retired, *(own_snapshots(directory, who, name)[-1] for who in "ab" for name in ("main", "shard"))}
    for name in filter(lambda name: name.endswith(".pb.gz"), directory.names()):
        os.utime(directory.path / name, (month_ago, month_ago))
    pruned = second.run("snapshots", "prune")
    assert pruned.returncode == 0 and "remove" in pruned.stdout, pruned.stdout + pruned.stderr
    assert kept <= set(directory.names())
    directory.remove(retired)
    second.start()
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["main", "shard"]
    assert all("rebuilt from a: " in line and "it may send again" in line for line in lines), lines
    assert all("removed 0" not in line for line in lines), lines
    eventually("both are equal", lambda: agree(a, b))
    for server in (a, b):
        assert server.answer("gone.example", "SOA")[0] == "REFUSED"
        assert server.answer("young.example.org", "A")[1] == ["young.example.org. 300 A 192.0.2.7"]
    b.util("add-record", "example.org", "again", "A", "300", "192.0.2.9")
    eventually("b sends again", lambda: a.answer("again.example.org", "A")[1])
    done = second.run("resync")
    assert done.returncode == 0 and done.stdout.count("nothing to do: sending is not blocked") == 2
    for name in own_snapshots(directory, "b"):
        assert not [dbi for dbi in snapshots.contents(snapshots.decode(directory.get(name))) if "_sync" in dbi]


def test_resync_wants_the_sweeper(lightningstream, directory, tmp_path):
    lmdbs.write(tmp_path / "db", {DBI: {b"key": lmdbs.stored(time.time_ns())}})
    instance = lightningstream("a", {"main": database(tmp_path / "db")}, directory.storage())
    done = instance.run("resync")
    assert done.returncode == 1 and "sweeper.enabled is false" in done.stderr
    assert directory.names() == []


def test_only_what_is_old_and_deleted_is_swept(lightningstream, directory, tmp_path):
    old, now = time.time_ns() - 10**9 * 3600, time.time_ns()
    path = tmp_path / "db"
    lmdbs.write(path, {DBI: {
        b"live": lmdbs.stored(old, b"x"), b"old": lmdbs.stored(old, deleted=True),
        b"young": lmdbs.stored(now, deleted=True)}})
    settings = SWEEPER | {"sweeper": SWEEPER["sweeper"] | {"retention_days": 600 / 86400}}
    instance = lightningstream("a", {"main": database(path)}, directory.storage(), **settings)
    # Neither single runs nor receivers sweep.
    instance.once("sync")
    instance.once("receive")
    assert len(lmdbs.contents(path)[DBI].entries) == 3
    instance.start()
    instance.process.wait_for_output("swept")
    assert list(lmdbs.contents(path)[DBI].entries) == [b"live", b"young"]
    instance.stop()
