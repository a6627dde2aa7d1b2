"""The units under a real systemd, which runs in namespaces of its own."""

import re
import sys
import time
from pathlib import Path

import lmdb
import pytest

from lab import lmdbs
from lab.paths import ROOT
from lab.powerdns import MAP_SIZE, Installation, PowerDNS
from lab.process import free_port, run
from lab.pair import syncer_of
from lab.syncer import database, yaml
from lab.systemd import UNITS, Machine, missing, put, reader_table_locked
from lab.waiting import eventually

pytestmark = pytest.mark.system

FOLDER = "/var/lib/powerdns"
LMDB = f"{FOLDER}/pdns.lmdb"
NAME = "lightningstream.service"


PAGE = (ROOT / "docs" / "systemd.md").read_text()


def blocks(language):
    """The examples of docs/systemd.md in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


# By their paths below /etc/systemd/system.
DROP_INS = dict(re.match(r"# /etc/systemd/system/(\S+)\n(.*)", block, re.S).groups() for block in blocks("ini"))


@pytest.fixture
def machine(tmp_path, logs):
    """A systemd on which the units have been installed as docs/systemd.md says."""
    if reason := missing():
        pytest.skip(reason)
    # Other users have to get there.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    made = Machine(tmp_path / "machine", logs / "systemd.log")
    try:
        made.run("sh", "-ec", blocks("sh")[0])
        yield made
    finally:
        (logs / "services.log").write_text(made.written())
        made.end()


def configure(machine, bucket, name="lightningstream", databases=None, **settings):
    """A configuration as docs/systemd.md has it; the keys are credentials."""
    storage = bucket.storage(keys=("", ""))
    for key in "access_key", "secret_key":
        del storage["options"][key]
        line = re.search(rf"^ +{key}_file: (.*)$", blocks("yaml")[0], re.M)[1]
        storage["options"][f"{key}_file"] = line.replace("lightningstream.", f"{name}.")
    options = {"create": True, "file_mask": "0600", "map_size": MAP_SIZE}
    file = {"instance": name, "storage": storage, "storage_poll_interval": "200ms",
            "lmdbs": {key: database(path, **options) for key, path in (databases or {"main": LMDB}).items()}} | settings
    machine.write(f"/etc/lightningstream/{name}.yaml", yaml(file) + "\n", 0o640)
    machine.run("chown", "root:pdns", f"/etc/lightningstream/{name}.yaml")
    for command, value in zip(blocks("sh")[1].splitlines(), bucket.server.keys, strict=True):
        machine.run("sh", "-c", f"echo '{value}' | {command.replace('lightningstream.', name + '.')}")


def main_pid(machine, unit=NAME):
    return int(machine.show(unit, "MainPID"))


@pytest.mark.parametrize("unit", ["lightningstream.service", "lightningstream@.service"])
def test_the_units_are_sound(machine, unit):
    """systemd finds nothing wrong, and little that an intruder could do."""
    done = machine.run("systemd-analyze", "verify", UNITS / unit)
    assert done.stdout + done.stderr == ""
    done = machine.run("systemd-analyze", "security", "--offline=true", "--no-pager", UNITS / unit)
    exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)[1])
    assert exposure <= 1.5, done.stdout


def test_both_units_are_alike():
    """The template is the unit with its instance's name in the places where that makes a difference."""
    unit, template = [(UNITS / name).read_text() for name in ("lightningstream.service", "lightningstream@.service")]
    unit = unit.replace("Description=lightningstream,", "Description=lightningstream of %i,")
    unit = unit.replace("/etc/default/lightningstream", "/etc/default/lightningstream-%i")
    unit = unit.replace("LoadCredential=lightningstream.", "LoadCredential=lightningstream-%i.")
    assert unit.replace("/etc/lightningstream/lightningstream.yaml", "/etc/lightningstream/%i.yaml") == template


def test_users_and_directories(machine):
    """They are made where they are missing, and left alone where they are not."""
    stat = machine.run("stat", "--format", "%n %a %U %G", "/etc/lightningstream", "/var/lib/powerdns", "/etc/credstore").stdout
    assert stat.splitlines() == [
        "/etc/lightningstream 750 root pdns", "/var/lib/powerdns 755 pdns pdns", "/etc/credstore 700 root root"]
    machine.run("chmod", "0711", "/var/lib/powerdns")
    machine.run("sh", "-ec", blocks("sh")[0])
    assert machine.run("stat", "--format", "%a", "/var/lib/powerdns").stdout == "711\n"


