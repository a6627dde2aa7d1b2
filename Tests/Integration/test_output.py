"""Logs in all their forms, secrets that never show, and errors that are one line and leave nothing behind."""

import json
import re
import shutil

from lab import lmdbs, privileges
from lab.output import is_one_line
from lab.process import run
from lab.storage import Directory
from lab.syncer import ENVIRONMENT

SECRET = "thisIsTheSecretKey0123456789"


def test_json_log_lines(native):
    done = native.once("sync", "--log-format", "json", "--debug")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines and all({"time", "level", "msg"} <= line.keys() for line in lines)
    stored = [line for line in lines if line.get("snapshot_name", "").startswith("main__ours__")]
    assert stored and all(line["db"] == "main" for line in stored)


def test_logfmt_log_lines(native):
    done = native.once("sync", "--log-format", "logfmt", "--debug")
    pair = r'[\w.]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]*)'
    assert done.stderr
    for line in done.stderr.splitlines():
        assert re.fullmatch(rf"{pair}( {pair})*", line), line
    assert 'level=info' in done.stderr and " db=main" in done.stderr


def test_human_log_lines_without_a_terminal(native):
    done = native.once("sync", "--log-format", "human", "--debug")
    assert "[main" in done.stderr and "snapshot_name=" in done.stderr
    assert "\x1b" not in done.stderr


def test_log_level(native):
    assert native.once("sync", "--log-level", "error").stderr == ""


def test_secrets_are_never_shown(native, bucket, tmp_path):
    key_file = tmp_path / "secret"
    key_file.write_text(f"{SECRET}FromAFile\n")
    access_file = tmp_path / "access"
    access_file.write_text("labaccesskey\n")
    from_file = {"access_key_file": str(access_file), "secret_key_file": str(key_file)}
    configured = bucket.storage(keys=("labaccesskey", SECRET))
    options = {name: value for name, value in configured["options"].items() if not name.endswith("_key")} | from_file
    for storage in (configured, {"type": "s3", "options": options}):
        native.settings |= {"storage": storage, "storage_retry_interval": "100ms", "storage_retry_count": 2}
        native.write_configuration()
        # The keys are wrong, so that there are errors too.
        done = native.run("sync", "--only-once", "--debug", "--log-config", "--timeout", "3s")
        assert done.returncode in (1, 75)
        assert "access_key" in done.stderr and "SignatureDoesNotMatch" in done.stderr
        assert SECRET not in done.stdout + done.stderr


# MARK: errors are one line and leave nothing behind


def failing(instance, *words, command="sync"):
    done = instance.run(command, "--only-once", "--log-level", "error")
    assert done.returncode == 1
    assert is_one_line(done.stderr), done.stderr
    for word in words:
        assert str(word) in done.stderr


def test_missing_lmdb(native, directory):
    native.files[1].unlink()
    failing(native, "shard", native.files[1], "create")
    assert not native.files[1].exists()


def test_directory_where_a_file_is_configured(native):
    native.files[1].unlink()
    native.files[1].mkdir()
    failing(native, "shard", native.files[1], "no_subdir")


def test_file_where_a_directory_is_configured(native):
    native.settings["lmdbs"]["shard"]["options"]["no_subdir"] = False
    native.write_configuration()
    failing(native, "shard", native.files[1], "no_subdir")


def test_file_that_is_no_lmdb(native):
    native.files[1].write_bytes(b"This is not an LMDB.\n" * 1000)
    failing(native, "shard", native.files[1])


def test_no_permission(native, tmp_path):
    native.files[0].chmod(0)
    done = run([*privileges.without(), *native.command("sync", "--only-once", "--log-level", "error")], ENVIRONMENT)
    assert done.returncode == 1
    assert is_one_line(done.stderr), done.stderr
    assert str(native.files[0]) in done.stderr and "ermission" in done.stderr


def test_storage_directory_without_permission(native, tmp_path):
    locked = Directory(tmp_path / "locked")
    native.settings["storage"] = locked.storage()
    native.settings |= {"storage_retry_interval": "100ms", "storage_retry_count": 2}
    native.write_configuration()
    locked.path.chmod(0o500)
    try:
        done = run([*privileges.without(), *native.command("sync", "--only-once", "--log-level", "fatal")], ENVIRONMENT)
    finally:
        locked.path.chmod(0o700)
    assert done.returncode == 1
    assert is_one_line(done.stderr), done.stderr
    assert str(locked.path) in done.stderr


def test_bad_value_in_a_native_database(native, directory):
    lmdbs.write(native.files[1], {"records_v5": {b"broken": b"too short"}})
    shutil.rmtree(directory.path)
    done = native.run("sync", "--only-once")
    assert done.returncode == 1
    assert "records_v5" in done.stderr and "broken" in done.stderr
    assert not any(name.startswith("shard__") for name in directory.names())
