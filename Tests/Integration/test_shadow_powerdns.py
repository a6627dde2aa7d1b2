"""PowerDNS 4.7, whose schema has no timestamps: what was changed while syncers were down, indexes, late nodes.

test_powerdns_story.py tells the whole story with it, too.
"""

import pytest

from lab import lmdbs
from lab.pair import Pair, syncer_of
from lab.powerdns import MAP_SIZE
from lab.syncer import shadow_database
from lab.waiting import eventually

ZONE = "example.org"


@pytest.fixture
def pair(storage, powerdns, lightningstream):
    """Two servers in sync that know one zone with some records."""
    servers = [powerdns(name, "4.7").start() for name in "ab"]
    a = servers[0]
    a.util("create-zone", ZONE, f"ns1.{ZONE}")
    a.util("create-zone", "doomed.example", f"ns1.{ZONE}")
    for name in ("stays", "deleted", "changed", "contested"):
        a.util("add-record", ZONE, name, "A", "300", "192.0.2.1")
    a.util("add-zone-key", ZONE, "ksk", "active")
    a.util("set-meta", ZONE, "X-OWNER", "one", "two", "three")
    pair = Pair(*servers, [syncer_of(server, lightningstream, storage).start() for server in servers])
    pair.agree()
    return pair


def metadata(server, kind):
    return sorted(server.api("GET", f"/zones/{ZONE}./metadata/{kind}")["metadata"])


def keys(server):
    """The numbers of the zone's DNSSEC keys."""
    return [str(key["id"]) for key in server.api("GET", f"/zones/{ZONE}./cryptokeys")]


def test_database_has_what_shadow_mode_is_for(pair):
    """Integer keys and several values a key, without a single header; should a test's PowerDNS be another, it shows here."""
    main, _ = pair.compare()
    stored = lmdbs.everything(pair.b.main)
    for name in ("domains", "metadata", "keydata", "tsig"):
        assert stored[name].flags == lmdbs.INTEGERKEY
        assert stored[f"{name}_0"].flags == lmdbs.DUPSORT | lmdbs.DUPFIXED
    index = [key for key, _ in stored["metadata_0"].pairs]
    assert len(index) == len(main["metadata"].entries) == 3 and len(set(index)) == 1


def test_changes_while_the_syncer_was_down(pair):
    """They reach the other side, deletions included, and what the other side changed meanwhile is newer."""
    a, b = pair.a, pair.b
    down = pair.syncers[0]
    down.stop()
    a.util("delete-rrset", ZONE, "deleted", "A")
    a.util("replace-rrset", ZONE, "changed", "A", "60", "192.0.2.2")
    a.util("add-record", ZONE, "added", "A", "300", "192.0.2.3")
    a.util("delete-rrset", ZONE, "contested", "A")
    a.util("delete-zone", "doomed.example")
    a.util("remove-zone-key", ZONE, keys(a)[0])
    a.util("set-meta", ZONE, "X-OWNER", "two")
    b.util("replace-rrset", ZONE, "contested", "A", "60", "192.0.2.4")
    b.util("create-zone", "example.net", f"ns1.{ZONE}")
    eventually("b's changes have been seen", lambda: lmdbs.shadowed(b.shard))
    down.start()
    pair.agree()
    pair.both_answer(f"stays.{ZONE}", "A", f"stays.{ZONE}. 300 A 192.0.2.1")
    pair.both_answer(f"deleted.{ZONE}", "A", rcode="NXDOMAIN")
    pair.both_answer(f"changed.{ZONE}", "A", f"changed.{ZONE}. 60 A 192.0.2.2")
    pair.both_answer(f"added.{ZONE}", "A", f"added.{ZONE}. 300 A 192.0.2.3")
    pair.both_answer(f"contested.{ZONE}", "A", f"contested.{ZONE}. 60 A 192.0.2.4")
    pair.both_answer("doomed.example", "SOA", rcode="REFUSED")
    assert {zone["name"] for zone in b.api("GET", "/zones")} == {"example.net.", f"{ZONE}."}
    for server in (a, b):
        assert keys(server) == []
        assert metadata(server, "X-OWNER") == ["two"]


