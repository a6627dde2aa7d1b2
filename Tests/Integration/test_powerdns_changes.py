"""What the log says of merges and sends between two PowerDNS servers, and what is refused."""

import json
import re
import urllib.request

import pytest

from lab.pair import Pair
from lab.powerdns import MAP_SIZE
from lab.process import free_port
from lab.syncer import database
from lab.waiting import eventually

ZONE = "example.org"


def lines(syncer, *texts):
    """What the log of an instance has with all these texts, parsed."""
    found = [line for line in syncer.log.read_text().splitlines() if line.startswith("{")]
    return [json.loads(line) for line in found if all(text in line for text in texts)]


def messages(syncer):
    return {line["msg"] if "msg" in line else line["message"] for line in lines(syncer)}


@pytest.fixture(params=["summary", "records"])
def detail(request):
    return request.param


@pytest.fixture
def pair(detail, directory, powerdns, lightningstream):
    a, b = powerdns("a").start(), powerdns("b").start()
    a.util("create-zone", ZONE, f"ns1.{ZONE}")
    a.util("add-record", ZONE, "www", "A", "300", "192.0.2.1")
    options = {"create": True, "file_mask": "0600", "map_size": MAP_SIZE}
    syncers = [
        lightningstream(
            server.name, {"main": database(server.main, **options), "shard": database(server.shard, **options)},
            directory.storage(), log={"format": "json"}, powerdns={"log_changes": detail}).start()
        for server in (a, b)]
    pair = Pair(a, b, syncers)
    pair.agree()
    return pair


def test_merges_and_sends_are_told(pair, detail):
    a, b = pair.syncers
    eventually("the zone has come", lambda: lines(b, "merged changes of zone", '"zones_created"', f"{ZONE}."))
    eventually("all is settled", lambda: all(len(lines(syncer, "start-up is complete")) == 2 for syncer in (a, b)))
    pair.a.util("replace-rrset", ZONE, "@", "SOA", "3600", f"ns1.{ZONE} hostmaster.{ZONE} 77 2 3 4 60")
    eventually("the serial is told", lambda: lines(b, "merged changes of zone", '"serial"', "77", f"{ZONE}."))
    pair.a.util("replace-rrset", ZONE, "www", "A", "60", "192.0.2.2")
    pair.a.util("add-record", ZONE, "new", "TXT", "300", '"quoted \\"text\\""')
    pair.a.util("set-meta", ZONE, "X-OWNER", "somebody")
    pair.a.util("add-zone-key", ZONE, "ksk", "active")
    pair.a.util("delete-rrset", ZONE, "www", "A")
    for direction, syncer in ("merged", b), ("sent", a):
        for field in "rrsets_added", "rrsets_removed", "metadata", "keys":
            eventually(f"{field} are told of what was {direction}",
                       lambda: lines(syncer, f"{direction} changes of zone", f'"{field}"', f"{ZONE}."))
    pair.agree()
    new = '+ new.example.org. 300 IN TXT "quoted \\"text\\""'
    if detail == "records":
        eventually("the record is told", lambda: new in messages(a) and new in messages(b))
        removed = re.compile(r"- www\.example\.org\. (60|300) IN A 192\.0\.2\.[12]")
        for syncer in pair.syncers:
            eventually("the end of a record is told",
                       lambda: [text for text in messages(syncer) if removed.fullmatch(text)])
    else:
        assert not [text for text in messages(a) | messages(b) if text.startswith(("+ ", "- "))]
    for syncer in pair.syncers:
        assert "PrivateKey" not in syncer.log.read_text()
        syncer.stop()


@pytest.mark.parametrize("detail", ["records"], indirect=True)
def test_a_send_is_told_as_its_merge_is(pair):
    """The sender knows what PowerDNS has replaced, and says it in the words of the receiver."""
    a, b = pair.syncers
    eventually("all is settled", lambda: all(len(lines(syncer, "start-up is complete")) == 2 for syncer in (a, b)))
    # What was there before is told, too, when it is merged.
    eventually("the zone has come", lambda: f"+ www.{ZONE}. 300 IN A 192.0.2.1" in messages(b))
    name = f"{ZONE}."
    steps = [
        (("add-record", ZONE, "gone", "A", "300", "192.0.2.5"), "rrsets_added", [f"+ gone.{name} 300 IN A 192.0.2.5"]),
        (("replace-rrset", ZONE, "www", "A", "60", "192.0.2.2"), "rrsets_changed",
         [f"- www.{name} 300 IN A 192.0.2.1", f"+ www.{name} 60 IN A 192.0.2.2"]),
        (("add-record", ZONE, "gone", "A", "300", "192.0.2.6"), "rrsets_changed", [f"+ gone.{name} 300 IN A 192.0.2.6"]),
        (("delete-rrset", ZONE, "gone", "A"), "rrsets_removed",
         [f"- gone.{name} 300 IN A 192.0.2.5", f"- gone.{name} 300 IN A 192.0.2.6"]),
    ]

    def news(syncer, direction, start):
        """What the log says since then: the lines of zones, and the records."""
        later = lines(syncer)[start:]
        texts = [(line["msg"] if "msg" in line else line["message"], line) for line in later]
        return ([line for text, line in texts if text == f"{direction} changes of zone" and line["zone"] == name],
                sorted(text for text, _ in texts if text.startswith(("+ ", "- "))))

    for command, field, expected in steps:
        starts = [len(lines(syncer)) for syncer in pair.syncers]
        pair.a.util(*command)
        for direction, syncer, start in zip(("sent", "merged"), pair.syncers, starts, strict=True):
            eventually(f"it is told of what was {direction}",
                       lambda: news(syncer, direction, start)[1] == sorted(expected))
            zones, _ = news(syncer, direction, start)
            assert [int(line.get(field, 0)) for line in zones] == [1], zones
            others = {"rrsets_added", "rrsets_changed", "rrsets_removed", "rrsets_written"} - {field}
            assert not others & set(zones[0]), zones
    assert not lines(a, "sent changes", "rrsets_written")
    for syncer in pair.syncers:
        syncer.stop()


