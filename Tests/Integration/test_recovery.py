"""What goes wrong in real life: lost databases, broken snapshots, killed processes, storage that is away."""

import os
import random
import signal
import time

import pytest

from lab import lmdbs, snapshots
from lab.syncer import database
from lab.waiting import eventually

NOW = time.time_ns()
DBI = "entries"


def records(count, value=b"", since=NOW - 10**12):
    return {b"%08d" % number: lmdbs.stored(since + number, value or b"%032d" % number) for number in range(count)}


def keys(path):
    """The keys and values that are not deleted."""
    found = lmdbs.contents(path).get(DBI, lmdbs.DBI(0)).entries
    return {key: entry.value for key, entry in found.items() if not entry.deleted}


@pytest.fixture
def node(tmp_path, lightningstream):
    """node("a", storage, entries) is an instance with one LMDB, made by an application when there are entries."""

    def make(name, storage, entries=None, **settings):
        path = tmp_path / f"{name}.lmdb"
        if entries is not None:
            lmdbs.write(path, {DBI: entries})
        options = {} if entries is not None else {"create": True, "map_size": "256MB"}
        # Short pauses between tries: a test that waits for one does not have to wait long.
        settings = {"storage_retry_interval": "200ms", "lmdb_poll_interval": "200ms",
                    "storage_poll_interval": "200ms"} | settings
        instance = lightningstream(name, {"main": database(path, **options)}, storage.storage(), **settings)
        instance.path = path
        return instance

    return make


def snapshot_names(storage, instance):
    return [name for name in storage.names() if name.startswith(f"main__{instance}__") and name.endswith(".pb.gz")]


def test_news_of_nothing_leave_the_database_alone(node, directory):
    a, b = node("a", directory, records(1000)), node("b", directory)
    a.once("sync")
    b.once("receive")
    lmdbs.assert_equal(a.path, b.path)
    before = lmdbs.last_transaction(b.path)
    b.once("receive")
    b.once("sync")
    assert lmdbs.last_transaction(b.path) == before
    a.once("sync")
    b.once("receive")
    assert lmdbs.last_transaction(b.path) == before
    # While a daemon runs, too.
    b.start()
    count = len(snapshot_names(directory, "b"))
    eventually("b has stored one", lambda: len(snapshot_names(directory, "b")) > count)
    a.once("sync")
    newest = snapshot_names(directory, "a")[-1]
    b.process.wait_for_output(newest)
    assert lmdbs.last_transaction(b.path) == before
    b.stop()
    # When it ends it records what is merged.
    assert lmdbs.last_transaction(b.path) == before + 1
    lmdbs.assert_equal(a.path, b.path)


def test_news_of_nothing_need_no_write_lock(node, directory):
    """An application may hold the write lock for as long as it likes: whoever has nothing to write does not notice."""
    a, b = node("a", directory, records(1000)), node("b", directory)
    a.once("sync")
    b.once("receive")
    with lmdbs.opened(b.path, readonly=False) as environment, environment.begin(write=True):
        b.once("receive", "--timeout", "20s")
        b.once("sync", "--timeout", "20s")
    assert len(snapshot_names(directory, "b")) == 1


def test_a_write_lock_that_others_keep_does_not_keep_it_from_ending(node, directory):
    a, b = node("a", directory, records(10)), node("b", directory, records(5))
    a.once("sync")
    with lmdbs.opened(b.path, readonly=False) as environment, environment.begin(write=True):
        syncer = b.start("receive", "--debug").process
        syncer.wait_for_output("downloaded a snapshot")
        # The merge begins at once, and hangs. Should it come later, the test shows less, but does not fail.
        time.sleep(0.5)
        assert syncer.terminate(limit=60) == 0
    b.once("receive")
    assert keys(b.path) == keys(a.path)


def test_only_changed_entries_are_written(node, directory):
    a, b = node("a", directory, records(1000)), node("b", directory)
    a.once("sync")
    b.once("receive")
    before = lmdbs.last_transaction(b.path)
    lmdbs.write(a.path, {DBI: {b"new": lmdbs.stored(NOW, b"x"), b"%08d" % 7: lmdbs.stored(NOW, deleted=True)}})
    a.once("sync")
    b.once("receive")
    lmdbs.assert_equal(a.path, b.path)
    assert lmdbs.last_transaction(b.path) == before + 1


