"""`doctor`: real LMDBs beside a real PowerDNS, a real S3 server with and without permissions, and what is wrong on purpose."""

import json
import os
import socket
import subprocess
import sys
import time

import lmdb
import pytest

from lab import privileges, snapshots
from lab.powerdns import MAP_SIZE
from lab.process import run
from lab.syncer import ENVIRONMENT, database
from lab.waiting import eventually

FAR_BEHIND = 100


def findings(instance, *arguments, code=0, prefix=()):
    """The findings, and their statuses by (group, check); the last of several equal ones."""
    done = run([*prefix, *instance.command("doctor", "--json", *arguments)], ENVIRONMENT)
    assert done.returncode == code, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["version"] == 1
    for finding in report["findings"]:
        assert set(finding) >= {"group", "check", "status", "text"}
        assert "\n" not in finding["text"]
        assert finding["status"] in ("pass", "skip") or finding.get("cure") or ";" in finding["text"], finding
    return report["findings"]


def statuses(found):
    return {(finding["group"], finding["check"]): finding["status"] for finding in found}


def text(found, check):
    return " ".join(finding["text"] for finding in found if finding["check"] == check)


# MARK: beside PowerDNS


@pytest.fixture
def beside(powerdns, lightningstream, bucket):
    """A PowerDNS server with a zone, and a syncer for it that has not been started."""
    server = powerdns("a").start()
    server.util("create-zone", "example.org", "ns1.example.org")
    options = {"map_size": MAP_SIZE}
    syncer = lightningstream(
        "a", {"main": database(server.main, **options), "shard": database(server.shard, **options)}, bucket.storage())
    syncer.server, syncer.bucket = server, bucket
    return syncer


def test_all_is_well_beside_powerdns(beside):
    server = beside.server
    files = [server.main, server.shard]
    before = [path.read_bytes() for path in files]
    found = findings(beside, "--pdns-conf", server.directory / "pdns.conf")
    assert {finding["status"] for finding in found} == {"pass"}, found
    checks = {check for _, check in statuses(found)}
    assert checks >= {
        "file", "instance", "file system", "owner and mode", "lock file", "LMDB", "map size", "schema", "reader slots",
        "oldest reader", "process IDs", "list", "get", "put", "delete", "clock", "instance name", "launch",
        "temporary files", "secret files", "room", "lmdb-lightning-stream", "lmdb-shards", "lmdb-filename", "lmdb-map-size", "zone-cache-refresh-interval"}
    assert "PowerDNS schema 5" in text(found, "schema")
    # Nothing has been changed or left behind, and PowerDNS goes on.
    assert [path.read_bytes() for path in files] == before
    assert beside.bucket.names() == []
    server.util("add-record", "example.org", "www", "A", "192.0.2.1")
    assert server.answer("www.example.org.", "A")[0] == "NOERROR"


def test_the_daemon_may_run(beside):
    beside.start()
    eventually("both are stored", lambda: sum(name.endswith(".pb.gz") for name in beside.bucket.names()) >= 2)
    found = findings(beside, "--pdns-conf", beside.server.directory / "pdns.conf")
    assert "is used by this host" in text(found, "instance name")
    assert {finding["status"] for finding in found} == {"pass"}, found
    beside.server.util("create-zone", "example.net", "ns1.example.net")
    count = len(beside.bucket.names())
    eventually("it goes on", lambda: len(beside.bucket.names()) > count)
    beside.stop()


def test_wrong_pdns_conf(beside, tmp_path):
    conf = tmp_path / "pdns.conf"
    conf.write_text(
        "launch=lmdb # with defaults\n"
        f"lmdb-filename={beside.server.main}x\nlmdb-map-size=32\nlmdb-lightning-stream=no\n")
    found = statuses(findings(beside, "--pdns-conf", conf, code=1))
    group = f"PowerDNS, {conf}"
    for check, status in {
        "launch": "pass", "lmdb-lightning-stream": "fail", "lmdb-shards": "fail", "lmdb-filename": "fail",
        "zone-cache-refresh-interval": "warn", "zone-metadata-cache-ttl": "warn", "answer caches": "pass",
    }.items():
        assert found[group, check] == status, check
    found = findings(beside, "--pdns-conf", tmp_path / "nothing", code=1)
    assert "nothing" in found[-1]["text"] and found[-1]["status"] == "fail"


