"""Pages with a story: their commands are run, word for word, and do what the page says."""

import re

import pytest
import yaml

from lab import lmdbs
from lab.markdown import DOCS, blocks
from lab.administrator import Operator
from lab.pair import Pair, syncer_of
from lab.paths import ROOT, lightningstream as program
from lab.process import free_port, run
from lab.storage import Directory
from lab.waiting import eventually


@pytest.fixture
def beginner(installed_powerdns, tmp_path):
    """Somebody with both programs on the machine, on the page for beginners."""
    prefix = installed_powerdns("4.9").prefix
    # An installed PowerDNS knows where its modules are.
    operator = Operator(
        "getting-started.md", tmp_path,
        {"launch=lmdb\n": f"launch=lmdb\nmodule-dir={prefix / 'modules'}\n",
         "port=$((port + 1))": f"[ $host = a ] && port={free_port()} || port={free_port()}"}, "bash")
    operator.tool("pdnsutil", prefix / "bin/pdnsutil")
    operator.tool("lightningstream", program())
    return operator


def test_getting_started(beginner, tmp_path):
    first, *story = list(beginner.sections)[:5]
    # Where the program comes from; here it is there, and what is built is where the page says.
    assert first == "The programs"
    [build] = [block.text for block in blocks(DOCS / "getting-started.md") if block.text.startswith("make build\n")]
    path = re.search(r"^PATH=\$PWD/(\S+):\$PATH$", build, re.MULTILINE)[1]
    done = run([ROOT / "scripts/build-release", "--path"])
    assert (ROOT / path).parent == ROOT / ".build" and done.stdout.strip().endswith("/release/lightningstream")
    printed = beginner.type(*story)
    [shown] = [block.text for block in blocks(DOCS / "getting-started.md") if block.kind == "text"]
    assert shown in printed
    assert len(re.findall(r"^ *\d+\t.*__GX\.pb\.gz$", printed, re.MULTILINE)) == 4
    assert "mail.example.org\t300\tIN\tA\t192.0.2.2" in printed
    assert "merged changes of zone" in printed
    assert not (tmp_path / "try").exists()


def test_backup_and_restore(powerdns, lightningstream, directory, tmp_path):
    """The copies are whole, a zone that was deleted comes back for everybody, and so does everything when nothing else is left."""
    servers = powerdns("a").start(), powerdns("b").start()
    a, b = servers
    syncers = [syncer_of(server, lightningstream, directory) for server in servers]
    for zone in "example.org", "example.net":
        a.util("create-zone", zone, "ns1.example.org")
        a.util("add-record", zone, "www", "A", "300", "192.0.2.1")
    pair = Pair(a, b, syncers)
    for syncer in syncers:
        syncer.start()
    pair.agree()
    operator = Operator("backup.md", tmp_path / "operator", {
        "/var/lib/powerdns/pdns.lmdb": a.main, "/var/backups": tmp_path / "backups"})
    operator.tool("lightningstream", *syncers[0].command())
    operator.tool("pdnsutil", a.prefix / "bin/pdnsutil", f"--config-dir={a.directory}")
    operator.tool("mdb_copy", a.prefix / "bin/mdb_copy")
    operator.type("Copy the databases", "Keep snapshots")
    assert len(list((tmp_path / "backups" / "snapshots").glob("*.pb.gz"))) == 2

    a.util("delete-zone", "example.org")
    eventually("the zone is gone everywhere", lambda: b.answer("www.example.org", "A")[0] == "REFUSED")
    assert "example.org." in operator.type("Test the copy")
    operator.type("Restore a zone")
    eventually("the zone is back everywhere",
               lambda: b.answer("www.example.org", "A") == ("NOERROR", ["www.example.org. 300 A 192.0.2.1"]))
    pair.agree()

    a.util("delete-zone", "example.net")
    eventually("the zone is gone everywhere", lambda: b.answer("www.example.net", "A")[0] == "REFUSED")
    for one in [*syncers, *servers]:
        one.stop()
    operator.type("Restore everything")
    for file in b.main, b.shard:
        file.unlink()
        file.with_name(f"{file.name}-lock").unlink()
    bucket = Directory(tmp_path / "empty")
    for one, syncer in zip(servers, syncers):
        syncer.settings["storage"] = bucket.storage()
        syncer.write_configuration()
        syncer.start()
        one.start()
    eventually("everything is as it was", lambda: all(
        server.answer(f"www.{zone}", "A") == ("NOERROR", [f"www.{zone}. 300 A 192.0.2.1"])
        for server in servers for zone in ("example.org", "example.net")))
    Pair(a, b, syncers).agree()


