"""Stand-ins for S3 services; see the script s3-kinds. Each is strict where its service is, and answers in its way.

The hosts are s3.localhost and those below it: BUCKET.s3.localhost, and REGION.s3.localhost where there are several regions.
"""
import base64
import datetime
import hashlib
import itertools
import re
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY, SECRET_KEY = "labaccesskey", "labsecretkey123"
HOST = "s3.localhost"
PAGE = 7  # A server may return fewer than were asked for.


@dataclass
class Kind:
    """What is special about a service. The defaults are those of AWS."""
    regions: set = field(default_factory=lambda: {"us-east-1"})  # empty: any
    wrong_region: str = "AuthorizationHeaderMalformed"
    names_region: bool = False  # in each error
    streaming: bool = True
    equal_parts: bool = False
    key_count: bool = True
    encodes: bool = True  # encoding-type=url
    quotes_listed: bool = True
    quotes_completed: bool = True
    opaque_etags: bool = False  # of objects made of parts
    refused_headers: str = ""  # a pattern
    refusal: tuple = (501, "NotImplemented")
    forbids_signed: set = field(default_factory=set)  # headers that a front end changes
    overloaded: int = 0  # each upload of this number is answered with 503
    versions: bool = False
    constraint: set = None  # permitted LocationConstraints; None for any
    classes: set = field(default_factory=lambda: {"STANDARD"})
    moves: dict = field(default_factory=dict)  # the region of buckets whose names end so


KINDS = {
    "r2": Kind(
        regions={"auto", "us-east-1"}, wrong_region="InvalidRegionName", streaming=False, equal_parts=True,
        refused_headers="x-amz-(acl|grant-.*|tagging|object-lock-.*|website-redirect-location|server-side-encryption)",
        constraint={"", "auto", "us-east-1"}, classes={"STANDARD", "STANDARD_IA"}),
    "b2": Kind(
        regions={"us-west-004"}, refused_headers="x-amz-(checksum-.*|sdk-checksum-algorithm|website-redirect-location)",
        refusal=(400, "InvalidArgument"), overloaded=3, versions=True),
    # Its front end changes Accept-Encoding; the region of a signature is not looked at.
    "gcs": Kind(
        regions=set(), streaming=False, key_count=False, opaque_etags=True, forbids_signed={"accept-encoding"},
        constraint={"", "EU", "US"}, classes={"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"}),
    "ceph": Kind(regions=set(), key_count=False, quotes_listed=False, quotes_completed=False, constraint={"", "default"}),
    "garage": Kind(regions={"garage"}, names_region=True, constraint={"", "garage"}),
    "wasabi": Kind(regions={"eu-central-2"}, encodes=False, moves={"-301": "ap-south-1", "-307": "ap-south-1", "-308": "ap-south-1"}),
    "scaleway": Kind(
        regions={"fr-par"}, quotes_listed=False, constraint={"", "fr-par"}, classes={"STANDARD", "ONEZONE_IA", "GLACIER"}),
}


class Refused(Exception):
    def __init__(self, status, code, message="", headers=(), **elements):
        self.status, self.code, self.message, self.headers, self.elements = status, code, message, headers, elements


