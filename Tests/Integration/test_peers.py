"""Hints between instances, and webhooks of a real S3 server: intervals are so long that only a hint can make it quick."""

import http.server
import json
import secrets
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from lab import lmdbs
from lab.process import free_port
from lab.storage import S3Server
from lab.syncer import database
from lab.waiting import eventually

DBI = "entries"
NEVER = "10m"


def entries(path):
    return set(lmdbs.contents(path).get(DBI, lmdbs.DBI(0)).entries)


def write(path, key):
    lmdbs.write(path, {DBI: {key: lmdbs.stored(time.time_ns(), b"value")}})


class Hosts:
    """Instances that share a bucket and a token."""

    def __init__(self, tmp_path, lightningstream):
        self.tmp_path, self.make = tmp_path, lightningstream
        self.token = secrets.token_hex(32)

    def write_token(self, name, *tokens):
        """Replaces a host's token file as an administrator would."""
        file = self.tmp_path / f"{name}.token"
        new = file.with_suffix(".new")
        new.touch(0o600)
        new.write_text("".join(f"{token}\n" for token in tokens))
        new.rename(file)
        return str(file)

    def host(self, name, storage, advertises=True, **settings):
        path = self.tmp_path / f"{name}.lmdb"
        lmdbs.write(path, {DBI: {}})
        port = free_port()
        push = {"token_file": self.write_token(name, self.token)}
        if advertises:
            push["advertise"] = f"http://127.0.0.1:{port}"
        settings = {"storage_poll_interval": NEVER, "lmdb_poll_interval": "100ms",
                    "http": {"address": f"127.0.0.1:{port}"}, "push": push} | settings
        instance = self.make(name, {"main": database(path)}, storage, **settings)
        instance.path, instance.url = path, f"http://127.0.0.1:{port}"
        return instance


@pytest.fixture
def hosts(tmp_path, lightningstream):
    return Hosts(tmp_path, lightningstream)


def get(url):
    """The body of the answer; an AssertionError, for which `eventually` waits, as long as nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.URLError as error:
        raise AssertionError(f"{url}: {error}") from error


def post(url, token, body):
    """The status of a POST."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def metric(host, name, **labels):
    """The value of a series, 0 if it does not exist."""
    for line in get(f"{host.url}/metrics").splitlines():
        if line.startswith(f"{name}{{") and all(f'{label}="{value}"' in line for label, value in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return 0


def knows(host, count):
    eventually(f"{host.name} knows {count} peers", lambda: metric(host, "lightningstream_push_peers", state="reachable") == count)


def has(host, key):
    eventually(f"{host.name} has {key}", lambda: key in entries(host.path))


def heard_by(host, name):
    report = json.loads(get(f"{host.url}/status.json"))
    return {one["name"]: one.get("heard_by") for one in report["databases"][0]["instances"]}[name]


def pair(hosts, bucket):
    """Two hosts that know each other."""
    a, b = hosts.host("a", bucket.storage()).start(), hosts.host("b", bucket.storage())
    eventually("a is there", lambda: "main__a.state" in bucket.names())
    b.start()
    # The newcomer has read who is there; the other one learns of it by its hint.
    knows(a, 1)
    knows(b, 1)
    return a, b


def test_peers_tell_each_other(hosts, bucket):
    a, b = pair(hosts, bucket)
    for number in range(3):
        write(a.path, b"a%d" % number)
        has(b, b"a%d" % number)
        write(b.path, b"b%d" % number)
        has(a, b"b%d" % number)
    eventually("a is heard by its hints", lambda: heard_by(b, "a") == "peer")
    assert metric(a, "lightningstream_push_hints_sent_total", result="accepted") > 0
    assert metric(b, "lightningstream_push_requests_total", endpoint="hint", result="accepted") > 0
    done = a.run("doctor")
    assert "accepts the token" in done.stdout, done.stdout
    for host in (a, b):
        assert hosts.token not in host.log.read_text()
        assert hosts.token not in get(f"{host.url}/status.json") + get(f"{host.url}/")
        host.stop()


def test_a_token_is_replaced(hosts, bucket):
    a, b = pair(hosts, bucket)
    old, new = hosts.token, secrets.token_hex(32)
    hint = {"database": "main", "object": "main__x.state"}
    for number, lines in enumerate([(old, new), (new, old), (new,)]):
        for host in (a, b):
            hosts.write_token(host.name, *lines)
            # One of the two has the next line already, and the other one has not.
            write(a.path, b"a%d-%s" % (number, host.name.encode()))
            has(b, b"a%d-%s" % (number, host.name.encode()))
        for host in (a, b):
            eventually("the new token is accepted", lambda host=host: post(f"{host.url}/hint", new, hint) == 204)
    eventually("the old one is not", lambda: post(f"{a.url}/hint", old, hint) == 401)
    assert post(f"{a.url}/hint", "x" * 64, hint) == 401
    # Nobody was refused on the way.
    assert metric(a, "lightningstream_push_hints_sent_total", result="refused") == 0
    a.stop()
    b.stop()


def test_the_interval_alone_does_with_a_wrong_token(hosts, bucket):
    a = hosts.host("a", bucket.storage(), storage_poll_interval="500ms")
    b = hosts.host("b", bucket.storage(), storage_poll_interval="500ms")
    hosts.write_token("b", secrets.token_hex(32))
    a.start()
    b.start()
    write(a.path, b"key")
    has(b, b"key")
    eventually("b refuses", lambda: (
        metric(a, "lightningstream_push_hints_sent_total", result="refused") >= 1))
    assert heard_by(b, "a") == "listing"
    a.stop()
    b.stop()


def test_a_token_file_that_everybody_reads_is_not_used(hosts, bucket):
    a = hosts.host("a", bucket.storage())
    file = hosts.tmp_path / "a.token"
    file.chmod(0o644)
    a.start()
    eventually("a is there", lambda: "main__a.state" in bucket.names())
    assert post(f"{a.url}/hint", hosts.token, {"database": "main", "object": "main__x.state"}) == 404
    health = json.loads(get(f"{a.url}/healthz"))
    assert "everybody on this host can read the token" in health["warnings"]["push_token"]
    done = a.run("doctor")
    assert done.returncode == 1 and "chmod o-rwx" in done.stdout, done.stdout
    file.chmod(0o600)
    eventually("it is used", lambda: post(f"{a.url}/hint", hosts.token, {"database": "main", "object": "main__x.state"}) == 204)
    a.stop()


class Trap:
    """An HTTPS server whose certificate nobody has signed."""

    def __init__(self, directory):
        certificate, key = directory / "trap.pem", directory / "trap.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, capture_output=True, timeout=60)
        self.got, trap = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                trap.got.append(dict(self.headers))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.secure, self.plain = (http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2))
        self.secure.socket = context.wrap_socket(self.secure.socket, server_side=True)
        for server in (self.secure, self.plain):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def end(self):
        for server in (self.secure, self.plain):
            server.shutdown()
            server.server_close()