@pytest.mark.parametrize("detail", ["summary"], indirect=True)
def test_too_many_deletions_are_refused(pair):
    """Where a limit is set, a zone that is deleted elsewhere stays until somebody decides."""
    b = pair.syncers[1]
    b.stop()
    b.settings["powerdns"]["validation"] = {"max_deleted_zones": 10}
    b.write_configuration()
    b.start()
    pair.a.util("delete-zone", ZONE)
    refused = eventually(
        "the end of the only zone is refused",
        lambda: lines(b, "snapshot rejected", "powerdns.validation.max_deleted_zones"))
    assert "it would delete 1 of 1 zones" in refused[0]["error"]
    assert pair.b.answer(ZONE, "NS") == ("NOERROR", [f"{ZONE}. 3600 NS ns1.{ZONE}."])


@pytest.mark.parametrize("detail", ["summary"], indirect=True)
def test_two_valid_zones_merge_into_an_invalid_one(pair):
    """Each PowerDNS takes its record, since it does not know of the other one; both syncers tell what came of it."""
    for syncer in pair.syncers:
        syncer.stop()
    pair.a.util("add-record", ZONE, "both", "CNAME", "300", f"www.{ZONE}")
    pair.b.util("add-record", ZONE, "both", "A", "300", "192.0.2.9")
    check = "pdns", "check", ZONE
    for syncer in pair.syncers:
        assert "cname-with-other-data" not in syncer.run(*check).stdout
    for syncer in pair.syncers:
        syncer.start()
    pair.agree()
    told = ["cname-with-other-data", f"both.{ZONE}."]
    found = [eventually("both syncers tell of it", lambda: lines(syncer, *told)) for syncer in pair.syncers]
    assert {line["instance"] for log in found for line in log} <= {"a", "b"}
    checked = pair.syncers[0].run(*check)
    assert checked.returncode == 1
    assert "cname-with-other-data" in checked.stdout

    pair.a.util("delete-rrset", ZONE, "both", "CNAME")
    pair.agree()
    # Where PowerDNS itself has changed the zone, it is looked at again some minutes later.
    eventually("the merge reports it as resolved", lambda: lines(pair.syncers[1], "resolved: ", "cname-with-other-data"))
    for syncer in pair.syncers:
        syncer.stop()


def test_a_newer_powerdns_does_not_end_an_older_one(directory, powerdns, lightningstream):
    """4.9 could not start again with the schema of 5.x, so its syncer refuses that, and says why."""
    a, b = powerdns("a").start(), powerdns("b", "5.x").start()
    a.util("create-zone", ZONE, f"ns1.{ZONE}")
    b.util("create-zone", "new.test", "ns1.new.test")
    options = {"create": True, "file_mask": "0600", "map_size": MAP_SIZE}
    port = free_port()
    old, new = (
        lightningstream(
            server.name, {"main": database(server.main, **options), "shard": database(server.shard, **options)},
            directory.storage(), log={"format": "json"}, http={"address": f"127.0.0.1:{port}"} if server is a else {}).start()
        for server in (a, b))
    refused = eventually("the new schema is refused", lambda: lines(old, "snapshot rejected", "newer PowerDNS"))
    assert "it would raise schemaversion from 5 to 6" in refused[0]["error"]
    assert "upgrade PowerDNS here first" in refused[0]["error"]

    def health():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            return "newer PowerDNS" in answer.read().decode()

    eventually("health shows it", health)
    # What the old one has, the new one takes.
    eventually("the zone has come", lambda: b.answer(ZONE, "NS") == ("NOERROR", [f"{ZONE}. 3600 NS ns1.{ZONE}."]))
    assert a.answer("new.test", "SOA")[0] == "REFUSED"
    a.stop()
    a.start()
    assert a.answer(ZONE, "NS") == ("NOERROR", [f"{ZONE}. 3600 NS ns1.{ZONE}."])
    for syncer in old, new:
        syncer.stop()
