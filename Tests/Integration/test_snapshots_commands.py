"""`snapshots`, `docs` and `completion`: real storage, real shells, and a terminal that shows progress."""

import json
import os
import pty
import re
import select
import shutil
import subprocess

import pytest

from lab import lmdbs, snapshots
from lab.output import is_one_line
from lab.paths import FIXTURES, ROOT
from lab.paths import lightningstream as program
from lab.process import run
from lab.syncer import ENVIRONMENT, database


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def instance(fixture_lmdbs, storage, lightningstream):
    """An instance that has stored one snapshot of each of its databases, in either kind of storage."""
    main, shard = fixture_lmdbs("pdns-4.9")
    made = lightningstream("ours", {"main": database(main), "shard": database(shard)}, storage.storage())
    made.files, made.bucket = {"main": main, "shard": shard}, storage
    made.once("sync")
    return made


def of_database(instance, name):
    [found] = [one for one in instance.bucket.names() if one.startswith(f"{name}__ours__") and one.endswith(".pb.gz")]
    return found


# MARK: list


def test_list(instance):
    names = instance.bucket.names()
    done = instance.run("snapshots", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == names
    assert instance.run("snapshots", "-p", "shard__", "list").stdout.splitlines() == [
        name for name in names if name.startswith("shard__")]
    rows = json.loads(instance.run("snapshots", "list", "--json").stdout)
    assert [row["name"] for row in rows] == names
    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["modified"])
        assert row["size"] == len(instance.bucket.get(row["name"]))
        if row["name"].endswith(".pb.gz"):
            parsed = snapshots.parse_name(row["name"])
            assert (row["database"], row["instance"], row["kind"]) == (parsed.database, "ours", "full")
    table = instance.run("snapshots", "list", "-lt").stdout.splitlines()
    # For scripts, since the output is no terminal: size and name, without a heading.
    sizes = {row["name"]: row["size"] for row in rows}
    assert sorted(line.split("\t")[1] for line in table) == sorted(names)
    assert all(int(line.split("\t")[0]) == sizes[line.split("\t")[1]] for line in table)


def test_list_of_a_storage_that_does_not_answer(native):
    native.settings["storage"] = {"type": "s3", "options": {
        "bucket": "x", "access_key": "a", "secret_key": "b", "endpoint_url": "http://127.0.0.1:1"}}
    native.write_configuration()
    done = native.run("snapshots", "list", "--timeout", "1s", "--log-level", "info")
    assert (done.returncode, done.stdout) == (75, "")
    assert is_one_line(done.stderr)


# MARK: dump


def test_dump(instance):
    name = of_database(instance, "main")
    entries = {dbi: content.entries for dbi, content in lmdbs.contents(instance.files["main"]).items()}
    lines = instance.run("snapshots", "dump", name, "-f", "text").stdout.splitlines()
    assert sum(" = {" in line for line in lines) == sum(map(len, entries.values()))
    assert sum(", Deleted}" in line for line in lines) == sum(
        entry.deleted for dbi in entries.values() for entry in dbi.values())
    # The entries are those of `dump`, but for the transaction, which is not in a snapshot.
    local = instance.run("dump", "-n", "main", "-H").stdout.splitlines()
    assert [line for line in lines if " = {" in line] == [
        re.sub(r", txn \d+", "", line, count=1) for line in local if " = {" in line]
    one = instance.run("snapshots", "dump", name, "-d", "pdns").stdout
    assert sum(" = {" in line for line in one.splitlines()) == len(entries["pdns"])
    assert "# instance: ours\n" in one and "domains_v5" not in one


# MARK: get, put, remove


