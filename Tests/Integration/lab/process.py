"""Child processes that always end: with their test, and with the test run even when that is killed."""

import os
import random
import signal
import socket
import subprocess

from lab.waiting import eventually

# Replaces itself by the program, which the kernel then kills when this process ends, however that happens.
_BOUND = ["setpriv", "--pdeathsig", "KILL", "--"]


class Process:
    """A running program whose output goes to the file `log`."""

    def __init__(self, command, log, environment=None):
        self.command = [str(part) for part in command]
        self.log = log
        with open(log, "ab") as output:
            output.write(f"$ {' '.join(self.command)}\n".encode())
            output.flush()
            self._start = output.tell()
            self._popen = subprocess.Popen(
                _BOUND + self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=environment)
        self.pid = self._popen.pid

    @property
    def running(self):
        return self._popen.poll() is None

    def output(self):
        """What it has written so far."""
        return self.log.read_bytes()[self._start:].decode(errors="replace")

    def signal(self, number):
        self._popen.send_signal(number)

    def wait(self, limit=30):
        """The exit status; the process is killed and the test fails when there is none within `limit` seconds."""
        try:
            return self._popen.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {limit} s: {' '.join(self.command)}\n{tail(self.log)}") from None

    def terminate(self, limit=30):
        """Asks it to end and returns its exit status."""
        if self.running:
            self.signal(signal.SIGTERM)
        return self.wait(limit)

    def kill(self):
        if self.running:
            self._popen.kill()
        return self._popen.wait()

    def wait_for_output(self, text, limit=30):
        def written():
            if text in self.output():
                return True
            assert self.running, f"ended with {self._popen.returncode} before it wrote {text!r}:\n{tail(self.log)}"
            return False

        eventually(f"{text!r} in {self.log}", written, limit)


def run(command, environment=None, limit=60):
    """Runs a program to its end and returns subprocess.CompletedProcess with text output."""
    return subprocess.run(
        _BOUND + [str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace", env=environment, timeout=limit)


def tail(log, lines=40):
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no output)"


def free_port():
    """A port of 127.0.0.1 that is free for TCP and UDP.

    It lies below the range from which the kernel picks ports for connections, so nothing else takes it by chance; nor does
    another worker of pytest, which has ports of its own.
    """
    size = 8000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    first = 12000 + size * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for _ in range(100):
        port = random.SystemRandom().randrange(first, first + size)
        try:
            with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
                return port
        except OSError:
            continue
    raise AssertionError("found no free port")


def environment_without(*prefixes):
    """This process's environment without the variables that start so."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
