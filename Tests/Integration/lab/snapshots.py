"""Reads and writes snapshots with protobuf's own implementation and Python's gzip: nothing of the program under test."""

import gzip
import re
import time
from dataclasses import dataclass

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from lab import lmdbs

FORMAT_VERSION = 3
_NAME = re.compile(r"([^_].*?)__([a-zA-Z0-9-]+)__(\d{8}-\d{6}-\d{9})__(GX)\.pb\.gz")

# The message types: field name, number, type, and "repeated" where there may be several.
_MESSAGES = {
    "Snapshot": [
        ("formatVersion", 1, "uint32"), ("meta", 2, "Meta"), ("databases", 3, "DBI", "repeated"),
        ("compatVersion", 4, "uint32")],
    "Meta": [
        ("generationID", 1, "string"), ("instanceID", 2, "string"), ("hostname", 3, "string"), ("lmdbTxnID", 4, "int64"),
        ("timestampNano", 5, "fixed64"), ("databaseName", 7, "string"), ("fromLmdbTxnID", 8, "int64")],
    "DBI": [("name", 1, "string"), ("entries", 2, "KV", "repeated"), ("flags", 3, "uint64"), ("transform", 4, "string")],
    "KV": [("key", 1, "bytes"), ("value", 2, "bytes"), ("timestampNano", 3, "fixed64"), ("flags", 4, "uint32")],
}


def _message_classes():
    file = descriptor_pb2.FileDescriptorProto(name="snapshot.proto", package="snapshot", syntax="proto3")
    field_type = descriptor_pb2.FieldDescriptorProto
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind, *label in fields:
            field = described.field.add(
                name=name, number=number,
                label=field_type.LABEL_REPEATED if label else field_type.LABEL_OPTIONAL)
            if kind in _MESSAGES:
                field.type, field.type_name = field_type.TYPE_MESSAGE, f".snapshot.{kind}"
            else:
                field.type = getattr(field_type, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"snapshot.{name}")) for name in _MESSAGES}


MESSAGES = _message_classes()


@dataclass
class Name:
    database: str
    instance: str
    timestamp: str
    generation: str


def parse_name(text):
    match = _NAME.fullmatch(text)
    assert match, f"not the name of a snapshot: {text}"
    return Name(*match.groups())


def decode(compressed):
    """The Snapshot message of an object; gzip's checksums are verified on the way."""
    message = MESSAGES["Snapshot"]()
    message.ParseFromString(gzip.decompress(compressed))
    return message


def contents(message):
    """The entries as lmdbs.contents gives them; checks what every writer must keep to."""
    found = {}
    last_key = {}
    for part in message.databases:
        dbi = found.setdefault(part.name, lmdbs.DBI(part.flags))
        assert dbi.flags == part.flags and part.transform == "", f"parts of {part.name} differ in flags or transform"
        for entry in part.entries:
            assert part.name not in last_key or last_key[part.name] < entry.key, f"{part.name} is out of order"
            assert entry.flags in (0, lmdbs.DELETED)
            last_key[part.name] = entry.key
            dbi.entries[entry.key] = lmdbs.Entry(entry.timestampNano, entry.flags == lmdbs.DELETED, entry.value)
    return found


def encode(database, instance, entries, timestamp, **fields):
    """(name, object) of a snapshot of one DBI; `entries` are (key, value, timestamp, deleted).

    `fields` overrides fields of the Snapshot message.
    """
    message = MESSAGES["Snapshot"](**({"formatVersion": FORMAT_VERSION, "compatVersion": 1} | fields))
    meta = message.meta
    meta.generationID, meta.instanceID, meta.hostname = "GX", instance, "host"
    meta.databaseName, meta.timestampNano, meta.lmdbTxnID = database, timestamp, 1
    dbi = message.databases.add(name="records_v5")
    for key, value, changed, deleted in sorted(entries):
        dbi.entries.add(key=key, value=value, timestampNano=changed, flags=lmdbs.DELETED if deleted else 0)
    return name_at(database, instance, timestamp), gzip.compress(message.SerializeToString())


def name_at(database, instance, timestamp):
    """The name of a snapshot that was taken at a time in ns since the epoch."""
    seconds, nanoseconds = divmod(timestamp, 1_000_000_000)
    return f"{database}__{instance}__{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{nanoseconds:09d}__GX.pb.gz"
