"""The image, the cluster and the scripts of deploy/, with a real Docker engine."""

import json
import os
import re
import shutil
from itertools import pairwise

import pytest
from cluster import DEPLOY, NODES, RECEIVER
from session import comparable, session
from writer import ZONE, Writer

from lab.waiting import eventually

SERVICES = {f"{kind}{node}" for kind in ("pod", "auth", "lightningstream") for node in NODES} | {"minio"}
RECEIVERS = {f"{kind}{RECEIVER}" for kind in ("pod", "auth", "lightningstream")}


def up(cluster, *profiles):
    cluster.compose(*(part for profile in profiles for part in ("--profile", profile)), "up", "-d")


def all_run(cluster, services=SERVICES):
    eventually("all containers run and are healthy", lambda: services <= cluster.running(), limit=90)


def test_image(cluster, image):
    """Runs as the user of PowerDNS's image, knows its version and its health, and has no tools that Debian has not."""
    config = image["Config"]
    version = cluster.docker("run", "--rm", "--network", "none", "lightningstream", "version").split()[-1]
    assert config["Labels"]["org.opencontainers.image.version"] == version
    assert config["User"] == "pdns"
    assert config["Healthcheck"]["Test"] == ["CMD", "lightningstream", "status"]
    assert config["Entrypoint"] == ["lightningstream"] and config["Cmd"] == ["sync"]

    def within(name, script):
        return cluster.docker("run", "--rm", "--network", "none", "--entrypoint", "sh", name, "-c", script)

    assert within("lightningstream", "id -u; stat -c '%u:%g %a' /var/lib/powerdns").split() == ["953", "953:953", "750"]
    # Every library that is there is one that the program is linked with, or a part of Debian's base.
    packages = "dpkg-query -W -f '${Package}\\n'"
    added = set(within("lightningstream", packages).split()) - set(within("debian:bookworm-slim", packages).split())
    assert {name for name in added if not name.startswith("lib")} <= {"ca-certificates", "openssl", "krb5-locales"}
    programs = "find /bin /sbin /usr/bin /usr/sbin /usr/local/bin -type f -perm /111 | sed 's:.*/::' | sort -u"
    tools = set(within("lightningstream", programs).split()) - set(within("debian:bookworm-slim", programs).split())
    assert tools <= {"lightningstream", "openssl", "c_rehash", "update-ca-certificates"}
    assert within("lightningstream", "ldd /usr/local/bin/lightningstream").count("not found") == 0
    megabytes = image["Size"] / 1e6
    told = int(re.search(r"The image is (\d+) MB", (DEPLOY.parent / "docs/docker.md").read_text())[1])
    assert abs(megabytes - told) < 15, f"docs/docker.md says {told} MB, it is {megabytes:.0f} MB"


def test_demo(cluster):
    """The session of the README, word for word."""
    assert shutil.which("dig"), "dig is missing: scripts/bootstrap test-compose installs it"
    steps = session("README.md", "## Demo")
    assert [command for command, _ in steps][-1].endswith("down -v")
    for command, output in steps:
        done = cluster.run("bash", "-c", command, directory=DEPLOY.parent)
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        # Docker Compose shows its progress, which is no part of the session.
        shown = done.stdout + ("" if command.startswith("docker compose") else done.stderr)
        assert comparable(shown) == comparable(output), command
    assert not any(cluster.leftovers().values())


