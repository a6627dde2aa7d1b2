"""A proxy in front of the S3 server that announces what is stored through it, as MinIO and RustFS do."""

import json
import queue
import threading
import urllib.parse

from lab.proxy import Handler, Proxy

LISTING = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>zones</Name></ListBucketResult>'


class ListeningProxy(Proxy):
    """Answers `GET /{bucket}?events=...` with a line of JSON for each object stored or removed through it.

    The request itself is passed on first, so that the S3 server checks its signature: its answer stands unless it only says that it
    does not know such requests.

    `pings` are the lines that show that a connection lives, by turns; `encodes` whether keys are encoded as in a URL;
    `refuses` is a status and a body in place of announcements; `loses` is called with each key: True means that nothing is announced.
    """

    PINGS = [b'{"Records":null}\n', b'{"Records":[]}\n', b" "]

    def __init__(self, endpoint, pings=PINGS, encodes=False, refuses=None, loses=lambda key: False, ping_seconds=0.2):
        self.pings, self.encodes, self.refuses, self.loses = pings, encodes, refuses, loses
        self.ping_seconds = ping_seconds
        self.listeners = {}  # by number: (bucket, prefix, queue of lines)
        self._lock = threading.Lock()
        self._next = 0
        super().__init__(endpoint)

    @property
    def handler(self):
        return _Handler

    def announce(self, event, bucket, key, etag="", size=0):
        if self.loses(key):
            return
        shown = urllib.parse.quote_plus(key) if self.encodes else key
        record = {"eventVersion": "2.0", "eventSource": "minio:s3", "eventName": event, "s3": {
            "bucket": {"name": bucket}, "object": {"key": shown, "size": size, "eTag": etag}}}
        self.say(json.dumps({"EventName": event, "Key": f"{bucket}/{key}", "Records": [record]}).encode() + b"\n", bucket, key)

    def say(self, line, bucket=None, key=""):
        """Sends bytes to all who listen to a bucket, or to everything."""
        with self._lock:
            for its, prefix, lines in self.listeners.values():
                if bucket in (None, its) and (bucket is None or key.startswith(prefix)):
                    lines.put(line)

    def break_listeners(self):
        """Ends the connections of all who listen."""
        self.say(None)

    def begin(self, bucket, prefix):
        with self._lock:
            self._next += 1
            lines = queue.Queue()
            self.listeners[self._next] = bucket, prefix, lines
            return self._next, lines

    def finish(self, number):
        with self._lock:
            self.listeners.pop(number, None)

    def count(self, kind):
        """The number of requests so far: `list`, `listen`, or a method."""
        def is_it(method, path):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
            if method == "GET" and "events" in query:
                return kind == "listen"
            if method == "GET" and ("list-type" in query):
                return kind == "list"
            return kind == method
        return sum(is_it(*request) for request in list(self.requests))


class _Handler(Handler):
    def handle_any(self):
        proxy = self.server.proxy
        place = urllib.parse.urlsplit(self.path)
        bucket, _, key = place.path.lstrip("/").partition("/")
        query = urllib.parse.parse_qs(place.query, keep_blank_values=True)
        if self.command == "GET" and "events" in query:
            proxy.requests.append((self.command, self.path))
            return self.listen(proxy, bucket, query)
        proxy.requests.append((self.command, self.path))
        passed_on = self.ask()
        if not passed_on:
            return
        answer, content = passed_on
        # The server announces before it answers.
        key = urllib.parse.unquote(key)
        if answer.status in (200, 204) and key and "partNumber" not in query:
            if self.command == "PUT":
                proxy.announce("s3:ObjectCreated:Put", bucket, key, (answer.getheader("ETag") or "").strip('"'))
            elif self.command == "POST" and "uploadId" in query:
                proxy.announce("s3:ObjectCreated:CompleteMultipartUpload", bucket, key)
            elif self.command == "DELETE":
                proxy.announce("s3:ObjectRemoved:Delete", bucket, key)
        self.reply(answer, content)

    def listen(self, proxy, bucket, query):
        assert query["events"] == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], query
        passed_on = self.ask()
        self.close_connection = True
        if not passed_on:
            return
        answer, content = passed_on
        if answer.status not in (200, 501):
            self.reply(answer, content)
            return
        if proxy.refuses:
            status, text = (200, LISTING) if proxy.refuses == "listing" else proxy.refuses
            self.send_response_only(status, "Refused")
            self.send_header("Content-Length", len(text))
            self.end_headers()
            self.wfile.write(text.encode())
            return
        number, lines = proxy.begin(bucket, query.get("prefix", [""])[0])
        try:
            self.send_response_only(200, "OK")
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            turn = 0
            while not proxy.ended.is_set():
                try:
                    line = lines.get(timeout=proxy.ping_seconds)
                except queue.Empty:
                    if not proxy.pings:
                        continue
                    line, turn = proxy.pings[turn % len(proxy.pings)], turn + 1
                if line is None:
                    return
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
        except OSError:
            pass
        finally:
            proxy.finish(number)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any