class Bucket:
    def __init__(self):
        self.objects = {}  # key: list of (bytes or None, etag); the last one counts
        self.uploads = {}

    def current(self):
        return {key: versions[-1] for key, versions in self.objects.items() if versions[-1][0] is not None}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do(self):
        try:
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                self.close_connection = True
                raise Refused(411, "MissingContentLength")
            self.handle_s3()
        except Refused as refused:
            elements = dict(refused.elements)
            if self.server.kind.names_region:
                elements.setdefault("Region", min(self.server.kind.regions))
            more = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements.items())
            self.answer(
                refused.status, f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message>{more}</Error>",
                refused.headers)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do

    def answer(self, status, text="", headers=(), body=None):
        data = body if body is not None else (b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode() if text else b"")
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        length = dict(headers).get("Content-Length")
        if length is None:
            self.send_header("Content-Length", str(len(data)))
        if text:
            self.send_header("Content-Type", "application/xml")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # MARK: who asks for what

    def handle_s3(self):
        kind = self.server.kind
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        host, _, port = self.headers["Host"].partition(":")
        self.region = None  # of this host
        if host.endswith("." + HOST) and host.removesuffix("." + HOST).split(".")[-1] in kind.moves.values():
            host, self.region = host.removesuffix("." + HOST), host.removesuffix("." + HOST).split(".")[-1]
            label, is_virtual = host.rpartition(".")[0], "." in host
        elif host == HOST or re.fullmatch(r"[\d.]+", host):
            label, is_virtual = "", False
        elif host.endswith("." + HOST):
            label, is_virtual = host.removesuffix("." + HOST), True
        else:
            raise Refused(400, "InvalidRequest", f"no such host {host}")
        path = unquote(url.path)
        self.bucket_name, self.key = (label, path[1:]) if is_virtual else (path[1:].split("/", 1) + [""])[:2]
        self.is_virtual = is_virtual
        self.redirect(port)
        self.authenticate()
        self.check_headers()
        operation = "bucket" if not self.key else "object"
        getattr(self, f"{operation}_{self.command}", self.unknown)()

    def unknown(self):
        raise Refused(501, "NotImplemented")

    def redirect(self, port):
        """A bucket of another region has a host of its own."""
        for suffix, region in self.server.kind.moves.items():
            if self.bucket_name.endswith(suffix) and self.region != region:
                status = int(suffix[1:])
                host = f"{region}.{HOST}:{port}"
                headers = [("x-amz-bucket-region", region)]
                elements = {}
                if status == 301:
                    elements["Endpoint"] = host
                else:
                    named = f"{self.bucket_name}.{host}" if self.is_virtual else host
                    headers.append(("Location", f"http://{named}{self.path}"))
                code = "TemporaryRedirect" if status == 307 else "PermanentRedirect"
                raise Refused(status, code, "The bucket must be addressed using the specified endpoint.", headers, **elements)

    def authenticate(self):
        kind = self.server.kind
        authorization = self.headers.get("Authorization", "")
        match = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]*)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)",
            authorization)
        if not match:
            raise Refused(400, "InvalidRequest", "only signatures of version 4 are accepted")
        access, day, region, signed, signature = match.groups()
        date = self.headers["x-amz-date"]
        moment = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if abs((datetime.datetime.now(datetime.timezone.utc) - moment).total_seconds()) > 900 or date[:8] != day:
            raise Refused(403, "RequestTimeTooSkewed")
        regions = {self.region} if self.region else kind.regions
        if regions and region not in regions:
            if kind.wrong_region == "InvalidRegionName":
                raise Refused(400, kind.wrong_region, f"The region name '{region}' is not valid.")
            right = min(regions)
            raise Refused(
                400, kind.wrong_region, f"The authorization header is malformed; the region '{region}' is wrong; expecting '{right}'",
                Region=right)
        names = set(signed.split(";"))
        unsigned = {name.lower() for name in self.headers if name.lower().startswith("x-amz-")} - names
        if unsigned or "host" not in names or "x-amz-content-sha256" not in names:
            raise Refused(403, "AccessDenied", f"There were headers present in the request which were not signed: {unsigned}")
        if access != ACCESS_KEY:
            raise Refused(403, "InvalidAccessKeyId")
        request = AWSRequest(self.command, f"http://{self.headers['Host']}{self.path}", data=self.body)
        for name in names - kind.forbids_signed:
            request.headers[name] = self.headers[name]
        for name in names & kind.forbids_signed:
            request.headers[name] = self.headers[name] + ",gzip(gfe)"
        request.context["timestamp"] = date
        signer = S3SigV4Auth(Credentials(access, SECRET_KEY), "s3", region)
        if signature != signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request):
            raise Refused(403, "SignatureDoesNotMatch")
        said = self.headers["x-amz-content-sha256"]
        if said.startswith("STREAMING-"):
            if not kind.streaming:
                raise Refused(501, "NotImplemented", f"{said} not implemented")
            raise Refused(400, "IncompleteBody", "this stand-in cannot decode it")
        if said != hashlib.sha256(self.body).hexdigest():
            raise Refused(400, "XAmzContentSHA256Mismatch")

    def check_headers(self):
        kind = self.server.kind
        for name in self.headers:
            if kind.refused_headers and re.fullmatch(kind.refused_headers, name.lower()):
                raise Refused(*kind.refusal, f"Unsupported header '{name}' received for this API call.")
        if not kind.streaming and "aws-chunked" in self.headers.get("Content-Encoding", ""):
            raise Refused(501, "NotImplemented", "aws-chunked not implemented")
        md5 = self.headers.get("Content-MD5")
        if md5 and md5 != base64.b64encode(hashlib.md5(self.body).digest()).decode():
            raise Refused(400, "BadDigest")
        if self.headers.get("x-amz-storage-class", "STANDARD") not in kind.classes:
            raise Refused(400, "InvalidStorageClass")

    @property
    def bucket(self):
        if self.bucket_name not in self.server.buckets:
            raise Refused(404, "NoSuchBucket")
        return self.server.buckets[self.bucket_name]

    # MARK: buckets

    def bucket_PUT(self):
        kind = self.server.kind
        constraint = re.search("<LocationConstraint>(.*)</LocationConstraint>", self.body.decode())
        if kind.constraint is not None and (constraint.group(1) if constraint else "") not in kind.constraint:
            raise Refused(400, "InvalidLocationConstraint")
        if self.bucket_name in self.server.buckets:
            raise Refused(409, "BucketAlreadyOwnedByYou")
        self.server.buckets[self.bucket_name] = Bucket()
        self.answer(200)

    def bucket_GET(self):
        kind = self.server.kind
        if self.query.get("list-type") != "2":
            raise Refused(501, "NotImplemented")
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter", "")
        after = self.query.get("start-after", "")
        if token := self.query.get("continuation-token"):
            try:
                after = base64.b64decode(token.removeprefix("]"), validate=True).decode()
            except ValueError:
                raise Refused(400, "InvalidArgument", "the continuation token is not valid") from None
        limit = min(PAGE, int(self.query.get("max-keys", 1000)))
        found, folders = [], []
        current = self.bucket.current()
        is_cut = False
        last = ""
        for key in sorted(current, key=str.encode):
            if not key.startswith(prefix) or key.encode() <= after.encode() or (folders and key.startswith(folders[-1])):
                continue
            if len(found) + len(folders) == limit:
                is_cut = True
                break
            rest = key[len(prefix):]
            if delimiter and delimiter in rest:
                folder = prefix + rest.split(delimiter)[0] + delimiter
                if folder.encode() <= after.encode() or after.startswith(folder):
                    continue
                folders.append(folder)
                last = folder + "\U0010ffff"
            else:
                found.append(key)
                last = key
        is_encoded = kind.encodes and self.query.get("encoding-type") == "url"
        shown = (lambda key: quote(key, safe="/")) if is_encoded else escape
        text = f"<ListBucketResult><Name>{self.bucket_name}</Name><Prefix>{shown(prefix)}</Prefix><MaxKeys>{limit}</MaxKeys>"
        for key in found:
            data, etag = current[key]
            etag = escape(f'"{etag}"', {'"': "&quot;"}) if kind.quotes_listed else etag
            text += (f"<Contents><Key>{shown(key)}</Key><LastModified>2026-11-20T17:39:55.000Z</LastModified><ETag>{etag}</ETag>"
                     f"<Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>")
        text += "".join(f"<CommonPrefixes><Prefix>{shown(folder)}</Prefix></CommonPrefixes>" for folder in folders)
        if kind.key_count:
            text += f"<KeyCount>{len(found) + len(folders)}</KeyCount>"
        if is_encoded:
            text += "<EncodingType>url</EncodingType>"
        text += f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>"
        if is_cut:
            text += f"<NextContinuationToken>]{base64.b64encode(last.encode()).decode()}</NextContinuationToken>"
        self.answer(200, text + "</ListBucketResult>")

    # MARK: objects

    def take_upload(self):
        with self.server.lock:
            number = next(self.server.uploads)
        if self.server.kind.overloaded and number % self.server.kind.overloaded == self.server.kind.overloaded - 1:
            raise Refused(503, "SlowDown", "Please reduce your request rate.")

    def keep(self, data, etag):
        versions = self.bucket.objects.setdefault(self.key, [])
        if not self.server.kind.versions:
            versions.clear()
        versions.append((data, etag))

    def object_PUT(self):
        bucket = self.bucket
        self.take_upload()
        etag = hashlib.md5(self.body).hexdigest()
        if "uploadId" in self.query:
            upload = bucket.uploads.get(self.query["uploadId"])
            if upload is None:
                raise Refused(404, "NoSuchUpload")
            upload[int(self.query["partNumber"])] = (self.body, etag)
        else:
            self.keep(self.body, etag)
        self.answer(200, headers=[("ETag", f'"{etag}"')])

    def object_POST(self):
        bucket, kind = self.bucket, self.server.kind
        if "uploads" in self.query:
            name = base64.b64encode(f"{self.key}+{next(self.server.numbers)}".encode()).decode()
            bucket.uploads[name] = {}
            self.answer(200, f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>")
            return
        upload = bucket.uploads.get(self.query.get("uploadId"))
        if upload is None:
            raise Refused(404, "NoSuchUpload")
        named = []
        for part in ElementTree.fromstring(self.body):
            values = {element.tag.rpartition("}")[2]: element.text for element in part}
            number = int(values["PartNumber"])
            if number not in upload or upload[number][1] != values["ETag"].strip('"'):
                raise Refused(400, "InvalidPart")
            named.append(upload[number][0])
        if any(len(part) < 5 << 20 for part in named[:-1]):
            raise Refused(400, "EntityTooSmall")
        if kind.equal_parts and (len({len(part) for part in named[:-1]}) > 1 or len(named[-1]) > len(named[0])):
            raise Refused(400, "InvalidPart", "All non-trailing parts must have the same length.")
        data = b"".join(named)
        digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in named))
        etag = "-" + base64.b64encode(digest.digest()).decode() if kind.opaque_etags else f"{digest.hexdigest()}-{len(named)}"
        self.keep(data, etag)
        del bucket.uploads[self.query["uploadId"]]
        shown = f"&quot;{etag}&quot;" if kind.quotes_completed else etag
        self.answer(200, f"<CompleteMultipartUploadResult><ETag>{shown}</ETag></CompleteMultipartUploadResult>")

    def object_GET(self):
        found = self.bucket.current().get(self.key)
        if found is None:
            raise Refused(404, "NoSuchKey")
        data, etag = found
        self.answer(200, headers=[("ETag", f'"{etag}"'), ("Content-Length", str(len(data)))], body=data)

    object_HEAD = object_GET

    def object_DELETE(self):
        bucket = self.bucket
        if "uploadId" in self.query:
            bucket.uploads.pop(self.query["uploadId"], None)
        elif self.server.kind.versions and self.key in bucket.objects:
            # The object is only hidden.
            bucket.objects[self.key].append((None, ""))
        else:
            bucket.objects.pop(self.key, None)
        self.answer(204)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def __init__(self, kind):
        super().__init__(("127.0.0.1", 0), Handler)
        self.kind, self.buckets, self.lock = kind, {}, threading.Lock()
        self.numbers, self.uploads = itertools.count(), itertools.count()


def main():
    for name, kind in KINDS.items():
        server = Server(kind)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"{name}={server.server_port}")
    print(flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