@pytest.mark.parametrize("daemon", [False, True], ids=["only once", "daemon"])
def test_wiped_database_is_refilled_before_anything_is_sent(daemon, node, storage):
    a = node("a", storage, records(500))
    a.once("sync")
    full = keys(a.path)
    for path in (a.path, a.path.with_name(a.path.name + "-lock")):
        path.unlink()
    a.settings["lmdbs"]["main"]["options"] |= {"create": True}
    a.write_configuration()
    if daemon:
        a.start()
        eventually("the entries are back", lambda: keys(a.path) == full)
        a.stop()
    else:
        a.once("sync")
    assert keys(a.path) == full
    for name in snapshot_names(storage, "a"):
        assert len(snapshots.contents(snapshots.decode(storage.get(name)))[DBI].entries) == 500, name


def test_wiped_database_with_a_new_entry_loses_neither(node, directory):
    a = node("a", directory, records(500))
    a.once("sync")
    a.path.unlink()
    a.path.with_name(a.path.name + "-lock").unlink()
    lmdbs.write(a.path, {DBI: {b"fresh": lmdbs.stored(NOW, b"made since")}})
    a.once("sync")
    assert len(keys(a.path)) == 501
    newest = snapshots.decode(directory.get(snapshot_names(directory, "a")[-1]))
    assert len(snapshots.contents(newest)[DBI].entries) == 501


