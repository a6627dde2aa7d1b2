"""Whatever the documentation and the README show is run, or at least parsed by the program that it is for."""

import json
import re
import shutil

import pytest
import yaml

from lab import markdown, prometheus
from lab.markdown import DOCS, PAGES
from lab.paths import ROOT, lightningstream
from lab.process import run
from lab.syncer import ENVIRONMENT

# A page that the program itself writes needs no test of what it says of the program.
BLOCKS = [block for page in PAGES if page.name != "commands-reference.md" for block in markdown.blocks(page)]

# What a person has from elsewhere, or from the system. Everything else in a block of commands has a check below.
FOREIGN = {
    "[", "age", "apt", "apt-get", "aws", "cat", "cd", "chgrp", "chmod", "chown", "chronyc", "cmp", "cp", "curl", "dig", "dpkg", "echo", "find", "grep",
    "head", "id", "install", "journalctl", "jq", "kill", "ls", "mc", "mdb_copy", "mdb_dump", "mdb_stat", "mkdir", "mount", "mv", "openssl",
    "pdns_control", "pgrep", "printf", "python3", "rm", "sed", "sleep", "source", "ss", "stat", "swift", "systemctl",
    "systemd-analyze", "systemd-sysusers", "systemd-tmpfiles", "tail", "tee", "test", "timedatectl", "trap", "true", "umask", "useradd",
    "versitygw", "wait"}


def of_kind(*kinds):
    found = [block for block in BLOCKS if block.kind in kinds]
    assert found
    return pytest.mark.parametrize("block", found, ids=str)


def test_every_block_says_what_it_is():
    assert {block.kind for block in BLOCKS} <= {"console", "ini", "json", "promql", "proto", "sh", "text", "yaml"}
    # What is text is no command in disguise.
    for block in BLOCKS:
        if block.kind == "text":
            assert not re.search(r"^(\$|#|sudo|lightningstream|pdnsutil|systemctl|docker) ", block.text.split("# HELP")[0],
                                 re.MULTILINE) or "[global flags]" in block.text, str(block)


# MARK: configuration

MINIMAL = {
    "lmdbs": {name: {"path": f"{name}.lmdb", "options": {"no_subdir": True}, "schema_tracks_changes": True}
              for name in ("main", "shard")},
    "storage": {"type": "fs", "options": {"root_path": "bucket"}}}


def completed(text):
    """The text of a configuration file, and the same with what is missing in it."""
    shown = yaml.safe_load(text)
    if "lmdbs" in shown and "type" in shown.get("storage", {}):
        return text, shown
    whole = MINIMAL | shown
    if "storage" in shown:
        whole["storage"] = MINIMAL["storage"] | shown["storage"]
    return yaml.safe_dump(whole), whole


def refused(text, directory):
    """The problems that the program finds in a configuration file; it gets no further than to the missing LMDBs."""
    file = directory / "lightningstream.yaml"
    file.write_text(text)
    variables = {name: "1GB" for name in re.findall(r"\$\{?(\w+)", text)}
    done = run([lightningstream(), "--config", file, "stats"], ENVIRONMENT | variables)
    return [line for line in done.stderr.splitlines() if re.search(r":\d+:\d+: ", line) or "deprecated" in line], done


@of_kind("yaml")
def test_configurations_are_accepted(block, tmp_path):
    if block.title.endswith("prometheus.yml"):
        (tmp_path / "prometheus.yml").write_text(block.text)
        done = run([prometheus.install() / "promtool", "check", "config", "--syntax-only", tmp_path / "prometheus.yml"])
        assert done.returncode == 0, done.stdout + done.stderr
    elif block.title:
        assert re.fullmatch(r"(docker-)?compose[\w.-]*\.ya?ml|pod\.yaml", block.title), f"{block}: who reads {block.title}?"
        assert yaml.safe_load(block.text)
    else:
        # Paths are not this machine's.
        text, shown = completed(re.sub(r"(path: )/", rf"\1{tmp_path}/", block.text))
        problems, done = refused(text, tmp_path)
        assert not problems, str(block)
        # It has come to the databases, so the whole file was taken.
        assert all(f"{name}: cannot open" in done.stderr for name in shown["lmdbs"]), done.stderr