def test_from_start_to_end(machine, bucket):
    """Beside an application of the same user: started when it is started up, in the sandbox, with the S3 keys of the
    credential store; what the application writes is sent."""
    port = free_port()
    configure(machine, bucket, http={"address": f"127.0.0.1:{port}"})
    put(machine, "before")
    machine.run("systemctl", "start", NAME)
    assert machine.show(NAME, "ActiveState") == "active"
    assert machine.show(NAME, "WatchdogUSec") == "5min"
    assert machine.show(NAME, "StatusText").startswith("Syncing main; last sent main ")
    status = machine.run("cat", f"/proc/{main_pid(machine)}/status").stdout
    user = machine.run("id", "-u", "pdns").stdout.strip()
    assert re.search(rf"^Uid:\t{user}\t{user}\t{user}\t{user}$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M) and re.search(r"^Seccomp:\t2$", status, re.M)
    assert re.search(r"^CapBnd:\t0+$", status, re.M)
    limits = machine.run("cat", f"/proc/{main_pid(machine)}/limits").stdout
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M), "keys would be in a core dump"
    before = bucket.names()
    assert any(name.startswith("main__lightningstream__") for name in before)

    put(machine, "while it runs")
    eventually("the change is sent", lambda: bucket.names() != before)
    files = machine.run("stat", "--format", "%n %a %U", LMDB, LMDB + "-lock").stdout.splitlines()
    assert [line.split()[2] for line in files] == ["pdns", "pdns"]
    page = machine.run("curl", "--silent", "--fail", f"http://127.0.0.1:{port}/metrics").stdout
    assert "lmdb_smaps_bytes{" in page and "process_resident_memory_bytes" in page
    assert '"ok":true' in machine.run("curl", "--silent", f"http://127.0.0.1:{port}/healthz").stdout.replace(" ", "")

    machine.run("systemctl", "stop", NAME)
    assert machine.show(NAME, "ActiveState") == "inactive" and machine.show(NAME, "Result") == "success"
    assert "Operation not permitted" not in machine.written() and "WARN" not in machine.written()


def test_beside_powerdns(machine, bucket, tmp_path, installed_powerdns, powerdns, lightningstream):
    """A real PowerDNS as another unit of the same user, which answers what a zone on another host says, and the other way."""
    installed = installed_powerdns("4.9")
    ours = PowerDNS(Installation("4.9", Path("/usr/local/pdns")), "ours", tmp_path / "ours", None)
    settings = ours.directory / "pdns.conf"
    settings.write_text(settings.read_text().replace(str(ours.directory), FOLDER))
    # In the machine both are where its user can get at them.
    machine.run("mkdir", "/usr/local/pdns")
    machine.run("mount", "--bind", installed.prefix, "/usr/local/pdns")
    machine.run("mount", "--bind", ours.directory, FOLDER)
    machine.run("chown", "-R", "pdns:pdns", FOLDER)
    machine.add("pdns.service", "[Service]\nUser=pdns\nRestart=on-failure\nRestartSec=200ms\n"
                f"ExecStart=/usr/local/pdns/bin/pdns_server --config-dir={FOLDER}\n")
    machine.reload()
    configure(machine, bucket, databases={"main": f"{FOLDER}/db", "shard": f"{FOLDER}/db-0"})
    machine.run("systemctl", "start", "pdns", NAME)
    other = powerdns("other").start()
    syncer = syncer_of(other, lightningstream, bucket).start()
    for here, there, zone in (other, ours, "other.example."), (ours, other, "ours.example."):
        address = {"name": f"www.{zone}", "type": "A", "ttl": 60, "records": [{"content": "192.0.2.1"}]}
        body = {"name": zone, "kind": "Native", "nameservers": [f"ns.{zone}"], "rrsets": [address]}
        eventually("the API answers", lambda: answers(here))
        here.api("POST", "/zones", body)
        expected = ("NOERROR", [f"www.{zone} 60 A 192.0.2.1"])
        eventually(f"{there.name} answers", lambda: answers(there) and there.answer(f"www.{zone}", "A") == expected)
    syncer.stop()
    found = machine.run("stat", "--format", "%a %U", ours.main, ours.shard, f"{ours.main}-lock", f"{ours.shard}-lock").stdout
    assert found.splitlines() == ["600 pdns"] * 4
    assert "ERROR" not in machine.written()


def answers(server):
    try:
        return server.api("GET", "") is not None
    except OSError:
        return False


def test_it_makes_what_is_missing(machine, bucket):
    """A host without any LMDB gets one that only PowerDNS's user can read."""
    configure(machine, bucket)
    machine.run("systemctl", "start", NAME)
    files = machine.run("stat", "--format", "%a %U %G", LMDB, LMDB + "-lock").stdout.splitlines()
    assert files == ["600 pdns pdns", "600 pdns pdns"]


