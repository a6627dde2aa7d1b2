"""Reads and writes snapshots with protobuf's own implementation and Python's gzip: nothing of the program under test."""

import gzip
import re
import sys
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
        assert dbi.flags == part.flags, f"parts of {part.name} differ in flags"
        assert part.transform == transform(part.flags), part.name
        for entry in part.entries:
            place = _place(part.flags, entry.key)
            assert part.name not in last_key or last_key[part.name] < place, f"{part.name} is out of order"
            assert entry.flags in (0, lmdbs.DELETED)
            last_key[part.name] = place
            dbi.entries[entry.key] = lmdbs.Entry(entry.timestampNano, entry.flags == lmdbs.DELETED, entry.value)
    return found


def transform(flags):
    """How the keys of a DBI with these flags are transformed."""
    return "dupsort_hack_v1" if flags & lmdbs.DUPSORT else ""


def _place(flags, key):
    """What keys sort by: entries come in the order of the DBI that holds their versions."""
    integers = flags & lmdbs.INTEGERKEY and not flags & lmdbs.DUPSORT
    return (len(key), int.from_bytes(key, sys.byteorder)) if integers else key


def encode(database, instance, entries, timestamp, **fields):
    """(name, object) of a snapshot of one DBI; `entries` are (key, value, timestamp, deleted).

    `fields` overrides fields of the Snapshot message.
    """
    return encode_all(database, instance, {"entries": (0, entries)}, timestamp, **fields)


def encode_all(database, instance, databases, timestamp, **fields):
    """The same of several DBIs: {name: (flags, entries)}. Old formats get only what they had."""
    message = MESSAGES["Snapshot"](**({"formatVersion": FORMAT_VERSION, "compatVersion": 1} | fields))
    meta = message.meta
    meta.generationID, meta.instanceID, meta.hostname = "GX", instance, "host"
    meta.databaseName, meta.timestampNano, meta.lmdbTxnID = database, timestamp, 1
    for name, (flags, entries) in databases.items():
        dbi = message.databases.add(name=name)
        if message.formatVersion >= 3:
            dbi.flags, dbi.transform = flags, transform(flags)
        for key, value, changed, deleted in sorted(entries, key=lambda entry: _place(flags, entry[0])):
            entry = dbi.entries.add(key=key, value=value, timestampNano=changed)
            if deleted and message.formatVersion >= 2:
                entry.flags = lmdbs.DELETED
            assert message.formatVersion >= 2 or deleted == (value == b""), "format 1: empty is deleted"
    return name_at(database, instance, timestamp), gzip.compress(message.SerializeToString())


def name_at(database, instance, timestamp):
    """The name of a snapshot that was taken at a time in ns since the epoch."""
    seconds, nanoseconds = divmod(timestamp, 1_000_000_000)
    return f"{database}__{instance}__{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{nanoseconds:09d}__GX.pb.gz"
