"""A PowerDNS Authoritative Server with the LMDB backend, used as its operator would."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring

from lab.process import Process, free_port, run, tail
from lab.waiting import eventually

MAP_SIZE = "16MB"  # what lmdb-map-size below means; the syncer that makes the files gets the same

CONFIGURATION = """\
launch=lmdb
module-dir={modules}
lmdb-filename={database}
lmdb-shards=1
{schema}
lmdb-map-size=16
lmdb-sync-mode=nosync
{caches}
local-address=127.0.0.1
local-port={dns_port}
api=yes
api-key=lab
webserver=yes
webserver-address=127.0.0.1
webserver-port={api_port}
webserver-allow-from=127.0.0.1
socket-dir={directory}
guardian=no
daemon=no
setuid=
setgid=
primary=yes
# Only what a zone's metadata says may be transferred, which shows that the metadata came along.
allow-axfr-ips=
# Nothing outside of this machine may matter.
security-poll-suffix=
loglevel=4
"""

# No cache stands between a change by another process and the next answer.
WITHOUT_CACHES = """\
zone-cache-refresh-interval=0
zone-metadata-cache-ttl=0
dnssec-key-cache-ttl=0
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0"""


# The versions there are tests with: the suite of Debian that has it, and its setting for syncing with others. The first has
# a schema without timestamps (4), the others with them: 5, and 6 in whichever version 5.x Debian's sid has.
VERSIONS = {
    "4.7": ("bookworm", "lmdb-random-ids=yes"), "4.9": ("trixie", "lmdb-lightning-stream=yes"),
    "5.x": ("sid", "lmdb-lightning-stream=yes"),
}


@dataclass(frozen=True)
class Installation:
    """A version of PowerDNS and where it has been unpacked."""

    version: str
    prefix: Path


class APIError(Exception):
    """A status other than 2xx from the HTTP API."""


class PowerDNS:
    """One server: its configuration, LMDBs and sockets are in `directory`. With `caches`, these are at their defaults."""

    def __init__(self, installation, name, directory, log, caches=False):
        self.name, self.directory, self.log, self.caches = name, directory, log, caches
        directory.mkdir(parents=True, exist_ok=True)
        self.main = directory / "db"
        self.shard = directory / "db-0"
        self.process = None
        self.install(installation)

    def install(self, installation):
        """Puts another version in the place of the present one, which has to be stopped; the LMDBs stay."""
        assert self.process is None, f"{self.name} is running"
        self.version, self.prefix = installation.version, installation.prefix
        self._configure()

    def _configure(self):
        self.dns_port, self.api_port = free_port(), free_port()
        (self.directory / "pdns.conf").write_text(
            CONFIGURATION.format(
                modules=self.prefix / "modules", schema=VERSIONS[self.version][1], database=self.main, directory=self.directory,
                dns_port=self.dns_port, api_port=self.api_port, caches="" if self.caches else WITHOUT_CACHES))

    def start(self):
        for attempt in range(3):
            self.process = Process(
                [self.prefix / "bin/pdns_server", f"--config-dir={self.directory}"], self.log)
            if eventually(f"{self.name} answers", self._answers_or_ended) == "answers":
                return self
            # Somebody took a port between the look for a free one and now.
            self._configure()
        raise AssertionError(f"{self.name} does not start:\n{tail(self.log)}")

    def _answers_or_ended(self):
        if not self.process.running:
            return "ended"
        try:
            dns.query.udp(dns.message.make_query(".", "SOA"), "127.0.0.1", port=self.dns_port, timeout=0.5)
            self.api("GET", "")
        except (OSError, dns.exception.DNSException, APIError):
            return None
        return "answers"

    def stop(self):
        if self.process and self.process.running:
            run([self.prefix / "bin/pdns_control", f"--config-dir={self.directory}", f"--socket-dir={self.directory}",
                 "quit"])
            assert self.process.wait() == 0
        self.process = None

    def kill(self):
        if self.process:
            self.process.kill()

    def owner(self, zone, name):
        """A name in a zone ("@": that of the zone) as pdnsutil of this version wants it: relative, since 5 absolute."""
        if not self.version.startswith("5"):
            return name
        return zone if name == "@" else f"{name}.{zone}"

    def util(self, *arguments):
        """Runs pdnsutil and returns what it prints; its failure fails the test."""
        done = run([self.prefix / "bin/pdnsutil", f"--config-dir={self.directory}", *arguments])
        assert done.returncode == 0, f"pdnsutil {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def api(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.api_port}/api/v1/servers/localhost{path}", method=method,
            data=None if body is None else json.dumps(body).encode(), headers={"X-API-Key": "lab"})
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise APIError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from None
        return json.loads(text) if text else None

    def query(self, name, kind, dnssec=False):
        """The answer: a DNS message."""
        question = dns.message.make_query(name, kind, want_dnssec=dnssec)
        reply, _ = dns.query.udp_with_fallback(question, "127.0.0.1", port=self.dns_port, timeout=10)
        return reply

    def answer(self, name, kind):
        """(rcode, texts of the records in the answer section)."""
        reply = self.query(name, kind)
        return dns.rcode.to_text(reply.rcode()), records(reply.answer)

    def transfer(self, zone, key=None):
        """The zone's records by AXFR; `key` is (name, algorithm, secret) of a TSIG key."""
        keyring, algorithm = None, dns.tsig.default_algorithm
        if key:
            keyring, algorithm = dns.tsigkeyring.from_text({key[0]: key[2]}), dns.name.from_text(key[1])
        messages = dns.query.xfr(
            "127.0.0.1", zone, port=self.dns_port, timeout=10, lifetime=20, keyring=keyring, keyalgorithm=algorithm,
            relativize=False)
        # The SOA record frames a transfer: it comes first and last.
        return sorted(set(records(rrset for message in messages for rrset in message.answer)))


def records(rrsets):
    """Sorted texts of records; of signatures, which are random, only what they cover and by which key."""
    texts = []
    for rrset in rrsets:
        kind = dns.rdatatype.to_text(rrset.rdtype)
        for rdata in rrset:
            text = str(rdata)
            if rrset.rdtype == dns.rdatatype.RRSIG:
                text = f"{dns.rdatatype.to_text(rdata.type_covered)} by {rdata.key_tag} of {rdata.signer}"
            texts.append(f"{rrset.name} {rrset.ttl} {kind} {text}")
    return sorted(texts)
