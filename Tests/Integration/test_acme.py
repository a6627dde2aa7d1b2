"""ACME DNS-01: the hooks of deploy/acme, and a checker that asks both servers the moment a hook returns."""

import itertools
import json
import os
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.pair import Pair, syncer_of
from lab.paths import ROOT, lightningstream as program
from lab.process import free_port, run
from lab.syncer import ENVIRONMENT
from lab.waiting import eventually

HOOKS = ROOT / "deploy/acme"
ZONES = [f"zone{number}.example" for number in range(8)]


@pytest.fixture(params=["4.9"])
def version(request):
    return request.param


@pytest.fixture
def pair(version, storage, powerdns, lightningstream):
    """Two servers in sync, with a few zones."""
    a, b = powerdns("a", version).start(), powerdns("b", version).start()
    for zone in ZONES:
        a.util("create-zone", zone, f"ns1.{zone}")
    syncers = [syncer_of(server, lightningstream, storage, http={"address": f"127.0.0.1:{free_port()}"})
               for server in (a, b)]
    for syncer in syncers:
        syncer.start()
    pair = Pair(a, b, syncers)
    pair.agree()
    done = syncers[0].run("pdns", "insync", ZONES[0], "--wait", "--timeout", "60s")
    assert done.returncode == 0, done.stderr
    return pair


class Client:
    """An ACME client on the host of one server: it runs hooks."""

    def __init__(self, server, syncer, directory, lightningstream=None):
        directory.mkdir()
        (directory / "pdnsutil").symlink_to(server.prefix / "bin/pdnsutil")
        (directory / "pdns_control").symlink_to(server.prefix / "bin/pdns_control")
        (directory / "lightningstream").symlink_to(lightningstream or program())
        self.environment = ENVIRONMENT | {
            "PATH": f"{directory}:{os.environ['PATH']}", "PDNS_CONFIG_DIR": str(server.directory),
            "LIGHTNINGSTREAM_CONFIG": str(syncer.file)}

    def hook(self, name, *arguments, **variables):
        done = run([HOOKS / name, *arguments], self.environment | variables, 120)
        assert done.returncode == 0, f"{name} {arguments}: {done.stdout}{done.stderr}"
        return done


@pytest.fixture
def client(pair, tmp_path):
    return Client(pair.a, pair.syncers[0], tmp_path / "client")


def values(server, name):
    """What the ACME server finds: the texts of the name's TXT records."""
    return {text.strip('"') for rrset in server.query(name, "TXT").answer for rdata in rrset for text in [str(rdata)]}


def too_early(pair, client, number, rounds):
    """Sets and removes a challenge in a zone again and again. Returns the servers that did not have it at once."""
    name = f"_acme-challenge.www.{ZONES[number]}"
    missing = []
    for one in range(rounds):
        value = f"value-{number}-{one}"
        client.hook("dns-challenge", "present", f"{name}.", value)
        missing += [(server.name, value) for server in (pair.a, pair.b) if value not in values(server, name)]
        client.hook("dns-challenge", "cleanup", f"{name}.", value)
    return missing


@pytest.mark.system
def test_200_challenges_none_too_early(pair, client):
    with ThreadPoolExecutor(len(ZONES)) as pool:
        found = list(pool.map(lambda number: too_early(pair, client, number, 25), range(len(ZONES))))
    assert list(itertools.chain(*found)) == []


def test_challenges_one_after_another(pair, client):
    assert too_early(pair, client, 0, 5) == []


def test_the_checker_notices_what_is_too_early(pair, tmp_path):
    """The tests above rely on it."""
    hasty = Client(pair.a, pair.syncers[0], tmp_path / "hasty", lightningstream=Path("/bin/true"))
    assert too_early(pair, hasty, 0, 5)


@pytest.mark.parametrize("version", ["4.9", "5.x"], indirect=True)
@pytest.mark.parametrize("storage", ["fs"], indirect=True)
def test_hooks(pair, client):
    zone = ZONES[1]
    name = f"_acme-challenge.{zone}"
    present = [("certbot-hook", ["present"], {"CERTBOT_DOMAIN": zone, "CERTBOT_VALIDATION": "of-certbot"}),
               ("dehydrated-hook", ["deploy_challenge", zone, "file", "one", f"*.{zone}", "file", "two"], {}),
               ("dns-challenge", ["present", f"{name.upper()}.", "of-lego"], {})]
    expected = set()
    for (hook, arguments, variables), more in zip(present, [{"of-certbot"}, {"one", "two"}, {"of-lego"}]):
        client.hook(hook, *arguments, **variables)
        expected |= more
        for server in pair.a, pair.b:
            assert values(server, name) == expected, f"{server.name} after {hook}"
    # What is removed again leaves the others.
    client.hook("certbot-hook", "cleanup", CERTBOT_DOMAIN=zone, CERTBOT_VALIDATION="of-certbot")
    assert values(pair.a, name) == {"one", "two", "of-lego"}
    client.hook("dehydrated-hook", "clean_challenge", zone, "file", "one", f"*.{zone}", "file", "two")
    client.hook("dns-challenge", "cleanup", f"{name}.", "of-lego")
    client.hook("dehydrated-hook", "startup_hook")
    eventually("the record is gone", lambda: not values(pair.a, name) and not values(pair.b, name))
    refused = run([HOOKS / "dns-challenge", "present", "_acme-challenge.elsewhere.test", "x"], client.environment)
    assert refused.returncode == 1 and "no zone here contains" in refused.stderr


