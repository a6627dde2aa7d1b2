"""Moves two PowerDNS 4.7 servers to 4.9 with the commands of docs/upgrading.md, word for word."""

import struct
from dataclasses import dataclass, field

import pytest

from lab import lmdbs
from lab.administrator import Operator
from lab.pair import Pair, syncer_of
from lab.powerdns import PowerDNS
from lab.storage import Directory
from lab.syncer import Lightningstream

pytestmark = pytest.mark.system

TABLES = ["domains", "metadata", "keydata", "tsig"]


@dataclass
class Host:
    """A machine with both programs, on which an operator types commands."""

    server: PowerDNS
    syncer: Lightningstream
    directory: object
    old: dict = field(default_factory=dict)  # the syncer's configuration with PowerDNS 4.7

    def type(self, title):
        """Does what a section of the page says, and returns what that prints."""
        operator = Operator("upgrading.md", self.directory, {
            "/var/lib/powerdns/pdns.lmdb": self.server.main, "/var/backups": self.directory})
        operator.tool("lightningstream", *self.syncer.command())
        operator.tool("pdnsutil", self.server.prefix / "bin/pdnsutil", f"--config-dir={self.server.directory}")
        # The test starts and stops both by itself, and sees here that the page has not forgotten it.
        operator.tool("systemctl", "echo", "systemctl")
        return operator.type(title)

    def store_in(self, directory):
        self.syncer.settings["storage"] = directory.storage()
        self.syncer.write_configuration()

    def become_native(self, directory):
        """What the page says of lightningstream.yaml."""
        self.old = self.syncer.settings
        databases = {}
        for name, database in self.old["lmdbs"].items():
            assert database["dupsort_hack"] and not database["schema_tracks_changes"]
            databases[name] = {key: value for key, value in database.items() if key != "dupsort_hack"}
            databases[name]["schema_tracks_changes"] = True
        self.syncer.settings = self.old | {"lmdbs": databases, "storage": directory.storage()}
        self.syncer.write_configuration()

    def shadows(self):
        """What the shadow DBIs know, with the keys of schema 5: {DBI of schema 5: {key: Entry}}."""
        main, shard = (lmdbs.shadowed(path)[1] for path in (self.server.main, self.server.shard))
        found = {"records_v5": dict(shard["records"].entries)}
        for table in TABLES:
            found[f"{table}_v5"] = {key[::-1]: entry for key, entry in main[table].entries.items()}
            found[f"{table}_v5_0"] = {index_key(key): entry for key, entry in main[f"{table}_0"].entries.items()}
        return found

    def contents(self):
        """The same of what PowerDNS 4.9 has: {DBI: {key: Entry}}, and the rest."""
        return {
            name: dbi.entries for path in (self.server.main, self.server.shard)
            for name, dbi in lmdbs.contents(path).items()}


def index_key(shadow):
    """The key that an index of schema 5 has for one of an index of schema 4, name → ID."""
    size = shadow[-1]
    name, separator, number = shadow[:size], shadow[size:size + 4], shadow[size + 4:-1]
    assert separator == bytes(4) and len(number) == 4
    return struct.pack(">H", size) + name + number[::-1]


def versions(contents):
    """When each entry was changed, and whether it is deleted; without the values, some of which schema 5 keeps elsewhere."""
    return {
        name: {key: (entry.timestamp, entry.deleted) for key, entry in entries.items()}
        for name, entries in contents.items() if name != "pdns" and not name.startswith("_sync")}


@pytest.fixture
def hosts(powerdns, lightningstream, directory, tmp_path):
    """Two servers with PowerDNS 4.7 in sync, each with the same zones."""
    servers = powerdns("a", "4.7").start(), powerdns("b", "4.7").start()
    hosts = [
        Host(server, syncer_of(server, lightningstream, directory), tmp_path / f"{server.name}-host")
        for server in servers]
    a = servers[0]
    for zone in ("example.org", "example.net", "gone.example", "again.example"):
        a.util("create-zone", zone, "ns1.example.org")
        a.util("add-record", zone, "www", "A", "300", "192.0.2.1")
    a.util("add-record", "example.org", "doomed", "TXT", "300", '"not for long"')
    a.util("secure-zone", "example.org")
    a.util("secure-zone", "gone.example")
    a.util("rectify-zone", "example.org")
    a.util("set-meta", "example.org", "ALLOW-AXFR-FROM", "::1")
    a.util("set-meta", "gone.example", "ALLOW-AXFR-FROM", "::1")
    a.util("import-tsig-key", "kept.key", "hmac-sha256", "c2VjcmV0")
    for host in (hosts[0], hosts[1], hosts[0]):
        host.syncer.once()
    pair(hosts).compare()
    return hosts


def pair(hosts):
    return Pair(hosts[0].server, hosts[1].server, [host.syncer for host in hosts])


