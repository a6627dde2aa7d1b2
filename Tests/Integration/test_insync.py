"""`pdns insync` and `/insync`: who is waited for, and when it is useless to ask again."""

import json
import threading
import time
import urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lab import lmdbs
from lab.listening import ListeningProxy
from lab.process import free_port
from lab.syncer import database
from lab.waiting import eventually
from test_acme import insync, status

DATABASES = "main", "shard"
ZONE = "example.org"  # a zone in the LMDBs
TOO_LONG = "10m"  # longer than a command may take here


@pytest.fixture
def files(fixture_lmdbs):
    return fixture_lmdbs("pdns-4.9")


@pytest.fixture
def instance(files, lightningstream):
    """Makes instances with the LMDBs of a PowerDNS: instance(storage, **settings) has not been started."""

    def make(storage, databases=DATABASES, **settings):
        settings = {"http": {"address": f"127.0.0.1:{free_port()}"}} | settings
        return lightningstream(
            "ours", {name: database(file) for name, file in zip(databases, files)}, storage, **settings)

    return make


def in_sync(syncer):
    code, answer = insync(syncer, ZONE, "--wait", "--timeout", "60s")
    assert code == 0, answer
    return answer


def state_of(name, **applied):
    """The state object of an instance that merged these positions."""
    return json.dumps({
        "version": 1, "instance": name, "hostname": "h", "software": "s", "health": "OK", "applied": applied,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}).encode()


def positions(syncer):
    return {part["database"]: part["position"] for part in in_sync(syncer)["databases"]}


def test_a_host_that_joins_is_asked_although_listings_are_rare(bucket, instance):
    """Announcements make listings rare, and nobody announces what the new host stores."""
    proxy = ListeningProxy(bucket.server.endpoint)
    try:
        ours = instance(bucket.storage(endpoint=proxy.endpoint), storage_poll_interval="2s").start()

        def listens():
            report = json.loads(ours.run("status", "--json").stdout)
            return all(one.get("listening") for one in report["databases"])

        eventually("it listens", listens)
        has = positions(ours)
        for name in DATABASES:
            bucket.put(f"{name}__new.state", state_of("new"))
        # As old as a listing may be.
        time.sleep(2.5)
        lists = proxy.count("list")
        code, answer = insync(ours, ZONE)
        assert code == 75 and {one["instance"] for one in answer["waiting_for"]} == {"new"}, answer
        assert proxy.count("list") > lists
        # While the answer is no, nobody lists.
        lists = proxy.count("list")
        assert insync(ours, ZONE, "--wait", "--timeout", "3s")[0] == 75
        assert proxy.count("list") - lists <= 2
        for name in DATABASES:
            bucket.put(f"{name}__new.state", state_of("new", ours=has[name]))
        assert in_sync(ours)["merged_by"] == ["new"]
    finally:
        proxy.end()


@pytest.mark.parametrize("bodies, broken, reason", [
    ({"shard": b"{"}, "shard", "is not valid"),
    ({"main": b" " * (1 << 21)}, "main", "is larger than"),
    ({"shard": state_of("c")}, "shard", "is that of another instance"),
    ({"shard": None}, "shard", "another database only"),
], ids=["damaged", "large", "foreign", "partial"])
def test_a_broken_state_object_is_no_reason_to_say_yes(directory, instance, bodies, broken, reason):
    ours = instance(directory.storage(), storage_poll_interval="500ms").start()
    has = positions(ours)
    good = {name: state_of("b", ours=has[name]) for name in DATABASES}
    for name, body in (good | bodies).items():
        if body is not None:
            directory.put(f"{name}__b.state", body)

    def answers():
        code, answer = insync(ours, ZONE)
        return code == 75 and answer["unknown"] == [] and [
            (one["instance"], one["database"], reason in one["reason"]) for one in answer["waiting_for"]
        ] == [("b", broken, True)]

    eventually(f"b is waited for, because its state {reason}", answers)
    assert status(ours, f"?zone={ZONE}") == 425
    shown = ours.run("pdns", "insync", ZONE)
    assert shown.returncode == 75 and "missing    b: " in shown.stdout and reason in shown.stdout
    for name, body in good.items():
        directory.put(f"{name}__b.state", body)
    assert in_sync(ours)["merged_by"] == ["b"]


def test_who_is_left_out_is_named(directory, instance):
    ours = instance(directory.storage(), storage_poll_interval="500ms").start()
    in_sync(ours)
    for name in DATABASES:
        directory.put(f"{name}__b.state", state_of("b"))
    eventually("b is waited for", lambda: insync(ours, ZONE)[0] == 75)
    done = ours.run("pdns", "insync", ZONE, "--except", "b", "--except", "c")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].endswith("is in sync: all others are left out")
    assert done.stdout.splitlines()[1:] == ["  left out   b"]
    assert "no other instance in the storage is named c" in done.stderr
    assert insync(ours, ZONE, "--except", "b")[1]["left_out"] == ["b"]
    assert status(ours, f"?zone={ZONE}&except=b") == 200


# MARK: Exit codes


def wait(syncer, timeout=TOO_LONG):
    return syncer.run("pdns", "insync", ZONE, "--wait", "--timeout", timeout)


def test_no_daemon(directory, instance):
    ours = instance(directory.storage())
    assert ours.run("pdns", "insync", ZONE).returncode == 1
    done = wait(ours, "1s")
    assert done.returncode == 1 and "no daemon was reached within 1s" in done.stderr
    # It is waited for.
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(wait(ours, "50s")))
    thread.start()
    ours.start()
    thread.join()
    assert waiting[0].returncode == 0, waiting[0].stderr


def answered(syncer):
    """The status of the answer; None while nobody listens."""
    try:
        return status(syncer, f"?zone={ZONE}")
    except urllib.error.URLError:
        return None


class Stranger(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"in_sync": true}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_another_program_on_the_port(directory, instance):
    ours = instance(directory.storage())
    address, port = ours.settings["http"]["address"].split(":")
    server = HTTPServer((address, int(port)), Stranger)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        done = wait(ours)
        assert done.returncode == 1 and "is not from a daemon of this program" in done.stderr
    finally:
        server.shutdown()
        server.server_close()


def test_a_daemon_that_starts(instance):
    gone = {"type": "s3", "options": {
        "access_key": "a", "secret_key": "b", "bucket": "c", "endpoint_url": f"http://127.0.0.1:{free_port()}"}}
    ours = instance(gone).start()
    eventually("it answers", lambda: answered(ours) == 503)
    code, answer = insync(ours, ZONE, "--wait", "--timeout", "1s")
    assert (code, answer["state"]) == (75, "unknown")


def test_a_daemon_without_powerdns(directory, tmp_path, lightningstream):
    path = tmp_path / "application.mdb"
    lmdbs.write(path, {"entries": {b"k": lmdbs.stored(1, b"value")}})
    ours = lightningstream(
        "ours", {"main": database(path)}, directory.storage(), http={"address": f"127.0.0.1:{free_port()}"}).start()
    done = wait(ours)
    assert done.returncode == 1 and "no database with zones of PowerDNS" in done.stderr
    assert status(ours, f"?zone={ZONE}") == 404


def test_a_daemon_with_zones_only(directory, instance):
    ours = instance(directory.storage(), databases=["main"]).start()
    done = wait(ours)
    assert done.returncode == 1 and "no database with records of PowerDNS" in done.stderr


def test_a_daemon_that_only_receives(directory, instance):
    ours = instance(directory.storage()).start("receive")
    eventually("it answers", lambda: answered(ours) == 404)
    done = wait(ours)
    assert done.returncode == 1 and "this instance only receives" in done.stderr