@pytest.mark.parametrize("cluster", ["docker-compose.seaweedfs.yml"], indirect=True)
def test_demo_with_another_s3_server(cluster):
    """SeaweedFS takes MinIO's place; the receiver's key can't write there either."""
    up(cluster, "receive")
    assert "seaweedfs" in cluster.container("minio")["Config"]["Image"]
    for _ in range(2):
        # It may be made again.
        cluster.compose("up", "--force-recreate", "minio-setup")
    assert cluster.script("pdnsutil", "-i", "1", "create-zone", "example.org", "ns1.example.org").returncode == 0
    assert cluster.script("lightningstream", "-i", "1", "status", "--wait").returncode == 0
    for node in (2, RECEIVER):
        eventually("the zone is answered", lambda: cluster.answer(node, "example.org", "NS") == (
            "NOERROR", ["example.org. 3600 NS ns1.example.org."]))
    checks = json.loads(cluster.script("lightningstream", "-i", "3", "doctor", "--json").stdout)["findings"]
    assert {check["check"]: check["status"] for check in checks if check["group"] == "storage"} | {"clock": None} == {
        "credentials": "pass", "list": "pass", "get": "pass", "put": "pass", "delete": "pass", "notifications": "pass",
        "clock": None}
    stored = cluster.script("lightningstream", "-i", "1", "snapshots", "list").stdout
    assert "__ns1" in stored and "ns3" not in stored


def test_pairs(cluster):
    """A server and its syncer share a PID namespace, the files belong to both, and `doctor` has nothing to say."""
    # As on a machine that has seen none of this: the image is built, and nobody is asked for it.
    cluster.docker("image", "rm", "lightningstream:latest")
    done = cluster.run("docker", "compose", "up", "-d")
    assert done.returncode == 0 and "Pulling" not in done.stderr, done.stderr
    for node in NODES:
        names = cluster.compose("exec", "-T", f"auth{node}", "sh", "-c", "cat /proc/[0-9]*/comm").split()
        assert "lightningstream" in names and "sleep" in names
        owners = cluster.compose("exec", "-T", f"auth{node}", "sh", "-c", "cd /var/lib/powerdns && stat -c '%u %a' . *").split("\n")
        assert set(owners) == {"953 750", "953 600", ""}
        done = cluster.script("lightningstream", "-i", str(node), "doctor", "--pdns-conf", "/etc/powerdns/pdns.conf")
        assert done.returncode == 0 and "0 failed, 0 warned" in done.stdout, done.stdout


def test_receiver(cluster):
    """The policies are those that the documentation asks for. The receiver's key can't write, and what is changed there stays there."""
    allowed = {
        name: {
            action for statement in json.loads((DEPLOY / "minio" / f"{name}.json").read_text())["Statement"]
            for action in statement["Action"]}
        for name in ("sync", "receive")}
    reads = {"s3:ListBucket", "s3:GetObject", "s3:ListenBucketNotification"}
    assert allowed == {
        "receive": reads, "sync": reads | {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}}
    up(cluster, "receive")
    checks = json.loads(cluster.script("lightningstream", "-i", "3", "doctor", "--json").stdout)["findings"]
    assert {check["check"]: check["status"] for check in checks if check["group"] == "storage"} | {"clock": None} == {
        "credentials": "pass", "list": "pass", "get": "pass", "put": "pass", "delete": "pass", "notifications": "pass",
        "clock": None}
    for node in ("1", "3"):
        assert cluster.script("pdnsutil", "-i", node, "create-zone", f"from{node}.example", "ns1.example.org").returncode == 0
    assert cluster.script("lightningstream", "-i", "1", "status", "--wait").returncode == 0
    eventually("the receiver has what the others have", lambda: cluster.answer(3, "from1.example", "NS") == (
        "NOERROR", ["from1.example. 3600 NS ns1.example.org."]))
    assert cluster.answer(3, "from3.example", "SOA")[0] == "NOERROR"
    stored = cluster.script("lightningstream", "-i", "1", "snapshots", "list").stdout
    assert "__ns1" in stored and "ns3" not in stored


