"""The command line: exit codes, what goes where, and what is left untouched."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from lab import lmdbs, privileges, snapshots
from lab.output import is_one_line
from lab.paths import ROOT
from lab.paths import lightningstream as program
from lab.process import Process, run
from lab.syncer import ENVIRONMENT
from lab.waiting import eventually


def cli(*arguments):
    """Runs the program in a directory without a configuration file."""
    return run([program(), *arguments], ENVIRONMENT)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could make files of root")
def test_root_makes_nothing_in_the_directory_of_another_user(lightningstream, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    syncer = lightningstream(
        "a", {"main": {"path": str(theirs / "db"), "options": {"no_subdir": True, "create": True},
                       "schema_tracks_changes": True}},
        {"type": "fs", "options": {"root_path": str(theirs / "bucket")}})
    done = syncer.run("sync", "--only-once")
    assert done.returncode == 1 and "belongs to uid 12345" in done.stderr, done.stderr
    assert list(theirs.iterdir()) == []


# MARK: exit codes


@pytest.mark.parametrize("arguments", [
    ["version"], ["--version"], ["--help"], ["-h"], ["help"], ["help", "sync"], ["sync", "--help"],
    ["--log-level", "debug", "version"], ["version", "--log-level", "debug"], ["--minimum-pid", "1", "version"],
])
def test_needs_no_configuration(arguments):
    done = cli(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_version_tells_the_version():
    texts = [cli("version").stdout, cli("--version").stdout]
    assert texts[0] == texts[1]
    assert re.fullmatch(r"lightningstream \d+\.\d+\.\d+(-\w+)?\n", texts[0])


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["sync", "--nonsense"], ["sync", "argument"], ["--nonsense", "sync"], ["sync", "--only-db"],
    ["--log-level", "loud", "version"], ["--log-format", "xml", "version"], ["--log-timestamp", "never", "version"],
    ["--timeout", "soon", "version"], ["--timeout", "5", "version"], ["--timeout", "-5s", "version"],
    ["--minimum-pid", "-1", "version"], ["--minimum-pid", "x", "version"],
    ["dump", "--name"], ["receive", "--only-db", "main"],
])
def test_usage_errors(arguments):
    done = cli(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert is_one_line(done.stderr), done.stderr


@pytest.mark.parametrize("command", ["sync", "receive", "dump", "stats"])
def test_missing_configuration(command):
    done = cli(command)
    assert (done.returncode, done.stdout) == (1, "")
    assert is_one_line(done.stderr) and "lightningstream.yaml" in done.stderr


def test_unknown_database(native):
    for arguments in (["sync", "--only-db", "other"], ["dump", "--name", "other"]):
        done = native.run(*arguments)
        assert done.returncode == 64
        assert is_one_line(done.stderr) and "other" in done.stderr and "main" in done.stderr


def test_configuration_problems_are_reported_together(native):
    native.file.write_text(
        "instance: x\nlmdb_poll_interval: 5\nlmdbs:\n  main: {path: db, nonsense: 1}\nstorage: {type: tape}\n")
    done = native.run("sync")
    assert done.returncode == 1
    for place, words in ((":2:", "lmdb_poll_interval"), (":4:", "lmdbs.main.nonsense"), (":5:", "storage.type")):
        assert any(place in line and words in line for line in done.stderr.splitlines()), done.stderr


def test_configuration_of_the_readme(native, tmp_path):
    [example] = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert "/var/lib/powerdns/pdns.lmdb\n" in example
    for path, configured in zip(native.files, ("/var/lib/powerdns/pdns.lmdb", "/var/lib/powerdns/pdns.lmdb-0")):
        example = example.replace(f"path: {configured}\n", f"path: {path}\n")
    native.file.write_text(example)
    done = native.run("stats", "--log-config")
    assert done.returncode == 0, done.stderr
    assert all("configuration: " in line for line in done.stderr.splitlines())
    assert "WARN" not in done.stderr and "16000MB" in example


@pytest.mark.parametrize("command", ["sync", "receive"])
def test_timeout(command, native):
    native.start(command, "--timeout", "300ms")
    assert native.process.wait() == 75
    assert "300ms" in native.process.output()


def test_timeout_does_not_matter_to_what_is_done_before(native):
    native.once("sync", "--timeout", "1m")


# MARK: stats and dump


@pytest.mark.parametrize("command", ["dump", "stats"])
def test_looking_changes_nothing(command, native):
    before = [(path.read_bytes(), os.stat(path).st_mtime_ns) for path in native.files]
    done = native.run(command)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(path.read_bytes(), os.stat(path).st_mtime_ns) for path in native.files] == before


@pytest.mark.parametrize("command", ["dump", "stats"])
def test_looking_at_a_file_that_may_only_be_read(command, native):
    plain = native.run(command)
    folder = native.files[0].parent
    for path in folder.iterdir():
        if path.name.endswith("-lock"):
            path.unlink()
    for path in native.files:
        path.chmod(0o444)
    folder.chmod(0o555)
    try:
        done = run([*privileges.without(), *native.command(command)], ENVIRONMENT)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("\n") == plain.stdout.count("\n")
        assert "records_v5" in done.stdout
        if command == "dump":
            assert done.stdout == plain.stdout
    finally:
        folder.chmod(0o755)


def test_stats_counts(native):
    text = native.run("stats").stdout
    for path in native.files:
        assert str(path) in text
        for name, dbi in lmdbs.contents(path).items():
            assert re.search(rf"^\s*{name}\s+{len(dbi.entries)}\s", text, re.MULTILINE), name


def test_dump_shows_every_entry(native):
    lines = native.run("dump").stdout.splitlines()
    expected = sum(len(dbi.entries) for path in native.files for dbi in lmdbs.contents(path).values())
    assert sum(" = {" in line for line in lines) == expected
    assert sum(", Deleted}" in line for line in lines) == sum(
        entry.deleted for path in native.files for dbi in lmdbs.contents(path).values()
        for entry in dbi.entries.values())
    version = next(line for line in lines if line.startswith("schemaversion = "))
    assert re.fullmatch(r"schemaversion = \{\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z, txn \d+\} \.{4} \[00 00 00 05\]", version)


def test_dump_of_one_database(native):
    for name, there, missing in (("main", "domains_v5", "records_v5"), ("shard", "records_v5", "domains_v5")):
        done = native.run("dump", "-n", name)
        assert done.returncode == 0
        assert there in done.stdout and missing not in done.stdout


def test_dump_hides_private_databases(native):
    lmdbs.write(native.files[1], {"_sync_shadow_x": {b"private-key": lmdbs.stored(1, b"v")}})
    assert "private-key" in native.run("dump").stdout
    assert "private-key" not in native.run("dump", "--hide").stdout


@pytest.mark.parametrize("command", ["dump", "stats"])
def test_one_database_that_can_not_be_opened(command, native):
    native.files[0].unlink()
    done = native.run(command)
    assert done.returncode == 1
    assert is_one_line(done.stderr) and str(native.files[0]) in done.stderr
    assert "records_v5" in done.stdout, "the other one is shown all the same"
    assert not native.files[0].exists()


# MARK: sync and receive


def test_only_once_stores_and_ends(native, directory):
    native.once("sync")
    assert [snapshots.parse_name(name).database for name in directory.names()
            if name.endswith(".pb.gz")] == ["main", "shard"]


def test_only_db(native, directory):
    native.once("sync", "--only-db", "shard")
    assert {name.split("__")[0] for name in directory.names()} == {"shard"}


def test_waits_for_the_marker_file(native, directory):
    native.start("sync", "--wait-for-marker-file", "go-ahead")
    native.process.wait_for_output("go-ahead")
    directory.put("go-ahead-not", b"")
    assert directory.names() == ["go-ahead-not"]
    directory.put("go-ahead", b"")
    eventually("snapshots are stored", lambda: any(name.startswith("main__") for name in directory.names()))
    assert "found the marker" in native.process.output()
    native.stop()


def test_end_while_waiting_for_the_marker_file(native, directory):
    native.start("sync", "--wait-for-marker-file", "never")
    native.process.wait_for_output("never")
    native.stop()
    assert directory.names() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clean_end(number, native, directory):
    native.start()
    eventually("both are stored", lambda: sum(name.endswith(".pb.gz") for name in directory.names()) == 2)
    native.process.signal(number)
    assert native.process.wait(10) == 0


@pytest.fixture
def hanging(native, s3_server, bucket, proxy):
    """An instance in the middle of an upload to a server that takes the request and never answers."""
    slow = proxy(s3_server.endpoint, hangs=lambda method, path: method == "PUT")
    native.settings["storage"] = bucket.storage(endpoint=slow.endpoint)
    native.write_configuration()
    native.start()
    eventually("an upload has begun", lambda: any(method == "PUT" for method, _ in slow.requests))
    return native


def test_clean_end_during_an_upload_that_hangs(hanging):
    start = time.monotonic()
    hanging.process.signal(signal.SIGTERM)
    assert hanging.process.wait(60) == 0
    # It may wait 10 s for the upload; the limit here only tells that from waiting for client_timeout, 15 min.
    assert time.monotonic() - start < 40


def test_second_signal_ends_at_once(hanging):
    hanging.process.signal(signal.SIGTERM)
    hanging.process.wait_for_output("shutting down")

    # Until it is no longer taken for a part of the first one.
    def asked_again():
        if hanging.process.running:
            hanging.process.signal(signal.SIGTERM)
        return "ended at once by a second signal" in hanging.process.output()

    eventually("the second signal counts", asked_again)
    assert hanging.process.wait(60) in (128 + signal.SIGTERM, -signal.SIGTERM)


def test_minimum_pid(native, logs):
    """The syncing process gets a high enough PID; where PID namespaces can be had, in one that starts at 1."""
    namespace = privileges.new_pid_namespace()
    outer = Process(
        [*namespace, *native.command("sync", "--minimum-pid", "150")], logs / "minimum-pid.log", ENVIRONMENT)
    try:
        outer.wait_for_output("stored a snapshot")
        if namespace:
            # The signal goes to the first process, as that of a container's engine does, and reaches the child.
            os.kill(parent_of(process_in_namespace(150)), signal.SIGTERM)
        else:
            assert outer.pid >= 150
            outer.signal(signal.SIGTERM)
        assert outer.wait(30) == 0
        assert "shutting down" in outer.output()
    finally:
        outer.kill()


def process_in_namespace(minimum):
    """The PID of a process of the program whose number in its own namespace is at least `minimum`."""
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.path.samefile(f"/proc/{entry}/exe", program()):
                status = Path(f"/proc/{entry}/status").read_text()
                numbers = re.search(r"^NSpid:\s+(.*)$", status, re.MULTILINE)[1].split()
                if len(numbers) > 1 and int(numbers[-1]) >= minimum:
                    return int(entry)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    raise AssertionError(f"there is no process with a PID from {minimum}")


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
