#!/usr/bin/env python3
"""An Azure Blob storage for tests, in memory, on 127.0.0.1: one account whose name is the first part of every path, as emulators have it.

Signatures of the account's key are verified with the code of the azure-storage-blob package, and so are made the shared access
signatures that it accepts. It also hands out the tokens of managed and workload identities.

    azure_server.py [PAGE]    prints shell-parsable lines (endpoint= account= key= …), and ends with its standard input; a page of a
                              listing has at most so many objects
"""

import base64
import datetime
import email.utils
import hashlib
import http.server
import itertools
import json
import socket
import struct
import sys
import threading
import time
import types
import urllib.parse
import xml.etree.ElementTree
from xml.sax.saxutils import escape

from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

ACCOUNT = "lab"
KEY = base64.b64encode(hashlib.sha256(b"the key of the account").digest()).decode()
RESOURCE = "https://storage.azure.com/"
MESSAGES = {
    "AuthenticationFailed": "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
    "correctly including the signature.",
    "AuthorizationPermissionMismatch": "This request is not authorized to perform this operation using this permission.",
    "BlobNotFound": "The specified blob does not exist.",
    "ContainerAlreadyExists": "The specified container already exists.",
    "ContainerNotFound": "The specified container does not exist.",
    "InvalidAuthenticationInfo": "Server failed to authenticate the request. Please refer to the information in the "
    "www-authenticate header.",
    "InvalidBlockList": "The specified block list is invalid.",
    "Md5Mismatch": "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
    "ServerBusy": "The server is busy.",
}


