"""Azure Blob storage: the real program over a server that verifies signatures with Microsoft's code, beside Microsoft's client."""

import json
import os
import time
import urllib.request

import pytest
from azure.core.exceptions import ClientAuthenticationError

from lab import lmdbs, snapshots
from lab.azure import ACCOUNT, KEY, AzureServer, Container
from lab.output import is_one_line
from lab.paths import FIXTURES
from lab.process import free_port, run
from lab.syncer import ENVIRONMENT, database
from lab.waiting import eventually

DBI = "entries"
WRONG = "bm90LXRoZS1rZXktb2YtdGhlLWFjY291bnQ="


@pytest.fixture
def server():
    made = AzureServer()
    yield made
    made.end()


@pytest.fixture
def container(server):
    return Container(server, "zones")


@pytest.fixture
def instance(native, container):
    """An instance with the LMDBs of a PowerDNS and a container."""
    native.settings["storage"] = container.storage()
    native.write_configuration()
    return native


def configure(instance, storage):
    instance.settings["storage"] = storage
    instance.write_configuration()


class Hosts:
    """Two instances with an LMDB each."""

    def __init__(self, tmp_path, make, section):
        self.all = []
        self.changes = 0
        for name in "a", "b":
            path = tmp_path / f"{name}.lmdb"
            lmdbs.write(path, {DBI: {}})
            port = free_port()
            host = make(
                name, {"main": database(path)}, section, storage_poll_interval="200ms", lmdb_poll_interval="100ms",
                storage_retry_interval="200ms", http={"address": f"127.0.0.1:{port}"})
            host.path, host.port = path, port
            self.all.append(host)

    def exchange(self, value=b"value"):
        """Changes something at each, which has to arrive at the other."""
        for source, target in (self.all, self.all[::-1]):
            self.changes += 1
            key = f"key {self.changes}".encode()
            lmdbs.write(source.path, {DBI: {key: lmdbs.stored(time.time_ns(), value)}})
            eventually(f"{key} of {source.name} is at {target.name}", lambda: entries(target.path).get(key) == value)


def entries(path):
    return {key: entry.value for key, entry in lmdbs.contents(path).get(DBI, lmdbs.DBI(0)).entries.items()}


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return answer.read().decode()


# MARK: syncing


@pytest.mark.parametrize("marker", [False, True])
def test_two_nodes_converge(tmp_path, lightningstream, server, container, marker):
    server.page_size = 2
    hosts = Hosts(tmp_path, lightningstream, container.storage(
        use_update_marker=marker, global_prefix="site/", create_container=True))
    for host in hosts.all:
        host.start()
    for _ in range(3):
        hosts.exchange()
    text = metrics(hosts.all[0].port)
    for method in ("list", "load", "store"):
        [count] = [line.split()[-1] for line in text.splitlines()
                   if line.startswith(f'storage_azure_call_total{{method="{method}"}}')]
        assert float(count) > 0
    assert "storage_s3_call_total{" not in text
    for host in hosts.all:
        host.stop()
    names = container.names()
    assert all(name.startswith("site/") for name in names)
    assert ("site/update-marker" in names) == marker
    for log in (host.log.read_text() for host in hosts.all):
        assert KEY not in log and "SharedKey" not in log


def test_they_converge_over_a_server_with_faults(tmp_path, lightningstream, server, container):
    hosts = Hosts(tmp_path, lightningstream, container.storage())
    for host in hosts.all:
        host.start()
    hosts.exchange()
    server.fail("busy", "PUT", ".delta", 2)
    server.fail("throttled", "GET", "comp=list", 2)
    server.fail("reset", "GET", ".delta", 2)
    server.fail("truncated", "GET", ".delta", 2)
    server.fail("reset", "PUT", "", 1)
    hosts.exchange()
    hosts.exchange()
    eventually("all faults have happened", lambda: not server.faults)
    for host in hosts.all:
        host.stop()
    assert any("ServerBusy" in host.log.read_text() for host in hosts.all)


def test_a_container_is_made_by_sync_only(tmp_path, lightningstream, server, container):
    section = container.storage(container="new-zones", create_container=True)
    hosts = Hosts(tmp_path, lightningstream, section)
    done = hosts.all[0].run("receive", "--only-once")
    assert done.returncode == 1 and "ContainerNotFound" in done.stderr
    assert "new-zones" not in server.containers
    hosts.all[0].once("sync")
    assert "new-zones" in server.containers


def test_sealed(tmp_path, lightningstream, container):
    hosts = Hosts(tmp_path, lightningstream, container.storage(use_update_marker=True))
    done = hosts.all[0].run("keygen", "-o", tmp_path / "identity")
    assert done.returncode == 0
    for host in hosts.all:
        configure(host, container.storage(use_update_marker=True) | {
            "sealing": {"identity_files": [str(tmp_path / "identity")]}})
        host.start()
    hosts.exchange(b"secret")
    for host in hosts.all:
        host.stop()
    names = [name for name in container.names() if name != "update-marker"]
    assert names and all(name.endswith(".age") for name in names)
    assert not any(b"secret" in container.get(name) for name in names)