# MARK: Caches


@pytest.fixture
def late(version, directory, powerdns, lightningstream, proxy):
    """A pair whose servers have their default caches. The API of b begins to work on a request late."""
    a, b = powerdns("a", version, caches=True), powerdns("b", version, caches=True)
    a.util("create-zone", ZONES[0], f"ns1.{ZONES[0]}")
    for server in a, b:
        server.start()

    def delays(method, path):
        if method == "PUT":
            time.sleep(1.5)

    api = proxy(f"http://127.0.0.1:{b.api_port}", delays)
    http = [{"address": f"127.0.0.1:{free_port()}"} for _ in "ab"]
    syncers = [syncer_of(a, lightningstream, directory, http=http[0]),
               syncer_of(b, lightningstream, directory, http=http[1],
                         powerdns={"api": {"url": api.endpoint, "key": "lab"}})]
    for syncer in syncers:
        syncer.start()
    pair = Pair(a, b, syncers)
    pair.agree()
    eventually("b serves the zone", lambda: b.answer(ZONES[0], "SOA")[0] == "NOERROR")
    return pair


def test_a_late_flush_is_waited_for(late, tmp_path):
    client = Client(late.a, late.syncers[0], tmp_path / "client")
    early = []
    for number in range(20):
        name = f"_acme-challenge.www{number}.{ZONES[0]}"
        # Now the caches of both have that there is no such name.
        assert not values(late.a, name) and not values(late.b, name)
        client.hook("dns-challenge", "present", f"{name}.", "value")
        early += [(server.name, number) for server in (late.a, late.b) if values(server, name) != {"value"}]
    assert early == []
    assert late.syncers[1].log.read_text().count("flushed PowerDNS's caches") >= 20


def insync(syncer, *arguments):
    done = syncer.run("pdns", "insync", *arguments, "--json")
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def status(syncer, query):
    address = syncer.settings["http"]["address"]
    try:
        with urllib.request.urlopen(f"http://{address}/insync{query}", timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("storage", ["fs"], indirect=True)
def test_a_host_that_is_down(pair):
    a, (ours, theirs), zone = pair.a, pair.syncers, ZONES[2]
    theirs.stop()
    a.util("add-record", zone, "www", "A", "192.0.2.1")
    code, answer = insync(ours, zone, "--wait", "--timeout", "3s")
    assert (code, answer["state"], answer["merged_by"]) == (75, "waiting", [])
    assert {(one["instance"], one["database"]) for one in answer["waiting_for"]} == {("b", "shard")}
    assert "it was stopped" in answer["waiting_for"][0]["reason"]
    assert status(ours, f"?zone={zone.upper()}.") == 425
    # Other zones are everywhere, and b need not be asked for.
    assert insync(ours, ZONES[3])[0] == 0
    assert insync(ours, zone, "--except", "b")[0] == 0
    # What b tells after its start: metadata, keys and the zone's deletion, too.
    theirs.start()
    for change in (["set-meta", zone, "ALLOW-AXFR-FROM", "192.0.2.0/24"], ["secure-zone", zone], ["delete-zone", zone]):
        code, answer = insync(ours, zone, "--wait", "--timeout", "60s")
        assert (code, answer["merged_by"], answer["waiting_for"]) == (0, ["b"], [])
        pair.compare()
        a.util(*change)
    code, answer = insync(ours, zone, "--wait", "--timeout", "60s")
    assert (code, answer["deleted"], answer["merged_by"]) == (0, True, ["b"])
    assert pair.b.answer(zone, "SOA")[0] == "REFUSED"
    # b has not changed it, and says the same.
    assert insync(theirs, zone, "--wait", "--timeout", "60s")[0] == 0
    done = ours.run("pdns", "insync", "nowhere.test", "--wait")
    assert done.returncode == 1 and "there is no such zone" in done.stderr
    assert (status(ours, "?zone=nowhere.test"), status(ours, ""), status(ours, f"?name={ZONES[3]}")) == (404, 400, 200)


def test_a_storage_that_fails(own_s3_server, powerdns, lightningstream):
    storage = own_s3_server.bucket("zones")
    server = powerdns("a").start()
    server.util("create-zone", ZONES[0], f"ns1.{ZONES[0]}")
    syncer = syncer_of(server, lightningstream, storage, http={"address": f"127.0.0.1:{free_port()}"}).start()
    assert insync(syncer, ZONES[0], "--wait", "--timeout", "60s")[0] == 0
    own_s3_server.stop()
    eventually("the daemon has noticed", lambda: status(syncer, f"?zone={ZONES[0]}") == 503)
    code, answer = insync(syncer, ZONES[0])
    assert code == 75 and answer["state"] == "unknown" and "list" in answer["problem"]
