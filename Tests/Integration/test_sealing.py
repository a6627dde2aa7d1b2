"""A bucket whose objects are sealed: what is in it, how a cluster is converted, and what somebody achieves who can write to it."""

import gzip
import json
import os
import re
import subprocess
import threading
import time

import pytest

from lab import lmdbs
from lab.pair import Pair, syncer_of
from lab.process import free_port
from lab.storage import Directory
from lab.syncer import database
from lab.waiting import eventually

DBI = "entries"
SECRET = b"Private-key-format: v1.2 is in the bucket"
AGE = b"age-encryption.org/v1\n"
MARKER = "update-marker"


def entries(path):
    return {key: entry.value for key, entry in lmdbs.contents(path).get(DBI, lmdbs.DBI(0)).entries.items()}


def write(path, key, value=b"value"):
    lmdbs.write(path, {DBI: {key: lmdbs.stored(time.time_ns(), value)}})


def age(*arguments):
    return subprocess.run(list(arguments), stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60).stdout


class Cluster:
    """Two instances with an LMDB each, and a storage whose sealing changes."""

    def __init__(self, tmp_path, make, storage, **options):
        self.tmp_path, self.storage = tmp_path, storage
        self.options = options
        self.hosts = []
        for name in "a", "b":
            path = tmp_path / f"{name}.lmdb"
            lmdbs.write(path, {DBI: {}})
            host = make(
                name, {"main": database(path)}, storage.storage(**options), storage_poll_interval="200ms",
                lmdb_poll_interval="100ms", storage_retry_interval="200ms", http={"address": f"127.0.0.1:{free_port()}"})
            host.path = path
            self.hosts.append(host)
        self.a, self.b = self.hosts
        self.changes = 0

    def identity(self, name):
        """A file with a new identity."""
        file = self.tmp_path / name
        done = self.a.run("keygen", "-o", file)
        assert done.returncode == 0, done.stderr
        assert file.stat().st_mode & 0o777 == 0o600
        return file

    def configure(self, *identities, hosts=None, accept_unsealed=None):
        """Configures sealing, and restarts those that run."""
        for host in hosts or self.hosts:
            section = self.storage.storage(**self.options)
            if identities:
                section["sealing"] = {"identity_files": [str(file) for file in identities]}
                if accept_unsealed is not None:
                    section["sealing"]["accept_unsealed"] = accept_unsealed
            host.settings["storage"] = section
            host.write_configuration()
            if host.process:
                host.stop()
                host.start()

    def start(self):
        for host in self.hosts:
            host.start()

    def change(self, source, *others):
        """Changes something at one, which has to arrive at the others."""
        self.changes += 1
        key = f"key {self.changes}".encode()
        write(source.path, key, SECRET)
        for other in others:
            eventually(f"{key} of {source.name} is at {other.name}", lambda: entries(other.path).get(key) == SECRET)

    def exchange(self):
        self.change(self.a, self.b)
        self.change(self.b, self.a)

    def status(self, host):
        done = host.run("status", "--json")
        return json.loads(done.stdout)

    def warnings(self, host):
        return self.status(host)["health"]["warnings"]

    def objects(self):
        """The bytes of all objects by name; some may go while they are read."""
        found = {}
        for name in self.storage.names():
            try:
                found[name] = self.storage.get(name)
            except Exception:  # noqa: BLE001 - each kind of storage has its own
                continue
        return found


@pytest.fixture
def cluster(tmp_path, lightningstream, storage):
    return Cluster(tmp_path, lightningstream, storage)


@pytest.fixture
def directory_cluster(tmp_path, lightningstream, directory):
    return Cluster(tmp_path, lightningstream, directory)


def newest(names, instance):
    return max(name for name in names if re.search(rf"__{instance}__.*\.pb\.gz\.age$", name))


def assert_all_sealed(objects):
    assert objects
    for name, body in objects.items():
        if name == MARKER:
            assert re.fullmatch(rb"\d+:\d+", body), "the update marker names objects"
            continue
        assert name.endswith((".pb.gz.age", ".delta.age", ".state.age")), name
        assert body.startswith(AGE), name
        assert SECRET not in body and b"\x1f\x8b\x08\x00" not in body, name


