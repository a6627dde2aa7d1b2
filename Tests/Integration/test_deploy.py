"""The files of deploy/ as far as no container is needed; Tests/Compose has the rest."""

import json
import os
import re
import stat

import pytest

from lab.markdown import DOCS, PAGES
from lab.paths import ROOT
from lab.process import run

DEPLOY = ROOT / "deploy"
SCRIPTS = [path for path in sorted((DEPLOY / "pdns").iterdir()) if path.read_text().startswith(("#!/bin/bash", "# Functions of the scripts"))]


@pytest.fixture
def fake(tmp_path):
    """fake(NAME, TEXT) puts a program on the PATH of `fake.environment` that writes its arguments, and what it reads
    when it is told to, to files of its name."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def put(name, text="", reads=False):
        file = folder / name
        log = tmp_path / name
        file.write_text(
            f'#!/bin/bash\nprintf "%s\\n" "$*" >>{log}\n' + (f"cat >>{log}.read\n" if reads else "") + text)
        file.chmod(stat.S_IRWXU)
        return log

    put.environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    return put


@pytest.fixture
def docker(fake):
    """A Docker in which everything runs."""
    return fake("docker", 'case " $* " in\n*" ps "*) printf "auth1\\nlightningstream1\\n" ;;\n'
                          '*" port "*) echo 127.0.0.1:4781 ;;\n*" exec "*) all=$*; echo "ran: ${all##* exec }" ;;\nesac\n')


# MARK: scripts for any machine with Docker

def test_scripts_run_with_the_bash_of_macos():
    """It is 3.2. There is none to try here, so what it does not know is looked for."""
    newer = {
        "mapfile, readarray": r"\b(mapfile|readarray|coproc)\b", "associative arrays, references": r"\b(declare|local|typeset) -\w*[AngG]",
        "case conversion": r"\$\{\w+(\[[^]]*\])?(,|\^|@)", "|&, &>>": r"\|&|&>>", "[[ -v ]]": r"\[\[ -[vR] ",
        "a negative index": r"\$\{\w+\[-", "wait -n": r"\bwait -n", "a fall-through": r";;?&", "readlink options": r"readlink -[^f]",
        "%(…)T": r"printf .*%\("}
    assert len(SCRIPTS) == 5
    for script in SCRIPTS:
        code = re.sub(r"^\s*#.*$", "", script.read_text(), flags=re.MULTILINE)
        for what, pattern in newer.items():
            assert not re.search(pattern, code), f"{script.name}: {what}"
        # Expanding an empty array is an error there (`set -u`), unless it is "$@". None may be empty, nor a part of one.
        for name, rest in re.findall(r'\$\{(\w+)\[@\]([^}]*)', code):
            assert rest == "", f"{script.name}: a part of {name} may be empty"
            values = re.findall(rf"\b{name}=\(([^)]*)", "\n".join(path.read_text() for path in SCRIPTS))
            assert values, f"{script.name}: where is {name} from?"
            for value in values:
                first = value.split()[0] if value.split() else ""
                assert first and not first.startswith('"${1') and first not in ('"$@"', "$@"), f"{script.name}: {name} may be empty"


@pytest.mark.parametrize("name, within", [("pdnsutil", "auth1 pdnsutil"), ("lightningstream", "lightningstream1 lightningstream"),
                                          ("dump-lmdb", "lightningstream1 lightningstream dump")])
@pytest.mark.parametrize("before", [[], ["-i", "1"], ["-i1"]])
@pytest.mark.parametrize("after", [[], ["a b", "", "-i", "2"]])
def test_scripts_pass_on_what_they_get(docker, fake, name, within, before, after):
    done = run([DEPLOY / "pdns" / name, *before, *after], fake.environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == " ".join(["ran:", "-T", within, *after]).strip()


@pytest.mark.parametrize("arguments", [["-i"], ["-i", "4"], ["-i", ""], ["-i0", "x"]])
@pytest.mark.parametrize("name", [path.name for path in SCRIPTS if path.name != "common.sh"])
def test_scripts_want_the_number_of_a_server(docker, fake, name, arguments):
    done = run([DEPLOY / "pdns" / name, *arguments], fake.environment)
    assert done.returncode == 64 and "-i requires the number of a server" in done.stderr


# MARK: keys are no arguments, which every user of a machine can read

def test_the_api_key_is_no_argument(docker, fake):
    key = re.search(r"^api-key=(.*)$", (DEPLOY / "pdns/pdns.conf").read_text(), re.MULTILINE)[1]
    log = fake("curl", 'for one in "$@"; do case $one in @*) cat "${one#@}" ;; esac; done\n')
    done = run([DEPLOY / "pdns/curl-api", "-i", "1", "zones", "-d", "a b"], fake.environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"X-API-Key: {key}\n\n"
    arguments = log.read_text()
    assert f" {key}" not in arguments and arguments.endswith(
        " -d a b http://127.0.0.1:4781/api/v1/servers/localhost/zones\n")
    assert run([DEPLOY / "pdns/curl-api", "/x"], fake.environment).returncode == 0
    assert log.read_text().endswith("http://127.0.0.1:4781/x\n")
    assert run([DEPLOY / "pdns/curl-api"], fake.environment).returncode == 64


def test_keys_of_users_are_no_arguments(fake):
    log = fake("mc", reads=True)
    keys = {"MINIO_ROOT_USER": "root-name", "MINIO_ROOT_PASSWORD": "root%s key", "SYNC_ACCESS_KEY": "sync-name", "SYNC_SECRET_KEY": "-n sync",
            "RECEIVE_ACCESS_KEY": "receive-name", "RECEIVE_SECRET_KEY": "receive\\nkey"}
    done = run(["sh", DEPLOY / "minio/setup.sh"], fake.environment | keys)
    assert done.returncode == 0, done.stderr
    read = (log.parent / "mc.read").read_text().splitlines()
    assert read == list(keys.values())
    for name, key in keys.items():
        assert "PASSWORD" not in name and "SECRET" not in name or key not in log.read_text()


def test_the_user_that_only_reads_can_only_read_with_another_server(fake, tmp_path):
    """SeaweedFS gets its users from a file that only it can read; keys that would break that file are refused."""
    log = fake("weed", f"cat {tmp_path}/s3.json; stat -c %a {tmp_path}/s3.json\n")
    keys = {"SYNC_ACCESS_KEY": "sync", "SYNC_SECRET_KEY": "s/+=", "RECEIVE_ACCESS_KEY": "receive", "RECEIVE_SECRET_KEY": "r-_.~"}
    script = tmp_path / "server.sh"
    script.write_text((DEPLOY / "seaweedfs/server.sh").read_text().replace("/tmp/s3.json", str(tmp_path / "s3.json")))
    done = run(["sh", script], fake.environment | keys)
    assert done.returncode == 0, done.stderr
    text, mode = done.stdout.strip().rsplit("\n", 1)
    assert mode == "600" and "s/+=" not in log.read_text()
    users = {one["name"]: one for one in json.loads(text)["identities"]}
    assert users["receive"]["actions"] == ["Read:zones", "List:zones"]
    assert users["sync"]["credentials"] == [{"accessKey": "sync", "secretKey": "s/+="}]
    for bad in "", 'a"b', "a\nb", "a\\":
        done = run(["sh", script], fake.environment | keys | {"SYNC_SECRET_KEY": bad})
        assert done.returncode == 1 and done.stderr.count("\n") == 1


# MARK: the image

def test_the_image_is_built_of_what_is_there(tmp_path):
    """The context has every directory that Package.swift names, and the image every library that a build needs."""
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    sent = [line[1:] for line in ignored if line.startswith("!")]
    kept_out = [line for line in ignored if re.match(r"\w", line)]
    done = run(["swift", "package", "--package-path", ROOT, "--scratch-path", tmp_path, "dump-package"], limit=300)
    assert done.returncode == 0, done.stderr
    targets = json.loads(done.stdout)["targets"]
    paths = [target.get("path") or ("Tests/" if target["type"] == "test" else "Sources/") + target["name"] for target in targets]
    assert len(paths) > 20
    for path in paths:
        assert (ROOT / path).is_dir() and path.split("/")[0] in sent, path
        assert not any((path + "/").startswith(out + "/") for out in kept_out), path
    assert "scripts/build-release" in sent

    bootstrap = (ROOT / "scripts/bootstrap").read_text()
    wanted = set(re.findall(r"\b[\w.-]+:(lib[\w.-]+-dev)", bootstrap))
    assert len(wanted) == 5
    assert wanted <= set(re.findall(r"lib[\w.-]+-dev", (DEPLOY / "Dockerfile").read_text()))


def test_pages_say_that_minio_is_not_maintained():
    """Wherever it is recommended, or taken without being asked for."""
    named = [page for page in [*PAGES, DEPLOY / "docker-compose.yml"]
             if re.search(r"\bMinIO\b", page.read_text()) and page.name not in ("CHANGELOG.md", "testing.md")]
    assert DOCS / "docker.md" in named and ROOT / "README.md" in named
    for page in named:
        assert re.search(r"is\s+(#\s+)?no\s+(#\s+)?longer\s+(#\s+)?maintained", page.read_text()), page.name
