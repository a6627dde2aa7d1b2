"""`pdns` and the real thing: whatever pdnsutil prints of a server's zones, with the server running."""

import json
import subprocess

import pytest

from lab import zonefile
from lab.syncer import ENVIRONMENT, database

ZONES = {
    "example.org": [
        ("@", "MX", "3600", "10 mail.example.org"), ("mail", "A", "300", "192.0.2.25"),
        ("mail", "AAAA", "300", "2001:db8::25"), ("WwW2", "CNAME", "300", "Mail.Example.ORG"),
        ("@", "TXT", "60", '"v=spf1 -all" "and \\"quotes\\""'), ("_sip._tcp", "SRV", "60", "10 20 5060 mail.example.org"),
        ("@", "CAA", "60", '0 issue "ca.example"'), ("*.wild", "A", "60", "192.0.2.99"), ("a.b.c", "A", "60", "192.0.2.97"),
        ("sub", "NS", "60", "ns.sub.example.org"), ("ns.sub", "A", "60", "192.0.2.96"),
    ],
    "example.net": [("www", "A", "300", "192.0.2.80"), ("x.y", "A", "300", "192.0.2.82")],
    "2.0.192.in-addr.arpa": [("1", "PTR", "60", "ns1.example.org")],
}

# RDATA whose text differs between versions of PowerDNS, or between PowerDNS and everybody else.
RDATA = r"""
@ 60 IN SOA ns1.example.org. hostmaster.example.org. 1 2 3 4 5
@ 60 IN NS ns1.example.org.
null 60 IN TYPE10 \# 3 abcdef
hip 60 IN TYPE55 \# 4 00010203
types 60 IN CSYNC 66 3 A TYPE10 TYPE20 TYPE24 TYPE261
signed 60 IN RRSIG TYPE10 13 3 300 20261203000000 20261112000000 58715 example.org. AQID
ipseckey 60 IN IPSECKEY 10 0 0
ipseckey2 60 IN IPSECKEY 10 0 2 /w==
digest 60 IN SSHFP 1 1 -
loc 60 IN LOC 0 0 0 N 0 0 0 E 4.00m 1.00m 10000.00m 10.00m
apl 60 IN APL 1:192.168.38.0/21 !2:2001:db8::/32
caa 60 IN CAA 0 is\sue" "ca.example"
opt 60 IN OPT AQI=
dohpath 60 IN SVCB 1 . key7="/dns-query{?dns}"
"""
RDATA_OF_VERSION = {
    "4.9": r"""
key8 60 IN HTTPS 1 . alpn=h2 key8="x"
key9 60 IN HTTPS 1 . key9="ab"
empty 60 IN HTTPS 1 . key32768=""
resinfo 60 IN TYPE261 \# 2 0131
hhit 60 IN TYPE67 \# 2 0102
""",
    "5.x": r"""
key8 60 IN HTTPS 1 . mandatory=ohttp ohttp
key9 60 IN HTTPS 1 . tls-supported-groups=29,23
resinfo 60 IN RESINFO "qnamemin"
hhit 60 IN HHIT AQI=
""",
}


@pytest.fixture(params=["4.9", "5.x"])
def server(request, powerdns, tmp_path):
    """A running server with signed and unsigned zones."""
    server = powerdns("a", request.param).start()
    for zone, records in ZONES.items():
        server.util("create-zone", zone, "ns1.example.org")
        for name, kind, ttl, content in records:
            server.util("add-record", zone, server.owner(zone, name), kind, ttl, content)
    server.util("load-zone", zonefile.ORIGIN, zonefile.PATH)
    file = tmp_path / "rdata.zone"
    file.write_text(f"$ORIGIN rdata.test.\n{RDATA}{RDATA_OF_VERSION[request.param]}")
    server.util("load-zone", "rdata.test", file)
    server.util("secure-zone", "example.org")
    server.util("set-meta", "example.org", "ALLOW-AXFR-FROM", "127.0.0.0/8", "::1")
    server.util("secure-zone", "example.net")
    server.util("set-nsec3", "example.net", "1 0 0 -")
    server.util("rectify-all-zones")
    server.api("PATCH", "/zones/example.org.", {"rrsets": [{
        "name": "dis.example.org.", "type": "A", "ttl": 77, "changetype": "REPLACE", "records": [
            {"content": "192.0.2.55", "disabled": True}, {"content": "192.0.2.56", "disabled": False}]}]})
    return server