def test_nothing_is_in_the_bucket_in_the_clear(cluster):
    identity = cluster.identity("identity")
    cluster.configure(identity)
    cluster.start()
    cluster.exchange()
    for host in cluster.hosts:
        eventually("both have stored their states", lambda: f"main__{host.name}.state.age" in cluster.storage.names())
    objects = cluster.objects()
    assert_all_sealed(objects)
    # What is needed to restore it are two programs that every distribution has.
    for host in cluster.hosts:
        file = cluster.tmp_path / "object"
        file.write_bytes(objects[newest(objects, host.name)])
        plain = gzip.decompress(age("age", "-d", "-i", identity, file))
        assert host.name.encode() in plain
    key_id = re.search(r"# key ID: ([0-9a-f]{8})", identity.read_text()).group(1)
    eventually("the status has the key ID of both", lambda: {
        instance["name"]: instance.get("sealed_with") for instance in cluster.status(cluster.a)["databases"][0]["instances"]
    } == {"a": key_id, "b": key_id})
    assert key_id in cluster.a.run("status").stdout
    # Neither the identity nor the recipient is in what the daemons and commands have said.
    recipient = age("age-keygen", "-y", identity).decode().strip()
    secret = identity.read_text().splitlines()[-1]
    for host in cluster.hosts:
        log = host.log.read_text()
        assert recipient not in log and secret not in log


def test_with_the_update_marker(tmp_path, lightningstream, bucket):
    cluster = Cluster(tmp_path, lightningstream, bucket, use_update_marker=True)
    cluster.configure(cluster.identity("identity"))
    cluster.start()
    cluster.exchange()
    objects = cluster.objects()
    assert MARKER in objects
    assert_all_sealed(objects)


def test_a_cluster_is_converted_rotated_and_goes_back(cluster):
    one, two = cluster.identity("one"), cluster.identity("two")
    cluster.start()
    cluster.exchange()
    # Converted: one host after the other. Who is not converted yet waits for what the others send.
    cluster.configure(one, accept_unsealed=True, hosts=[cluster.a])
    cluster.change(cluster.b, cluster.a)
    cluster.change(cluster.a)
    cluster.configure(one, accept_unsealed=True, hosts=[cluster.b])
    cluster.exchange()
    eventually("all that was sent meanwhile has arrived", lambda: entries(cluster.a.path) == entries(cluster.b.path))
    cluster.configure(one)
    cluster.exchange()
    for host in cluster.hosts:
        assert not any("rejected" in text for text in cluster.warnings(host).values())
    # Rotated: both open both, before the first one seals with the new one.
    cluster.configure(one, two)
    cluster.exchange()
    cluster.configure(two, one, hosts=[cluster.a])
    cluster.exchange()
    cluster.configure(two, one, hosts=[cluster.b])
    cluster.exchange()
    ids = [re.search(r"# key ID: (\w+)", file.read_text()).group(1) for file in (one, two)]
    eventually("status shows that all seal with the new one", lambda: {
        instance.get("sealed_with") for instance in cluster.status(cluster.b)["databases"][0]["instances"]} == {ids[1]})
    cluster.configure(two)
    cluster.exchange()
    # And back.
    cluster.configure(two, accept_unsealed=True)
    cluster.exchange()
    cluster.configure(hosts=[cluster.a])
    cluster.change(cluster.a, cluster.b)
    cluster.change(cluster.b)
    cluster.configure(hosts=[cluster.b])
    cluster.exchange()
    eventually("all that was sent meanwhile has arrived", lambda: entries(cluster.a.path) == entries(cluster.b.path))
    assert len(entries(cluster.a.path)) == cluster.changes


def rejected(host, name):
    """The line of the log that says so; an AssertionError if there is none."""
    lines = [line for line in host.log.read_text().splitlines() if "snapshot rejected" in line and name in line]
    assert lines, f"nothing says that {name} is rejected"
    return lines[0]


def later(name, seconds=1):
    """The name of a snapshot that is newer."""
    stamp = re.search(r"__(\d{8}-\d{6})-", name).group(1)
    moment = time.mktime(time.strptime(stamp, "%Y%m%d-%H%M%S")) + seconds
    return name.replace(stamp, time.strftime("%Y%m%d-%H%M%S", time.localtime(moment)))


