"""`make demo`, and the build that it begins with."""

import fcntl
import os
import re
import shlex
import signal
import stat
import tempfile
import urllib.request
from pathlib import Path

import pytest

from lab.paths import LAB, ROOT, lightningstream
from lab.process import Process, run, tail
from lab.waiting import eventually

ENVIRONMENT = os.environ | {"LIGHTNINGSTREAM": str(lightningstream()), "KEEP": ""}


def pages(text):
    return re.findall(r"http://127\.0\.0\.1:\d+/", text)


@pytest.fixture
def temporary():
    """A directory whose name is short enough for sockets; it has to be empty in the end.

    Only one test has it at a time: two demos that start side by side would take the same ports for free.
    """
    with open(LAB / "demo.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        directory = Path(tempfile.mkdtemp(prefix="lsdemo"))
        yield directory
        directory.rmdir()


def test_the_demo_tells_its_story_and_how_to_go_on(temporary):
    done = run(["make", "--no-print-directory", "-C", ROOT, "demo"], ENVIRONMENT | {"TMPDIR": str(temporary)}, limit=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "192.0.2.81" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert "make demo KEEP=1" in last and pages(last)


def test_the_demo_goes_on_where_that_is_asked_for(temporary, logs):
    """What it prints can be used: both pages, and the commands."""
    demo = Process([ROOT / "scripts/demo"], logs / "demo.log", ENVIRONMENT | {"TMPDIR": str(temporary), "KEEP": "1"})
    try:
        demo.wait_for_output("from-b.example NS", limit=120)
        text = demo.output().split("run on until Ctrl-C")[1]
        assert len(set(pages(text))) == 2
        for page in pages(text):
            with urllib.request.urlopen(page, timeout=30) as answer:
                assert b"lightningstream" in answer.read()
        change, _ = [shlex.split(line) for line in re.findall(r"change: (.*)", text)]
        ask = [shlex.split(line.replace("from-b", "from-a")) for line in re.findall(r"ask: +(.*)", text)][1]
        assert run(change).returncode == 0
        eventually("b answers the zone of a", lambda: "ns1.from-a.example" in run(ask).stdout)
    finally:
        demo.signal(signal.SIGTERM)
        status = demo.wait()
    assert status == 0, tail(demo.log)


# MARK: its beginning

@pytest.fixture
def clone(tmp_path):
    """clone() runs scripts/demo in a tree where everything that it calls does nothing; it returns what it prints, and what was built."""
    for name, text in {
            "scripts/demo": (ROOT / "scripts/demo").read_text(), "scripts/quietly": (ROOT / "scripts/quietly").read_text(),
            "scripts/bootstrap": "#!/bin/sh\n", "Tests/Support/get-pdns": "#!/bin/sh\n", "Package.swift": "", "Sources/a.swift": "",
            "swift": '#!/bin/sh\necho "$@" >>built\nmkdir -p .build/debug\n: >.build/debug/lightningstream\n'
                     "chmod +x .build/debug/lightningstream\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(stat.S_IRWXU)

    def run_it(**environment):
        (tmp_path / "built").write_text("")
        done = run([tmp_path / "scripts/demo"], os.environ | {
            "PATH": f"{tmp_path}:{os.environ['PATH']}", "LIGHTNINGSTREAM": "", "TMPDIR": str(tmp_path)} | environment)
        assert done.returncode == 1 and "demo: " in done.stderr, "there is no PowerDNS here"
        return done.stdout, (tmp_path / "built").read_text()

    run_it.directory = tmp_path
    return run_it


def test_the_demo_says_at_its_start_how_long_it_takes(clone):
    """A debug build of nothing but the program is the quickest; what is there already is not built again."""
    text, built = clone()
    assert re.match(r"This takes \d+ to \d+ minutes", text) and built == "build --product lightningstream\n"
    text, built = clone()
    assert text.startswith("This takes under a minute.\n") and built == ""
    os.utime(clone.directory / "Sources/a.swift", (2**32, 2**32))
    text, built = clone()
    assert re.match(r"This takes a minute, and some more because the sources have changed", text) and built
    text, built = clone(LIGHTNINGSTREAM="/bin/true")
    assert text.startswith("This takes under a minute.\n") and built == ""


def test_everybody_tells_the_same_time():
    """For the first demo, and for a release build."""
    [demo] = set(re.findall(r"\d+ to \d+ minutes", (ROOT / "scripts/demo").read_text()))
    for file in "Makefile", "README.md":
        said = re.findall(r"make demo\b.{0,120}?(\d+ to \d+ minutes)", (ROOT / file).read_text(), re.DOTALL)
        assert said == [demo], file
    [release] = set(re.findall(r"\d+ to \d+ minutes", (ROOT / "scripts/build-release").read_text()))
    for file in "packages.md", "getting-started.md", "docker.md":
        assert re.findall(r"\d+ to \d+ minutes on two cores", (ROOT / "docs" / file).read_text()) == [f"{release} on two cores"], file


# MARK: the build

@pytest.fixture
def build(tmp_path):
    """scripts/build-release with a compiler that says much, for `seconds`, and ends with `status`."""
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts/build-release"
    for name in "build-release", "quietly":
        (tmp_path / "scripts" / name).write_bytes((ROOT / "scripts" / name).read_bytes())
        (tmp_path / "scripts" / name).chmod(stat.S_IRWXU)
    swift = tmp_path / "swift"
    swift.write_text(
        '#!/bin/bash\n[ "${LIGHTNINGSTREAM_STRICT-}" = "" ] || exit 9\n'
        'for step in $(seq 228); do echo "[$step/228] Compiling Room file$step.swift"; done\n'
        'echo "warning: the use of \'mktemp\' is dangerous"\n'
        'echo "file.swift:1:2: error: $SAY" >&2; sleep "$SECONDS_TO_TAKE"; exit "$STATUS"\n')
    swift.chmod(stat.S_IRWXU)

    def run_it(*arguments, status, seconds, terminal=False):
        command = [script, *arguments]
        if terminal:
            command = ["script", "--quiet", "--return", "--command", shlex.join(map(str, command)), "/dev/null"]
        return run(command, os.environ | {
            "PATH": f"{tmp_path}:{os.environ['PATH']}", "SAY": "no such thing", "STATUS": str(status),
            "SECONDS_TO_TAKE": str(seconds), "LIGHTNINGSTREAM_STRICT": "1"})

    run_it.log = tmp_path / ".build/lab/logs/build-release.log"
    return run_it


def test_a_quiet_build_shows_one_line(build):
    done = build("--quiet", status=0, seconds=4)
    assert (done.returncode, done.stdout) == (0, "")
    [line] = done.stderr.splitlines()
    assert "minutes" in line and ".build/lab/logs/build-release.log" in line
    assert len(build.log.read_text().splitlines()) == 230


def test_a_build_without_work_shows_nothing(build):
    done = build("--quiet", status=0, seconds=0)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_quiet_build_shows_progress_on_a_terminal(build):
    done = build("--quiet", status=0, seconds=6, terminal=True)
    assert done.returncode == 0
    assert "step [228/228]" in done.stdout and "Compiling" not in done.stdout
    # One line, over and over: what goes back to its beginning is read as the end of a line here.
    assert all(re.match(r"building|  \d+ min|\x1b\[K  built in|$", line) for line in done.stdout.splitlines())


def test_a_quiet_build_that_fails_says_why(build):
    done = build("--quiet", status=3, seconds=0)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "file.swift:1:2: error: no such thing",
        "the build has failed; all that the compiler said is in .build/lab/logs/build-release.log"]


def test_other_builds_show_what_the_compiler_says(build):
    assert build(status=0, seconds=0).stdout.count("Compiling") == 228
