"""PowerDNS with its caches as they are by default: answers change at once when the syncer flushes them, and not without."""

import json
import re
import time

import pytest

from lab.pair import Pair
from lab.powerdns import MAP_SIZE
from lab.process import free_port
from lab.syncer import database
from lab.waiting import eventually

ZONE, OTHER = "example.org", "other.test"
CACHED = 15  # seconds; what PowerDNS has answered it keeps for 20 or 60, and whether there is a zone for 300


@pytest.fixture(params=["4.9", "5.x"])
def version(request):
    return request.param


def set_address(server, name, address, zone=ZONE):
    server.util("replace-rrset", zone, server.owner(zone, name), "A", "300", address)


@pytest.fixture
def pair(request, version, directory, powerdns, lightningstream):
    """Two sides in sync; the parameter says where the syncers think that the API is: "here", "gone" or None."""
    a, b = (powerdns(name, version, caches=True) for name in "ab")
    for zone in ZONE, OTHER:
        a.util("create-zone", zone, f"ns1.{zone}")
        set_address(a, "www", "192.0.2.1", zone)
    for server in a, b:
        server.start()
    options = {"create": True, "file_mask": "0600", "map_size": MAP_SIZE}
    syncers = []
    for server in a, b:
        settings = {}
        if place := getattr(request, "param", "here"):
            port = server.api_port if place == "here" else free_port()
            settings["powerdns"] = {"api": {"url": f"http://127.0.0.1:{port}", "key": "lab"}}
        syncers.append(lightningstream(
            server.name, {"main": database(server.main, **options), "shard": database(server.shard, **options)},
            directory.storage(), **settings).start())
    pair = Pair(a, b, syncers)
    pair.agree()
    return pair


def flushed(syncer):
    """The zones of which an instance has flushed the caches, in the order in which it did."""
    return re.findall(r"flushed PowerDNS's caches .*zone=(\S+)", syncer.log.read_text())


def becomes(server, name, kind, rcode, *texts):
    """Waits for an answer, for less time than the present one is cached."""
    eventually(
        f"{name} {kind} is {rcode} {texts}", lambda: server.answer(name, kind) == (rcode, sorted(texts)), limit=CACHED)


def address(name, text):
    return f"{name} 300 A {text}"


def test_answers_change_at_once(pair):
    a, b = pair.a, pair.b
    www, new, doomed = (f"{name}.{ZONE}." for name in ("www", "new", "doomed"))
    # New zones: until now b has answered, and remembers, that there is no such zone.
    becomes(b, www, "A", "NOERROR", address(www, "192.0.2.1"))
    assert b.answer("www.late.test.", "A")[0] == "REFUSED"
    a.util("create-zone", "late.test", "ns1.late.test")
    set_address(a, "www", "192.0.2.7", "late.test")
    becomes(b, "www.late.test.", "A", "NOERROR", address("www.late.test.", "192.0.2.7"))
    # A record that changes, one that comes where there was none, one that goes.
    set_address(a, "doomed", "192.0.2.5")
    becomes(b, doomed, "A", "NOERROR", address(doomed, "192.0.2.5"))
    assert b.answer(new, "A")[0] == "NXDOMAIN"
    before = len(flushed(pair.syncers[1]))
    set_address(a, "www", "192.0.2.2")
    becomes(b, www, "A", "NOERROR", address(www, "192.0.2.2"))
    set_address(a, "new", "192.0.2.3")
    becomes(b, new, "A", "NOERROR", address(new, "192.0.2.3"))
    a.util("delete-rrset", ZONE, a.owner(ZONE, "doomed"), "A")
    becomes(b, doomed, "A", "NXDOMAIN")
    # Only this zone has changed.
    assert set(flushed(pair.syncers[1])[before:]) == {f"{ZONE}."}
    # The other way round.
    assert a.answer(www, "A")[0] == "NOERROR"
    set_address(b, "www", "192.0.2.4")
    becomes(a, www, "A", "NOERROR", address(www, "192.0.2.4"))
    # Keys, which are in the other database: PowerDNS remembers that there are none.
    assert b.answer(ZONE, "DNSKEY") == ("NOERROR", [])
    a.util("secure-zone", ZONE)
    eventually("the zone is signed", lambda: len(b.answer(ZONE, "DNSKEY")[1]) == 1, limit=CACHED)
    # The end of a zone.
    assert b.answer(f"www.{OTHER}.", "A")[0] == "NOERROR"
    a.util("delete-zone", OTHER)
    becomes(b, f"www.{OTHER}.", "A", "REFUSED")
    pair.agree()
    for syncer in pair.syncers:
        syncer.stop()


@pytest.mark.parametrize("pair", [None, "gone"], indirect=True)
def test_without_the_api_they_stay_for_a_while(pair):
    """What the other test shows is due to the flush. An API that is away keeps nobody from syncing."""
    a, b = pair.a, pair.b
    www = f"www.{ZONE}."
    # When it started first there was no zone, and it would remember that for long.
    b.stop()
    b.start()
    for attempt in range(2, 9):
        began = time.monotonic()
        # What was cached before has expired, or is cached for longer than what follows takes.
        [old] = b.answer(www, "A")[1]
        set_address(a, "www", f"192.0.2.{attempt}")
        pair.agree()
        present = b.answer(www, "A")
        if time.monotonic() - began < CACHED and present == ("NOERROR", [old]):
            break
    else:
        raise AssertionError("the answer is never older than the database")
    assert b.answer("late.test.", "SOA")[0] == "REFUSED"
    a.util("create-zone", "late.test", "ns1.late.test")
    pair.agree()
    assert b.answer("late.test.", "SOA")[0] == "REFUSED"
    said = "caches are not flushed" in pair.syncers[1].log.read_text()
    assert said == ("api" in pair.syncers[1].settings.get("powerdns", {}))
    for syncer in pair.syncers:
        syncer.stop()


def test_doctor_tries_the_api(pair):
    """With the right key, with a wrong one, and with nobody there."""
    syncer = pair.syncers[0]
    syncer.stop()

    def finding():
        found = json.loads(syncer.run("doctor", "--json").stdout)["findings"]
        [one] = [finding for finding in found if finding["group"] == "PowerDNS's API"]
        return one["status"], one["text"]

    assert finding()[0] == "pass"
    syncer.settings["powerdns"]["api"]["key"] = "wrong-key"
    syncer.write_configuration()
    status, text = finding()
    assert status == "warn" and "401" in text and "wrong-key" not in text
    pair.a.stop()
    assert finding()[0] == "warn"
