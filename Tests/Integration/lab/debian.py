"""A clean Debian with its own systemd, on which packages can be installed; it vanishes with the test."""

import shutil
from pathlib import Path

from lab.paths import LAB, ROOT, SUPPORT
from lab.process import environment_without, run
from lab.systemd import Machine
from lab.waiting import eventually

# What changes by itself, and what apt and dpkg keep about any package.
_VOLATILE = ("proc", "sys", "run", "dev", "tmp", "var/tmp", "var/cache", "var/log", "var/lib/apt", "var/lib/dpkg", "var/lib/systemd")


def package():
    """The newest package that scripts/build-deb has made."""
    made = sorted((ROOT / ".build" / "deb").glob("lightningstream_*.deb"), key=lambda file: file.stat().st_mtime)
    if not made:
        raise FileNotFoundError("there is no package: run `make deb` first")
    return made[-1]


class Debian(Machine):
    """A machine of this one's own release, whose files are in `root`."""

    working_directory = None
    # What it names is not there.
    environment = environment_without("TMPDIR")

    def __init__(self, directory, log):
        archive = LAB / "debian.tar"
        done = run([SUPPORT / "get-debian-root", archive], limit=900)
        if done.returncode != 0:
            raise RuntimeError(f"no clean Debian:\n{done.stderr}")
        directory.mkdir()
        self._boot(log, SUPPORT / "boot-debian", archive, directory)
        # Until then the files are those of the machine outside, and so is a systemd that answers.
        eventually("PID 1 is a systemd", lambda: Path(f"/proc/{self.init}/comm").read_text() == "systemd\n", limit=120)
        eventually("systemd has started", lambda: self.show("multi-user.target", "ActiveState") == "active", limit=120)
        self.root = Path(f"/proc/{self.init}/root")
        self.apt("update")

    def apt(self, *arguments):
        """Runs apt-get, and returns what it prints."""
        return self.run("env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "apt-get", "-q", "-y", *arguments, limit=600).stdout

    def put(self, file):
        """Copies a file into the machine, and returns where it is there."""
        shutil.copy(file, self.root / "var/cache")
        return f"/var/cache/{file.name}"

    def files(self):
        """Every path with its mode and owner, without what changes by itself."""
        prune = [word for place in _VOLATILE for word in ("-path", f"./{place}", "-o")][:-1]
        return set(self.run("sh", "-c", 'cd / && exec find . "$@"', "sh", "(", *prune, ")", "-prune", "-o", "-printf",
                            "%P %M %u:%g\\n").stdout.splitlines())

    def written(self):
        """What the service has written to the journal."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit=lightningstream*", check=False).stdout
