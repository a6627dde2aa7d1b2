"""The format of the installed base: what we write is read by an independent decoder, and what others wrote by us."""

import os
import time

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet

from lab import lmdbs, snapshots
from lab.paths import FIXTURES
from lab.syncer import database
from lab.waiting import eventually

VERSIONS = ["4.9", "5.1"]


def golden(version):
    """The snapshots of release 1.0 of the LMDBs that PowerDNS of this version made: {database: (name, object)}."""
    found = {}
    for path in FIXTURES.glob(f"*__go-{version.replace('.', '-')}__*.pb.gz"):
        found[snapshots.parse_name(path.name).database] = path.name, path.read_bytes()
    assert sorted(found) == ["main", "shard"]
    return found


def sync_once(lightningstream, directory, files):
    instance = lightningstream("ours", {name: database(path) for name, path in files.items()}, directory.storage())
    instance.once("sync")
    written = {snapshots.parse_name(name).database: name for name in directory.names() if name.endswith(".pb.gz")}
    assert sorted(written) == sorted(files)
    return written


@pytest.mark.parametrize("version", VERSIONS)
def test_written_snapshots_hold_what_the_databases_hold(version, fixture_lmdbs, directory, lightningstream):
    files = dict(zip(("main", "shard"), fixture_lmdbs(f"pdns-{version}")))
    before = {name: lmdbs.last_transaction(path) for name, path in files.items()}
    written = sync_once(lightningstream, directory, files)
    for name, path in files.items():
        message = snapshots.decode(directory.get(written[name]))
        stored = lmdbs.contents(path)
        assert lmdbs.differences(snapshots.contents(message), stored) == []
        assert (message.formatVersion, message.compatVersion) == (3, 1)
        assert message.meta.generationID == "GX"
        assert message.meta.instanceID == "ours"
        assert message.meta.hostname
        assert message.meta.databaseName == name
        assert message.meta.lmdbTxnID == before[name] == lmdbs.last_transaction(path), "sending only reads"
        assert message.meta.fromLmdbTxnID == 0
        assert written[name] == snapshots.name_at(name, "ours", message.meta.timestampNano)
        # Release 1.0 takes a DBI with a field that it does not know for corrupt.
        assert not any(len(UnknownFieldSet(dbi)) for dbi in message.databases)


@pytest.mark.parametrize("version", VERSIONS)
def test_written_snapshots_equal_those_of_release_1_0(version, fixture_lmdbs, directory, lightningstream):
    written = sync_once(lightningstream, directory, dict(zip(("main", "shard"), fixture_lmdbs(f"pdns-{version}"))))
    for name, (_, theirs) in golden(version).items():
        messages = [snapshots.decode(body) for body in (theirs, directory.get(written[name]))]
        for message in messages:
            # What belongs to the writer and the moment of writing.
            message.meta.instanceID = message.meta.hostname = ""
            message.meta.timestampNano = 0
            # What only our own programs read: 1.0 skips it.
            message.meta.DiscardUnknownFields()
        theirs, ours = messages
        assert ours.meta == theirs.meta
        assert [(dbi.name, dbi.flags, dbi.transform) for dbi in ours.databases] == [
            (dbi.name, dbi.flags, dbi.transform) for dbi in theirs.databases]
        for one, other in zip(ours.databases, theirs.databases):
            assert list(one.entries) == list(other.entries), one.name
        assert ours == theirs


@pytest.mark.parametrize("version", VERSIONS)
def test_snapshots_of_release_1_0_fill_empty_databases(
        version, fixture_lmdbs, directory, tmp_path, lightningstream):
    for name, body in golden(version).values():
        directory.put(name, body)
    stored = directory.names()
    target = tmp_path / "made" / "here"
    options = {"create": True, "dir_mask": "0750", "file_mask": "0600", "map_size": "16MB"}
    files = {"main": target / "db", "shard": target / "db-0"}
    receiver = lightningstream(
        "ours", {name: database(path, **options) for name, path in files.items()}, directory.storage())
    receiver.once("receive")
    for path, original in zip(files.values(), fixture_lmdbs(f"pdns-{version}")):
        assert lmdbs.differences(lmdbs.contents(path), lmdbs.contents(original)) == []
        assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(target).st_mode & 0o777 == 0o750
    assert directory.names() == stored, "receiving stores nothing"


def test_large_database_is_written_in_parts_of_bounded_size(directory, tmp_path, lightningstream):
    path = tmp_path / "db"
    entries = {
        b"%08d" % number: lmdbs.stored(1_700_000_000_000_000_000 + number, b"%064d" % number, deleted=False)
        for number in range(200_000)}
    lmdbs.write(path, {"records": entries, "empty": {}})
    written = sync_once(lightningstream, directory, {"main": path})
    message = snapshots.decode(directory.get(written["main"]))
    parts = [dbi for dbi in message.databases if dbi.name == "records"]
    assert len(parts) > 1
    assert max(part.ByteSize() for part in parts) < 8 << 20
    assert [dbi.name for dbi in message.databases].count("empty") == 1
    assert lmdbs.differences(snapshots.contents(message), lmdbs.contents(path)) == []


def test_pages_of_a_load_come_from_one_arena(directory, tmp_path, lightningstream):
    """An arena of a thread would grow by one mprotect(2) for each page that LMDB writes."""
    source, copy = tmp_path / "a.lmdb", tmp_path / "b.lmdb"
    now = time.time_ns()
    entries = {b"%06d" % number: lmdbs.stored(now, b"x" * 100) for number in range(50_000)}
    lmdbs.write(source, {"entries": entries})
    lightningstream("a", {"main": database(source, map_size="64MB")}, directory.storage()).once("sync")
    loader = lightningstream("b", {"main": database(copy, create=True, map_size="64MB")}, directory.storage())
    loader.start("receive")
    eventually("everything is there", lambda: copy.exists() and "entries" in lmdbs.contents(copy))
    assert arenas_of_threads(loader.process.pid) == []
    loader.stop()


def arenas_of_threads(pid):
    """The arenas that malloc(3) has made for threads: 64 MiB, the first part of which is in use."""
    size = 64 << 20
    with open(f"/proc/{pid}/maps") as file:
        maps = [line.split() for line in file]
    parts = [(*(int(address, 16) for address in line[0].split("-")), line[1], len(line) == 5) for line in maps]
    return [
        used for used, free in zip(parts, parts[1:])
        if used[0] % size == 0 and used[2] == "rw-p" and used[3] and free[:3] == (used[1], used[0] + size, "---p")]
