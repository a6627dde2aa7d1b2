"""Where things are in the project."""

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent.parent
SUPPORT = ROOT / "Tests" / "Support"
FIXTURES = ROOT / "Tests" / "SnapshotsTests" / "Fixtures"  # LMDBs made by PowerDNS, and snapshots of them in the format of 1.0
LAB = ROOT / ".build" / "lab"
LOGS = LAB / "logs"


def lightningstream():
    """The program under test: what LIGHTNINGSTREAM names, else the debug build."""
    binary = Path(os.environ.get("LIGHTNINGSTREAM") or ROOT / ".build" / "debug" / "lightningstream")
    if not binary.exists():
        raise FileNotFoundError(f"{binary} is not there: run `swift build` (or `make test`) first")
    return binary.resolve()


def status_preview():
    """What shows a made-up report as the program shows its own."""
    return _debug_build("status-preview")


def page_diff():
    """What compares the pages of an LMDB that others write."""
    return _debug_build("page-diff")


def _debug_build(name):
    binary = ROOT / ".build" / "debug" / name
    if not binary.exists():
        raise FileNotFoundError(f"{binary} is not there: run `swift build` (or `make test`) first")
    return binary