def test_upgrading_to_powerdns_5(powerdns, installed_powerdns, lightningstream, directory, tmp_path):
    """Host after host: whatever has 4.9 goes on, and in the end all have the same."""
    newest = installed_powerdns("5.x")
    servers = powerdns("a").start(), powerdns("b").start()
    a, b = servers
    a.util("create-zone", "example.org", "ns1.example.org")
    a.util("add-record", "example.org", "www", "A", "300", "192.0.2.1")
    syncers = [syncer_of(server, lightningstream, directory).start() for server in servers]
    pair = Pair(a, b, syncers)
    pair.agree()
    operators = []
    for server, syncer in zip(servers, syncers):
        operator = Operator("upgrading-to-5.md", tmp_path / f"operator-{server.name}", {
            "/var/lib/powerdns/pdns.lmdb": server.main, "/var/backups": tmp_path / "backups"})
        operator.tool("lightningstream", *syncer.command())
        operator.tool("mdb_copy", server.prefix / "bin/mdb_copy")
        operator.tool("systemctl", "echo", "systemctl")
        operators.append(operator)
    operators[0].type("Check the zones", "Make a copy")
    assert lmdbs.contents(tmp_path / "backups" / "pdns-4.9" / "pdns.lmdb").keys() >= {"domains_v5"}

    def upgrade(server, syncer, operator):
        syncer.stop()
        server.stop()
        server.install(newest)
        server.start()
        operator.tool("pdnsutil", server.prefix / "bin/pdnsutil", f"--config-dir={server.directory}")
        said = operator.type("Upgrade a host")
        assert "example.org" in said and re.findall(r"^systemctl (\w+ \w+)$", said, re.MULTILINE) == [
            "stop lightningstream", "stop pdns", "start pdns", "start lightningstream"]
        syncer.start()

    upgrade(a, syncers[0], operators[0])
    syncers[1].process.wait_for_output("snapshot rejected")
    a.util("create-zone", "made-on-5.test", "ns1.example.org")
    a.util("add-record", "example.org", "on-5.example.org", "A", "300", "192.0.2.5")
    b.util("add-record", "example.org", "on-4", "A", "300", "192.0.2.4")
    b.util("create-zone", "made-on-4.test", "ns1.example.org")
    for name, address in ("on-5", "192.0.2.5"), ("on-4", "192.0.2.4"), ("www", "192.0.2.1"):
        eventually(f"both answer {name}", lambda: all(
            server.answer(f"{name}.example.org", "A") == ("NOERROR", [f"{name}.example.org. 300 A {address}"])
            for server in servers))
    eventually("zones of 4.9 come", lambda: a.answer("made-on-4.test", "NS")[0] == "NOERROR")
    assert b.answer("made-on-5.test", "NS")[0] == "REFUSED"

    upgrade(b, syncers[1], operators[1])
    eventually("what was refused is here", lambda: b.answer("made-on-5.test", "NS")[0] == "NOERROR")
    eventually("both have the same", lambda: not any(
        lmdbs.differences(*map(lmdbs.contents, files)) for files in ((a.main, b.main), (a.shard, b.shard))))


def test_installation(bucket, powerdns, lightningstream, tmp_path):
    """Two hosts as the page makes them, with S3: doctor finds nothing that fails, and a zone gets from one to the other."""
    page = list(blocks(DOCS / "installation.md"))
    [configuration] = [yaml.safe_load(block.text) for block in page if block.kind == "yaml"]
    settings = [dict(line.split("=", 1) for line in block.text.splitlines()) for block in page if block.title == "pdns.conf"]
    settings[1]["api-key"] = "lab"  # with which the test asks whether it has come up
    for name, key in zip(("access_key", "secret_key"), bucket.server.keys):
        (tmp_path / name).write_text(f"{key}\n")
    (tmp_path / "pdns-api-key").write_text(f"{settings[1]['api-key']}\n")
    # With the caches flushed or shortened, as the page says; the lab's own settings come first, and the last ones count.
    operators = []
    for name, wanted in ("a", settings[1]), ("b", settings[2]):
        server = powerdns(name, caches=True)
        own = server.directory / "pdns.conf"
        kept = [line for line in own.read_text().splitlines() if line.split("=")[0] not in wanted or "webserver" in line]
        added = [f"{key}={value}" for key, value in wanted.items() if not key.startswith("webserver")]
        own.write_text("\n".join([*kept, *added, ""]).replace("lmdb-map-size=16\n", "lmdb-map-size=16000\n"))
        assert all(f"{key}={value}\n" in own.read_text() for key, value in settings[0].items() if key != "lmdb-filename")
        text = (yaml.safe_dump(configuration)
                .replace("/etc/lightningstream/", f"{tmp_path}/").replace("127.0.0.1:8500", f"127.0.0.1:{free_port()}")
                .replace("https://s3.example.org", bucket.server.endpoint).replace("bucket: zones", f"bucket: {bucket.name}")
                .replace("/var/lib/powerdns/pdns.lmdb", str(server.main)).replace("127.0.0.1:8081", f"127.0.0.1:{server.api_port}"))
        whole = yaml.safe_load(text)
        if wanted is settings[2]:
            del whole["powerdns"]
        databases, storage = whole.pop("lmdbs"), whole.pop("storage")
        syncer = lightningstream(name, databases, storage, **whole)
        operator = Operator("installation.md", tmp_path / f"operator-{name}", {
            "/etc/lightningstream/lightningstream.yaml": syncer.file, "/etc/powerdns/pdns.conf": own})
        # Where it looks by itself is in /etc.
        operator.tool("lightningstream", program(), "-c", syncer.file)
        operator.tool("pdnsutil", server.prefix / "bin/pdnsutil", f"--config-dir={server.directory}")
        # First lightningstream, so that PowerDNS begins with all zones.
        syncer.start()
        eventually("the LMDBs are there", lambda: server.main.exists() and server.shard.exists())
        server.start()
        operators.append((operator, server))
    for operator, _ in operators:
        said = operator.type("Check the setup")
        assert "PowerDNS, " in said and "  fail  " not in said
    [(first, _), (_, other)] = operators
    assert "merged by" in first.type("Check that it works")
    eventually("the other host answers", lambda: other.answer("test.example", "NS")[0] == "NOERROR")