def test_what_others_put_into_the_bucket_is_rejected_and_named(directory_cluster, lightningstream):
    cluster, bucket = directory_cluster, directory_cluster.storage
    identity = cluster.identity("identity")
    cluster.configure(identity)
    cluster.start()
    cluster.exchange()
    recipient = age("age-keygen", "-y", identity).decode().strip()
    name = newest(bucket.names(), "b")
    body = bucket.get(name)
    file = cluster.tmp_path / "plain"
    file.write_bytes(body)
    plain = age("age", "-d", "-i", identity, file)

    # Not sealed at all.
    unsealed = later(name.removesuffix(".age"), 1).replace("__b__", "__mallory__")
    bucket.put(unsealed, plain)
    assert "it is not sealed" in eventually("the unsealed one is rejected", lambda: rejected(cluster.a, unsealed))
    eventually("health names the instance", lambda: any(
        "mallory" in text and "not sealed" in text for text in cluster.warnings(cluster.a).values()))
    bucket.remove(unsealed)

    # Renamed to another instance, and to a later time: a replay that claims to be news.
    swapped = name.replace("__b__", "__c__")
    bucket.put(swapped, body)
    assert "cannot be renamed" in eventually(
        "the swapped one is rejected", lambda: rejected(cluster.a, swapped.removesuffix(".age")))
    replayed = later(name, 2)
    bucket.put(replayed, body)
    assert "cannot be renamed" in eventually(
        "the replayed one is rejected", lambda: rejected(cluster.a, replayed.removesuffix(".age")))

    # A good snapshot, sealed by somebody who knows the recipient and not the identity.
    elsewhere = Directory(cluster.tmp_path / "elsewhere")
    path = cluster.tmp_path / "forger.lmdb"
    write(path, b"forged", b"forged")
    lightningstream("forger", {"main": database(path)}, elsewhere.storage()).once()
    forged, = (name for name in elsewhere.names() if name.endswith(".pb.gz"))
    file.write_bytes(elsewhere.get(forged))
    bucket.put(f"{forged}.age", age("age", "-r", recipient, file))
    assert "it is forged" in eventually("the forged one is rejected", lambda: rejected(cluster.a, forged))
    # All the rest goes on.
    cluster.exchange()
    assert b"forged" not in entries(cluster.a.path)


@pytest.mark.parametrize("problem", ["missing", "open", "empty", "malformed"])
def test_a_bad_identity_ends_the_start_with_one_line(directory_cluster, problem):
    cluster = directory_cluster
    identity = cluster.identity("identity")
    match problem:
        case "missing": identity.unlink()
        case "open": identity.chmod(0o644)
        case "empty": identity.write_text("# nothing\n")
        case "malformed": identity.write_text(identity.read_text()[:-5] + "\n")
    cluster.configure(identity)
    for command in ("sync", "--only-once"), ("receive", "--only-once"), ("snapshots", "list"):
        done = cluster.a.run(*command)
        assert done.returncode == 1
        line, = done.stderr.splitlines()
        assert "storage.sealing.identity_files" in line and str(identity) in line
        assert "AGE-SECRET-KEY-1Q" not in line
    assert cluster.storage.names() == []


