"""A real S3 server on 127.0.0.1 that checks signatures."""

import subprocess

import boto3
import botocore.config

from lab.paths import SUPPORT
from lab.process import run


class S3Server:
    """Started by Tests/Support/s3-server; each test takes a bucket of its own on it."""

    def __init__(self, directory):
        self.directory = directory
        self.start()

    def start(self):
        """Starts it, with what it held when it was stopped; on another port, perhaps."""
        done = run([SUPPORT / "s3-server", "start", self.directory], limit=300)
        if done.returncode != 0:
            raise RuntimeError(f"no S3 server:\n{done.stderr}")
        facts = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.endpoint = facts["endpoint"]
        self.keys = facts["access_key"], facts["secret_key"]
        self.reader_keys = facts["reader_access_key"], facts["reader_secret_key"]

    def stop(self):
        subprocess.run([SUPPORT / "s3-server", "stop", self.directory], stdin=subprocess.DEVNULL, check=True, timeout=60)

    def bucket(self, name):
        """Makes a bucket."""
        client = boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=self.keys[0], aws_secret_access_key=self.keys[1],
            region_name="us-east-1", config=botocore.config.Config(
                retries={"total_max_attempts": 8}, s3={"addressing_style": "path"}))
        client.create_bucket(Bucket=name)
        return Bucket(self, client, name)


class Bucket:
    """A bucket seen through an independent client."""

    def __init__(self, server, client, name):
        self.server, self.client, self.name = server, client, name

    def storage(self, keys=None, endpoint=None, **options):
        """The `storage` section of a configuration."""
        access_key, secret_key = keys or self.server.keys
        return {
            "type": "s3",
            "options": {
                "access_key": access_key, "secret_key": secret_key, "bucket": self.name,
                "endpoint_url": endpoint or self.server.endpoint} | options}

    def names(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def get(self, name):
        return self.client.get_object(Bucket=self.name, Key=name)["Body"].read()

    def put(self, name, body):
        self.client.put_object(Bucket=self.name, Key=name, Body=body)

    def remove(self, name):
        self.client.delete_object(Bucket=self.name, Key=name)


class Directory:
    """The same for a storage of type fs."""

    def __init__(self, path):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def storage(self, **options):
        return {"type": "fs", "options": {"root_path": str(self.path)} | options}

    def names(self):
        return sorted(entry.name for entry in self.path.iterdir() if not entry.name.endswith(".tmp"))

    def get(self, name):
        return (self.path / name).read_bytes()

    def put(self, name, body):
        temporary = self.path / f"{name}.tmp"
        temporary.write_bytes(body)
        temporary.rename(self.path / name)

    def remove(self, name):
        (self.path / name).unlink()