def test_get_put_remove(instance, tmp_path):
    name = of_database(instance, "shard")
    assert instance.run("snapshots", "get", name).returncode == 0
    assert (tmp_path / name).read_bytes() == instance.bucket.get(name)
    done = instance.run("snapshots", "remove", name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert name not in instance.bucket.names()
    assert instance.run("snapshots", "put", name).returncode == 0
    assert instance.bucket.get(name) == (tmp_path / name).read_bytes()
    assert instance.run("snapshots", "remove", name).returncode == 0
    again = instance.run("snapshots", "remove", name)
    assert again.returncode == 1 and is_one_line(again.stderr) and name in again.stderr
    missing = instance.run("snapshots", "get", name, "-o", "new")
    assert missing.returncode == 1 and is_one_line(missing.stderr) and name in missing.stderr
    assert not (tmp_path / "new").exists()


def test_what_is_put_is_merged_by_others(instance, tmp_path, lightningstream):
    """A snapshot that is put under another instance's name is one of that instance."""
    copy = tmp_path / "copy"
    assert instance.run("snapshots", "get", of_database(instance, "main"), "-o", copy).returncode == 0
    name = snapshots.name_at("main", "restored", 1_700_000_000_000_000_000)
    assert instance.run("snapshots", "put", copy, "-n", name).returncode == 0
    instance.run("snapshots", "remove", of_database(instance, "main"))
    other = lightningstream(
        "other", {"main": database(tmp_path / "other.mdb", create=True)}, instance.bucket.storage())
    other.once("receive")
    lmdbs.assert_equal(instance.files["main"], tmp_path / "other.mdb")


def test_get_of_a_large_object_takes_little_memory(native, bucket, tmp_path):
    """Also through a pipe; more than a spool keeps in memory, in a process that may not have it."""
    body = os.urandom(1 << 20) * 192
    bucket.put("large", body)
    native.settings["storage"] = bucket.storage()
    native.write_configuration()
    command = ["bash", "-c", 'ulimit -d 131072; exec "$@"', "-", *map(str, native.command("snapshots", "get", "large"))]
    assert run([*command, "-o", "large"], ENVIRONMENT).returncode == 0
    assert (tmp_path / "large").read_bytes() == body
    piped = subprocess.run(
        [*command, "-o", "-"], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    assert piped.returncode == 0 and piped.stdout == body


def test_put_refuses(native, directory, tmp_path):
    (tmp_path / "file").write_bytes(b"no snapshot")
    good = FIXTURES / "main__go-4-9__20261121-004253-817266965__GX.pb.gz"
    for arguments in ([good, "-n", "name"], ["file"], ["file", "-n", good.name], [tmp_path / "nothing"]):
        done = native.run("snapshots", "put", *arguments)
        assert done.returncode == 1, arguments
        assert is_one_line(done.stderr), done.stderr
    assert directory.names() == []


# MARK: progress


def on_terminal(command, output=None):
    """What a command writes to a terminal as its standard error, and standard output unless that goes to a file."""
    leader, terminal = pty.openpty()
    process = subprocess.Popen(
        command, env=ENVIRONMENT | {"TERM": "xterm"}, stdin=subprocess.DEVNULL, stdout=output or terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while select.select([leader], [], [], 60)[0]:
            try:
                shown += os.read(leader, 65536)
            except OSError:  # all have closed it
                break
        assert process.wait(60) == 0, shown
    finally:
        process.kill()
        os.close(leader)
    return shown.decode()


def test_progress_of_a_download(native, bucket, proxy, tmp_path):
    """The line appears, overwrites itself, and is gone in the end; not on a terminal that shows the results."""
    slow = proxy(bucket.server.endpoint, rate=4 << 20)
    bucket.put("large", bytes(6 << 20))
    native.settings["storage"] = bucket.storage(endpoint=slow.endpoint)
    native.write_configuration()
    command = list(map(str, native.command("snapshots", "get", "large")))
    shown = on_terminal([*command, "-o", "large"])
    assert "\n" not in shown and shown.endswith("\r\x1b[K")
    assert re.search(r"\rsnapshots get: \d+\.\d MiB of 6\.0 MiB, \d+ %", shown), shown
    with open(tmp_path / "out", "wb") as output:
        assert "snapshots get: " in on_terminal([*command, "-o", "-"], output)
    assert (tmp_path / "out").read_bytes() == bytes(6 << 20)
    assert "snapshots get: " not in on_terminal([*command, "-o", "-"])
    assert run([*command, "-o", "large"], ENVIRONMENT).stderr == ""


# MARK: docs and completion


def test_docs_are_the_checked_in_ones():
    done = run([program(), "docs"], ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ROOT / "docs" / "commands-reference.md").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_valid(shell, tmp_path):
    done = run([program(), "completion", shell], ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "script").write_text(done.stdout)
    checked = run([shell, "-n", tmp_path / "script"], ENVIRONMENT)
    assert (checked.returncode, checked.stderr) == (0, "")


COMPLETIONS = [
    (["sn"], {"snapshots"}),
    (["snapshots", "re"], {"remove", "reseal"}),
    (["snapshots", "list", "--pre"], {"--prefix"}),
    (["completion", "f"], {"fish"}),
    (["snapshots", "dump", "--format", "t"], {"text"}),
]


@pytest.mark.parametrize("words,expected", COMPLETIONS)
def test_completion_in_bash(words, expected, tmp_path):
    (tmp_path / "script").write_text(run([program(), "completion", "bash"], ENVIRONMENT).stdout)
    line = ["lightningstream", *words]
    text = " ".join(line)
    done = run(["bash", "-c", f'''
        source ./script
        COMP_WORDS=({text}) COMP_CWORD={len(line) - 1} COMP_LINE="{text}" COMP_POINT={len(text)}
        function=$(complete -p lightningstream | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        "$function" lightningstream "{line[-1]}" "{line[-2]}"
        printf '%s\\n' "${{COMPREPLY[@]}}"'''], ENVIRONMENT)
    assert done.stderr == ""
    assert {word.strip() for word in done.stdout.split()} == expected


@pytest.mark.parametrize("words,expected", COMPLETIONS)
def test_completion_in_fish(words, expected, tmp_path):
    (tmp_path / "script").write_text(run([program(), "completion", "fish"], ENVIRONMENT).stdout)
    (tmp_path / "lightningstream").symlink_to(program())
    done = run(
        ["fish", "--no-config", "-c", f"source script; complete -C 'lightningstream {' '.join(words)}'"],
        ENVIRONMENT | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)})
    assert done.stderr == ""
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == expected


def test_completion_in_zsh(tmp_path):
    """A real zsh on a terminal: what follows "sn" is completed when TAB is pressed."""
    (tmp_path / "_lightningstream").write_text(run([program(), "completion", "zsh"], ENVIRONMENT).stdout)
    (tmp_path / "lightningstream").symlink_to(program())
    zsh = shutil.which("zsh")
    leader, terminal = pty.openpty()
    process = subprocess.Popen(
        [zsh, "-f", "-i"], stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        env=ENVIRONMENT | {"TERM": "xterm", "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)})
    os.close(terminal)
    shown = b""

    def read_until(wanted):
        nonlocal shown
        while wanted not in shown:
            assert select.select([leader], [], [], 60)[0], shown
            shown += os.read(leader, 65536)

    try:
        os.write(leader, b"unsetopt prompt_cr; PS1=; fpath=($PWD $fpath); autoload -U compinit; compinit -u; echo rea''dy\n")
        read_until(b"ready\r\n")
        os.write(leader, b"lightningstream sn\t")
        read_until(b"snapshots")
        os.write(leader, b"re\t")
        read_until(b"remove")
    finally:
        process.kill()
        process.wait()
        os.close(leader)
