"""`status` of running daemons, and `status --wait` until everybody has what changed."""

import json
import time

import pytest

from lab import lmdbs
from lab.process import free_port
from lab.syncer import database
from lab.waiting import eventually

DBI = "entries"


def entry(key, value=b"v"):
    return {DBI: {key: lmdbs.stored(time.time_ns(), value)}}


@pytest.fixture
def daemon(lightningstream, storage, tmp_path):
    """daemon(name) is an instance with an LMDB of one entry, and with an address."""

    def make(name, **settings):
        path = tmp_path / f"{name}.lmdb"
        lmdbs.write(path, entry(name.encode()))
        instance = lightningstream(
            name, {"main": database(path)}, storage.storage(), http={"address": f"127.0.0.1:{free_port()}"}, **settings)
        instance.path = path
        return instance

    return make


def report(instance):
    done = instance.run("status", "--json")
    return done.returncode, json.loads(done.stdout)


def test_waiting_for_the_others(daemon, storage):
    a, b, receiver = daemon("a"), daemon("b"), daemon("r")
    a.start()
    b.start()
    receiver.start("receive")
    eventually("a answers", lambda: report(a)[0] == 0)
    eventually("b tells its state", lambda: "main__b.state" in storage.names())
    done = a.run("status", "--wait", "--timeout", "60s")
    assert done.returncode == 0, done.stderr
    assert "merged by  b" in done.stdout

    # What has just been written must be there when the command ends, although it had not been sent when it began.
    for number in range(5):
        key = f"new-{number}".encode()
        lmdbs.write(a.path, entry(key))
        done = a.run("status", "--wait", "--timeout", "60s", "--json")
        assert done.returncode == 0, done.stderr
        assert key in lmdbs.contents(b.path)[DBI].entries
        (spread,) = json.loads(done.stdout)
        assert (spread["complete"], spread["merged"], spread["missing"]) == (True, ["b"], [])

    b.kill()
    lmdbs.write(a.path, entry(b"alone"))
    done = a.run("status", "--wait", "--timeout", "3s")
    assert done.returncode == 75
    assert "missing    b: the newest of ours that it has is main__a__" in done.stdout
    assert "database main: b has not merged our newest snapshot" in done.stderr

    code, found = report(a)
    assert code == 0 and found["mode"] == "sync"
    by_name = {one["name"]: one for one in found["databases"][0]["instances"]}
    assert set(by_name) == {"a", "b"}
    assert by_name["a"]["is_own"] and not by_name["b"]["is_own"]
    assert by_name["b"]["lag"] == 0 and by_name["b"]["merged"]["name"] == by_name["b"]["newest"]["name"]

    code, found = report(receiver)
    assert code == 0 and found["mode"] == "receive"
    done = receiver.run("status", "--wait")
    assert done.returncode == 1 and "only receives" in done.stderr
    a.stop()
    receiver.stop()

    # Without a daemon it is not healthy, but what storage and LMDB show is shown.
    code, found = report(a)
    assert code == 1 and found["mode"] == "none" and "daemon" in found["health"]["failures"]
    assert DBI in [dbi["name"] for dbi in found["databases"][0]["lmdb"]["dbis"]]
    assert found["databases"][0]["sent"]["name"] == max(name for name in by_name_of(found) if "__a__" in name)


def by_name_of(found):
    return [one["newest"]["name"] for one in found["databases"][0]["instances"] if "newest" in one]
