"""What `make check`, `make test` and `make test-all` print, and which tests they run."""

import os
import re

import pytest

from lab.paths import ROOT
from lab.process import free_port, run

TIERS = ["check", "test", "test-all"]
SWIFT = """\
◇ Test run started.
◇ Test quick() started.
✔ Test quick() passed after 0.001 seconds.
✔ Test "with a name" with 3 test cases passed after 61.500 seconds.
✔ Suite "All of them" passed after 99.000 seconds.
{end}"""
PASSES = "✔ Test run with 2 tests in 1 suite passed after 70.000 seconds.\n"
FAILS = """\
✘ Test bad() recorded an issue at Room.swift:1:2: Expectation failed: 1 == 2
✘ Test bad() failed after 0.002 seconds with 1 issue.
✘ Test run with 3 tests in 1 suite failed after 70.000 seconds with 1 issue.
"""
PYTEST = """\
============================= slowest 15 durations =============================
12.34s call     test_room.py::test_slow[a]
=========================== short test summary info ============================
{failed}========================= {result} in 20.00s =========================
"""


@pytest.fixture
def stages(tmp_path):
    """stages(SCRIPT) runs a script with the library of stages, in a directory of its own."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/stages").write_bytes((ROOT / "scripts/stages").read_bytes())

    def run_it(script, **texts):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        (tmp_path / "scripts/tier").write_text(f'. "$(dirname "$0")/stages"\n{script}\nfinish\n')
        done = run(["bash", tmp_path / "scripts/tier"], os.environ | {"LIGHTNINGSTREAM_STRICT": ""})
        return done.returncode, done.stdout

    return run_it


def summary(text):
    """{stage: (outcome, seconds, the rest)} of what the end says."""
    lines = text.split("== summary\n")[1].splitlines()[:-1]
    found = [re.fullmatch(r"(\S+) +(ok|FAILED) +(\d+) s +\d+ % *(.*)", line) for line in lines]
    return {match[1]: (match[2], int(match[3]), match[4]) for match in found}


def test_a_tier_that_passes_says_where_its_minutes_went(stages):
    status, text = stages(
        'stage swift cat swift\nstage pytest cat pytest\nstage sleep sleep 1',
        swift=SWIFT.format(end=PASSES), pytest=PYTEST.format(failed="", result="7 passed, 2 skipped"))
    assert status == 0
    told = summary(text)
    assert told["swift"][::2] == ("ok", "2 passed, 0 failed") and told["pytest"][::2] == ("ok", "7 passed, 0 failed")
    assert told["sleep"][1] >= 1
    assert re.search(r"^All passed in 0 min 0\d s\.$", text, re.MULTILINE)
    slowest = text.split("== slowest tests\n")[1].split("\n\n")[0].splitlines()
    assert [line.split() for line in slowest] == [["12.3", "s", "pytest", "test_room.py::test_slow[a]", "(call)"]]


def test_a_tier_that_fails_names_what_failed_and_goes_on(stages):
    status, text = stages(
        'stage swift sh -c "cat swift; exit 1"\nstage pytest sh -c "cat pytest; exit 1"\nstage other echo NOT RUN: no root',
        swift=SWIFT.format(end=FAILS),
        pytest=PYTEST.format(failed="FAILED test_room.py::test_bad - assert 1 == 2\n", result="1 failed, 6 passed"))
    assert status == 1
    told = summary(text)
    assert told["swift"][::2] == ("FAILED", "2 passed, 1 failed") and told["pytest"][::2] == ("FAILED", "6 passed, 1 failed")
    assert told["other"][::2] == ("ok", "NOT RUN: no root")
    failed = text.split("== failed\n")[1].split("\n\n")[0].splitlines()
    assert failed == [
        "✘ Test bad() recorded an issue at Room.swift:1:2: Expectation failed: 1 == 2",
        "FAILED test_room.py::test_bad - assert 1 == 2"]
    assert text.splitlines()[-1] == f"FAILED after {text.split('FAILED after ')[1].split(';')[0]}; the output is in .build/lab/logs."


def test_all_tiers_build_the_same(stages):
    """Else the second one would compile everything again."""
    assert stages("stage strict printenv LIGHTNINGSTREAM_STRICT")[1].splitlines()[1] == "1"
    for tier in TIERS:
        text = (ROOT / "scripts" / tier).read_text()
        assert "swift" not in re.sub(r"#.*", "", text), "stages are in scripts/stages"


def test_every_tier_has_the_one_before_and_ci_has_the_last():
    text = (ROOT / "scripts/stages").read_text()
    ran = {name: re.findall(r"^ +(\w+)$|\bstage (\S+)", body, re.MULTILINE)
           for name, body in re.findall(r"^(\w+)_stages\(\) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)}
    assert list(ran) == ["check", "test", "all"]
    assert ran["test"][0][0] == "check_stages" and ran["all"][0][0] == "test_stages"
    names = [stage for stages in ran.values() for _, stage in stages if stage]
    assert len(names) == len(set(names)) and {"lint", "build", "quick", "live", "integration", "system", "compose", "fuzz"} <= set(names)
    # Between them, each test once.
    assert re.search(r"stage quick .*--skip (\S+)", text)[1] == re.search(r"stage live .*--filter (\S+)", text)[1]
    assert 'stage integration integration "not system"\n' in text and "stage system integration system\n" in text
    assert "exec make test-all" in (ROOT / ".ci/run").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for tier in TIERS:
        assert f"\n{tier}:\n\t@scripts/{tier}\n" in makefile


def test_workers_take_no_port_of_each_other(monkeypatch):
    taken = []
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    for number in range(3):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        taken.append([free_port() for _ in range(50)])
    assert 12000 <= min(taken[0]) and max(taken[0]) < min(taken[1]) and max(taken[1]) < min(taken[2]) and max(taken[2]) < 20000


# MARK: which Swift tests are quick

LIVE = re.compile(r"\b(FaultServer|DeafServer|ChildProcess|Baton|Process)\(|\.\w*s3Server\w*\b|\bwith(Syncers|Server)\(|\bsync\(while:|\b(Task|Thread)\.sleep\b|\busleep\(",
                  re.IGNORECASE)

# What waits all the same: for another thread that has nothing to wait for, and not at all, as it is cancelled.
ALLOWED = {("BlockingPoolTests.swift", "usleep("), ("RetryPolicyTests.swift", "Task.sleep")}


def suites():
    """(file, suite, text) of every suite of Swift tests."""
    for file in sorted((ROOT / "Tests").glob("*Tests/*.swift")):
        text = file.read_text()
        for match in re.finditer(r"^(?:@Suite.*\s)?(?:struct|extension) (\w+Tests)\b.*?^\}", text, re.MULTILINE | re.DOTALL):
            yield file.name, match[1], match[0]


def test_what_needs_servers_processes_or_time_is_named_so():
    found = list(suites())
    assert len(found) > 150 and sum(suite.endswith("LiveTests") for _, suite, _ in found) > 30
    wrong = {(file, suite, match[0]) for file, suite, text in found if not suite.endswith("LiveTests")
             for match in LIVE.finditer(text) if (file, match[0]) not in ALLOWED}
    assert not wrong