def broken(kind, body):
    if kind == "cut short":
        return body[:len(body) // 2]
    if kind == "checksum":
        return body[:-8] + bytes([body[-8] ^ 1]) + body[-7:]
    if kind == "garbage behind":
        return body + b"garbage"
    if kind == "not gzip":
        return b"<html>502 Bad Gateway</html>"
    assert kind == "empty"
    return b""


@pytest.mark.parametrize("kind", ["cut short", "checksum", "garbage behind", "not gzip", "empty"])
def test_corrupt_snapshot_is_passed_over(kind, node, directory):
    """The previous snapshot of that instance counts instead, and nothing of the corrupt one gets into the LMDB."""
    good_name, good = snapshots.encode("main", "x", [(b"k", b"good", NOW - 10**9, False)], NOW - 10**9)
    bad_name, bad = snapshots.encode(
        "main", "x", [(b"%08d" % number, b"bad", NOW, False) for number in range(5000)], NOW)
    directory.put(good_name, good)
    directory.put(bad_name, broken(kind, bad))
    b = node("b", directory)
    done = b.once("receive", "--log-level", "warning")
    assert keys(b.path) == {b"k": b"good"}
    assert any(bad_name in line for line in done.stderr.splitlines())
    # And a daemon takes the next one.
    b.start()
    next_name, body = snapshots.encode("main", "x", [(b"k", b"better", NOW + 1, False)], NOW + 1)
    directory.put(next_name, body)
    eventually("the next snapshot is merged", lambda: keys(b.path) == {b"k": b"better"})
    b.stop()


@pytest.mark.parametrize("fields", [{"formatVersion": 0}, {"compatVersion": 4}], ids=["no version", "too new"])
def test_refused_snapshot_is_passed_over(fields, node, directory):
    for version, when in (({}, NOW - 1), (fields, NOW)):
        directory.put(*snapshots.encode("main", "x", [(b"k%d" % len(version), b"v", when, False)], when, **version))
    b = node("b", directory)
    b.once("receive")
    assert keys(b.path) == {b"k0": b"v"}


def test_objects_that_are_no_snapshots_do_not_matter(node, directory):
    for name in ("README.txt", "main__x.pb.gz", "main__x__20260101-000000-000000000__GX.state", "update-marker",
                 "other__x__20260101-000000-000000000__GX.pb.gz", "main__x__20260101-000000-000000000__GX.pb.gz.tmp"):
        directory.path.joinpath(name).write_bytes(b"nothing to do with us")
    a = node("a", directory, records(10))
    a.once("sync")
    assert (directory.path / "README.txt").read_bytes() == b"nothing to do with us"
    assert len(snapshot_names(directory, "a")) == 1


def test_killed_while_loading(node, directory):
    """A snapshot is applied whole or not at all, at whatever moment the process dies."""
    count = 100_000
    a = node("a", directory, records(count))
    a.once("sync")
    outcomes = []
    for attempt in range(10):
        b = node(f"b{attempt}", directory)
        b.start("receive")
        eventually("the LMDB is there", b.path.exists)
        # Spread over the whole time of the load, whatever that is on this machine.
        time.sleep(random.uniform(0, 0.1 * (attempt + 1)))
        b.kill()
        found = len(keys(b.path))
        assert found in (0, count), f"killed half-way: {found} of {count} entries"
        outcomes.append((found, b))
        if found:
            break
    # What was killed before its load was complete starts anew; what was killed after has it all.
    for _, b in (outcomes[0], outcomes[-1]):
        b.once("receive")
        lmdbs.assert_equal(a.path, b.path)


def test_three_instances(node, storage):
    nodes = [node(name, storage, records(50) if name == "a" else {}) for name in "abc"]
    for instance in nodes:
        instance.start()
    everywhere = lambda: lmdbs.assert_equal(*(instance.path for instance in nodes))
    eventually("all have what a had", lambda: len(everywhere()[DBI].entries) == 50)
    expected = dict(keys(nodes[0].path))

    for turn in range(3):
        for number, instance in enumerate(nodes):
            key = b"turn %d by %d" % (turn, number)
            lmdbs.write(instance.path, {DBI: {
                key: lmdbs.stored(time.time_ns(), b"v"), b"contested": lmdbs.stored(time.time_ns(), b"%d" % turn),
                b"%08d" % (turn * 3 + number): lmdbs.stored(time.time_ns(), deleted=True)}})
            expected |= {key: b"v", b"contested": b"%d" % turn}
            del expected[b"%08d" % (turn * 3 + number)]
        if turn == 1:
            # One dies with changes that may not have left it.
            nodes[turn].kill()
            nodes[turn].start()
        eventually("all agree", lambda: everywhere() and keys(nodes[2].path) == expected)
    for instance in nodes:
        instance.stop()


def test_storage_away_and_back(own_s3_server, proxy, lightningstream, tmp_path):
    """The S3 server goes away while both sides change, and comes back at the same address."""
    address = proxy(own_s3_server.endpoint)
    bucket = own_s3_server.bucket("away")
    paths = [tmp_path / "a.lmdb", tmp_path / "b.lmdb"]
    syncers = []
    for name, path in zip("ab", paths):
        lmdbs.write(path, {DBI: {}})
        syncers.append(lightningstream(
            name, {"main": database(path)}, bucket.storage(endpoint=address.endpoint), storage_retry_interval="200ms",
            lmdb_poll_interval="200ms", storage_poll_interval="200ms", storage_retry_forever=True).start())
    lmdbs.write(paths[0], {DBI: {b"before": lmdbs.stored(NOW, b"v")}})
    eventually("b has it", lambda: b"before" in keys(paths[1]))

    address.close()
    own_s3_server.stop()
    for path in paths:
        lmdbs.write(path, {DBI: {path.name.encode(): lmdbs.stored(NOW + 1, b"v")}})
    for syncer in syncers:
        syncer.process.wait_for_output("cannot")
        assert syncer.process.running

    own_s3_server.start()
    address.target = own_s3_server.endpoint
    address.open()
    eventually("both have all", lambda: lmdbs.assert_equal(*paths) and len(keys(paths[0])) == 3, limit=60)
    for syncer in syncers:
        syncer.stop()


def test_storage_that_stays_away_ends_the_program(own_s3_server, lightningstream, tmp_path):
    bucket = own_s3_server.bucket("gone")
    path = tmp_path / "a.lmdb"
    lmdbs.write(path, {DBI: records(3)})
    instance = lightningstream(
        "a", {"main": database(path)}, bucket.storage(), storage_retry_interval="100ms", storage_retry_count=2,
        lmdb_poll_interval="200ms", storage_poll_interval="200ms").start()
    eventually("one is stored", lambda: snapshot_names(bucket, "a"))
    own_s3_server.stop()
    lmdbs.write(path, {DBI: {b"new": lmdbs.stored(NOW, b"v")}})
    assert instance.process.wait(120) == 1
    last = instance.process.output().splitlines()[-1]
    assert "storage_retry_count" in last and "bucket gone" in last and "connect" in last


def test_receive_needs_no_more_than_list_and_get(s3_server, bucket, proxy, node, lightningstream, tmp_path):
    a = node("a", bucket, records(200))
    a.once("sync")
    before = bucket.names()
    watched = proxy(s3_server.endpoint)
    path = tmp_path / "reader.lmdb"
    storage = bucket.storage(keys=s3_server.reader_keys, endpoint=watched.endpoint)
    reader = lightningstream(
        "reader", {"main": database(path, create=True, map_size="16MB")}, storage, storage_poll_interval="200ms")
    reader.once("receive")
    lmdbs.assert_equal(a.path, path)
    # A daemon as well, with changes of its own, which it keeps to itself.
    reader.start("receive")
    lmdbs.write(path, {DBI: {b"own": lmdbs.stored(NOW, b"v")}})
    lmdbs.write(a.path, {DBI: {b"theirs": lmdbs.stored(NOW, b"v")}})
    a.once("sync")
    eventually("the change is received", lambda: b"theirs" in keys(path))
    reader.stop()
    assert {method for method, _ in watched.requests} == {"GET"}
    # It may ask whether the server announces changes.
    assert all(any(part in path for part in ("list-type=2", "/main__a__", "events=")) for _, path in watched.requests)
    assert snapshot_names(bucket, "reader") == []
    assert set(before) <= set(bucket.names())
    assert b"own" in keys(path)


def test_wrong_keys_are_one_clear_line(bucket, node):
    a = node("a", bucket, records(3), storage_retry_count=1, storage_retry_interval="100ms")
    a.settings["storage"]["options"]["secret_key"] = "wrongsecretkey"
    a.write_configuration()
    done = a.run("sync", "--only-once", "--timeout", "5s")
    assert done.returncode in (1, 75)
    lines = [line for line in done.stderr.splitlines() if "SignatureDoesNotMatch" in line and " DEBUG " not in line]
    assert lines and all(bucket.name in line and "403" in line and "secret" in line for line in lines), done.stderr


def test_signals_in_the_middle_of_work_do_no_harm(node, directory):
    """SIGTERM at random moments: the program ends with 0, and what it did is whole."""
    a = node("a", directory, records(20_000))
    for attempt in range(6):
        lmdbs.write(a.path, {DBI: {b"attempt %d" % attempt: lmdbs.stored(time.time_ns(), b"v")}})
        a.start()
        a.process.wait_for_output("opened the LMDB")
        time.sleep(random.uniform(0, 0.1))
        a.process.signal(signal.SIGTERM)
        assert a.process.wait() == 0
        for name in snapshot_names(directory, "a"):
            snapshots.decode(directory.get(name))
        assert not [name for name in os.listdir(directory.path) if name.endswith(".tmp")]
    a.once("sync")
    newest = snapshots.decode(directory.get(snapshot_names(directory, "a")[-1]))
    assert lmdbs.differences(snapshots.contents(newest), lmdbs.contents(a.path)) == []


def test_temporary_files_of_killed_daemons_go(node, directory):
    """SIGKILL in the middle of a store leaves a file behind: its owner removes it at start, a cleaner the old ones of others."""
    a = node("a", directory, {b"%08d" % number: lmdbs.stored(NOW + number, random.randbytes(64)) for number in range(100_000)})
    a.settings["storage"]["cleanup"] = {"enabled": True, "interval": "1s"}
    a.write_configuration()
    os.makedirs(directory.path, exist_ok=True)

    def temporary():
        return {name for name in os.listdir(directory.path) if name.endswith(".tmp")}

    for _ in range(4):
        a.start()
        a.process.wait_for_output("opened the LMDB")
        time.sleep(random.uniform(0, 0.4))
        a.kill()
    # A file has its temporary name for a moment only, which these may have missed: .a.1f.tmp is what is left behind then.
    for name, age in (".a.1f.tmp", 60), (".b.1f.tmp", 7200), (".c.2e.tmp", 60), ("notes.tmp", 7200):
        path = os.path.join(directory.path, name)
        open(path, "w").close()
        os.utime(path, (time.time() - age, time.time() - age))
    a.start()
    a.process.wait_for_output("stored a snapshot")
    eventually("the old one of another daemon is gone", lambda: ".b.1f.tmp" not in temporary())
    a.stop()
    # Of others' only what is old, and nothing that no daemon has made.
    assert temporary() == {".c.2e.tmp", "notes.tmp"}
