"""A real systemd in namespaces of its own, and a socket that listens as systemd does."""

import ctypes
import mmap
import os
import socket
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.paths import ROOT, SUPPORT, lightningstream
from lab.process import Process, run
from lab.waiting import eventually

UNITS = ROOT / "systemd"
NAMESPACES = ["--mount", "--pid", "--cgroup", "--ipc", "--uts"]

# What the units refer to, without what it would pull in on a whole machine.
_STUBS = ["lab.target", "sysinit.target", "basic.target", "shutdown.target", "multi-user.target", "network-online.target",
          "time-sync.target"]


def missing():
    """What a machine lacks here, one line; None when it can be had."""
    if os.geteuid() != 0:
        return "a systemd of its own needs root"
    if not Path("/lib/systemd/systemd").exists():
        return "there is no systemd; as root: apt-get install systemd"
    if run(["unshare", *NAMESPACES, "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).returncode != 0:
        return "no namespaces with mounts of their own can be made here (docker run --privileged allows them)"
    return None


class Machine:
    """A systemd that knows the units of this project, and files that nobody else sees changed."""

    working_directory = ROOT  # of commands
    environment = None  # of commands; the one of the tests

    def __init__(self, directory, log):
        self.directory, self.units = directory, directory / "units"
        self.units.mkdir(parents=True)
        for name in _STUBS:
            (self.units / name).write_text("[Unit]\nDefaultDependencies=no\n")
        self.output = directory / "output"
        self.drop_in("lab", StandardOutput=f"append:{self.output}", StandardError="inherit")
        self._boot(log, SUPPORT / "boot-systemd", directory, lightningstream())
        eventually("systemd has started", lambda: self.show("lab.target", "ActiveState") == "active")

    def _boot(self, log, *command):
        """Starts what becomes PID 1 of namespaces of its own."""
        self._cgroup = _new_cgroup()
        join = ["sh", "-c", f'echo $$ >{self._cgroup}/cgroup.procs; exec "$@"', "sh"] if self._cgroup else []
        self._process = Process([*join, "unshare", *NAMESPACES, "--fork", "--kill-child", *command], log)
        self.init = eventually("PID 1", self._find_init)

    def _find_init(self):
        assert self._process.running, "it has ended"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def add(self, path, text):
        """Adds a unit, or a drop-in, as /etc/systemd/system/PATH would be; `reload` has it read."""
        (self.units / path).parent.mkdir(exist_ok=True)
        (self.units / path).write_text(text)

    def drop_in(self, name, section="Service", template="", **settings):
        """Changes settings of the units; `reload` has them read."""
        self.add(f"lightningstream{template}.service.d/{name}.conf",
                 f"[{section}]\n" + "".join(f"{key}={value}\n" for key, value in settings.items()))
        if not template:
            self.drop_in(name, section, "@", **settings)

    def reload(self):
        self.run("systemctl", "daemon-reload")

    def run(self, *command, check=True, limit=60):
        """Runs a command within the machine."""
        where = [f"--wd={self.working_directory}"] if self.working_directory else []
        done = run(["nsenter", "--target", self.init, "--all", *where, "--", *command], self.environment, limit)
        assert not check or done.returncode == 0, \
            f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}{self.written()}"
        return done

    def write(self, path, text, mode=0o644):
        """Writes a file within the machine."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1" && chmod "$3" "$1"', "sh", path, text,
                 f"{mode:o}")

    def show(self, unit, setting):
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", setting, unit, check=False).stdout.strip()

    def written(self):
        """What the services have written."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def end(self):
        self._process.kill()
        if self._cgroup:
            eventually("the cgroups are gone", lambda: _remove_cgroup(self._cgroup))


def _new_cgroup():
    """A cgroup below our own, which the machine takes for the root of all; None where none can be made."""
    with suppress(OSError):
        own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
        root = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
        if root:
            made = root / own.lstrip("/") / f"lightningstream-lab-{os.getpid()}"
            made.mkdir()
            return made
    return None


def _remove_cgroup(path):
    for folder in sorted((folder for folder in path.rglob("*") if folder.is_dir()), reverse=True):
        with suppress(OSError):
            folder.rmdir()
    with suppress(OSError):
        path.rmdir()
    return not path.exists()


# What the application does: as its own user, and outside of the sandbox.
_APPLICATION = """
import lmdb, os, sys, time
folder, name, user, group, key = sys.argv[1:]
os.chdir(folder)
os.setgroups([])
os.setresgid(*[int(group)] * 3)
os.setresuid(*[int(user)] * 3)
with lmdb.open(name, subdir=False, max_dbs=16, map_size=1 << 24, mode=0o600) as opened:
    handle = opened.open_db(b"things")
    with opened.begin(write=True) as transaction:
        transaction.put(key.encode(), time.time_ns().to_bytes(8, "big") + bytes(16) + b"value", db=handle)
"""


def put(machine, key, path="/var/lib/powerdns/pdns.lmdb"):
    """An application changes its LMDB."""
    folder, name = f"/proc/{machine.init}/root{path}".rsplit("/", 1)
    user, group = (machine.run("id", option, "pdns").stdout.strip() for option in ("-u", "-g"))
    done = run([sys.executable, "-c", _APPLICATION, folder, name, user, group, key])
    assert done.returncode == 0, done.stderr


class NotifySocket:
    """A socket as a service manager has it."""

    def __init__(self, address):
        self.address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:] if self.address.startswith("@") else self.address)
        self.heard = []  # every line so far

    def listen(self):
        """Takes in what has come, and returns the new lines."""
        new = []
        with suppress(BlockingIOError):
            while True:
                new += self._socket.recv(8192, socket.MSG_DONTWAIT).decode().split("\n")
        self.heard += new
        return new

    def wait_for(self, line, count=1, after=0):
        """Waits until so many lines that start so have come, not counting the first `after` lines of all."""
        def come():
            self.listen()
            assert sum(one.startswith(line) for one in self.heard[after:]) >= count, "\n".join(self.heard[-20:])
            return True

        eventually(f"{count} times {line!r}", come)

    def wait_for_news(self, line, count=1):
        """The same, from now on."""
        self.listen()
        self.wait_for(line, count, after=len(self.heard))

    def close(self):
        self._socket.close()


@contextmanager
def reader_table_locked(path):
    """Holds the lock of an LMDB's reader table, as a process does that was stopped at the wrong moment.

    Whoever begins a read transaction hangs then.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"{path}-lock", "r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        assert shared[:4] == (0xBEEFC0DE).to_bytes(4, "little"), "not a lock file of LMDB"
        mutex = (ctypes.c_char * 40).from_buffer(shared, 8)
        assert libc.pthread_mutex_lock(ctypes.byref(mutex)) == 0
        try:
            yield
        finally:
            libc.pthread_mutex_unlock(ctypes.byref(mutex))
            del mutex