def test_commands_on_sealed_objects(directory_cluster):
    cluster, bucket = directory_cluster, directory_cluster.storage
    one, two = cluster.identity("one"), cluster.identity("two")
    assert cluster.a.run("keygen", "-o", one).returncode == 1
    printed = cluster.a.run("keygen").stdout
    with open(cluster.tmp_path / "open", "w") as file:
        os.fchmod(file.fileno(), 0o644)
        done = subprocess.run(cluster.a.command("keygen"), stdout=file, stderr=subprocess.PIPE, text=True, timeout=60)
    assert "others can read" in done.stderr
    assert re.fullmatch(r"# created: .*\n# key ID: [0-9a-f]{8}\nAGE-SECRET-KEY-1[A-Z0-9]{58}\n", printed)

    # One stays in the clear, one is sealed with the old identity.
    write(cluster.b.path, b"b", SECRET)
    cluster.b.once()
    cluster.configure(one, accept_unsealed=True, hosts=[cluster.a])
    write(cluster.a.path, b"a", SECRET)
    cluster.a.once()
    plain, = (name for name in bucket.names() if "__b__" in name and name.endswith(".pb.gz"))
    sealed = newest(bucket.names(), "a")
    name = sealed.removesuffix(".age")

    listed = {row["name"]: row for row in json.loads(cluster.a.run("snapshots", "list", "--json").stdout)}
    assert listed[name]["sealed"] is True and listed[plain]["sealed"] is False
    assert SECRET.hex() in cluster.a.run("snapshots", "dump", name).stdout or "Private-key" in cluster.a.run(
        "snapshots", "dump", name).stdout
    file = cluster.tmp_path / "copy"
    assert cluster.a.run("snapshots", "get", name, "-o", file).returncode == 0
    assert SECRET in gzip.decompress(file.read_bytes())
    # The proof of the sender is not in it.
    sealed_file = cluster.tmp_path / "sealed.age"
    sealed_file.write_bytes(bucket.get(sealed))
    with_proof = age("age", "-d", "-i", one, sealed_file)
    assert with_proof.endswith(file.read_bytes()) and len(file.read_bytes()) < len(with_proof)
    for given in name, sealed:
        assert cluster.a.run("snapshots", "get", given, "-o", file).returncode == 0
        assert with_proof.endswith(file.read_bytes())
        assert cluster.a.run("snapshots", "dump", given).returncode == 0
        # A sealed copy is stored as it is, under the name of a sealed object.
        before = bucket.names()
        assert cluster.a.run("snapshots", "put", sealed_file, "-n", given).returncode == 0
        assert bucket.names() == before and bucket.get(sealed) == sealed_file.read_bytes()
    assert cluster.a.run("snapshots", "dump", "-l", sealed_file).stdout == cluster.a.run(
        "snapshots", "dump", "-l", file).stdout != ""
    for given in name, sealed:
        assert cluster.a.run("snapshots", "get", "--sealed", given, "-o", file).returncode == 0
        assert file.read_bytes() == bucket.get(sealed)

    # Both are sealed with the new one, and come back with the same contents.
    cluster.configure(two, one, accept_unsealed=True, hosts=[cluster.a])
    dry = cluster.a.run("snapshots", "reseal", "--dry-run").stdout
    assert dry.endswith("would seal 2 objects\n") and plain in bucket.names()
    done = cluster.a.run("snapshots", "reseal")
    assert done.returncode == 0, done.stderr
    assert f"{plain}: was not sealed" in done.stdout and f"{name}: was sealed with" in done.stdout
    assert cluster.a.run("snapshots", "reseal").stdout == "sealed 0 objects\n"
    assert plain not in bucket.names()
    cluster.configure(two)
    for each in name, plain:
        assert cluster.a.run("snapshots", "get", each, "-o", file).returncode == 0
        assert SECRET in gzip.decompress(file.read_bytes())
        # Stored again from a file, it is sealed as well.
        assert cluster.a.run("snapshots", "put", file, "-n", each).returncode == 0
        assert bucket.get(each + ".age").startswith(AGE)
    cluster.b.once()
    assert entries(cluster.b.path).keys() == {b"a", b"b"}

    done = cluster.a.run("doctor")
    assert "seals and opens" in done.stdout and "everything is sealed" in done.stdout, done.stdout
    bucket.put(plain.replace("__b__", "__c__"), b"x")
    done = cluster.a.run("doctor")
    assert "c (1 object)" in done.stdout and "it is not read" in done.stdout, done.stdout

    garbage = sealed.replace("__a__", "__d__")
    bucket.put(garbage, AGE + b"garbage")
    done = cluster.a.run("doctor")
    assert done.returncode == 1 and "main of d" in done.stdout, done.stdout
    bucket.remove(garbage)

    # Without an identity it can be listed and removed, and says why it can't be read.
    cluster.configure()
    assert name in cluster.a.run("snapshots", "list").stdout
    done = cluster.a.run("snapshots", "dump", name)
    assert done.returncode == 1 and "identity_files must name the identity" in done.stderr
    done = cluster.a.run("snapshots", "dump", "-l", sealed_file)
    assert done.returncode == 1 and "is sealed" in done.stderr
    done = cluster.a.run("doctor")
    assert "this host has no identity" in done.stdout, done.stdout
    before = bucket.names()
    assert cluster.a.run("snapshots", "put", sealed_file, "-n", name).returncode == 0
    assert bucket.names() == before
    assert cluster.a.run("snapshots", "remove", sealed).returncode == 0
    assert sealed not in bucket.names()