def change(path, dbi, key, value):
    """Writes one entry, the value being made of the one before."""
    with lmdb.open(str(path), subdir=False, max_dbs=8) as environment:
        handle = environment.open_db(dbi)
        with environment.begin(write=True, db=handle) as transaction:
            transaction.put(key, value(transaction.get(key)))


def test_records_in_files_that_are_not_synced(native):
    """Without pdns.conf: the LMDB itself tells how many files there are."""
    change(native.files[0], b"pdns", b"shards", lambda value: value[:-4] + bytes([0, 0, 0, 4]))
    found = findings(native, code=1)
    assert statuses(found)["database main", "lmdb-shards"] == "fail"
    assert ("database shard", "lmdb-shards") not in statuses(found)
    assert "in 4 files (lmdb-shards=4), and 2 databases are synced" in text(found, "lmdb-shards")


def test_values_without_headers(native):
    """What `sync` would end at is found before."""
    change(native.files[1], b"records_v5", b"bad", lambda _: b"short")
    found = findings(native, code=1)
    assert statuses(found)["database shard", "DBIs"] == "fail"
    line = "the value of key bad in DBI records_v5 has no valid LS header"
    assert line in text(found, "DBIs")
    done = native.run("sync", "--only-once")
    assert done.returncode == 1 and line in done.stderr


def test_our_defaults_are_those_of_powerdns(installed_powerdns):
    """What the checks take for a setting that is not there is what PowerDNS takes."""
    prefix = installed_powerdns("4.9").prefix
    done = run([prefix / "bin/pdns_server", "--no-config", f"--module-dir={prefix / 'modules'}",
                "--launch=lmdb", "--config"])
    for line in (
        "lmdb-filename=./pdns.lmdb", "lmdb-shards=64", "lmdb-lightning-stream=no", "lmdb-map-size=16000",
        "zone-cache-refresh-interval=300", "zone-metadata-cache-ttl=60", "cache-ttl=20", "query-cache-ttl=20",
        "negquery-cache-ttl=60", "dnssec-key-cache-ttl=30",
    ):
        assert f"\n# {line}\n" in done.stdout, line


# MARK: readers

READER = """
import lmdb, sys
environment = lmdb.open(sys.argv[1], subdir=False, readonly=True, max_dbs=8)
transaction = environment.begin()
print("reading", flush=True)
sys.stdin.read()
"""

WRITER = """
import lmdb, sys
environment = lmdb.open(sys.argv[1], subdir=False, max_dbs=8, map_size=1 << 24)
for number in range(int(sys.argv[2])):
    with environment.begin(write=True) as transaction:
        transaction.put(b"x", bytes(24) + b"%d" % number, db=environment.open_db(b"counter", transaction))
"""


