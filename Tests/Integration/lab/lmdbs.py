"""Reads LMDBs with py-lmdb, which shares no code with the program under test, and compares them entry by entry.

Those of shadow mode are read as what they are: the application's DBIs, and their versions, timestamps and all, in others.
"""

import os
import struct
from dataclasses import dataclass, field

import lmdb

HEADER = struct.Struct(">QQBB4sH")  # timestamp, transaction, version, flags, reserved, number of 8-byte extensions
DELETED = 0x01
SHADOW = "_sync_shadow_"  # how the name of the DBI with the versions of an application's DBI starts
REVERSEKEY, DUPSORT, INTEGERKEY, DUPFIXED, INTEGERDUP = 0x02, 0x04, 0x08, 0x10, 0x20
_FLAGS = {
    REVERSEKEY: "reverse_key", DUPSORT: "dupsort", INTEGERKEY: "integerkey", DUPFIXED: "dupfixed", INTEGERDUP: "integerdup"}


@dataclass(frozen=True)
class Entry:
    """One value without its header; what differs between nodes by nature (the writing transaction) is left out."""

    timestamp: int  # ns since the epoch
    deleted: bool
    value: bytes


@dataclass
class DBI:
    flags: int
    entries: dict = field(default_factory=dict)  # by key, in the LMDB's order


def entry(stored):
    """Takes a stored value apart and checks everything that a writer must keep to."""
    assert len(stored) >= HEADER.size, f"value of {len(stored)} bytes has no header: {stored.hex()}"
    timestamp, _, version, flags, reserved, extensions = HEADER.unpack_from(stored)
    assert version == 0, f"header version {version}"
    assert flags & ~DELETED == 0, f"unknown flags {flags:#x}"
    assert reserved == bytes(4), f"reserved bytes {reserved.hex()}"
    value = bytes(stored[HEADER.size + 8 * extensions:])
    assert not (flags & DELETED and value), f"deleted entry with a value of {len(value)} bytes"
    return Entry(timestamp, bool(flags & DELETED), value)


def stored(timestamp, value=b"", deleted=False, transaction=1):
    """A value as an application with native schema writes it."""
    return HEADER.pack(timestamp, transaction, 0, DELETED if deleted else 0, bytes(4), 0) + value


class opened:
    """`with opened(path) as environment`: the LMDB for reading, beside any process that uses it.

    An LMDB that its application has not made yet, or is just making, is an AssertionError, for which `eventually` waits.
    """

    def __init__(self, path, **options):
        options = {"subdir": False, "readonly": True, "max_dbs": 64, "map_size": 0, "create": False} | options
        if options["readonly"]:
            file = os.path.join(path, "data.mdb") if options["subdir"] else path
            # liblmdb opens an empty file for reading by writing its first pages, which fails with EBADF.
            assert os.path.exists(file) and os.path.getsize(file), f"{file}: nobody has made this LMDB yet"
        self._environment = lmdb.open(str(path), **options)

    def __enter__(self):
        return self._environment

    def __exit__(self, *_):
        self._environment.close()


@dataclass
class Stored:
    """A DBI as it is: all (key, value) in the LMDB's order, several with the same key where that may be."""

    flags: int
    pairs: list


def everything(path, **options):
    """Everything in an LMDB, as of one transaction: {DBI name: Stored}."""
    found = {}
    with opened(path, **options) as environment:
        with environment.begin() as transaction:
            with transaction.cursor() as cursor:
                names = [bytes(key) for key in cursor.iternext(keys=True, values=False)]
        # Handles have to be opened outside of a transaction, all entries read inside one: changes come in between else.
        handles = {name: environment.open_db(name, create=False) for name in names}
        with environment.begin() as transaction:
            for name, handle in handles.items():
                flags = sum(bit for bit, flag in _FLAGS.items() if handle.flags(transaction)[flag])
                with transaction.cursor(handle) as cursor:
                    found[name.decode()] = Stored(flags, [(bytes(key), bytes(value)) for key, value in cursor])
    return found


def contents(path, **options):
    """Everything in an LMDB whose values have headers: {DBI name: DBI}."""
    return {
        name: DBI(dbi.flags, {key: entry(value) for key, value in dbi.pairs})
        for name, dbi in everything(path, **options).items()}


def last_transaction(path):
    """LastTxnID: it moves with every committed write transaction and with nothing else."""
    with opened(path) as environment:
        return environment.info()["last_txnid"]


