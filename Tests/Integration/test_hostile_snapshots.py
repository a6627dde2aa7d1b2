"""Snapshots that are large beyond reason once they are uncompressed: what they cost a daemon."""

import time
import zlib

import pytest

from lab import lmdbs
from lab.syncer import database

MIB = 1 << 20
# In the storage for all: what the daemon may take altogether, code and libraries included.
LIMIT = 48 * MIB


class Gzip:
    """Compresses as it goes, because what is uncompressed would not fit."""

    def __init__(self):
        self.compressor = zlib.compressobj(9, wbits=31)
        self.bytes = b""

    def write(self, data):
        self.bytes += self.compressor.compress(data)

    def zeros(self, count):
        block = bytes(MIB)
        for _ in range(count // MIB):
            self.write(block)
        self.write(bytes(count % MIB))

    def end(self):
        return self.bytes + self.compressor.flush()


def varint(value):
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data) + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


START = varint(1 << 3) + varint(3) + varint(4 << 3) + varint(1)
NAME = field(1, b"entries")


def tag(number):
    return varint(number << 3 | 2)


def large_entry(size, damaged=False):
    """One DBI with an entry whose value has so many bytes."""
    head = field(1, b"key") + tag(2) + varint(size)
    entry = len(head) + size
    dbi_head = NAME + tag(2) + varint(entry)
    gzip = Gzip()
    gzip.write(START + tag(3) + varint(len(dbi_head) + entry) + dbi_head + head)
    gzip.zeros(size)
    object = gzip.end()
    return object[:-8] + bytes(8) if damaged else object


def many_entries(total):
    """One DBI with entries that have so many bytes together."""
    def entry(number):
        return field(2, field(1, b"%08d" % number) + field(2, bytes(100_000)))

    count = total // 100_000
    gzip = Gzip()
    gzip.write(START + tag(3) + varint(len(NAME) + count * len(entry(0))) + NAME)
    for number in range(count):
        gzip.write(entry(number))
    return gzip.end()


def unknown_field(size):
    """A field that nobody knows, in the message and in a DBI."""
    gzip = Gzip()
    gzip.write(START + tag(77) + varint(size))
    gzip.zeros(size)
    return gzip.end()[:-8] + bytes(8)


def endless_header():
    """A gzip header with a name that does not end."""
    return b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (30 * MIB)


def late_names(count):
    """DBIs whose names stand behind their entries: each is looked for ahead."""
    gzip = Gzip()
    gzip.write(START)
    body = field(2, field(1, b"k")) + field(1, b"entries")
    for _ in range(count):
        gzip.write(field(3, body))
    return gzip.end()[:-4] + bytes(4)


@pytest.mark.parametrize(
    "snapshot,map_size,says",
    [
        # More than the map: not even begun.
        (lambda: large_entry(1000 * MIB), "64MB", "could fit into the local LMDB"),
        # It might fit, but the end is wrong.
        (lambda: large_entry(400 * MIB, damaged=True), "2GB", "checksum"),
        (lambda: many_entries(320 * MIB), "64MB", "raise options.map_size"),
        (lambda: unknown_field(1000 * MIB), "64MB", "checksum"),
        (endless_header, "64MB", "truncated"),
        (lambda: late_names(100_000), "64MB", "checksum"),
    ],
    ids=["larger than the map", "large and damaged", "many", "unknown field", "endless header", "late names"])
def test_memory_of_what_is_refused(tmp_path, lightningstream, directory, snapshot, map_size, says):
    path = tmp_path / "a.lmdb"
    node = lightningstream(
        "a", {"main": database(path, create=True, map_size=map_size)}, directory.storage(),
        storage_retry_interval="100ms", storage_poll_interval="100ms", lmdb_poll_interval="100ms")
    node.start()
    node.process.wait_for_output("start-up is complete")
    directory.put("main__evil__20260101-000000-000000000__GX.pb.gz", snapshot())
    node.process.wait_for_output(says, limit=120)

    def memory(name):
        with open(f"/proc/{node.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))

    # A time of retries, which must not add up either.
    time.sleep(1)
    peak = memory("VmHWM:")
    assert peak < LIMIT, f"{peak / MIB:.0f} MiB"
    node.stop()
    assert not lmdbs.contents(path)