# MARK: Microsoft's client


def test_the_client_reads_what_we_write(instance, container):
    instance.once("sync")
    written = {snapshots.parse_name(name).database: name for name in container.names() if name.endswith(".pb.gz")}
    assert sorted(written) == ["main", "shard"]
    for name, path in zip(("main", "shard"), instance.files):
        message = snapshots.decode(container.get(written[name]))
        assert lmdbs.differences(snapshots.contents(message), lmdbs.contents(path)) == []


def test_we_read_what_the_client_writes(tmp_path, fixture_lmdbs, lightningstream, container):
    for path in FIXTURES.glob("*__go-4-9__*.pb.gz"):
        container.put(path.name, path.read_bytes())
    names = container.names()
    options = {"create": True, "map_size": "16MB"}
    files = {"main": tmp_path / "made", "shard": tmp_path / "made-0"}
    receiver = lightningstream(
        "ours", {name: database(path, **options) for name, path in files.items()}, container.storage())
    receiver.once("receive")
    for path, original in zip(files.values(), fixture_lmdbs("pdns-4.9")):
        assert lmdbs.differences(lmdbs.contents(path), lmdbs.contents(original)) == []
    assert container.names() == names, "receiving stores nothing"


def test_large_snapshots_go_in_blocks(tmp_path, lightningstream, server, container):
    path = tmp_path / "db"
    lmdbs.write(path, {DBI: {
        b"%08d" % number: lmdbs.stored(time.time_ns(), os.urandom(1 << 20)) for number in range(40)}})
    writer = lightningstream("ours", {"main": database(path)}, container.storage(concurrency=3))
    writer.once("sync")
    assert sum("comp=block&" in target for _, target, _ in server.requests) >= 3
    [name] = [name for name in container.names() if name.endswith(".pb.gz")]
    message = snapshots.decode(container.get(name))
    assert lmdbs.differences(snapshots.contents(message), lmdbs.contents(path)) == []
    other = lightningstream(
        "other", {"main": database(tmp_path / "copy", create=True, map_size="200MB")}, container.storage())
    other.once("receive")
    assert lmdbs.differences(lmdbs.contents(tmp_path / "copy"), lmdbs.contents(path)) == []


def test_the_snapshots_commands(instance, container, tmp_path):
    instance.once("sync")
    names = container.names()
    assert instance.run("snapshots", "list").stdout.splitlines() == names
    [name] = [name for name in names if name.startswith("main__") and name.endswith(".pb.gz")]
    assert instance.run("snapshots", "get", "-o", tmp_path / "copy", name).returncode == 0
    assert (tmp_path / "copy").read_bytes() == container.get(name)
    assert instance.run("snapshots", "remove", name).returncode == 0
    assert name not in container.names()
    assert instance.run("snapshots", "put", "-n", name, tmp_path / "copy").returncode == 0
    assert container.get(name) == (tmp_path / "copy").read_bytes()
    done = instance.run("snapshots", "get", "-o", tmp_path / "none", "main__nobody")
    assert done.returncode == 1 and "in container zones: HTTP 404 BlobNotFound" in done.stderr


# MARK: keys and identities


def test_a_wrong_key_gives_one_clear_line(instance, container):
    configure(instance, container.storage(key=WRONG))
    done = instance.run("snapshots", "list")
    assert done.returncode == 1 and done.stdout == "" and is_one_line(done.stderr)
    assert "cannot list container zones: HTTP 403 AuthenticationFailed: " in done.stderr
    assert "the account key is not that of the account; check storage.options.account_key" in done.stderr
    assert WRONG not in done.stderr
    configure(instance, container.storage(key="no base64!"))
    done = instance.run("snapshots", "list")
    assert done.returncode == 1 and is_one_line(done.stderr) and "is not base64" in done.stderr


def test_the_key_is_never_shown(instance, container):
    done = instance.run("sync", "--only-once", "--debug", "--log-config")
    assert done.returncode == 0
    assert "account_key" in done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr and "sig=" not in done.stdout + done.stderr