def change_apart(hosts, tmp_path):
    """From now on neither knows of the other: b goes on with what a deletes and changes, and changes something else."""
    a, b = (host.server for host in hosts)
    hosts[1].store_in(Directory(tmp_path / "bucket-of-b"))
    # In a later second than what it replaces, for what has timestamps in seconds.
    b.util("replace-rrset", "again.example", "www", "A", "300", "192.0.2.66")
    b.util("add-record", "example.net", "fresh", "A", "300", "192.0.2.44")
    hosts[1].syncer.once()
    a.util("delete-zone", "gone.example")
    a.util("delete-rrset", "example.org", "doomed", "TXT")
    a.util("delete-zone", "again.example")
    a.util("set-meta", "example.org", "ALLOW-AXFR-FROM")
    hosts[0].syncer.once()
    a.util("create-zone", "again.example", "ns2.example.org")
    # What only the last sync of the page sees.
    a.util("replace-rrset", "example.org", "www", "A", "300", "192.0.2.99")


def move(host, install, bucket):
    """The page, from the first step to the last but one. Returns what the shadows knew."""
    host.server.stop()
    assert host.type("Stop") == "systemctl stop pdns\nsystemctl stop lightningstream\n"
    known = host.shadows()
    host.type("Make a copy")
    host.server.install(install("4.9"))
    zones = host.type("PowerDNS 4.9")
    assert sorted(zones.split()) == sorted(
        ["again.example", "example.net", "example.org"] + (["gone.example"] if host.server.name == "b" else []))
    before = host.contents()
    live = {name: {key for key, entry in entries.items() if not entry.deleted} for name, entries in known.items()}
    assert {name: set(before[name]) for name in known} == live
    assert {entry.timestamp for name in known for entry in before[name].values()} == {0}

    host.become_native(bucket)
    printed = host.type("Copy the timestamps").splitlines()
    assert len(printed) == 9 and not any("left out" in line or "differ" in line for line in printed), printed
    after = host.contents()
    assert {name: entries for name, entries in versions(after).items() if name in known} == versions(known)
    for name in known:
        assert {key: after[name][key].value for key in before[name]} == {
            key: entry.value for key, entry in before[name].items()}
    without_time = [line.split(" = ")[0] for line in host.type("Check").splitlines()]
    assert sorted(line.split(" ")[0] for line in without_time) == ["schemaversion", "shards", "uuid"]
    dropped = host.type("Drop the shadow DBIs").splitlines()
    assert [line for line in dropped if "dropped _sync_shadow_" not in line and "dropped _sync_state" not in line] == []
    assert not any(name.startswith("_sync") for name in host.contents())
    return known


def test_from_4_7_to_4_9(hosts, installed_powerdns, tmp_path):
    change_apart(hosts, tmp_path)
    a, b = hosts
    bucket = Directory(tmp_path / "new-bucket")
    known = [versions(move(host, installed_powerdns, bucket)) for host in hosts]

    for host in hosts:
        assert host.type("Start") == "systemctl start pdns\nsystemctl start lightningstream\n"
        host.server.start()
        host.syncer.start()
    both = pair(hosts)
    both.agree()
    # The newer of both versions of each entry, with its own time: nothing has been made newer on the way.
    assert versions(a.contents()) == {
        name: {key: max(one[name].get(key, (0,)), other[name].get(key, (0,))) for key in one[name] | other[name]}
        for one, other in [known] for name in one}

    both.both_answer("www.example.org", "A", "www.example.org. 300 A 192.0.2.99")
    both.both_answer("doomed.example.org", "TXT", rcode="NXDOMAIN")
    both.both_answer("www.gone.example", "A", rcode="REFUSED")
    both.both_answer("again.example", "NS", "again.example. 3600 NS ns2.example.org.")
    both.both_answer("www.again.example", "A", rcode="NXDOMAIN")
    both.both_answer("fresh.example.net", "A", "fresh.example.net. 300 A 192.0.2.44")
    for server in (a.server, b.server):
        zones = {zone["name"]: zone["dnssec"] for zone in server.api("GET", "/zones")}
        assert zones == {"example.org.": True, "example.net.": False, "again.example.": False}
        assert "::1" not in server.util("get-meta", "example.org")
        assert "kept.key" in server.util("list-tsig-keys")
    # What is changed now arrives, too.
    b.server.util("replace-rrset", "again.example", "www", "A", "300", "192.0.2.77")
    both.agree()
    both.both_answer("www.again.example", "A", "www.again.example. 300 A 192.0.2.77")
    for host in hosts:
        host.syncer.stop()
        host.server.stop()


def test_going_back(hosts, installed_powerdns, directory, tmp_path):
    change_apart(hosts, tmp_path)
    a, b = hosts
    known = move(a, installed_powerdns, Directory(tmp_path / "new-bucket"))
    a.server.start()
    a.server.util("add-record", "example.org", "lost", "A", "300", "192.0.2.98")
    a.syncer.once()

    a.server.stop()
    a.server.install(installed_powerdns("4.7"))
    a.syncer.settings = a.old
    a.syncer.write_configuration()
    assert a.type("Going back").count("systemctl") == 4
    a.server.start()
    assert a.shadows() == known
    assert a.server.answer("www.example.org", "A")[1] == ["www.example.org. 300 A 192.0.2.99"]
    assert a.server.answer("lost.example.org", "A")[0] == "NXDOMAIN"
    # And they sync as before, the deletions of a included.
    b.store_in(directory)
    for host in (a, b, a):
        host.syncer.once()
    both = pair(hosts)
    both.compare()
    both.both_answer("www.gone.example", "A", rcode="REFUSED")
    both.both_answer("fresh.example.net", "A", "fresh.example.net. 300 A 192.0.2.44")