def test_scripts(cluster):
    """From any directory, through a link too; what is wrong is said in one line."""
    scripts = {
        "pdnsutil": ["list-all-zones"], "curl-api": ["zones"], "dump-lmdb": [], "lightningstream": ["version"]}
    for name, arguments in scripts.items():
        shown = cluster.script(name, "--help")
        assert shown.returncode == 0 and shown.stdout.startswith(f"{name} [-i N]"), shown
        assert cluster.script(name, "-i", "5", *arguments).returncode == 64
        wrong = cluster.script(name, "-i", "x", *arguments)
        assert wrong.returncode == 64 and wrong.stderr.count("\n") == 1
        down = cluster.script(name, "-i", "2", *arguments)
        assert down.returncode == 1 and "2 is not running; start it: docker compose -f /" in down.stderr, down.stderr
        assert down.stderr.count("\n") == 1
        nobody = cluster.run("env", "DOCKER_HOST=unix:///nothing", DEPLOY / "pdns" / name, *arguments)
        assert nobody.returncode == 1 and nobody.stderr.startswith(f"{name}: docker compose: "), nobody.stderr

    up(cluster)
    assert cluster.script("pdnsutil", "-i", "2", "create-zone", "example.org", "ns1.example.org").returncode == 0
    assert cluster.script("pdnsutil", "-i2", "list-all-zones").stdout.split() == ["example.org"]
    assert cluster.script("pdnsutil", "-i", "2", "list-zone", "nothing.example").returncode != 0
    assert cluster.script("lightningstream", "-i", "2", "status", "--wait").returncode == 0
    zones = cluster.script("curl-api", "-i", "1", "zones")
    assert [zone["name"] for zone in json.loads(zones.stdout)] == ["example.org."]
    made = cluster.script(
        "curl-api", "zones", "-d", '{"name": "example.net.", "kind": "Native", "nameservers": ["ns1.example.net."]}')
    assert made.returncode == 0, made
    assert cluster.script("curl-api", "-i", "1", "/api/v1/servers").stdout.startswith("[{")
    assert cluster.script("curl-api", "zones/nothing.example.").returncode != 0
    dump = cluster.script("dump-lmdb", "-i", "1", "--name", "shard")
    assert "records_v5" in dump.stdout and dump.returncode == 0


@pytest.fixture
def busy(cluster):
    """A cluster with a receiver, in which both servers are written to all the time."""
    up(cluster, "receive")
    for command in (["create-zone", ZONE, f"ns1.{ZONE}"],):
        assert cluster.script("pdnsutil", "-i", "1", *command).returncode == 0
    assert cluster.script("lightningstream", "-i", "1", "status", "--wait").returncode == 0
    writers = [Writer(node) for node in NODES]
    for writer in writers:
        writer.start()
    yield writers
    for writer in writers:
        writer.end()


def test_kills(cluster, busy):
    """Each container in turn is restarted, killed by Docker, and killed behind its back, while changes go on."""
    services = SERVICES | RECEIVERS
    for service in sorted(services):
        progress(busy)
        cluster.compose("--profile", "receive", "restart", service)
        all_run(cluster, services)
        progress(busy)
        cluster.docker("kill", "--signal", "KILL", f"lightningstream-{service}-1")
        up(cluster, "receive")
        all_run(cluster, services)
        progress(busy)
        cluster.crash(service)
        if service.startswith("pod"):
            # Docker may try to start the others before this one, and then gives up: docs/docker.md.
            eventually(f"{service} is back", lambda: service in cluster.running())
            up(cluster, "receive")
        all_run(cluster, services)
    progress(busy)
    for writer in busy:
        writer.end()

    names = [name for writer in busy for name in writer.confirmed]
    print(f"{len(names)} changes confirmed")
    for node in (*NODES, RECEIVER):
        for name in names:
            wanted = ("NOERROR", [f"{name} 60 A 192.0.2.{name.split('from')[1][0]}"])
            eventually(f"server {node} knows {name}", lambda: cluster.answer(node, name, "A") == wanted, limit=60)
    for node in NODES:
        assert cluster.script("lightningstream", "-i", str(node), "pdns", "check").returncode == 0
    dumps = [
        re.sub(r"txn \d+", "", cluster.script("dump-lmdb", "-i", str(node), "--name", "shard", "--hide").stdout)
        for node in (*NODES, RECEIVER)]
    assert all(one == other for one, other in pairwise(dumps))