def test_the_start_waits_for_the_storage(machine, bucket):
    """As long as it takes, beyond every time limit, and says what it waits for; the environment file is read."""
    machine.drop_in("times", WatchdogSec="2s", TimeoutStartSec="2s")
    machine.reload()
    configure(machine, bucket)
    machine.write("/etc/default/lightningstream", "LIGHTNINGSTREAM_COMMAND=sync --wait-for-marker-file go\n")
    machine.run("systemctl", "start", "--no-block", NAME)
    eventually("it runs", lambda: main_pid(machine))
    first, begin = main_pid(machine), time.monotonic()
    eventually("the time limits are over", lambda: time.monotonic() > begin + 5)
    assert machine.show(NAME, "ActiveState") == "activating"
    assert machine.show(NAME, "StatusText") == "Starting up, not done yet: main"
    bucket.put("go", b"")
    eventually("the start is complete", lambda: machine.show(NAME, "ActiveState") == "active")
    assert main_pid(machine) == first


def test_a_hung_loop_is_restarted(machine, bucket):
    """The process is ended and started again; once the reason is gone, it starts up."""
    machine.drop_in("times", WatchdogSec="2s", TimeoutStartSec="2s", RestartSec="100ms")
    machine.reload()
    configure(machine, bucket, databases={"main": LMDB, "shard": LMDB + "-0"}, storage_force_snapshot_interval="0")
    put(machine, "something")
    machine.run("systemctl", "start", NAME)
    first = main_pid(machine)
    # The file as it is seen from out here.
    path = f"/proc/{machine.init}/root{LMDB}"
    with lmdb.open(path, subdir=False, max_dbs=16) as opened:
        handle = opened.open_db(b"things")
        with reader_table_locked(path):
            with opened.begin(write=True) as transaction:
                transaction.put(b"news", lmdbs.stored(time.time_ns(), b"value"), db=handle)
            eventually("a restart", lambda: int(machine.show(NAME, "NRestarts")) > 0)
    assert "a sync loop hangs" in machine.written()
    eventually("it has started again", lambda: machine.show(NAME, "ActiveState") == "active")
    assert main_pid(machine) not in (0, first)


def test_a_crash_is_followed_by_a_start(machine, bucket):
    machine.drop_in("times", RestartSec="100ms")
    machine.reload()
    configure(machine, bucket)
    machine.run("systemctl", "start", NAME)
    first = main_pid(machine)
    machine.run("systemctl", "kill", "--signal=KILL", NAME)
    eventually("another process", lambda: main_pid(machine) not in (0, first))
    eventually("it has started", lambda: machine.show(NAME, "ActiveState") == "active")


def test_several_of_them(machine, bucket):
    """Each instance of the template has a configuration and credentials of its own."""
    for name in "first", "second":
        configure(machine, bucket, f"lightningstream-{name}", {name: f"/var/lib/powerdns/{name}"})
        machine.run("mv", f"/etc/lightningstream/lightningstream-{name}.yaml", f"/etc/lightningstream/{name}.yaml")
        put(machine, name, f"/var/lib/powerdns/{name}")
    machine.run("systemctl", "start", "lightningstream@first", "lightningstream@second")
    found = {name.split("__")[0] for name in bucket.names()}
    assert found == {"first", "second"}


def test_the_drop_ins_of_the_page(machine):
    """systemd takes each of them."""
    machine.add("pdns.service", "[Service]\nExecStart=sleep infinity\n")
    for path, text in DROP_INS.items():
        machine.add(path, text)
    machine.reload()
    known = f"SYSTEMD_UNIT_PATH={machine.units}:/usr/local/lib/systemd/system"
    done = machine.run("env", known, "systemd-analyze", "verify", NAME, "pdns.service")
    assert done.stdout + done.stderr == ""
    assert machine.show(NAME, "TimeoutStartUSec") == "20min"
    assert machine.show(NAME, "ReadWritePaths") == "-/var/lib/powerdns /srv/lmdb /srv/snapshots /srv/temporary"


@pytest.mark.parametrize("limited", [False, True], ids=["for ever", "for a while"])
def test_powerdns_waits(machine, bucket, limited):
    """With the drop-in PowerDNS starts when everything has been loaded, or when it has waited long enough."""
    machine.add("pdns.service", "[Service]\nExecStart=sleep infinity\n")
    paths = ["pdns.service.d/lightningstream.conf"] + ["lightningstream.service.d/start.conf"] * limited
    for path in paths:
        machine.add(path, DROP_INS[path].replace("2min", "2s"))
    machine.reload()
    configure(machine, bucket)
    machine.write("/etc/default/lightningstream", "LIGHTNINGSTREAM_COMMAND=sync --wait-for-marker-file go\n")
    machine.run("systemctl", "start", "--no-block", "pdns")
    eventually("it starts up", lambda: machine.show(NAME, "StatusText").startswith("Starting up"))
    if limited:
        eventually("PowerDNS has waited long enough", lambda: machine.show("pdns", "ActiveState") == "active")
        assert machine.show(NAME, "ActiveState") == "activating"
    else:
        assert machine.show("pdns", "ActiveState") == "inactive"
    bucket.put("go", b"")
    eventually("both run", lambda: [machine.show(unit, "ActiveState") for unit in (NAME, "pdns")] == ["active"] * 2)