def test_a_key_file_is_read_again(instance, container, server, tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    configure(instance, container.storage(key=None, account_key_file=str(file), secrets_refresh_interval="1s"))
    instance.start()
    eventually("the snapshots are stored", lambda: len(container.names()) >= 2)
    server.key = WRONG
    file.write_text(WRONG)
    count = len([True for _, _, status in server.requests if status == 200])
    eventually("requests succeed again", lambda: len([
        True for _, _, status in server.requests if status == 200]) > count + 3)
    instance.stop()
    with pytest.raises(ClientAuthenticationError):
        container.names()


def connection_string(server, tmp_path):
    return {"AZURE_STORAGE_CONNECTION_STRING": (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={server.endpoint};")}


def signature(server, tmp_path):
    return {"AZURE_STORAGE_SAS_TOKEN": server.sas("zones", "rwdl")}


def machine(server, tmp_path):
    return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": server.base}


def app(server, tmp_path):
    return {"IDENTITY_ENDPOINT": f"{server.base}/msi/token", "IDENTITY_HEADER": server.app_header}


def workload(server, tmp_path):
    file = tmp_path / "federated-token"
    file.write_text(server.federated_token)
    return {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_AUTHORITY_HOST": server.base,
            "AZURE_FEDERATED_TOKEN_FILE": str(file)}


SOURCES = {
    "connection string": (connection_string, "AZURE_STORAGE_CONNECTION_STRING in the environment"),
    "shared access signature": (signature, "AZURE_STORAGE_SAS_TOKEN in the environment"),
    "machine": (machine, "the metadata service of Azure"),
    "app": (app, "the service for managed identities"),
    "workload": (workload, "for the application client and the federated token in"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_sync_and_what_doctor_says_of_it(instance, container, server, tmp_path, source):
    make, expected = SOURCES[source]
    environment = make(server, tmp_path)
    section = container.storage(key=None)
    if source == "connection string":
        del section["options"]["endpoint_url"], section["options"]["account_name"]
    configure(instance, section)
    done = instance.run("sync", "--only-once", environment=environment)
    assert done.returncode == 0, done.stderr
    assert any(name.endswith(".pb.gz") for name in container.names())
    report = run(instance.command("doctor", "--json"), ENVIRONMENT | environment)
    found = {entry["check"]: entry for entry in json.loads(report.stdout)["findings"] if entry["group"] == "storage"}
    assert found["credentials"]["status"] == "pass" and expected in found["credentials"]["text"], report.stdout
    assert [found[check]["status"] for check in ("list", "get", "put", "delete", "clock")] == ["pass"] * 5
    for text in done.stdout, done.stderr, report.stdout, report.stderr:
        for secret in KEY, "sig=", server.app_header, server.federated_token, *server.tokens:
            assert secret not in text


def test_the_daemon_renews_its_token(instance, container, server):
    """It is short-lived here: renewed after half of its time."""
    server.token_lifetime = 4
    configure(instance, container.storage(key=None))
    instance.start(environment=machine(server, None))
    eventually("the snapshots are stored", lambda: len(container.names()) >= 2)
    eventually("the token is renewed", lambda: server.tokens_issued >= 3)
    instance.stop()
    log = instance.log.read_text()
    assert "new credentials for the storage" in log
    assert not any(token in log for token in server.tokens)


def test_nothing_to_identify_with(instance, container, server):
    server.identity_role = None
    configure(instance, container.storage(key=None))
    done = instance.run("sync", environment=machine(server, None))
    assert done.returncode == 1
    assert "no account key is set" in done.stderr and "HTTP 400 invalid_request: Identity not found" in done.stderr
    assert "storage.options.account_key" in done.stderr


# MARK: doctor


def findings(instance, *arguments, environment=None):
    done = run(instance.command("doctor", "--json", *arguments), ENVIRONMENT | (environment or {}))
    return {entry["check"]: entry for entry in json.loads(done.stdout)["findings"] if entry["group"] == "storage"}


@pytest.mark.parametrize("kind", ["signature", "identity"])
def test_doctor_tries_each_permission(instance, container, server, kind):
    server.identity_role = "reader"
    environment = (
        {"AZURE_STORAGE_SAS_TOKEN": server.sas("zones", "rl")} if kind == "signature" else machine(server, None))
    configure(instance, container.storage(key=None))
    found = findings(instance, environment=environment)
    assert [found[check]["status"] for check in ("list", "get", "put", "delete")] == ["pass", "pass", "fail", "warn"]
    needed = "the permission write (w)" if kind == "signature" else "the role Storage Blob Data Contributor"
    assert needed in found["put"]["text"] and "sync will send nothing" in found["put"]["text"]
    found = findings(instance, "--receive", environment=environment)
    assert [found[check]["status"] for check in ("put", "delete")] == ["pass", "pass"]


def test_doctor_and_a_storage_that_is_not_there(instance, container):
    configure(instance, container.storage(endpoint_url=f"http://127.0.0.1:1/{ACCOUNT}"))
    assert findings(instance)["list"]["status"] == "fail"
    configure(instance, container.storage(container="nobody"))
    found = findings(instance)["list"]
    assert found["status"] == "fail" and "container nobody: HTTP 404 ContainerNotFound" in found["text"]