def test_a_mistake_in_a_configuration_would_be_noticed(tmp_path):
    """The test above relies on it."""
    for text in "storage:\n  cleanup: {enabeld: true}\n", "http:\n  address: 8500x\n":
        problems, _ = refused(completed(text)[0], tmp_path)
        assert problems


@of_kind("json")
def test_json_parses(block):
    assert json.loads(block.text)


@of_kind("ini")
def test_configurations_of_powerdns_are_accepted(block, installed_powerdns, tmp_path):
    if block.title != "pdns.conf":
        assert re.search(r"\.(service|conf|timer|network)$", block.title), f"{block}: who reads {block.title!r}?"
        assert re.fullmatch(r"(\[\w+\]\n|[A-Z]\w+=.*\n|#.*\n|\n)+", block.text), str(block)
        return
    installed = installed_powerdns("4.9")
    backend = "" if "launch=" in block.text else "launch=lmdb\n"
    (tmp_path / "pdns.conf").write_text(f"module-dir={installed.prefix / 'modules'}\n{backend}{block.text}")
    done = run([installed.prefix / "bin/pdns_server", f"--config-dir={tmp_path}", "--config=check"])
    assert done.returncode == 0, done.stdout + done.stderr


# MARK: commands

def usage_error(arguments, directory):
    """What the program says to arguments that it does not understand. It does nothing else, as it finds no configuration."""
    done = run([lightningstream(), *arguments, "--config", directory / "nowhere.yaml"], ENVIRONMENT)
    return done.stderr if done.returncode == 64 else None


def check(words, tools):
    program, arguments = words[0], words[1:]
    if program.split("/")[-1] == "lightningstream":
        assert not (error := usage_error(arguments, tools["directory"])), error
    elif program == "docker":
        for option, file in zip(arguments, arguments[1:]):
            assert option not in ("-f", "--file") or (ROOT / file).exists(), f"there is no {file}"
        if "lightningstream" in arguments:
            check(arguments[arguments.index("lightningstream"):], tools)
        if "pdnsutil" in arguments:
            check(arguments[arguments.index("pdnsutil"):], tools)
    elif program.split("/")[-1] == "pdnsutil":
        named = [word for index, word in enumerate(arguments)
                 if not word.startswith("-") and arguments[max(0, index - 1)] not in ("-i", "--config-dir")]
        assert named and named[0] in tools["pdnsutil"], f"pdnsutil {named}"
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        wanted = [word for word in arguments if "=" not in word]
        assert set(wanted) <= set(targets), wanted
    elif program.startswith(".build/"):
        assert program in (".build/lab/venv/bin/python", ".build/debug/status-preview"), program
    elif "/" in program:
        assert (ROOT / program).exists(), f"there is no {program}"
    elif program == "promtool":
        assert arguments[0] in ("check", "test")
    else:
        assert program in FOREIGN, f"nobody has looked at {program}: check it, or add it to those that are not checked"


@pytest.fixture(scope="session")
def tools(installed_powerdns, tmp_path_factory):
    """What the commands are checked against."""
    done = run([installed_powerdns("4.9").prefix / "bin/pdnsutil", "help"])
    named = set(re.findall(r"^([a-z][a-z0-9-]+)", done.stdout + done.stderr, re.MULTILINE))
    assert {"create-zone", "list-all-zones", "add-record"} <= named
    return {"directory": tmp_path_factory.mktemp("empty"), "pdnsutil": named}


@of_kind("sh", "console")
def test_commands_are_understood(block, tools):
    text = markdown.script(block)
    assert run(["bash", "-n", "-c", text]).returncode == 0, str(block)
    if block.title:
        # A script of the project, word for word; its own tests run it.
        assert block.title.startswith("deploy/") and (ROOT / block.title).read_text() == block.text, str(block)
        return
    found = list(markdown.commands(text))
    assert found or re.fullmatch(r"(\w+=.*\n)+", text), str(block)
    for words in found:
        # One example shows what is said to an unknown command, another one to a missing file.
        if words != ["lightningstream", "synk"]:
            check(words, tools)


