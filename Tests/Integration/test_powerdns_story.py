"""Two PowerDNS servers and two syncers, used like a person would: what is done on one side is true on the other."""

import dns.dnssec
import dns.exception
import dns.flags
import dns.name
import dns.rdatatype
import pytest

from lab import zonefile
from lab.pair import Pair, syncer_of, versions
from lab.waiting import eventually

TSIG = "transfer.key", "hmac-sha256", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture(params=["4.9", "5.x", "4.7"])
def version(request):
    """Versions of PowerDNS with timestamps of their own (native mode), and one without them (shadow mode)."""
    return request.param


@pytest.fixture
def deltas():
    """Whether deltas are used: by default they are."""
    return True


@pytest.fixture
def pair(request, version, storage, deltas, powerdns, lightningstream):
    """Two sides in sync. Over S3 both servers are up first; over fs the second one starts on received data."""
    settings = {} if deltas else {"deltas": {"enabled": False}}
    a, b = powerdns("a", version).start(), powerdns("b", version)
    a.util("create-zone", "example.org", "ns1.example.org")
    syncers = [syncer_of(server, lightningstream, storage, **settings) for server in (a, b)]
    if request.node.callspec.params["storage"] == "s3":
        b.start()
        for syncer in syncers:
            syncer.start()
    else:
        syncers[0].start()
        eventually("the first snapshots are stored", lambda: len(storage.names()) >= 2)
        syncers[1].once("receive")
        b.start()
        assert b.answer("example.org", "NS") == ("NOERROR", ["example.org. 3600 NS ns1.example.org."])
        syncers[1].start()
    pair = Pair(a, b, syncers)
    pair.agree()
    return pair


def test_story(pair, storage):
    tell(pair)
    assert any(name.endswith(".delta") for name in storage.names())


@pytest.mark.parametrize("deltas", [False])
@pytest.mark.parametrize("version", ["4.9", "5.x"])
def test_story_without_deltas(pair, storage):
    tell(pair)
    assert not any(name.endswith(".delta") for name in storage.names())


def tell(pair):
    make_zones_on_both_sides(pair)
    check_record_types(pair)
    check_dnssec(pair)
    check_transfers(pair)
    change_both_sides(pair)
    delete_and_make_anew(pair)
    end_cleanly(pair)


def make_zones_on_both_sides(pair):
    a, b = pair.a, pair.b
    edit(a, "replace-rrset", "@", "SOA", "3600", "ns1.example.org hostmaster.example.org 1 2 3 4 60")
    edit(a, "add-record", "www", "A", "300", "192.0.2.80", "192.0.2.81")
    edit(a, "add-record", "deep.empty.non-terminal", "A", "300", "192.0.2.83")
    edit(a, "add-record", "doomed", "TXT", "300", '"not for long"')
    a.util("secure-zone", "example.org")
    a.util("rectify-zone", "example.org")
    a.util("set-meta", "example.org", "ALLOW-AXFR-FROM", "127.0.0.0/8", "::1")
    a.util("import-tsig-key", *TSIG)
    a.util("generate-tsig-key", "unused.key", "hmac-sha512")
    # The other side at the same time, over the HTTP API.
    b.api("POST", "/zones", {
        "name": "example.net.", "kind": "Native", "nameservers": ["ns1.example.net."], "dnssec": True,
        "nsec3param": "1 0 0 -", "account": "customer",
        "rrsets": [
            rrset("www.example.net.", "A", ["192.0.2.70", "192.0.2.71"]),
            rrset("ns1.example.net.", "A", ["192.0.2.1"])]})
    b.util("load-zone", zonefile.ORIGIN, str(zonefile.PATH))
    pair.agree()
    # Needs the key and the zone, which were made on different sides.
    a.util("set-meta", zonefile.ORIGIN, "TSIG-ALLOW-AXFR", TSIG[0])
    b.util("set-meta", zonefile.ORIGIN, "X-OWNER", "somebody", "somebody else")
    main, shard = pair.agree()

    assert len(main["domains"].entries) == 3
    assert len(main["tsig"].entries) == 2
    assert len(main["keydata"].entries) == 2
    assert len(shard["records"].entries) > 40
    zones = [sorted(zone["name"] for zone in server.api("GET", "/zones")) for server in (a, b)]
    assert zones == [["example.net.", "example.org.", "types.test."]] * 2
    for server in (a, b):
        assert server.api("GET", "/zones/example.net.")["account"] == "customer"
        owners = server.util("get-meta", zonefile.ORIGIN, "X-OWNER")
        assert sorted(owners.strip().split(" = ")[1].split(", ")) == ["somebody", "somebody else"]
        assert TSIG[2] in server.util("list-tsig-keys")


def check_record_types(pair):
    for name, kind, texts in zonefile.answered():
        pair.both_answer(name, kind, *texts)
    pair.both_answer("anything.wild.types.test", "A", "anything.wild.types.test. 300 A 192.0.2.99")
    pair.both_answer("mixed.types.test", "A", "mixed.types.test. 300 A 192.0.2.92")
    # Nothing is there itself, but something is below, so the name exists; PowerDNS has an entry of its own for that.
    pair.both_answer("empty.non-terminal.example.org", "A")
    pair.both_answer("nothing.example.org", "A", rcode="NXDOMAIN")


