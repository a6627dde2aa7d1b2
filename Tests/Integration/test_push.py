"""Changes that the S3 server announces: known elsewhere without a listing."""

import json
import random
import time
import urllib.request

import lmdb
import pytest

from lab import lmdbs
from lab.listening import ListeningProxy
from lab.process import free_port
from lab.waiting import eventually

NEVER = "10m"  # a poll interval that no test waits for
MAP_SIZE = 64 << 20


@pytest.fixture
def listening(bucket):
    """Makes proxies that announce: listening(**options) is in front of the S3 server."""
    made = []

    def make(**options):
        made.append(ListeningProxy(bucket.server.endpoint, **options))
        return made[-1]

    yield make
    for proxy in made:
        proxy.end()


class Nodes:
    """Two instances that reach the bucket through a proxy, with an LMDB each."""

    def __init__(self, tmp_path, lightningstream, bucket, proxy, poll, options, settings):
        self.files, self.ports, self.syncers = {}, {}, []
        self.proxy = proxy
        for name in ("a", "b"):
            self.files[name] = tmp_path / f"{name}.mdb"
            self.ports[name] = free_port()
            configured = {
                "path": str(self.files[name]), "schema_tracks_changes": True,
                "options": {"no_subdir": True, "create": True, "map_size": f"{MAP_SIZE >> 20}MB"}}
            self.syncers.append(lightningstream(
                name, {"main": configured}, bucket.storage(endpoint=proxy.endpoint, **options),
                storage_poll_interval=poll, full_snapshot_interval="1h", http={"address": f"127.0.0.1:{self.ports[name]}"}, **settings))
        # A full snapshot is so large that none follows for the sake of the deltas' size.
        for name in ("a", "b"):
            self.write(name, f"noise of {name}", random.randbytes(20_000).hex())
        self.write("a", "first", "1")
        for syncer in self.syncers:
            syncer.start()

    def write(self, name, key, value):
        environment = lmdb.open(str(self.files[name]), subdir=False, max_dbs=8, map_size=MAP_SIZE)
        try:
            handle = environment.open_db(b"entries")
            with environment.begin(write=True) as transaction:
                stored = lmdbs.stored(time.time_ns(), value.encode(), transaction=transaction.id())
                transaction.put(key.encode(), stored, db=handle)
        finally:
            environment.close()

    def has(self, name, key, value):
        contents = lmdbs.contents(self.files[name])
        return contents["entries"].entries[key.encode()].value == value.encode() if (
            "entries" in contents and key.encode() in contents["entries"].entries) else False

    def follow(self, key, value, writer="a"):
        """Writes in one and waits for it in the other."""
        reader = "b" if writer == "a" else "a"
        self.write(writer, key, value)
        eventually(f"{key} is in {reader}", lambda: self.has(reader, key, value))

    def ask(self, name, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/{path}", timeout=10) as answer:
                return answer.read().decode()
        except OSError as error:
            raise AssertionError(f"no status: {error}") from error

    def status(self, name):
        return json.loads(self.ask(name, "status.json"))["databases"][0]

    def metric(self, name, line):
        text = self.ask(name, "metrics")
        return next((float(one.split()[-1]) for one in text.splitlines() if one.startswith(line)), None)

    def listen(self):
        """Waits until both listen, and have listed for it."""
        eventually("both listen", lambda: all(self.status(name)["listening"] for name in self.files))
        eventually("b has the first entry", lambda: self.has("b", "first", "1"))

    def log(self, index=0):
        return self.syncers[index].log.read_text()


@pytest.fixture
def nodes(tmp_path, lightningstream, bucket):
    def make(proxy, poll=NEVER, settings=None, **options):
        return Nodes(tmp_path, lightningstream, bucket, proxy, poll, options, settings or {})

    return make


@pytest.mark.parametrize("encodes", [False, True], ids=["raw", "encoded"])
@pytest.mark.parametrize("prefix", ["", "two words+/"], ids=["plain", "prefix"])
def test_a_change_is_read_without_a_listing(listening, nodes, encodes, prefix):
    proxy = listening(encodes=encodes)
    pair = nodes(proxy, global_prefix=prefix)
    pair.listen()
    # The first delta of each may be listed together with a full snapshot.
    for number in range(3):
        pair.follow("k", f"first {number}")
        pair.follow("k", f"second {number}", writer="b")
    lists = proxy.count("list")
    for number in range(10):
        pair.follow("k", f"a{number}")
        pair.follow("k", f"b{number}", writer="b")
    assert proxy.count("list") == lists
    instances = {one["name"]: one for one in pair.status("b")["instances"]}
    assert instances["a"]["heard_by"] == "listen"
    assert pair.metric("b", 'lightningstream_receiver_hints_total{lmdb="main",source="listen"}') >= 10
    assert pair.metric("b", 'lightningstream_receiver_hint_merged_seconds_count{lmdb="main",source="listen"}') >= 10
    table = pair.syncers[1].run("status").stdout
    assert "heard by" in table and "listen" in table


def test_what_is_lost_or_garbled_costs_a_listing(listening, nodes):
    proxy = listening()
    pair = nodes(proxy)
    pair.listen()
    pair.follow("k", "0")
    for line in (b"garbage\n", b"{\"Records\":[{}]}\n", b"{\"Records\":17}\n", b"x" * (1 << 20) + b"\n", b"\xff\xfe\n"):
        proxy.say(line)
    for byte in b'{"Records":[{"eventName":"s3:ObjectCreated:Put","s3":{"object":{"key":"main__c.state"}}}]}\n':
        proxy.say(bytes([byte]))
    pair.follow("k", "1")
    # Nothing is announced, but something unreadable is.
    proxy.loses = lambda key: True
    pair.write("a", "k", "2")
    eventually("a has sent it", lambda: pair.status("a")["unsent"] is False)
    proxy.say(b"garbage\n")
    eventually("b has it", lambda: pair.has("b", "k", "2"))
    assert pair.status("b")["listening"]


def test_wrong_announcements_do_no_harm(listening, nodes, bucket):
    proxy = listening()
    pair = nodes(proxy)
    pair.listen()
    for name in ("main__a__20300101-000000-000000000__GX.delta", "main__gone__20200101-000000-000000000__GX.pb.gz",
                 "main__a__x.delta", "../main__a", "main__", "other__a__20300101-000000-000000000__GX.delta"):
        for _ in range(50):
            proxy.announce("s3:ObjectCreated:Put", bucket.name, name, "wrong")
    for number in range(5):
        pair.follow("k", str(number))
    assert not pair.status("b")["activities"][0]["snapshot"].startswith("main__gone")


def test_what_is_stored_while_the_connection_is_broken_is_listed_with_the_next_one(listening, nodes):
    proxy = listening()
    pair = nodes(proxy)
    pair.listen()
    for number in range(2):
        listens = proxy.count("listen")
        proxy.loses = lambda key: True
        proxy.break_listeners()
        pair.write("a", "k", f"while broken {number}")
        eventually("b has it", lambda: pair.has("b", "k", f"while broken {number}"))
        assert proxy.count("listen") > listens
        proxy.loses = lambda key: False
        eventually("both listen again", lambda: all(pair.status(name)["listening"] for name in pair.files))
        pair.follow("k", f"after that {number}")


@pytest.mark.parametrize("refuses", [
    "listing", (403, "<Error><Code>AccessDenied</Code></Error>"), (501, "<Error><Code>NotImplemented</Code></Error>"),
    (400, "what?"),
], ids=["listing", "denied", "unknown", "other"])
def test_a_server_that_does_not_announce_is_listed(listening, nodes, refuses):
    proxy = listening(refuses=refuses)
    pair = nodes(proxy, poll="200ms")
    for number in range(3):
        pair.follow("k", str(number))
    assert proxy.count("listen") == 2, "one request of each"
    assert pair.status("b")["listening"] is False
    said = [line for line in pair.log().splitlines() if "does not announce changes" in line]
    assert len(said) == 1 and "DEBUG" in said[0].upper(), said


def test_who_wants_announcements_is_warned(listening, nodes):
    proxy = listening(refuses="listing")
    pair = nodes(proxy, poll="200ms", notifications="on")
    pair.follow("k", "1")
    eventually("it is said", lambda: "does not announce changes" in pair.log())
    said = [line for line in pair.log().splitlines() if "does not announce changes" in line]
    assert len(said) == 1 and "WARN" in said[0].upper(), said


def test_nothing_is_asked_for_when_it_is_off(listening, nodes):
    proxy = listening()
    pair = nodes(proxy, poll="200ms", notifications="off")
    pair.follow("k", "1")
    assert proxy.count("listen") == 0


def test_an_update_marker_is_announced_too(listening, nodes):
    proxy = listening()
    pair = nodes(proxy, use_update_marker=True)
    pair.listen()
    for number in range(3):
        pair.follow("k", str(number))


def test_the_storage_is_listed_less_often(listening, nodes):
    """Counts listings while a number of pings passes: the same time for both."""
    def idle(proxy):
        pair = nodes(proxy, poll="100ms")
        eventually("b has the first entry", lambda: pair.has("b", "first", "1"))
        if not proxy.refuses:
            pair.listen()
        time.sleep(2)
        lists = proxy.count("list")
        time.sleep(5)
        for syncer in pair.syncers:
            syncer.stop()
        for file in pair.files.values():
            file.unlink()
        return proxy.count("list") - lists

    assert idle(listening()) * 3 < idle(listening(refuses="listing"))


def test_the_process_ends_at_once(listening, nodes):
    pair = nodes(listening())
    pair.listen()
    for index, syncer in enumerate(pair.syncers):
        syncer.stop()
        assert "an operation hangs" not in pair.log(index)


def test_doctor_says_whether_it_works(listening, nodes):
    proxy = listening()
    pair = nodes(proxy, poll="200ms")
    lines = {}
    for refuses in (None, "listing", (403, "<Error><Code>AccessDenied</Code></Error>")):
        proxy.refuses = refuses
        text = pair.syncers[0].run("doctor").stdout
        lines[refuses] = next(line for line in text.splitlines() if "notifications" in line)
    first, second, third = lines.values()
    assert "the server announces changes" in first
    assert "does not announce changes" in second
    assert "s3:ListenBucketNotification" in third