def test_both_sides_change_while_neither_syncer_runs(pair):
    """Whoever starts first, both end with the same, and nothing that only one side has touched is lost."""
    a, b = pair.a, pair.b
    for syncer in pair.syncers:
        syncer.stop()
    a.util("delete-rrset", ZONE, "deleted", "A")
    b.util("replace-rrset", ZONE, "changed", "A", "60", "192.0.2.2")
    a.util("replace-rrset", ZONE, "contested", "A", "60", "192.0.2.3")
    b.util("replace-rrset", ZONE, "contested", "A", "60", "192.0.2.4")
    a.util("add-record", ZONE, "added", "A", "300", "192.0.2.5")
    b.util("set-meta", ZONE, "X-OTHER", "four")
    for syncer in reversed(pair.syncers):
        syncer.start()
    pair.agree()
    pair.both_answer(f"stays.{ZONE}", "A", f"stays.{ZONE}. 300 A 192.0.2.1")
    pair.both_answer(f"deleted.{ZONE}", "A", rcode="NXDOMAIN")
    pair.both_answer(f"changed.{ZONE}", "A", f"changed.{ZONE}. 60 A 192.0.2.2")
    pair.both_answer(f"added.{ZONE}", "A", f"added.{ZONE}. 300 A 192.0.2.5")
    # Neither change is known to be the later one: they have the same time, and the lower value stays.
    pair.both_answer(f"contested.{ZONE}", "A", f"contested.{ZONE}. 60 A 192.0.2.3")
    assert [metadata(server, "X-OTHER") for server in (a, b)] == [["four"]] * 2


def test_same_zone_made_on_both_sides_at_once(pair):
    """Two entries with one name, in an index with several values a key: both servers have to see both."""
    a, b = pair.a, pair.b
    for server in (a, b):
        server.util("create-zone", "twice.example", f"ns-{server.name}.{ZONE}")
    main, _ = pair.agree()
    index = [entry for key, entry in main["domains_0"].entries.items() if key.startswith(b"example\0twice\0")]
    assert [entry.deleted for entry in index] == [False, False]
    assert a.answer("twice.example", "NS") == b.answer("twice.example", "NS")


def test_deletion_is_not_undone_by_a_node_that_starts_late(pair, lightningstream, tmp_path, storage):
    """A third node has an old copy of the LMDBs without shadows: what it holds is older than anything with a time."""
    for syncer in pair.syncers:
        syncer.stop()
    old = {name: lmdbs.everything(path) for name, path in (("main", pair.a.main), ("shard", pair.a.shard))}
    for syncer in pair.syncers:
        syncer.start()
    pair.b.util("delete-rrset", ZONE, "deleted", "A")
    pair.b.util("replace-rrset", ZONE, "changed", "A", "60", "192.0.2.2")
    pair.agree()
    files = {}
    for name, databases in old.items():
        files[name] = tmp_path / f"late-{name}"
        lmdbs.write_plain(files[name], {
            name: dbi for name, dbi in databases.items() if not name.startswith("_sync")})
    late = lightningstream(
        "late", {name: shadow_database(path, map_size=MAP_SIZE) for name, path in files.items()}, storage.storage())
    late.start()
    pair.agree()
    eventually("the late one is equal, too", lambda: [
        lmdbs.assert_synced(pair.a.main, files["main"]), lmdbs.assert_synced(pair.a.shard, files["shard"])])
    pair.both_answer(f"deleted.{ZONE}", "A", rcode="NXDOMAIN")
    pair.both_answer(f"changed.{ZONE}", "A", f"changed.{ZONE}. 60 A 192.0.2.2")
    late.stop()
