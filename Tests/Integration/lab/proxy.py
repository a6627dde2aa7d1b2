"""An HTTP proxy in front of the S3 server: it records requests, and can hang, refuse or be away."""

import http.client
import http.server
import socket
import threading
import urllib.parse

from lab.process import free_port


class Proxy:
    """Passes requests on to `endpoint`, unchanged: signatures stay valid, for the Host header names this proxy.

    `hangs` is called with (method, path) of each request, before anything is passed on: True means that
    this request is never answered. `rate` is how many bytes a second of an answer's body are passed on.
    """

    @property
    def handler(self):
        return Handler

    def __init__(self, endpoint, hangs=lambda method, path: False, rate=None):
        self.target = endpoint
        self.hangs = hangs
        self.rate = rate
        self.requests = []  # (method, path with query), in the order of their arrival
        self.ended = threading.Event()
        self._port = free_port()
        self._server = None
        self.open()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._port}"

    def open(self):
        """Accepts connections, after close() on the same port as before."""
        self._server = _Server(("127.0.0.1", self._port), self)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        """Refuses connections from now on and breaks those that are there."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server.break_connections()
        self._server = None

    def end(self):
        self.ended.set()
        self.close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address, proxy):
        self.proxy = proxy
        self._connections = set()
        super().__init__(address, proxy.handler)

    def process_request(self, request, client_address):
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._connections.discard(request)
        super().shutdown_request(request)

    def break_connections(self):
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request, client_address):
        pass  # A client that goes away is none of ours.


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        proxy = self.server.proxy
        proxy.requests.append((self.command, self.path))
        if proxy.hangs(self.command, self.path):
            proxy.ended.wait()
            self.close_connection = True
            return
        passed_on = self.ask()
        if passed_on:
            self.reply(*passed_on)

    def ask(self):
        """Passes the request on. The answer with its body; None if there is none."""
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urllib.parse.urlsplit(proxy.target)
        upstream = http.client.HTTPConnection(target.hostname, target.port, timeout=30)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            return answer, answer.read()
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return None
        finally:
            upstream.close()

    def reply(self, answer, content):
        proxy = self.server.proxy
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") if self.command == "HEAD" else len(content))
        self.end_headers()
        size = 64 << 10 if proxy.rate else max(1, len(content))
        for start in range(0, len(content), size):
            self.wfile.write(content[start:start + size])
            if proxy.rate:
                proxy.ended.wait(size / proxy.rate)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def log_message(self, *_):
        pass
