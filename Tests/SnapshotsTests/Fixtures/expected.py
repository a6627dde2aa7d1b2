#!/usr/bin/env python3
"""Prints what is in an LMDB file, as text to compare with: expected.py FILE.mdb > FILE.txt

Needs py-lmdb (pip install lmdb). A line "[name] flags=N" starts a DBI; then one line an entry, in LMDB's order:
key, whole value with header, timestamp, deleted (0 or 1), application value; bytes in hexadecimal, "-" for none.
"""
import struct
import sys

import lmdb

env = lmdb.open(sys.argv[1], subdir=False, readonly=True, lock=False, max_dbs=64)
with env.begin() as txn:
    names = [bytes(name) for name, _ in txn.cursor()]
    for name in names:
        db = env.open_db(name, txn=txn, create=False)
        flags = sum(bit for key, bit in (("reverse_key", 0x02), ("dupsort", 0x04), ("integerkey", 0x08))
                    if db.flags(txn)[key])
        print(f"[{name.decode()}] flags={flags}")
        for key, value in txn.cursor(db=db):
            timestamp, _, version, bits, _, extensions = struct.unpack(">QQBBIH", value[:24])
            assert version == 0
            payload = value[24 + 8 * extensions:]
            print(key.hex() or "-", value.hex(), timestamp, bits & 1, payload.hex() or "-")
