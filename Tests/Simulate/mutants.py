"""Breaks one promise after another in a copy of the sources, and has the simulation find it.

    Tests/Simulate/mutants.py [PART OF A NAME...]

All mutants are in one build, each behind a switch that an environment variable turns on. A mutant that survives 10,000 histories
is an error, and so is a history that breaks a promise while no switch is on.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / ".build/lab/mutants"
SEEDS = 10_000
SOUND_SEEDS = 500
VARIABLE = "SIMULATED_MUTANT"

# Name, file below Sources/Replication, what stands there, what takes its place: BROKEN is true if the mutant is switched on.
MUTANTS = [
    ("the lower timestamp wins", "Merge/MergeRule.swift",
     "return incoming.timestamp > local.timestamp", "return (incoming.timestamp > local.timestamp) != BROKEN"),
    ("of equal timestamps the local version wins", "Merge/MergeRule.swift",
     "if order != 0 { return order < 0 }", "if order != 0 { return order < 0 && !BROKEN }"),
    ("no check under the write lock", "Merge/Merge.swift",
     "transaction.id == plan.comparedWith &+ 1", "(transaction.id == plan.comparedWith &+ 1 || BROKEN)"),
    ("no fence after an absence", "Core/RejoinFence.swift",
     "reason == nil && !mustCatchUp && !isListingOld(at: now)\n    }",
     "(reason == nil && !mustCatchUp || BROKEN) && !isListingOld(at: now)\n    }"),
    ("the own snapshot is not loaded before the first send", "Core/SyncMachine.swift",
     "!settings.receiveOnly && receiver.isOwnLoaded && fenceIsOpen",
     "!settings.receiveOnly && (receiver.isOwnLoaded || BROKEN) && fenceIsOpen"),
    ("an instance that is gone is forgotten before its entries are sent on", "Cleaning/CleaningRule.swift",
     "guard let covered = progress.covered?[instance], covered >= merged, isSentOn else",
     "guard BROKEN || progress.covered?[instance].map({ $0 >= merged }) ?? false && isSentOn else"),
    ("the sweeper takes young deletions, too", "Core/SyncCore+Sending.swift",
     "let limit = age >= wallTime ? 0 : wallTime - age", "let limit = BROKEN ? wallTime : age >= wallTime ? 0 : wallTime - age"),
    ("a merge takes the application's writes before it for sent", "Core/Sender.swift",
     "account(for: accountedFor)\n        if accountedFor < transaction",
     "account(for: BROKEN ? transaction : accountedFor)\n        if accountedFor < transaction"),
    ("a failed send is not tried again", "Core/Sender.swift",
     "retryAt = now + settings.retryInterval", "retryAt = BROKEN ? nil : now + settings.retryInterval"),
    ("a clock that steps back makes new snapshots look old", "Core/SyncCore+Sending.swift",
     "floor: nextTimestamp", "floor: BROKEN ? 0 : nextTimestamp"),
    ("a damaged snapshot hides the one before", "Core/InstanceChain.swift",
     "refused.isEmpty ? snapshots.last : snapshots.last { !refused.contains($0) }",
     "BROKEN ? snapshots.last.flatMap { refused.contains($0) ? nil : $0 } : snapshots.last { !refused.contains($0) }"),
    ("a damaged download is not repeated", "Core/SyncCore+Loading.swift",
     "where suspects.insert(name).inserted", "where suspects.insert(name).inserted && !BROKEN"),
    ("a capture may lower a timestamp", "Shadow/ShadowPair.swift",
     "timestamp = max(timestamp, known.timestamp == .max ? .max : known.timestamp + 1)",
     "if !BROKEN { timestamp = max(timestamp, known.timestamp == .max ? .max : known.timestamp + 1) }"),
    ("resync keeps what was deleted meanwhile", "Rebuild.swift",
     "version.timestamp < rules.keptSince", "version.timestamp < (BROKEN ? 1 : rules.keptSince)"),
    ("what is merged while a send reads counts as sent on", "Core/SyncMachine+Outcomes.swift",
     "receiver.stored(object.name, covering: covering)",
     "receiver.stored(object.name, covering: BROKEN ? progress.merged : covering)"),
    ("what another host of the same name sends is not loaded", "Core/SyncCore+Loading.swift",
     "strangers: listings.namesakes.strangers", "strangers: BROKEN ? [] : listings.namesakes.strangers"),
    ("an empty host notices no other one of its name", "Core/NamesakeWatch.swift",
     "first = began", "first = BROKEN ? nil : began"),
    ("what was merged of an earlier life is left out of deltas", "Engine/SyncedDatabase+Merging.swift",
     "own.noting(isSentByOthers: !isOurs)", "own.noting(isSentByOthers: !isOurs || BROKEN)"),
    ("the changes that wait are dropped with a failed upload", "Changes/Pin.swift",
     "if let open, open.from == from { return .continued(open) }",
     "if let open, open.from == from { return BROKEN ? .new : .continued(open) }"),
    ("what is held back counts as merged", "Core/SyncCore+Loading.swift",
     "isWhole: report.held == nil, position", "isWhole: report.held == nil || BROKEN, position"),
    ("the version that became known last counts as read, whatever was downloaded", "Core/InstanceChain.swift",
     "noteRead(tags, of: name, to: end)",
     "noteRead(BROKEN ? tags + deltas.filter { $0.name == name }.map(\\.tag) : tags, of: name, to: end)"),
    ("nothing is listed while changes are announced", "Core/SyncMachine+Hints.swift",
     "static let announcedFactor = 10", "static let announcedFactor = BROKEN ? 1_000_000 : 10"),
]

# Those that the simulation does not find, or is not known to find, within so many histories: docs/testing.md has the reasons. They are
# simulated only if they are named.
NOT_FOUND = [
    ("the cleaner trusts snapshots that nobody has read", "Cleaning/CleaningRule.swift",
     "{\n                        .keep(.fallback)", "{\n                        BROKEN ? .remove(.newerSnapshot) : .keep(.fallback)"),
    ("what comes after a gap counts as everything before it", "Core/InstanceChain.swift",
     "if name.timestamp <= known { position", "if name.timestamp <= known || BROKEN { position"),
    ("an older version that lands late is left there", "Core/OwnChain.swift",
     "return from == last.name.timestamp ? .delta : .full\n",
     "return BROKEN ? .none : from == last.name.timestamp ? .delta : .full\n"),
    ("deltas are removed though no later full snapshot has their changes", "Cleaning/CleaningRule.swift",
     "where next.timestamp <= begin.timestamp {", "where (next.timestamp <= begin.timestamp) != BROKEN {"),
    ("held entries of a delta are not compared again", "Core/InstanceChain.swift",
     "if !isWhole { requireFull(from: end) }", "if !isWhole, !BROKEN { requireFull(from: end) }"),
    ("the sweeper does not wait after an absence", "Core/RejoinFence.swift",
     "        isSweepWaitPending = true\n", "        isSweepWaitPending = !BROKEN\n"),
    ("a recorded position counts for what is held back", "RecordedPositions.swift",
     "filter { !incomplete.contains($0.key) }", "filter { !incomplete.contains($0.key) || BROKEN }"),
]

# The switch, in a file of its own.
SWITCH = f"""import Glibc

