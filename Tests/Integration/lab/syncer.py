"""The program under test with a configuration file."""

import json
import re

from lab.paths import lightningstream
from lab.process import Process, environment_without, run, tail

# What a person's shell may have set must not reach the program.
ENVIRONMENT = environment_without("AWS_", "AZURE_", "IDENTITY_", "LIGHTNINGSTREAM", "LOG_")


def yaml(value, indent=0):
    """Block style YAML of nested dictionaries, with quotes only where a person would write them too."""
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{' ' * indent}{key}:", yaml(item, indent + 2)]
        else:
            lines.append(f"{' ' * indent}{key}: {scalar(item)}")
    return "\n".join(lines)


def scalar(value):
    if isinstance(value, str) and re.fullmatch(r"[\w/.:-]+", value):
        return value
    return json.dumps(value)  # which is YAML too


def database(path, **options):
    """The configuration of one LMDB that PowerDNS uses."""
    return {"path": str(path), "schema_tracks_changes": True, "options": {"no_subdir": True} | options}


def shadow_database(path, dbi_options=None, dupsort_hack=True, **options):
    """The configuration of one LMDB whose application knows nothing of timestamps."""
    return {
        "path": str(path), "schema_tracks_changes": False, "dupsort_hack": dupsort_hack,
        "options": {"no_subdir": True} | options} | ({"dbi_options": dbi_options} if dbi_options else {})


class Lightningstream:
    """One instance. Keyword arguments are further top-level keys of its configuration."""

    def __init__(self, name, directory, databases, storage, output, **settings):
        self.name, self.log = name, output
        directory.mkdir(parents=True, exist_ok=True)
        self.file = directory / "lightningstream.yaml"
        self.settings = {"instance": name, "lmdbs": databases, "storage": storage} | settings
        self.process = None
        self.write_configuration()

    def write_configuration(self):
        self.file.write_text(yaml(self.settings) + "\n")

    def command(self, *arguments):
        return [lightningstream(), "--config", self.file, *arguments]

    def run(self, *arguments, environment=None, limit=60):
        """Runs a command to its end."""
        done = run(self.command(*arguments), ENVIRONMENT | (environment or {}), limit)
        with open(self.log, "a") as log:
            log.write(f"$ lightningstream {' '.join(map(str, arguments))}\n{done.stdout[:20000]}{done.stderr}\n")
        return done

    def once(self, command="sync", *arguments):
        """Runs `sync --only-once` or `receive --only-once`, which has to succeed."""
        done = self.run(command, "--only-once", *arguments)
        assert done.returncode == 0, f"{self.name}: {command} ended with {done.returncode}:\n{done.stderr}"
        return done

    def start(self, command="sync", *arguments, environment=None):
        self.process = Process(self.command(command, *arguments), self.log, ENVIRONMENT | (environment or {}))
        return self

    def stop(self):
        """Ends it with SIGTERM, which is a clean end."""
        if self.process:
            assert self.process.running, f"{self.name} has ended by itself:\n{tail(self.log)}"
            status = self.process.terminate()
            assert status == 0, f"{self.name} ended with {status}:\n{tail(self.log)}"
        self.process = None

    def kill(self):
        if self.process:
            self.process.kill()
        self.process = None