def progress(writers):
    """Both servers confirm changes."""
    for writer in writers:
        before = len(writer.confirmed)
        eventually(f"server {writer.node} takes changes", lambda: len(writer.confirmed) > before + 5)


def test_restart_of_all(cluster):
    """`stop` and `start` keep everything; `down` without -v keeps the data."""
    up(cluster)
    assert cluster.script("pdnsutil", "create-zone", "example.org", "ns1.example.org").returncode == 0
    for commands in (["stop"], ["start"]), (["down"], ["up", "-d"]):
        for command in commands:
            cluster.compose(*command)
        all_run(cluster)
        for node in NODES:
            eventually("the zone is answered", lambda: cluster.answer(node, "example.org", "NS") == (
                "NOERROR", ["example.org. 3600 NS ns1.example.org."]))


def test_new_server_never_refuses(cluster):
    """A server whose volume is new answers nothing before it has what is in the bucket."""
    up(cluster)
    assert cluster.script("pdnsutil", "create-zone", "example.org", "ns1.example.org").returncode == 0
    assert cluster.script("lightningstream", "status", "--wait").returncode == 0
    cluster.compose("rm", "--force", "--stop", "auth2", "lightningstream2", "pod2")
    cluster.docker("volume", "rm", "lightningstream_lmdb2")
    up(cluster)
    first = eventually("it answers", lambda: cluster.answer(2, "example.org", "NS"))
    assert first == ("NOERROR", ["example.org. 3600 NS ns1.example.org."])


def test_configuration(cluster):
    """The variables do what is said of them, and what is mounted is there: Docker would make directories of missing files."""
    changed = {"PORT_PREFIX": "127.0.0.9:57", "PDNS_IMAGE": "pdns:x", "MINIO_IMAGE": "minio:x", "MC_IMAGE": "mc:x",
               "LIGHTNINGSTREAM_IMAGE": "ls:x", "PROMETHEUS_IMAGE": "p:x", "GRAFANA_IMAGE": "g:x", "SWIFT_IMAGE": "swift:x"}
    cluster.environment |= changed
    config = json.loads(cluster.compose("--profile", "*", "config", "--format", "json"))
    for name in changed:
        cluster.environment.pop(name)
    services = config["services"]
    assert all(service["image"].endswith(":x") for service in services.values())
    # Several builds of one image at once fail with some versions of Docker.
    assert [name for name, service in services.items() if "build" in service] == ["pod1"]
    assert services["pod1"]["build"]["args"]["SWIFT_IMAGE"] == "swift:x"
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.9"}
    assert {int(port["published"]) for port in ports} == {
        5730, 5731, 5740, 5741, *(5700 + kind + node for kind in (50, 80, 90) for node in (1, 2, 3))}

    digests = {"MINIO_DIGEST": "sha256:" + "1" * 64, "MC_DIGEST": "sha256:" + "2" * 64}
    cluster.environment |= digests
    services = json.loads(cluster.compose("config", "--format", "json"))["services"]
    for name in digests:
        cluster.environment.pop(name)
    assert re.fullmatch(r"quay\.io/minio/minio:RELEASE\.[\w-]+@sha256:1{64}", services["minio"]["image"])
    assert re.fullmatch(r"quay\.io/minio/mc:RELEASE\.[\w-]+@sha256:2{64}", services["minio-setup"]["image"])
    config = json.loads(cluster.compose("--profile", "*", "config", "--format", "json"))
    assert {port["host_ip"] for service in config["services"].values() for port in service.get("ports", [])} == {"127.0.0.1"}
    sources = [
        volume["source"] for service in config["services"].values() for volume in service.get("volumes", [])
        if volume["type"] == "bind"]
    assert len(sources) > 8
    assert [source for source in sources if not os.path.exists(source)] == []