class Asking:
    """Asks servers the same question again and again: every answer has to be the right one."""

    def __init__(self, servers, name, text):
        self.servers, self.name, self.text = servers, name, text
        self.wrong, self.count, self.ended = [], 0, threading.Event()
        self.thread = threading.Thread(target=self.ask, daemon=True)
        self.thread.start()

    def ask(self):
        while not self.ended.wait(0.02):
            for server in self.servers:
                try:
                    answer = server.answer(self.name, "A")
                except Exception as error:  # noqa: BLE001 - a query that fails is a wrong answer
                    answer = repr(error)
                self.count += 1
                if answer != ("NOERROR", [self.text]):
                    self.wrong.append((server.name, answer))

    def end(self):
        self.ended.set()
        self.thread.join(30)
        assert self.count > 0 and not self.wrong, self.wrong[:5]


def test_powerdns_answers_while_its_cluster_is_converted(tmp_path, directory, powerdns, lightningstream):
    a, b = powerdns("a", "4.9").start(), powerdns("b", "4.9").start()
    a.util("create-zone", "example.org", "ns1.example.org")
    a.util("secure-zone", "example.org")
    a.util("add-record", "example.org", "www", "A", "300", "192.0.2.1")
    syncers = [syncer_of(server, lightningstream, directory) for server in (a, b)]
    for syncer in syncers:
        syncer.start()
    pair = Pair(a, b, syncers)
    pair.agree()
    identities = []
    for name in "one", "two":
        identities.append(str(tmp_path / name))
        assert syncers[0].run("keygen", "-o", identities[-1]).returncode == 0
    one, two = identities
    asking = Asking([a, b], "www.example.org", "www.example.org. 300 A 192.0.2.1")
    for number, sealing in enumerate([
            {"identity_files": [one], "accept_unsealed": True}, {"identity_files": [one]},
            {"identity_files": [one, two]}, {"identity_files": [two, one]}, {"identity_files": [two]},
            {"identity_files": [two], "accept_unsealed": True}, None]):
        for syncer in syncers:
            syncer.stop()
            syncer.settings["storage"] = directory.storage() | ({"sealing": sealing} if sealing else {})
            syncer.write_configuration()
            syncer.start()
        a.util("add-record", "example.org", f"a{number}", "A", "300", "192.0.2.2")
        b.util("add-record", "example.org", f"b{number}", "A", "300", "192.0.2.3")
        pair.agree()
        for name in f"a{number}", f"b{number}":
            for server in a, b:
                assert server.answer(f"{name}.example.org", "A")[0] == "NOERROR"
    asking.end()


def test_memory_does_not_grow_with_an_object(directory_cluster, tmp_path):
    cluster, size, count = directory_cluster, 1 << 20, 160
    path = cluster.a.path
    lmdbs.write(path, {DBI: {
        b"%04d" % number: lmdbs.stored(time.time_ns(), os.urandom(size)) for number in range(count)}}, map_size=1 << 30)
    cluster.configure(cluster.identity("identity"))
    host = cluster.a
    host.settings["lmdbs"] = {"main": database(path, map_size="1GB")}
    host.write_configuration()
    assert 0 < peak(host.start("sync", "--only-once")) < 64 << 20
    sealed = newest(cluster.storage.names(), "a")
    assert len(cluster.storage.get(sealed)) > size * count
    file = tmp_path / "copy"
    assert 0 < peak(host.start("snapshots", "get", sealed.removesuffix(".age"), "-o", file)) < 64 << 20
    with gzip.open(file) as plain:
        while plain.read(1 << 20):
            pass


def peak(host):
    """The most memory of its own that a process has had until its end: an LMDB, and what waits to be stored, are files."""
    most = 0
    while host.process.running:
        try:
            with open(f"/proc/{host.process.pid}/status") as status:
                most = max([most, *(int(line.split()[1]) << 10 for line in status if line.startswith("RssAnon:"))])
        except (FileNotFoundError, ProcessLookupError):
            break
        time.sleep(0.01)
    assert host.process.wait() == 0
    host.process = None
    return most
