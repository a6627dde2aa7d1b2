"""What the daemon tells a service manager (sd_notify), heard on a socket of the test's own."""

import os
import time

import lmdb
import pytest

from lab import lmdbs
from lab.syncer import database
from lab.systemd import NotifySocket, reader_table_locked
from lab.waiting import eventually

LIMIT = 2.0  # seconds within which each loop has to show that it lives


@pytest.fixture
def manager(request, tmp_path):
    """A service manager, at the address that the test's parameter gives or at a path."""
    heard = NotifySocket(getattr(request, "param", tmp_path / "notify"))
    yield heard
    heard.close()


def environment(manager, **more):
    return {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(int(LIMIT * 1e6))} | more


def pings_within(manager, seconds):
    """How many pings come in this time."""
    end, found = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        found += manager.listen().count("WATCHDOG=1")
        time.sleep(0.05)
    return found


def put(opened, key):
    """Changes an LMDB as an application would."""
    handle = opened.open_db(b"things")
    with opened.begin(write=True) as transaction:
        transaction.put(key, lmdbs.stored(time.time_ns(), b"value"), db=handle)


def opened(path):
    return lmdb.open(str(path), subdir=False, max_dbs=16)


@pytest.mark.parametrize("manager", [f"@lightningstream-{os.getpid()}"], indirect=True, ids=["abstract"])
def test_from_start_to_end(native, manager, directory):
    """READY comes when start-up is complete and not before; STATUS says how things stand; STOPPING comes at the end."""
    native.start("sync", "--wait-for-marker-file", "go", environment=environment(manager))
    # While it waits, the time for the start is extended.
    manager.wait_for(f"EXTEND_TIMEOUT_USEC={int(LIMIT * 1e6)}", count=8)
    assert "READY=1" not in manager.heard
    assert "STATUS=Starting up, not done yet: main, shard" in manager.heard
    directory.put("go", b"")
    manager.wait_for("READY=1")
    assert {name.split("__")[0] for name in directory.names() if "__" in name} == {"main", "shard"}
    manager.wait_for("STATUS=Syncing main, shard; last sent ")
    extended = sum(line.startswith("EXTEND") for line in manager.heard)
    manager.wait_for_news("WATCHDOG=1", count=8)
    assert sum(line.startswith("EXTEND") for line in manager.heard) == extended, "after the start"
    assert "STOPPING=1" not in manager.heard
    native.stop()
    manager.listen()
    assert manager.heard[-2:] == ["STOPPING=1", "STATUS=Shutting down"]
    assert manager.heard.count("READY=1") == 1


def test_a_hung_loop_stops_the_pings(native, manager):
    """One database of two whose LMDB does not answer any more is enough; once it answers, all is well again."""
    native.start(environment=environment(manager))
    manager.wait_for("READY=1")
    main = native.files[0]
    with opened(main) as application:
        put(application, b"before")
        with reader_table_locked(main):
            put(application, b"after")
            native.process.wait_for_output("a sync loop hangs")
            manager.wait_for("STATUS=Syncing main, shard; no activity of main")
            assert pings_within(manager, 2 * LIMIT) == 0
    manager.wait_for_news("WATCHDOG=1", count=4)
    native.stop()


def test_waiting_for_the_write_lock_does_not(native, manager, lightningstream, fixture_lmdbs):
    """A new process would have to wait as well; the line says what it waits for."""
    main, shard = fixture_lmdbs("pdns-4.9", to="other")
    native.start(environment=environment(manager))
    manager.wait_for("READY=1")
    other = lightningstream("other", {"main": database(main), "shard": database(shard)}, native.settings["storage"])
    with opened(shard) as application:
        put(application, b"new")
    with opened(native.files[1]) as application, application.begin(write=True):
        other.once()
        manager.wait_for("STATUS=Syncing main, shard; shard waits for the write lock of another process")
        assert pings_within(manager, 2 * LIMIT) >= 4
    eventually("the merge", lambda: "things" in lmdbs.contents(native.files[1]))
    native.stop()


def test_a_storage_that_hangs_does_not(native, manager, bucket, proxy):
    """Requests end by themselves; health checks tell of them."""
    hangs = []
    between = proxy(bucket.server.endpoint, lambda method, path: bool(hangs))
    native.settings["storage"] = bucket.storage(endpoint=between.endpoint)
    native.write_configuration()
    native.start(environment=environment(manager))
    manager.wait_for("READY=1")
    hangs.append(True)
    assert pings_within(manager, 2 * LIMIT) >= 4
    native.process.kill()


def test_a_watchdog_that_is_meant_for_another_process(native, manager):
    native.start(environment=environment(manager, WATCHDOG_PID="1"))
    manager.wait_for("READY=1")
    native.stop()
    manager.listen()
    assert "WATCHDOG=1" not in manager.heard


def test_a_failure_is_told(native, manager, tmp_path):
    native.files[0].unlink()
    done = native.run("sync", environment=environment(manager))
    assert done.returncode == 1
    manager.listen()
    assert manager.heard[-2] == "STOPPING=1"
    assert manager.heard[-1].startswith("STATUS=Failed: database main: cannot open LMDB")
    assert "READY=1" not in manager.heard
