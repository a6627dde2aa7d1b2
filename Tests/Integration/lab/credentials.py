"""Stubs of the services that hand out AWS credentials: the metadata service of EC2 instances, the service of containers, and an STS."""

import datetime
import http.server
import json
import threading
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

SESSION = "metadata-session-token=="
ROLE = "zones-role"
ROLES = "/latest/meta-data/iam/security-credentials/"
CONTAINER = "/v1/credentials"


class CredentialService:
    """Hands out `keys`, which expire after `lifetime` seconds, to those who ask as they should; `status` is an error for all instead."""

    def __init__(self, keys, lifetime=3600):
        self.keys, self.lifetime, self.status = keys, lifetime, None
        self.token = "container-token"  # of the header Authorization of containers
        self.web_token = "web-identity-token"
        self.base_keys = None  # those of a caller of AssumeRole
        self.issued = 0
        self.requests = []  # (method, path or STS action)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.service = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def end(self):
        self._server.shutdown()
        self._server.server_close()

    def issue(self):
        self.issued += 1
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.lifetime)
        return {"AccessKeyId": self.keys[0], "SecretAccessKey": self.keys[1],
                "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def answer(self, status, text=""):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_method(self, method):
        service = self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        form = dict(urllib.parse.parse_qsl(body.decode())) if method == "POST" else {}
        service.requests.append((method, form.get("Action", self.path)))
        if service.status:
            return self.answer(service.status)
        if method == "POST":
            return self.sts(service, form, body)
        if self.path == CONTAINER:
            if self.headers.get("Authorization") != service.token:
                return self.answer(403, json.dumps({"code": "AccessDenied", "message": "wrong token"}))
            return self.answer(200, json.dumps(service.issue()))
        if (method, self.path) == ("PUT", "/latest/api/token"):
            lifetime = int(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", 0))
            return self.answer(200, SESSION) if 1 <= lifetime <= 21600 else self.answer(400)
        if self.headers.get("X-aws-ec2-metadata-token") != SESSION:
            return self.answer(401)
        if self.path == ROLES:
            return self.answer(200, ROLE)
        if self.path == ROLES + ROLE:
            return self.answer(200, json.dumps({"Code": "Success", "Type": "AWS-HMAC"} | service.issue()))
        return self.answer(404)

    do_GET = lambda self: self.handle_method("GET")
    do_PUT = lambda self: self.handle_method("PUT")
    do_POST = lambda self: self.handle_method("POST")

    def sts(self, service, form, body):
        action = form["Action"]
        allowed = (
            form.get("WebIdentityToken") == service.web_token if action == "AssumeRoleWithWebIdentity"
            else self.is_signed(service, body))
        if not allowed or not form.get("RoleArn"):
            return self.answer(403, (
                "<ErrorResponse><Error><Code>AccessDenied</Code>"
                f"<Message>Not authorized with {form.get('WebIdentityToken')}</Message></Error></ErrorResponse>"))
        fields = "".join(f"<{name}>{value}</{name}>" for name, value in service.issue().items())
        return self.answer(200, (
            f"<{action}Response><{action}Result><Credentials>{fields}</Credentials></{action}Result></{action}Response>"))

    def is_signed(self, service, body):
        """Whether botocore would sign the request in the same way with the keys of the caller."""
        names = self.headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        request = botocore.awsrequest.AWSRequest(
            "POST", f"http://{self.headers['Host']}{self.path}", {name: self.headers[name] for name in names}, body)
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        region = self.headers["Authorization"].split("Credential=")[1].split("/")[2]
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(*service.base_keys), "sts", region)
        canonical = signer.canonical_request(request)
        signature = signer.signature(signer.string_to_sign(request, canonical), request)
        return self.headers["Authorization"].endswith(f"Signature={signature}")
