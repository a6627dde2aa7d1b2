"""The cluster of deploy/docker-compose.yml, driven like a person would, and looked at from outside."""

import json
import os
import subprocess

import dns.exception
import dns.message
import dns.query
import dns.rcode

from lab.paths import ROOT
from lab.powerdns import records

DEPLOY = ROOT / "deploy"
NODES = (1, 2)
RECEIVER = 3


class Cluster:
    def __init__(self, *files):
        """`files` come after docker-compose.yml, as a second -f does."""
        here = ROOT / "Tests" / "Compose"
        files = [DEPLOY / "docker-compose.yml", *files, here / "override.yml"]
        if os.environ.get("BUILD_IMAGE") != "yes":
            files.append(here / "override-binary.yml")
        self.environment = os.environ | {"COMPOSE_FILE": ":".join(map(str, files)), "NO_COLOR": "1"}

    def run(self, *command, limit=600, directory=DEPLOY, **options):
        return subprocess.run(
            [str(part) for part in command], cwd=directory, env=self.environment, stdin=subprocess.DEVNULL, text=True,
            errors="replace", capture_output=True, timeout=limit, **options)

    def compose(self, *arguments, limit=600):
        done = self.run("docker", "compose", *arguments, limit=limit)
        assert done.returncode == 0, f"docker compose {' '.join(arguments)}:\n{done.stdout}{done.stderr[-8000:]}"
        return done.stdout

    def docker(self, *arguments):
        done = self.run("docker", *arguments)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def script(self, name, *arguments, directory="/"):
        """One of deploy/pdns, from another directory than it is in."""
        return self.run(DEPLOY / "pdns" / name, *arguments, directory=directory)

    def inspect_image(self, name):
        return json.loads(self.docker("image", "inspect", name))[0]

    def container(self, service):
        return json.loads(self.docker("inspect", f"lightningstream-{service}-1"))[0]

    def running(self):
        """The services that run, and are healthy where they say."""
        listed = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
        return {
            entry["Service"] for entry in listed if entry["State"] == "running" and entry["Health"] in ("", "healthy")}

    def answer(self, node, name, kind):
        """(rcode, texts of the records), or None when the server does not answer."""
        try:
            question = dns.message.make_query(name, kind)
            reply, _ = dns.query.udp_with_fallback(question, "127.0.0.1", port=4750 + node, timeout=2)
        except (OSError, dns.exception.DNSException):
            return None
        return dns.rcode.to_text(reply.rcode()), records(reply.answer)

    def leftovers(self):
        """Whatever exists of the project."""
        label = ("--filter", "label=com.docker.compose.project=lightningstream", "--quiet")
        return {
            kind: self.docker(*command, *label).split()
            for kind, command in {
                "containers": ("ps", "--all"), "volumes": ("volume", "ls"), "networks": ("network", "ls")}.items()}

    def crash(self, service):
        """Kills the first process of a container with SIGKILL, as the kernel does when memory is short."""
        pid = str(self.container(service)["State"]["Pid"])
        engine = subprocess.run(
            ["nsenter", "--target", os.environ["ENGINE_PID"], "--pid", "--mount", "--", "kill", "-KILL", pid],
            capture_output=True, text=True)
        assert engine.returncode == 0, engine.stderr