def test_a_hostile_url_does_not_get_the_token(hosts, bucket, tmp_path):
    trap = Trap(tmp_path)
    try:
        (secure, plain) = (server.server_address[1] for server in (trap.secure, trap.plain))
        for name, url in {"x": f"https://127.0.0.1:{secure}", "y": f"http://localhost:{plain}",
                          "z": f"http://user@127.0.0.1:{plain}"}.items():
            state = {"version": 1, "instance": name, "hostname": "h", "software": "s", "time": "2026-11-21T00:00:00.000Z",
                     "applied": {}, "health": "OK", "url": url}
            bucket.put(f"main__{name}.state", json.dumps(state).encode())
        a = hosts.host("a", bucket.storage(), storage_poll_interval="500ms").start()
        write(a.path, b"key")
        # The one with TLS is tried, and does not verify.
        eventually("it is tried", lambda: metric(a, "lightningstream_push_hints_sent_total", result="unreachable") >= 1)
        a.process.wait_for_output("neither https nor an address of a private network")
        assert trap.got == []
        a.stop()
    finally:
        trap.end()


def test_a_webhook_of_seaweedfs(hosts, tmp_path):
    b_url = f"http://127.0.0.1:{free_port()}"
    directory = tmp_path / "s3"
    directory.mkdir()
    (directory / "notification.toml").write_text(f"""
[notification.webhook]
enabled = true
endpoint = "{b_url}/events"
bearer_token = "{hosts.token}"
event_types = ["create", "update"]
path_prefixes = ["/buckets/zones/"]
""")
    server = S3Server(directory)
    try:
        bucket = server.bucket("zones")
        # a has no token file, so that only the server can tell.
        a = hosts.host("a", bucket.storage(global_prefix="dns/"), advertises=False)
        del a.settings["push"]
        a.write_configuration()
        b = hosts.host("b", bucket.storage(global_prefix="dns/"), advertises=False, http={"address": b_url.removeprefix("http://")})
        b.url = b_url
        a.start()
        eventually("a is there", lambda: "dns/main__a.state" in bucket.names())
        b.start()
        eventually("b is there", lambda: "dns/main__b.state" in bucket.names())
        for number in range(3):
            write(a.path, b"a%d" % number)
            has(b, b"a%d" % number)
        eventually("a is heard by the webhook", lambda: heard_by(b, "a") == "webhook")
        assert metric(b, "lightningstream_push_requests_total", endpoint="events", result="accepted") > 0
        assert metric(b, "lightningstream_push_requests_total", endpoint="events", result="invalid") == 0
        a.stop()
        b.stop()
    finally:
        server.stop()