def test_commands_within_text_are_understood(tools):
    found = {text: page.name for page in PAGES for text in markdown.code(page)
             if re.match(r"(sudo )?lightningstream [a-z-]", text) and "…" not in text}
    assert len(found) > 10
    for text, page in found.items():
        for words in markdown.commands(text):
            error = usage_error(words[1:], tools["directory"])
            # Text may name a command without what it is about.
            assert not error or "Missing expected argument" in error, f"{page}: {text}: {error}"


def test_a_mistake_in_a_command_would_be_noticed(tools):
    """The tests above rely on it."""
    assert list(markdown.commands("for a in b c; do x --y ${a} | z 2>&1 >f; done  # w\nA=1 sudo -u pdns v <(u t)")) == [
        ["x", "--y", "${a}"], ["z"], ["v"], ["u", "t"]]
    for text in "lightningstream synk", "lightningstream status --wiat", "pdnsutil make-zone x", "make nothing", "frobnicate":
        with pytest.raises(AssertionError):
            for words in markdown.commands(text):
                check(words, tools)


# MARK: names and links

def test_keys_and_metrics_exist():
    reference = set(re.findall(r"^\| `([\w.{}]+)` \|", (DOCS / "configuration-reference.md").read_text(), re.MULTILINE))
    metrics = {name for page in ("monitoring.md", "powerdns.md") for name in
               re.findall(r"^\| `((?:lightningstream|lmdb|storage|process)_\w+)` \|", (DOCS / page).read_text(), re.MULTILINE)}
    assert len(reference) > 80 and len(metrics) > 40
    sections = {key.rsplit(".", depth)[0] for key in reference for depth in range(1, key.count(".") + 1)}
    tops = {key.split(".")[0] for key in reference if "." in key}
    patterns = [re.sub(r"\\\{\w+\\\}", r"[\\w{}]+", re.escape(key)) for key in reference | sections]
    known = re.compile("|".join(patterns))
    series = {name + end for name in metrics for end in ("", "_bucket", "_sum", "_count")}
    wrong = []
    for page in PAGES:
        texts = markdown.code(page)
        for text in [*texts, *(block.text for block in BLOCKS if block.kind == "promql" and block.page.endswith(page.name))]:
            for name in re.findall(r"\b(?:lightningstream|lmdb|storage|process)_\w+", text):
                if name not in series and not known.fullmatch(name) and not re.search(rf"\b{name}\b", "\n".join(reference)):
                    wrong.append(f"{page.name}: {name} is neither a metric nor a key")
        for text in texts:
            if re.fullmatch(r"[a-z_]+(\.[a-z_0-9{}]+)+", text) and text.split(".")[0] in tops:
                if not known.fullmatch(text) and not (DOCS / text).exists():
                    wrong.append(f"{page.name}: there is no key {text}")
    assert not wrong


def test_messages_are_those_of_the_program():
    """Who looks for a message in the page on troubleshooting has to find it as the log shows it."""
    sources = "\n".join(file.read_text() for file in sorted((ROOT / "Sources").rglob("*.swift")))
    # Long texts are put together from several lines.
    sources = re.sub(r'"\s*\n\s*\+ "', "", sources)
    system = {"Permission denied", "Address already in use"}  # words of the C library
    page = (DOCS / "troubleshooting.md").read_text()
    rows = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    texts = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    assert len(texts) > 15
    for text in texts:
        # What to do follows the problem after a semicolon, and is in another file.
        for part in text.split("; "):
            assert part in system or part in sources, f"nothing says {part!r}"


def test_links_outside_of_the_site_lead_somewhere():
    """mkdocs checks those between the pages of docs/, when the site is built."""
    for page in PAGES:
        for target in markdown.links(page):
            if re.match(r"https?://", target):
                continue
            path, _, anchor = target.partition("#")
            to = (page.parent / path).resolve() if path else page
            assert to.exists(), f"{page.name}: {target}"
            if anchor:
                assert anchor in markdown.anchors(to), f"{page.name}: {target}"


def test_every_page_of_the_program_is_there():
    """Messages of the program name pages."""
    sources = "\n".join(file.read_text() for file in (ROOT / "Sources").rglob("*.swift"))
    named = set(re.findall(r"docs/([\w-]+\.md)", sources))
    assert named and all((DOCS / name).exists() for name in named)
    assert shutil.which("bash")