def reader(path, prefix=()):
    """A process that reads until its standard input is closed."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", READER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "reading\n"
    return process


def end(process):
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


def test_old_reader(native):
    path = native.files[0]
    old = reader(path)
    try:
        run([sys.executable, "-c", WRITER, path, str(FAR_BEHIND)])
        found = findings(native)
        assert statuses(found)["database main", "oldest reader"] == "warn"
        assert statuses(found)["database shard", "oldest reader"] == "pass"
        assert f"PID {old.pid} (python" in text(found, "oldest reader")
    finally:
        end(old)
    assert statuses(findings(native))["database main", "oldest reader"] == "pass"


def test_colliding_process_ids(native):
    """A reader that is process 1 of a PID namespace, and a doctor that is process 1 of another."""
    namespace = privileges.new_pid_namespace()
    if not namespace:
        # The kernel lets nobody make one here; then nothing can collide either.
        assert statuses(findings(native))["database main", "process IDs"] == "pass"
        return
    other = reader(native.files[0], namespace)
    try:
        found = findings(native)
        assert statuses(found)["database main", "process IDs"] == "warn"
        assert "PID 1 of another PID namespace" in text(found, "process IDs")
        found = findings(native, code=1, prefix=namespace)
        assert statuses(found)["database main", "process IDs"] == "fail"
        assert statuses(found)["database shard", "process IDs"] == "pass"
        assert "--minimum-pid" in json.dumps(found)
        # With a higher ID it can look, and still says what to do.
        found = findings(native, "--minimum-pid", "150", prefix=namespace)
        assert statuses(found)["database main", "process IDs"] == "warn"
    finally:
        end(other)


# MARK: files


def test_files_of_others(native):
    """Somebody else has opened the LMDB first: the lock file is not the application's."""
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    for path in native.files:
        lock = path.with_name(path.name + "-lock")
        lock.write_bytes(b"")
        lock.chmod(0o644 if os.geteuid() == 0 else 0o444)
        if os.geteuid() == 0:
            os.chown(path, owner, owner)
    found = findings(native, code=1)
    assert statuses(found)["database main", "lock file"] == "fail"
    assert f"chown {owner}:" in json.dumps(found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_has_made_goes_to_powerdns(native, tmp_path):
    """Root has made the shard's LMDB and looked at the main one first; PowerDNS runs as another user."""
    main, shard = native.files
    os.chown(main, 12345, 12345)
    found = findings(native, code=1)
    assert statuses(found)["database main", "owner and mode"] == "pass"
    assert statuses(found)["database shard", "owner and mode"] == "fail"
    assert f"chown 12345:12345 {shard}" in json.dumps(found) and "chown 0" not in json.dumps(found)
    conf = tmp_path / "pdns.conf"
    conf.write_text(f"launch=lmdb\nlmdb-filename={main}\nsetuid=nobody\nsetgid=12346\n")
    found = findings(native, "--pdns-conf", conf, code=1)
    assert f"chown 65534:12346 {main}" in json.dumps(found)
    assert "nobody (uid 65534), the user in pdns.conf (setuid), cannot use it" in text(found, "owner and mode")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could make files of root")
@pytest.mark.parametrize("command", ["sync", "receive"])
def test_root_makes_no_lmdb_in_powerdns_directory(lightningstream, directory, tmp_path, command):
    place = tmp_path / "powerdns"
    place.mkdir()
    os.chown(place, 65534, 65534)
    syncer = lightningstream(
        "ours", {"main": database(place / "pdns.lmdb", create=True)}, directory.storage())
    assert "never as root" in text(findings(syncer), "data file")
    done = syncer.run(command, "--only-once")
    assert done.returncode == 1 and "sudo -u nobody" in done.stderr and f"{place} belongs to uid 65534" in done.stderr
    assert list(place.iterdir()) == [] and directory.names() == []


def open_up(path):
    """Lets everybody through the directories above; pytest's own are closed."""
    while path.parent != path:
        path = path.parent
        path.chmod(path.stat().st_mode | 0o011)


def test_private_keys_that_others_can_read(native, directory, tmp_path):
    key = tmp_path / "api-key"
    key.write_text("secret")
    native.settings["powerdns"] = {"api": {"url": "http://127.0.0.1:1", "key_file": str(key)}}
    native.write_configuration()
    directory.put("main__x", b"x")
    closed = findings(native)
    assert statuses(closed)["host", "secret files"] == "pass" and str(key) in text(closed, "secret files")
    files = {("database main", "owner and mode"): native.files[0], ("host", "secret files"): key,
             ("storage", "owner and mode"): directory.path / "main__x"}
    for path in (*native.files, key, directory.path / "main__x"):
        path.chmod(0o600)
    modes = {path: path.stat().st_mode for path in (tmp_path, *tmp_path.parents)}
    open_up(key)
    directory.path.chmod(0o711)
    try:
        for check, path in files.items():
            for mode, status in ((0o644, "fail"), (0o640, "warn"), (0o600, "pass")):
                path.chmod(mode)
                found = findings(native, code=1 if status == "fail" else 0)
                assert statuses(found)[check] == status, (path, oct(mode), found)
        for mode, status in ((0o755, "warn"), (0o1777, "fail"), (0o750, "warn"), (0o2770, "pass"), (0o700, "pass")):
            directory.path.chmod(mode)
            found = findings(native, code=1 if status == "fail" else 0)
            assert statuses(found)["storage", "owner and mode"] == status, (oct(mode), found)
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_secrets_in_the_configuration_file(native, bucket, tmp_path):
    native.settings["storage"] = bucket.storage()
    native.write_configuration()
    native.file.chmod(0o644)
    for path in native.files:
        path.chmod(0o600)
    modes = {path: path.stat().st_mode for path in (tmp_path, *tmp_path.parents)}
    open_up(native.file)
    try:
        found = findings(native, code=1)
        assert statuses(found)["host", "secret files"] == "fail" and str(native.file) in text(found, "secret files")
        native.file.chmod(0o600)
        assert statuses(findings(native))["host", "secret files"] == "pass"
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.fixture
def full(tmp_path):
    """A directory on a file system of its own that is full."""
    path = tmp_path / "full"
    path.mkdir()
    if run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path]).returncode != 0:
        pytest.skip("nothing can be mounted here")
    (path / "filling").write_bytes(b"x" * (252 << 10))
    yield path
    run(["umount", path])