class Refused(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


class Blob:
    _etags = itertools.count(int(time.time() * 1e6))

    def __init__(self, body, content_type, md5):
        self.body, self.content_type, self.md5 = body, content_type, md5
        self.etag = f"0x{next(self._etags):X}"
        self.modified = email.utils.formatdate(usegmt=True)


class Fault:
    """What happens to the next `count` requests with this method and text in the target, instead of what they ask for."""

    def __init__(self, kind, method="", target="", count=1):
        self.kind, self.method, self.target, self.count = kind, method, target, count


class AzureServer:
    def __init__(self):
        self.lock = threading.RLock()
        self.containers = {}  # name: {name: Blob}
        self.blocks = {}  # (container, name): {id: bytes}
        self.signatures = {}  # the sig of each: its parameters
        self.tokens = {}  # token: (end, role)
        self.faults = []
        self.requests = []  # (method, target, status)
        self.page_size = 5000
        self.key = KEY
        self.identity_role = "contributor"  # that of whoever asks for a token; None for nobody
        self.token_lifetime = 3600
        self.tokens_issued = 0
        self.app_header = "secret-of-the-platform"
        self.federated_token = "federated-token-of-the-pod"
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.azure = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def base(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def endpoint(self):
        return f"{self.base}/{ACCOUNT}"

    def end(self):
        self._server.shutdown()
        self._server.server_close()

    def fail(self, kind, method="", target="", count=1):
        with self.lock:
            self.faults.append(Fault(kind, method, target, count))

    def sas(self, container, permissions, lifetime=3600):
        """A shared access signature for a container, which azure-storage-blob makes."""
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=lifetime)
        text = generate_container_sas(
            ACCOUNT, container, account_key=self.key, permission=ContainerSasPermissions.from_string(permissions), expiry=end)
        parameters = dict(urllib.parse.parse_qsl(text, strict_parsing=True))
        with self.lock:
            self.signatures[parameters["sig"]] = parameters | {"container": container}
        return text

    def issue(self):
        """A token; it is not one of Entra ID's, but nobody looks into it."""
        with self.lock:
            self.tokens_issued += 1
            token = f"token-{self.tokens_issued}-{time.time_ns()}"
            self.tokens[token] = time.time() + self.token_lifetime, self.identity_role
        return token

    def take_fault(self, method, target):
        with self.lock:
            for fault in self.faults:
                if fault.method in ("", method) and fault.target in target:
                    fault.count -= 1
                    if fault.count == 0:
                        self.faults.remove(fault)
                    return fault.kind
        return None


def expected_authorization(account, key, method, url, query, headers):
    """What azure-storage-blob would send."""
    request = types.SimpleNamespace(
        http_request=types.SimpleNamespace(method=method, url=url, query=query, headers=headers),
        context=types.SimpleNamespace(transport=None))
    SharedKeyCredentialPolicy(account, key).on_request(request)
    return headers["Authorization"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def handle_method(self):
        azure = self.server.azure
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        address = urllib.parse.urlsplit(self.path)
        # As it was sent: the signature covers it.
        self.raw_query = dict(part.partition("=")[::2] for part in address.query.split("&") if part)
        self.query = {name: urllib.parse.unquote(value) for name, value in self.raw_query.items()}
        parts = address.path.split("/", 3)[1:]
        self.fault = None
        try:
            if parts[0] != ACCOUNT:
                return self.identity(address.path)
            self.fault = azure.take_fault(self.command, self.path)
            if self.spoil():
                return None
            container = urllib.parse.unquote(parts[1]) if len(parts) > 1 else ""
            name = urllib.parse.unquote(parts[2]) if len(parts) > 2 else None
            if not self.headers.get("x-ms-version"):
                raise Refused(400, "MissingRequiredHeader")
            self.authenticate(container)
            with azure.lock:
                return self.of_container(container) if name is None else self.of_blob(container, name)
        except Refused as refusal:
            return self.refuse(refusal.status, refusal.code)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_method

    # Faults

    def spoil(self):
        """Whether the request is answered as a fault has it."""
        if self.fault == "busy":
            self.refuse(503, "ServerBusy", {"Retry-After": "1"})
        elif self.fault == "throttled":
            self.refuse(429, "TooManyRequests", {"Retry-After": "1"})
        elif self.fault == "forbidden":
            self.refuse(403, "AuthorizationPermissionMismatch")
        elif self.fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        else:
            return False
        return True

    # Who asks

    def authenticate(self, container):
        azure = self.server.azure
        header = self.headers.get("Authorization", "")
        if header.startswith("SharedKey "):
            sent = email.utils.parsedate_to_datetime(self.headers["x-ms-date"])
            if abs(sent.timestamp() - time.time()) > 900:
                raise Refused(403, "AuthenticationFailed")
            headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "authorization"}
            host = self.headers["Host"]
            expected = expected_authorization(
                ACCOUNT, azure.key, self.command, f"http://{host}{self.path}", self.raw_query, headers)
            if header != expected:
                raise Refused(403, "AuthenticationFailed")
            return
        if header.startswith("Bearer "):
            end, role = azure.tokens.get(header.removeprefix("Bearer "), (0, None))
            if end < time.time():
                raise Refused(401, "InvalidAuthenticationInfo")
            if self.command not in ("GET", "HEAD") and role != "contributor":
                raise Refused(403, "AuthorizationPermissionMismatch")
            return
        parameters = azure.signatures.get(self.query.get("sig", ""))
        if not parameters or parameters["container"] != container or any(
                self.query.get(name) != value for name, value in parameters.items() if name != "container"):
            raise Refused(403, "AuthenticationFailed")
        if datetime.datetime.fromisoformat(parameters["se"].replace("Z", "+00:00")).timestamp() < time.time():
            raise Refused(403, "AuthenticationFailed")
        needed = {"PUT": "w", "DELETE": "d"}.get(self.command, "l" if self.query.get("comp") == "list" else "r")
        if needed not in parameters["sp"]:
            raise Refused(403, "AuthorizationPermissionMismatch")

    # Containers

    def of_container(self, name):
        azure = self.server.azure
        if self.query.get("restype") != "container":
            raise Refused(400, "InvalidUri")
        if self.command == "PUT":
            if name in azure.containers:
                raise Refused(409, "ContainerAlreadyExists")
            azure.containers[name] = {}
            return self.answer(201)
        blobs = self.container(name)
        if self.query.get("comp") == "list":
            return self.list(name, blobs)
        if self.command == "DELETE":
            del azure.containers[name]
            return self.answer(202)
        return self.answer(200)

    def container(self, name):
        if name not in self.server.azure.containers:
            raise Refused(404, "ContainerNotFound")
        return self.server.azure.containers[name]

    def list(self, container, blobs):
        azure = self.server.azure
        prefix = self.query.get("prefix", "")
        # The marker is opaque to clients.
        after = base64.urlsafe_b64decode(self.query.get("marker", "")).decode()
        names = sorted((name for name in blobs if name.startswith(prefix)), key=lambda name: name.encode())
        rest = [name for name in names if not after or name.encode() > after.encode()]
        page = rest[:min(int(self.query.get("maxresults", 5000)), azure.page_size)]
        entries = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Creation-Time>{blobs[name].modified}</Creation-Time>"
            f"<Last-Modified>{blobs[name].modified}</Last-Modified><Etag>{blobs[name].etag}</Etag>"
            f"<Content-Length>{len(blobs[name].body)}</Content-Length><Content-Type>{escape(blobs[name].content_type)}</Content-Type>"
            f"<Content-Encoding /><Content-MD5>{blobs[name].md5 or ''}</Content-MD5><BlobType>BlockBlob</BlobType>"
            "<AccessTier>Hot</AccessTier><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
            "</Properties><OrMetadata /></Blob>" for name in page)
        marker = base64.urlsafe_b64encode(page[-1].encode()).decode() if len(page) < len(rest) else ""
        text = (
            f'\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="{azure.endpoint}/" '
            f'ContainerName="{container}"><Prefix>{escape(prefix)}</Prefix><Blobs>{entries}</Blobs>'
            + (f"<NextMarker>{marker}</NextMarker>" if marker else "<NextMarker />") + "</EnumerationResults>")
        return self.answer(200, {"Content-Type": "application/xml"}, text.encode())

    # Blobs

    def of_blob(self, container, name):
        azure = self.server.azure
        blobs = self.container(container)
        if self.command == "PUT":
            digest = base64.b64encode(hashlib.md5(self.body).digest()).decode()
            if self.headers.get("Content-MD5", digest) != digest:
                raise Refused(400, "Md5Mismatch")
            if self.query.get("comp") == "block":
                azure.blocks.setdefault((container, name), {})[self.query["blockid"]] = self.body
                return self.answer(201)
            if self.query.get("comp") == "blocklist":
                known = azure.blocks.get((container, name), {})
                wanted = [element.text for element in xml.etree.ElementTree.fromstring(self.body)]
                if any(block not in known for block in wanted):
                    raise Refused(400, "InvalidBlockList")
                blob = Blob(
                    b"".join(known[block] for block in wanted),
                    self.headers.get("x-ms-blob-content-type", "application/octet-stream"),
                    self.headers.get("x-ms-blob-content-md5"))
                azure.blocks[container, name] = {block: known[block] for block in wanted}
            else:
                if self.headers.get("x-ms-blob-type") != "BlockBlob":
                    raise Refused(400, "InvalidHeaderValue")
                content_type = self.headers.get("x-ms-blob-content-type") or self.headers.get("Content-Type")
                blob = Blob(self.body, content_type or "application/octet-stream", digest)
                azure.blocks.pop((container, name), None)
            blobs[name] = blob
            return self.answer(201, {"ETag": f'"{blob.etag}"', "Last-Modified": blob.modified})
        if name not in blobs:
            raise Refused(404, "BlobNotFound")
        blob = blobs[name]
        if self.command == "DELETE":
            del blobs[name]
            return self.answer(202)
        headers = {
            "ETag": f'"{blob.etag}"', "Last-Modified": blob.modified, "Content-Type": blob.content_type,
            "x-ms-blob-type": "BlockBlob", "Accept-Ranges": "bytes"}
        wanted = self.headers.get("x-ms-range") or self.headers.get("Range")
        if wanted:
            first, last = wanted.removeprefix("bytes=").split("-")
            if int(first) >= len(blob.body):
                raise Refused(416, "InvalidRange")
            part = blob.body[int(first):int(last) + 1 if last else None]
            headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(blob.body)}"
            return self.answer(206, headers, part)
        if blob.md5:
            headers["Content-MD5"] = blob.md5
        return self.answer(200, headers, blob.body)

    # Identities

    def identity(self, path):
        azure = self.server.azure
        if path == "/metadata/identity/oauth2/token":
            if self.headers.get("Metadata") != "true" or self.query.get("resource") != RESOURCE:
                return self.json(400, {"error": "invalid_request", "error_description": "Required metadata header not specified"})
            if azure.identity_role is None:
                return self.json(400, {"error": "invalid_request", "error_description": "Identity not found"})
            # The metadata service gives numbers as texts.
            end = str(int(time.time() + azure.token_lifetime))
            return self.json(200, {
                "access_token": azure.issue(), "expires_on": end, "expires_in": str(azure.token_lifetime),
                "resource": RESOURCE, "token_type": "Bearer"})
        if path == "/msi/token":
            if self.headers.get("X-IDENTITY-HEADER") != azure.app_header or self.query.get("resource") != RESOURCE:
                return self.json(401, {"statusCode": 401, "message": "wrong header"})
            return self.json(200, {
                "access_token": azure.issue(), "expires_on": str(int(time.time() + azure.token_lifetime)),
                "resource": RESOURCE, "token_type": "Bearer"})
        if path.endswith("/oauth2/v2.0/token"):
            form = dict(urllib.parse.parse_qsl(self.body.decode()))
            proven = (
                form.get("client_assertion") == azure.federated_token and form.get("client_assertion_type")
                == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" or form.get("client_secret") == "secret-of-the-application")
            if not proven or form.get("scope") != RESOURCE + ".default" or form.get("grant_type") != "client_credentials":
                shown = form.get("client_assertion") or form.get("client_secret")
                return self.json(401, {
                    "error": "invalid_client",
                    "error_description": f"AADSTS700016: {shown} is not for this application.\r\nTrace ID: 1"})
            return self.json(200, {"token_type": "Bearer", "expires_in": azure.token_lifetime, "access_token": azure.issue()})
        return self.json(404, {})

    # Answers

    def json(self, status, value):
        return self.answer(status, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def refuse(self, status, code, headers=None):
        text = MESSAGES.get(code, "It does not work.")
        body = (
            f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{text}\nRequestId:1\n'
            f"Time:{datetime.datetime.now(datetime.timezone.utc).isoformat()}</Message></Error>").encode()
        return self.answer(
            status, {"x-ms-error-code": code, "Content-Type": "application/xml"} | (headers or {}), body)

    def answer(self, status, headers=None, body=b""):
        azure = self.server.azure
        with azure.lock:
            azure.requests.append((self.command, self.path, status))
        self.send_response(status)
        for name, value in ({"x-ms-request-id": "1", "x-ms-version": "2020-10-02"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault == "truncated":
            body = body[:len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)


def main():
    server = AzureServer()
    server.page_size = int(sys.argv[1]) if len(sys.argv) > 1 else server.page_size
    server.containers["shared"] = {}
    print(f"endpoint={server.endpoint}")
    print(f"account={ACCOUNT}")
    print(f"key={KEY}")
    print(f"reader_sas={server.sas('shared', 'rl')}")
    print(f"expired_sas={server.sas('shared', 'rwdl', lifetime=-60)}")
    print("app_header=" + server.app_header)
    print("federated_token=" + server.federated_token, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
