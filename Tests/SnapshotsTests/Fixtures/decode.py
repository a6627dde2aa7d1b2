#!/usr/bin/env python3
"""Decodes a snapshot with Python's gzip and Google's protobuf library: decode.py SNAPSHOT VENV

Prints what Tests/SnapshotsTests/IndependentLiveTests.swift compares with. A Python environment with the protobuf
package is made at VENV when the package is not installed.
"""
import gzip
import os
import subprocess
import sys

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError:
    python = os.path.join(sys.argv[2], "bin", "python3")
    if os.path.abspath(sys.executable) == os.path.abspath(python):
        raise
    if not os.path.exists(os.path.join(sys.argv[2], "complete")):
        subprocess.run([sys.executable, "-m", "venv", sys.argv[2]], check=True, stdout=sys.stderr)
        install = [python, "-m", "pip", "install", "--quiet", "protobuf"]
        # A package index may be busy for a moment.
        if not any(subprocess.run(install, stdout=sys.stderr).returncode == 0 for _ in range(3)):
            sys.exit("the Python package protobuf could not be installed")
        open(os.path.join(sys.argv[2], "complete"), "w").close()
    os.execv(python, [python] + sys.argv)

Field = descriptor_pb2.FieldDescriptorProto
MESSAGES = {
    "KV": [("key", 1, Field.TYPE_BYTES), ("value", 2, Field.TYPE_BYTES), ("timestampNano", 3, Field.TYPE_FIXED64),
           ("flags", 4, Field.TYPE_UINT32)],
    "DBI": [("name", 1, Field.TYPE_STRING), ("entries", 2, "KV"), ("flags", 3, Field.TYPE_UINT64),
            ("transform", 4, Field.TYPE_STRING)],
    "Meta": [("generationID", 1, Field.TYPE_STRING), ("instanceID", 2, Field.TYPE_STRING),
             ("hostname", 3, Field.TYPE_STRING), ("lmdbTxnID", 4, Field.TYPE_INT64),
             ("timestampNano", 5, Field.TYPE_FIXED64), ("databaseName", 7, Field.TYPE_STRING),
             ("fromLmdbTxnID", 8, Field.TYPE_INT64), ("from", 100, Field.TYPE_FIXED64),
             ("positions", 101, "Position"), ("readsDeltas", 102, Field.TYPE_UINT32)],
    "Position": [("instance", 1, Field.TYPE_STRING), ("timestampNano", 2, Field.TYPE_FIXED64)],
    "Snapshot": [("formatVersion", 1, Field.TYPE_UINT32), ("meta", 2, "Meta"), ("databases", 3, "DBI"),
                 ("compatVersion", 4, Field.TYPE_UINT32)],
}
file = descriptor_pb2.FileDescriptorProto(name="snapshot.proto", syntax="proto3")
for name, fields in MESSAGES.items():
    message = file.message_type.add(name=name)
    for field, number, kind in fields:
        repeated = field in ("entries", "databases", "positions")
        new = message.field.add(name=field, number=number,
                                label=Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL)
        if isinstance(kind, str):
            new.type, new.type_name = Field.TYPE_MESSAGE, "." + kind
        else:
            new.type = kind
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
Snapshot = message_factory.GetMessageClass(pool.FindMessageTypeByName("Snapshot"))

snapshot = Snapshot()
with gzip.open(sys.argv[1]) as stream:
    snapshot.ParseFromString(stream.read())
snapshot_meta = snapshot.meta
print("snapshot", snapshot.formatVersion, snapshot.compatVersion)
print("meta", snapshot_meta.generationID, snapshot_meta.instanceID, snapshot_meta.hostname, snapshot_meta.lmdbTxnID,
      snapshot_meta.timestampNano, snapshot_meta.databaseName, snapshot_meta.fromLmdbTxnID)
print("from", getattr(snapshot_meta, "from"), snapshot_meta.readsDeltas)
for position in snapshot_meta.positions:
    print("position", position.instance, position.timestampNano)
for database in snapshot.databases:
    print("database", database.name, database.flags, database.transform or "-")
    for entry in database.entries:
        print(entry.key.hex() or "-", entry.value.hex() or "-", entry.timestampNano, entry.flags)