def test_full_storage_and_full_place_for_temporary_files(native, full):
    found = findings(native, prefix=["env", f"TMPDIR={full}"], code=1)
    assert statuses(found)["host", "temporary files"] == "fail" and str(full) in text(found, "temporary files")
    native.settings["storage"] = {"type": "fs", "options": {"root_path": str(full)}}
    native.write_configuration()
    found = findings(native, code=1)
    assert statuses(found)["storage", "room"] == "fail"


def test_file_that_is_not_there_or_no_lmdb(native):
    native.files[0].unlink()
    native.files[1].write_bytes(b"x" * 8192)
    found = statuses(findings(native, code=1))
    assert found["database main", "data file"] == "fail"
    assert found["database shard", "LMDB"] == "fail"
    assert not native.files[0].exists()


def test_configuration_errors(native):
    native.file.write_text("lmdb_poll_interval: 5\nlmdbs:\n  main: {path: db, nonsense: 1}\nstorage: {type: tape}\n")
    found = findings(native, code=1)
    assert len(found) == 3 and {finding["status"] for finding in found} == {"fail"}
    assert [":1:" in found[0]["text"], ":3:" in found[1]["text"], ":4:" in found[2]["text"]] == [True] * 3


# MARK: storage


def test_a_key_that_may_only_read(native, bucket):
    native.settings["storage"] = bucket.storage(keys=bucket.server.reader_keys)
    native.write_configuration()
    found = findings(native, code=1)
    assert [statuses(found)["storage", check] for check in ("list", "get", "put", "delete", "clock")] == [
        "pass", "pass", "fail", "warn", "pass"]
    assert "sync will send nothing" in text(found, "put")
    found = statuses(findings(native, "--receive"))
    assert [found["storage", check] for check in ("put", "delete")] == ["pass", "pass"]
    native.settings["storage"]["cleanup"] = {"enabled": True}
    native.write_configuration()
    assert statuses(findings(native, code=1))["storage", "delete"] == "fail"


def test_a_wrong_key(native, bucket):
    native.settings["storage"] = bucket.storage(keys=("nobody", "secret-of-nobody"))
    native.write_configuration()
    found = findings(native, code=1)
    assert statuses(found)["storage", "list"] == "fail"
    assert "secret-of-nobody" not in json.dumps(found)


def test_a_storage_that_is_away_or_has_no_bucket(native, s3_server, bucket):
    native.settings["storage"] = bucket.storage(endpoint="http://127.0.0.1:1")
    native.write_configuration()
    assert statuses(findings(native, code=1))["storage", "list"] == "fail"
    native.settings["storage"] = bucket.storage()
    native.settings["storage"]["options"]["bucket"] = "no-such-bucket"
    native.write_configuration()
    assert statuses(findings(native, code=1))["storage", "list"] == "fail"


def test_an_instance_name_that_another_host_uses(native, directory):
    """Snapshots of lab.snapshots come from the host "host"."""
    for database_name, age in (("main", 30), ("shard", 86400)):
        directory.put(*snapshots.encode(
            database_name, "ours", [(b"k", b"v", 1, False)], time.time_ns() - age * 1_000_000_000))
    found = findings(native, code=1)
    assert statuses(found)["database main in the storage", "instance name"] == "fail"
    assert statuses(found)["database shard in the storage", "instance name"] == "warn"
    assert f"by host host, this one is {socket.gethostname()}" in text(found, "instance name")


def test_the_update_marker_is_left_alone(native, bucket):
    native.settings["storage"] = bucket.storage(use_update_marker=True)
    native.write_configuration()
    assert statuses(findings(native))["storage", "put"] == "pass"
    assert bucket.names() == []


# MARK: for people


def test_text(native):
    done = native.run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "configuration" and lines[1].startswith("  pass  file: ")
    assert lines[-1].startswith("0 failed, 0 warned, ")
    native.files[0].unlink()
    done = native.run("doctor")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    place = next(index for index, line in enumerate(lines) if line.startswith("  fail  data file: "))
    assert lines[place + 1].startswith("        -> ")
