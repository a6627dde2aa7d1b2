"""Runs a program and says what it cost: CPU and wall time, and private memory at its highest point."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass

SAMPLE_INTERVAL = 0.002  # seconds between two looks at a program's memory


class BenchmarkError(Exception):
    """A program that failed or did something else than it should: the figures would mean nothing."""


@dataclass
class Cost:
    cpu: float  # seconds, user and system
    wall: float  # seconds
    memory: int  # RssAnon in KiB, the highest sample
    output: str = ""


def rss_anon(pid):
    """RssAnon of a process in KiB; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"RssAnon:"):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def private_dirty(pid):
    """The memory in KiB that a process alone has written."""
    with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(b"Private_Dirty:"))


def cpu_seconds(pid):
    """The CPU time of all threads of a process so far, at the scheduler's resolution (see clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


class Sampler(threading.Thread):
    """Looks at a process's memory until it is stopped."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0
        self.stopped = threading.Event()
        self.start()

    def run(self):
        while not self.stopped.is_set():
            self.peak = max(self.peak, rss_anon(self.pid))
            self.stopped.wait(SAMPLE_INTERVAL)

    def stop(self):
        self.stopped.set()
        self.join()
        return self.peak


def tail(path, lines=8):
    with open(path, errors="replace") as file:
        return "".join(file.readlines()[-lines:])


def run(command, log, limit=600, output_file=None, exit_code=0):
    """Runs `command` to its end and measures it.

    `log` names the file for its standard error, `output_file` one for its standard output where that is more than a line.
    Raises BenchmarkError when it fails or takes more than `limit` seconds.
    """
    with open(log, "wb") as errors, open(output_file or os.devnull, "wb") as results:
        start = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=results if output_file else subprocess.PIPE, stderr=errors)
        sampler = Sampler(process.pid)
        late = threading.Timer(limit, process.kill)
        late.start()
        # Otherwise programs measured here print a line or nothing: a pipe takes that without being read.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        late.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = sampler.stop()
        output = ""
        if process.stdout:
            with process.stdout:
                output = process.stdout.read().decode(errors="replace")
    if process.returncode != exit_code:
        raise BenchmarkError(f"{' '.join(command)} ended with {process.returncode}:\n{tail(log)}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, peak, output)


class Daemon:
    """A program that runs in the background for the length of a `with` block and is ended by SIGTERM."""

    def __init__(self, command, log):
        self.command = command
        self.log = log

    def __enter__(self):
        with open(self.log, "wb") as errors:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        self.pid = self.process.pid
        return self

    def check(self):
        if self.process.poll() is not None:
            raise BenchmarkError(
                f"{' '.join(self.command)} ended with {self.process.returncode}:\n{tail(self.log)}")

    def __exit__(self, kind, error, trace):
        ended = self.process.poll()
        if ended is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                ended = self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                ended = self.process.wait()
        if kind is None and ended != 0:
            raise BenchmarkError(f"{' '.join(self.command)} ended with {ended} on SIGTERM:\n{tail(self.log)}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LoggingDaemon(Daemon):
    """A daemon that logs JSON, and serves its metrics at a port.

    Both are what an operator has: its log tells what each send and merge took.
    """

    def __init__(self, command, log, port):
        super().__init__(command, log)
        self.port = port

    @staticmethod
    def settings(port):
        """The part of its configuration."""
        return f"log: {{format: json}}\nhttp: {{address: \"127.0.0.1:{port}\"}}\n"

    def lines(self, *messages, begin=0):
        """The lines of its log with one of these messages, as dicts, from an offset of the file on."""
        with open(self.log, "rb") as file:
            file.seek(begin)
            # The last line may be in the middle of being written.
            lines = [json.loads(line) for line in file if line.startswith(b"{") and line.endswith(b"\n")]
        return [line for line in lines if line["msg"] in messages]

    def offset(self):
        """The end of its log now."""
        return os.path.getsize(self.log)

    def metrics(self):
        """Its metrics: {name with labels: value}."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}