let activeMutant = getenv("{VARIABLE}").flatMap {{ Int(String(cString: $0)) }}
"""


def mutated() -> dict[pathlib.Path, bytes]:
    """The sources with all mutants, by their paths."""
    room = pathlib.Path("Sources/Replication")
    files = {pathlib.Path(name): (ROOT / name).read_bytes() for name in ("Package.swift", "Package.resolved")}
    for top in ("Sources", "Tests"):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files[path.relative_to(ROOT)] = path.read_bytes()
    files[room / "Mutant.swift"] = SWITCH.encode()
    for number, (name, file, old, new) in enumerate(MUTANTS + NOT_FOUND):
        text = files[room / file].decode()
        if text.count(old) != 1:
            sys.exit(f"mutants: {file} has {text.count(old)} times what \"{name}\" replaces: {old}")
        files[room / file] = text.replace(old, new.replace("BROKEN", f"(activeMutant == {number})")).encode()
    return files


def copy() -> None:
    """Writes what differs from the copy of the last time, so that what was built there stays."""
    files = mutated()
    for top in ("Sources", "Tests"):
        for path in (COPY / top).rglob("*"):
            if path.is_file() and path.relative_to(COPY) not in files:
                path.unlink()
    for name, contents in files.items():
        path = COPY / name
        if path.exists() and path.read_bytes() == contents:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)


def build() -> None:
    command = ["swift", "build", "-c", "release", "--product", "simulate", "--static-swift-stdlib"]
    done = subprocess.run(command, cwd=COPY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit("mutants: they do not build:\n" + done.stdout[-2000:])


def find(number: int | None, seeds: int) -> tuple[int | None, str]:
    """The number of histories until one breaks a promise, and which one; None where none does."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if number is not None:
        environment[VARIABLE] = str(number)
    run = subprocess.run(
        [COPY / ".build/release/simulate", str(seeds), "--first"], env=environment, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return None, ""
    histories = re.search(r"^(\d+) histories", run.stdout, re.M)
    # One that crashes has found something as well, but not a promise that was broken.
    violation = next(iter(re.findall(r"^seed .*", run.stdout, re.M)), f"it ended with {run.returncode}: {run.stderr[-200:]}")
    return int(histories[1]) if histories else 0, violation


def main() -> None:
    wanted = sys.argv[1:]
    copy()
    build()
    histories, violation = find(None, SOUND_SEEDS)
    if histories is not None:
        sys.exit(f"mutants: without any of them, {violation}")
    survivors = 0
    for number, (name, *_) in enumerate(MUTANTS + NOT_FOUND):
        if not any(word in name for word in wanted) if wanted else number >= len(MUTANTS):
            continue
        begin = time.monotonic()
        histories, violation = find(number, SEEDS)
        found = f"found by history {histories}" if histories is not None else "SURVIVED"
        survivors += histories is None
        print(f"{name}: {found} ({time.monotonic() - begin:.0f} s)\n    {violation[:160]}", flush=True)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