def check_dnssec(pair):
    """What one side signs can be validated with the keys that the other side hands out."""
    for zone, denial in (("example.org", "NSEC"), ("example.net", "NSEC3")):
        name = dns.name.from_text(zone)
        for signing, trusted in ((pair.a, pair.b), (pair.b, pair.a)):
            keys = rrset_of(trusted.query(zone, "DNSKEY", dnssec=True).answer, name, "DNSKEY")
            signed = signing.query(f"www.{zone}", "A", dnssec=True).answer
            owner = dns.name.from_text(f"www.{zone}")
            dns.dnssec.validate(
                rrset_of(signed, owner, "A"), rrset_of(signed, owner, "RRSIG", covers="A"), {name: keys})
            denied = signing.query(f"nothing.{zone}", "A", dnssec=True).authority
            assert denial in {dns.rdatatype.to_text(rrset.rdtype) for rrset in denied}


def rrset_of(section, owner, kind, covers="NONE"):
    found = [
        rrset for rrset in section if rrset.name == owner and rrset.rdtype == dns.rdatatype.from_text(kind)
        and rrset.covers == dns.rdatatype.from_text(covers)]
    assert len(found) == 1, f"{owner} {kind}: {section}"
    return found[0]


def check_transfers(pair):
    plain = pair.a.transfer("example.org")
    assert plain == pair.b.transfer("example.org")
    assert "www.example.org. 300 A 192.0.2.80" in plain
    for server in (pair.a, pair.b):
        assert [text.lower() for text in server.transfer(zonefile.ORIGIN, TSIG)] == zonefile.everything()
        with pytest.raises(dns.exception.DNSException):
            server.transfer(zonefile.ORIGIN)
        with pytest.raises(dns.exception.DNSException):
            server.transfer(zonefile.ORIGIN, (TSIG[0], TSIG[1], "d3Jvbmcgc2VjcmV0"))


def change_both_sides(pair):
    a, b = pair.a, pair.b
    # At the same time: other RRsets of one zone, other zones, deletions.
    edit(a, "replace-rrset", "www", "A", "60", "192.0.2.90")
    edit(b, "delete-rrset", "doomed", "TXT")
    b.api("PATCH", "/zones/example.org.", {"rrsets": [
        rrset("api.example.org.", "AAAA", ["2001:db8::5"]) | {"changetype": "REPLACE"}]})
    a.api("PATCH", "/zones/example.net.", {"rrsets": [
        {"name": "www.example.net.", "type": "A", "changetype": "DELETE"},
        rrset("new.example.net.", "MX", ["10 mail.example.net."]) | {"changetype": "REPLACE"}]})
    if a.version != "4.7":
        # 4.7 says that it has deleted such a key, but leaves it where it is.
        a.util("delete-tsig-key", "unused.key")
    b.util("set-meta", zonefile.ORIGIN, "X-OWNER")
    b.util("set-kind", "example.org", "primary")
    main, shard = pair.agree()

    pair.both_answer("www.example.org", "A", "www.example.org. 60 A 192.0.2.90")
    pair.both_answer("doomed.example.org", "TXT", rcode="NXDOMAIN")
    pair.both_answer("api.example.org", "AAAA", "api.example.org. 300 AAAA 2001:db8::5")
    pair.both_answer("www.example.net", "A", rcode="NXDOMAIN")
    pair.both_answer("new.example.net", "MX", "new.example.net. 300 MX 10 mail.example.net.")
    assert [entry.deleted for entry in main["tsig"].entries.values()].count(True) == (a.version != "4.7")
    assert any(entry.deleted for entry in shard["records"].entries.values())
    for server in (a, b):
        assert ("unused.key" in server.util("list-tsig-keys")) == (a.version == "4.7")
        assert "somebody" not in server.util("get-meta", zonefile.ORIGIN)
        assert server.api("GET", "/zones/example.org.")["kind"] in ("Master", "Primary")

    # The same RRset on both sides, one after the other: the later change is the one that stays.
    edit(a, "replace-rrset", "contested", "A", "60", "192.0.2.101")
    if a.version == "4.7":
        # There the time of a change is when the syncer sees it.
        pair.agree()
    edit(b, "replace-rrset", "contested", "A", "60", "192.0.2.102")
    pair.agree()
    pair.both_answer("contested.example.org", "A", "contested.example.org. 60 A 192.0.2.102")


def delete_and_make_anew(pair):
    a, b = pair.a, pair.b
    b.util("delete-zone", "example.org")
    a.api("DELETE", "/zones/example.net.")
    main, _ = pair.agree()
    assert [entry.deleted for entry in main["domains"].entries.values()].count(False) == 1
    for zone in ("example.org", "example.net"):
        pair.both_answer(zone, "SOA", rcode="REFUSED")
        pair.both_answer(f"www.{zone}", "A", rcode="REFUSED")

    a.util("create-zone", "example.org", "ns2.example.org")
    edit(a, "add-record", "www", "AAAA", "300", "2001:db8::80")
    pair.agree()
    pair.both_answer("example.org", "NS", "example.org. 3600 NS ns2.example.org.")
    pair.both_answer("www.example.org", "AAAA", "www.example.org. 300 AAAA 2001:db8::80")
    pair.both_answer("www.example.org", "A")
    pair.both_answer("example.org", "DNSKEY")


def end_cleanly(pair):
    for syncer in pair.syncers:
        syncer.stop()
    before, _ = pair.compare()
    # With nobody to carry it over, a change stays where it is: the syncers did it, not a shared file.
    pair.a.util("create-zone", "lonely.example", "ns1.example.org")
    assert versions(pair.b.version, [pair.b.main]) == before
    assert pair.b.answer("lonely.example", "SOA")[0] == "REFUSED"
    for server in (pair.a, pair.b):
        server.stop()


def edit(server, command, name, *rest):
    """Runs a command of pdnsutil about a name in example.org."""
    server.util(command, "example.org", server.owner("example.org", name), *rest)


def rrset(name, kind, contents):
    return {
        "name": name, "type": kind, "ttl": 300,
        "records": [{"content": content, "disabled": False} for content in contents]}
