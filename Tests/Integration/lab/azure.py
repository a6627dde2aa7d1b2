"""Containers on the Azure server of Tests/Support, seen through Microsoft's client."""

import sys

from azure.storage.blob import BlobServiceClient

from lab.paths import SUPPORT

sys.path.insert(0, str(SUPPORT))

from azure_server import ACCOUNT, KEY, AzureServer  # noqa: E402


class Container:
    """A container of its own; the same as lab.storage.Bucket."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.client = BlobServiceClient(
            server.endpoint, credential={"account_name": ACCOUNT, "account_key": KEY}).create_container(name)

    def storage(self, key=KEY, **options):
        """The `storage` section of a configuration."""
        keys = {"account_key": key} if key else {}
        return {"type": "azure", "options": {
            "account_name": ACCOUNT, "container": self.name, "endpoint_url": self.server.endpoint} | keys | options}

    def names(self):
        return sorted(blob.name for blob in self.client.list_blobs())

    def get(self, name):
        return self.client.download_blob(name).readall()

    def put(self, name, body):
        self.client.upload_blob(name, body, overwrite=True)

    def remove(self, name):
        self.client.delete_blob(name)


__all__ = ["ACCOUNT", "KEY", "AzureServer", "Container"]
