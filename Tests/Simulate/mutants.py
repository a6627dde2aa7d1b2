"""Breaks one promise after another in a copy of the sources, and has the simulation find it.

    Tests/Simulate/mutants.py [NAME...]

Each mutant is built and simulated until a history breaks a promise; one that survives 10,000 histories is an error.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / ".build/lab/mutants"
SEEDS = 10_000

# Name, file below Sources, what stands there, what takes its place.
MUTANTS = [
    ("the lower timestamp wins", "Replication/Merge/MergeRule.swift",
     "return incoming.timestamp > local.timestamp", "return incoming.timestamp < local.timestamp"),
    ("of equal timestamps the local version wins", "Replication/Merge/MergeRule.swift",
     "if order != 0 { return order < 0 }", "if order != 0 { return false }"),
    ("no check under the write lock", "Replication/Merge/Merge.swift",
     "isCurrent = plan.isOrdered && transaction.id == plan.comparedWith &+ 1", "isCurrent = plan.isOrdered"),
    ("no fence after an absence", "Replication/Core/RejoinFence.swift",
     "reason == nil && !mustCatchUp && !isListingOld(at: now)\n    }", "!isListingOld(at: now)\n    }"),
    ("the own snapshot is not loaded before the first send", "Replication/Core/SyncMachine.swift",
     "!settings.receiveOnly && receiver.isOwnLoaded && fenceIsOpen", "!settings.receiveOnly && fenceIsOpen"),
    ("an instance that is gone is forgotten before its entries are sent on", "Replication/Cleaning/CleaningRule.swift",
     "guard let covered = progress.covered?[instance], covered >= name, isSentOn else { return .keep(.notSentOn) }", ""),
    ("the sweeper takes young deletions, too", "Replication/Core/SyncCore+Sending.swift",
     "let limit = age >= wallTime ? 0 : wallTime - age", "let limit = age > 0 ? wallTime : 0"),
    ("a merge takes the application's writes before it for sent", "Replication/Core/Sender.swift",
     "account(for: accountedFor)\n        if accountedFor < transaction", "account(for: transaction)\n        if accountedFor < transaction"),
    ("a failed send is not tried again", "Replication/Core/Sender.swift",
     "retryAt = now + settings.retryInterval", "retryAt = nil"),
    ("a clock that steps back makes new snapshots look old", "Replication/Core/SyncCore+Sending.swift",
     ".scan(floor: nextTimestamp)", ".scan(floor: 0)"),
    ("a damaged snapshot hides the one before", "Replication/Core/Receiver.swift",
     "? instance.listed.last : instance.listed.last { !progress.refused.contains($0) }",
     "? instance.listed.last : instance.listed.last.flatMap { progress.refused.contains($0) ? nil : $0 }"),
    ("a damaged download is not repeated", "Replication/Core/SyncCore+Loading.swift",
     "where suspects.insert(name).inserted", "where suspects.insert(name).inserted && false"),
    ("a capture may lower a timestamp", "Replication/Shadow/ShadowPair.swift",
     "timestamp = max(timestamp, known.timestamp == .max ? .max : known.timestamp + 1)", "_ = known"),
    ("resync keeps what was deleted meanwhile", "Replication/Rebuild.swift",
     "version.timestamp < rules.keptSince", "version.timestamp < 1"),
    ("what is merged while a send reads counts as sent on", "Replication/Core/SyncMachine.swift",
     "receiver.stored(name, covering: covering)", "receiver.stored(name, covering: progress.merged)"),
    ("the cleaner trusts snapshots that nobody has read", "Replication/Cleaning/CleaningRule.swift",
     ".keep(.fallback)", ".remove(.newerSnapshot)"),
    ("what another host of the same name sends is not loaded", "Replication/Core/SyncCore+Loading.swift",
     "strangers: listings.namesakes.strangers", "strangers: []"),
    ("an empty host notices no other one of its name", "Replication/Core/NamesakeWatch.swift",
     "first = began", "first = nil"),
]


def copy() -> None:
    """Puts the sources into the copy; what was built there stays, so that each mutant costs one room."""
    COPY.mkdir(parents=True, exist_ok=True)
    for name in ("Sources", "Tests"):
        shutil.rmtree(COPY / name, ignore_errors=True)
        shutil.copytree(ROOT / name, COPY / name)
    shutil.copy(ROOT / "Package.swift", COPY)


def mutate(file: str, old: str, new: str) -> None:
    path = COPY / "Sources" / file
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"mutants: {file} holds {text.count(old)} times: {old}")
    path.write_text(text.replace(old, new))


def find() -> tuple[int | None, str]:
    """The number of histories until one breaks a promise, and which one; nil where none does."""
    build = ["swift", "build", "-c", "release", "--product", "simulate"]
    done = subprocess.run(build, cwd=COPY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit("mutants: it does not build:\n" + done.stdout[-2000:])
    program = COPY / ".build/release/simulate"
    run = subprocess.run([program, str(SEEDS), "--first"], capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return None, ""
    histories = re.search(r"^(\d+) histories", run.stdout, re.M)
    return int(histories[1]) if histories else 0, next(iter(re.findall(r"^seed .*", run.stdout, re.M)), "")


def main() -> None:
    wanted = sys.argv[1:]
    survivors = 0
    for name, file, old, new in MUTANTS:
        if wanted and not any(word in name for word in wanted):
            continue
        begin = time.monotonic()
        copy()
        mutate(file, old, new)
        histories, violation = find()
        found = f"found by history {histories}" if histories is not None else "SURVIVED"
        survivors += histories is None
        print(f"{name}: {found} ({time.monotonic() - begin:.0f} s)\n    {violation[:160]}", flush=True)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