def differences(left, right, limit=12):
    """Lines that say how two results of `contents` differ; none when they are equal. Private DBIs are each node's own."""
    lines = []
    for name in sorted(name for name in left.keys() | right.keys() if not name.startswith("_sync")):
        if name not in left or name not in right:
            lines.append(f"{name}: only {'right' if name in right else 'left'} has it")
            continue
        one, other = left[name], right[name]
        if one.flags != other.flags:
            lines.append(f"{name}: flags {one.flags:#x} and {other.flags:#x}")
        for key in sorted(one.entries.keys() | other.entries.keys()):
            if one.entries.get(key) != other.entries.get(key):
                lines.append(f"{name} {key.hex()}: {one.entries.get(key)} and {other.entries.get(key)}")
    if len(lines) > limit:
        lines[limit:] = [f"and {len(lines) - limit} more"]
    return lines


def assert_equal(*paths):
    """Fails unless all LMDBs hold the same keys, values, timestamps and marks of deletion."""
    first = contents(paths[0])
    for path in paths[1:]:
        found = differences(first, contents(path))
        assert not found, f"{paths[0]} and {path} differ:\n" + "\n".join(found)
    return first


def shadow_key(flags, key, value):
    """The key under which the shadow of a DBI with these flags keeps an entry."""
    if not flags & DUPSORT:
        return key
    return key + bytes(4) + value[:511 - len(key) - 5] + bytes([len(key)])


def shadowed(path, **options):
    """What an LMDB in shadow mode holds: (the application's DBIs {name: Stored}, their versions {name: DBI}).

    Fails unless each of the application's DBIs is equal to the live part of its shadow.
    """
    found = everything(path, **options)
    application = {name: dbi for name, dbi in found.items() if not name.startswith("_sync")}
    versions = {
        name.removeprefix(SHADOW): DBI(dbi.flags, {key: entry(value) for key, value in dbi.pairs})
        for name, dbi in found.items() if name.startswith(SHADOW)}
    for name in application.keys() | versions.keys():
        main, shadow = application.get(name, Stored(0, [])), versions.get(name, DBI(0))
        entries = {shadow_key(main.flags, key, value): value for key, value in main.pairs}
        assert len(entries) == len(main.pairs), f"{name}: entries that one shadow can't tell apart"
        live = {key: entry.value for key, entry in shadow.entries.items() if not entry.deleted}
        differ = sorted(key for key in entries.keys() | live.keys() if entries.get(key) != live.get(key))
        assert not differ, f"{path}, {name}: {len(differ)} differ from the shadow, the first is {differ[0].hex()}: " \
            f"{entries.get(differ[0])} and {shadow.entries.get(differ[0])}"
        if name in application and name in versions:
            wanted = 0 if main.flags & DUPSORT else main.flags & INTEGERKEY
            assert shadow.flags == wanted, f"{name} has the flags {main.flags:#x}, its shadow {shadow.flags:#x}"
    return application, versions


def assert_synced(*paths):
    """Fails unless all LMDBs hold the same DBIs of the application and the same versions; returns those as `shadowed`."""
    first = shadowed(paths[0])
    for path in paths[1:]:
        application, versions = shadowed(path)
        found = differences(first[1], versions)
        assert not found, f"the versions in {paths[0]} and {path} differ:\n" + "\n".join(found)
        assert application == first[0], f"the application's DBIs in {paths[0]} and {path} differ"
    return first


def write(path, databases, **options):
    """Writes stored values as an application would: {DBI name: {key: value, with its header}}."""
    options = {"subdir": False, "max_dbs": 64, "map_size": 1 << 28} | options
    with lmdb.open(str(path), **options) as environment:
        handles = {name: environment.open_db(name.encode()) for name in databases}
        with environment.begin(write=True) as transaction:
            for name, entries in databases.items():
                for key, value in entries.items():
                    transaction.put(key, value, db=handles[name])


def write_plain(path, databases, **options):
    """Makes DBIs without headers and puts entries into them: {DBI name: Stored}."""
    with opened(path, **({"readonly": False, "create": True, "map_size": 1 << 28} | options)) as environment:
        handles = open_all(environment, {name: dbi.flags for name, dbi in databases.items()})
        with environment.begin(write=True) as transaction:
            for name, dbi in databases.items():
                for key, value in dbi.pairs:
                    transaction.put(key, value, db=handles[name])


def open_all(environment, flags):
    """{name: handle} of DBIs, which are made with these flags where they are missing: {name: flags}."""
    return {
        name: environment.open_db(name.encode(), **{word: bool(bits & bit) for bit, word in _FLAGS.items()})
        for name, bits in flags.items()}