@pytest.fixture
def instance(server, storage, lightningstream):
    """An instance of ours that looks after the server's databases; nothing of it runs."""
    databases = {"main": database(server.main), "shard": database(server.shard)}
    made = lightningstream("a", databases, storage.storage())
    made.bucket = storage
    return made


def listing(server, zone):
    """The zone as pdnsutil prints it, without the line that 5 adds at the end."""
    lines = server.util("list-zone", zone).splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("$") or "\tIN\t" in line)


def test_same_as_pdnsutil(server, instance):
    """Every zone, from the databases of the running server, from snapshots in the storage, and from files."""
    instance.once("sync")
    names = {name.split("__")[0]: name for name in instance.bucket.names() if name.endswith(".pb.gz")}
    zones = json.loads(instance.run("pdns", "zones", "--json").stdout)
    assert {zone["zone"] for zone in zones} == {f"{zone}." for zone in (*ZONES, zonefile.ORIGIN, "rdata.test")}
    for zone in zones:
        name = zone["zone"].rstrip(".")
        expected = listing(server, name)
        for source in ((), ("--snapshot", names["main"]), ("--snapshot", names["shard"])):
            done = instance.run("pdns", "show", name, *source)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == expected
        assert zone["records"] == expected.count("\n") - 1
        assert zone["serial"] == int(next(line for line in expected.splitlines() if "\tSOA\t" in line).split()[6])
        assert zone["dnssec"] == ("signed" if name.startswith("example") else "no")
    assert instance.run("pdns", "diff", names["main"], "lmdb").returncode == 0


def test_loads_again(server, instance, tmp_path):
    """pdnsutil takes what is shown for what it was."""
    for zone in ("rdata.test", zonefile.ORIGIN):
        expected = listing(server, zone)
        file = tmp_path / "shown.zone"
        file.write_text(instance.run("pdns", "show", zone).stdout)
        server.util("delete-zone", zone)
        server.util("load-zone", zone, file)
        assert listing(server, zone) == expected


def test_keys_and_metadata(server, instance):
    shown = instance.run("pdns", "show", "example.org", "--meta", "--keys").stdout
    assert "; metadata ALLOW-AXFR-FROM = 127.0.0.0/8, ::1\n" in shown
    for key in server.api("GET", "/zones/example.org./cryptokeys"):
        detail = server.api("GET", f"/zones/example.org./cryptokeys/{key['id']}")
        tag = detail["ds"][0].split()[0]
        assert f"; key {key['id']}: {key['algorithm']}, key tag {tag}, flags {key['flags']}, active, published\n" in shown
        secret = detail["privatekey"].rsplit(maxsplit=1)[1]
        assert secret not in shown
        assert secret not in instance.run("pdns", "show", "example.org", "--keys", "--json").stdout


def test_diff_tells_what_was_done(server, instance):
    """Between a snapshot and the databases of the running server, in both directions."""
    instance.once("sync")
    [before] = [name for name in instance.bucket.names() if name.startswith("main__") and name.endswith(".pb.gz")]
    server.util("replace-rrset", "example.net", server.owner("example.net", "www"), "A", "60", "192.0.2.1")
    server.util("delete-rrset", "example.org", server.owner("example.org", "mail"), "AAAA")
    server.util("delete-zone", "2.0.192.in-addr.arpa")
    server.util("create-zone", "new.test", "ns1.example.org")
    done = instance.run("pdns", "diff", before, "lmdb")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert "- www.example.net. 300 IN A 192.0.2.80" in lines
    assert "+ www.example.net. 60 IN A 192.0.2.1" in lines
    assert "- mail.example.org. 300 IN AAAA 2001:db8::25" in lines
    assert "- 1.2.0.192.in-addr.arpa. 60 IN PTR ns1.example.org." in lines
    assert any(line.startswith("zone 2.0.192.in-addr.arpa., only in A") for line in lines)
    assert any(line.startswith("zone new.test., only in B") for line in lines)
    changed = [line for line in lines if " IN " in line and " SOA " not in line and " NS " not in line]
    assert len(changed) == 4
    back = instance.run("pdns", "diff", "lmdb", before).stdout.splitlines()
    assert sorted(line[0] for line in back if line[0] in "+-") == sorted(
        {"+": "-", "-": "+"}[line[0]] for line in lines if line[0] in "+-")


def test_output_that_nobody_reads(server, instance):
    """A pipe that closes early is no error."""
    command = [str(word) for word in instance.command("pdns", "show", "example.org")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(30), errors) == (0, "")
