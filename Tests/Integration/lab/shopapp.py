"""An application that is no DNS server: a mail order shop that keeps everything in one LMDB, with a DBI of each kind.

It knows nothing of syncing. Tests use it in their own process, or run it as one that goes on writing:

    shopapp.py LMDB OWNER SEED

It then commits one transaction after another until it gets SIGTERM, with keys of its own and some that all shops change. Once
one is committed it reports what it did with its own, as a line of JSON:
[[DBI, key in hex, value in hex, whether it is gone], ...].
"""

import contextlib
import json
import random
import signal
import struct
import sys
import time
from pathlib import Path

import lmdb

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab import lmdbs

MAP_SIZE = 64 << 20

SETTINGS = "settings"  # name -> text, which may be empty
CUSTOMERS = "customers"  # number (4 bytes) -> name; number 0 is the shop itself
ORDERS = "orders"  # number (8 bytes) -> what was ordered
MAILBOXES = "mailboxes"  # mail address, sorted from its end -> name
TAGS = "tags"  # article -> its tags, several
ORDERS_OF = "orders_of"  # name of a customer -> numbers of orders, several; big-endian, so that they sort as bytes

FLAGS = {
    SETTINGS: 0, CUSTOMERS: lmdbs.INTEGERKEY, ORDERS: lmdbs.INTEGERKEY, MAILBOXES: lmdbs.REVERSEKEY, TAGS: lmdbs.DUPSORT,
    ORDERS_OF: lmdbs.DUPSORT | lmdbs.DUPFIXED}


def customer(number):
    return struct.pack("=I", number)


def order(number):
    return struct.pack("=Q", number)


def order_of(number):
    return struct.pack(">Q", number)


class Shop:
    """The application at work: its LMDB is open until `close`."""

    def __init__(self, path, flags=None):
        # The application leaves flushing to disk to the kernel: what tests want to see is visible at once.
        self.environment = lmdb.open(
            str(path), subdir=False, max_dbs=64, map_size=MAP_SIZE, sync=False, metasync=False)
        self.handles = lmdbs.open_all(self.environment, FLAGS if flags is None else flags)

    def close(self):
        self.environment.close()

    @contextlib.contextmanager
    def transaction(self):
        """Puts and deletes inside are committed together."""
        with self.environment.begin(write=True) as transaction:
            yield Transaction(transaction, self.handles)

    def drop(self, name):
        """Removes a DBI."""
        with self.environment.begin(write=True) as transaction:
            transaction.drop(self.handles.pop(name))


class Transaction:
    def __init__(self, transaction, handles):
        self.transaction, self.handles = transaction, handles

    def put(self, name, key, value):
        self.transaction.put(key, value, db=self.handles[name])

    def delete(self, name, key, value=b""):
        """Removes a key, or one of its values where it may have several."""
        self.transaction.delete(key, value, db=self.handles[name])


@contextlib.contextmanager
def at_work(path, flags=None):
    """`with at_work(path) as shop`: the application for a moment."""
    shop = Shop(path, flags)
    try:
        yield shop
    finally:
        shop.close()


def furnish(path):
    """What a shop has on its first day: something of each kind, key 0 and empty values included."""
    with at_work(path) as shop, shop.transaction() as change:
        change.put(SETTINGS, b"currency", b"EUR")
        change.put(SETTINGS, b"motto", b"")
        for number, name in enumerate((b"the house", b"Ada", b"Bob", b"")):
            change.put(CUSTOMERS, customer(number), name)
        # On this machine integers don't sort as their bytes do.
        for number in (0, 1, 255, 256, 65536, 1 << 40, (1 << 64) - 1):
            change.put(ORDERS, order(number), b"%d pencils" % number)
        for address in (b"ada@example.org", b"bob@example.org", b"ada@example.net", b"org"):
            change.put(MAILBOXES, address, address.split(b"@")[0])
        change.put(MAILBOXES, b"postmaster@example.org", b"")
        for tag in (b"cheap", b"red", b"x" * 400):
            change.put(TAGS, b"pencil", tag)
        change.put(TAGS, b"pen", b"")
        for number in (0, 1, 256):
            change.put(ORDERS_OF, b"Ada", order_of(number))


NUMBERS = range(40)
SHARED = b"s"  # an owner whose keys every shop changes


def key_of(name, owner, number):
    """A key that only this owner (a byte) uses, for a number of `NUMBERS`."""
    if name in (CUSTOMERS, ORDERS):
        return customer(owner[0] << 8 | number) if name == CUSTOMERS else order(owner[0] << 40 | number)
    if name in (TAGS, ORDERS_OF):
        return b"%d of %s" % (number % 7, owner)  # few keys, with several values each
    return b"%d@%s.example" % (number, owner)


def keys_of(owner):
    """All of them: {(DBI, key)}."""
    return {(name, key_of(name, owner, number)) for name in FLAGS for number in NUMBERS}


def random_changes(generator, owner):
    """What one shop does in one transaction with keys of this owner: [(DBI, key, value, gone)].

    `gone` says that the key is deleted; where a key may have several values, that this one is.
    """
    changes = []
    for _ in range(generator.randint(1, 6)):
        name, number, gone = generator.choice(list(FLAGS)), generator.choice(NUMBERS), generator.random() < 0.3
        if name == TAGS:
            value = b"tag %d" % number
        elif name == ORDERS_OF:
            value = order_of(number)
        else:
            value = b"" if generator.random() < 0.1 else b"%d" % generator.randrange(1000)
        changes.append((name, key_of(name, owner, number), value, gone))
    return changes


def apply(change, changes):
    """Makes such changes within a transaction."""
    for name, key, value, gone in changes:
        if gone:
            change.delete(name, key, value)
        else:
            change.put(name, key, value)


class Books:
    """What an LMDB has to hold after the changes that were entered here: {DBI: {(key, value)}}."""

    def __init__(self):
        self.pairs = {name: set() for name in FLAGS}

    def enter(self, changes):
        for name, key, value, gone in changes:
            several = FLAGS[name] & lmdbs.DUPSORT
            self.pairs[name] -= {pair for pair in self.pairs[name] if pair == (key, value) or pair[0] == key and not several}
            if not gone:
                self.pairs[name].add((key, value))


def report(changes):
    return json.dumps([[name, key.hex(), value.hex(), gone] for name, key, value, gone in changes])


def read_report(line):
    return [(name, bytes.fromhex(key), bytes.fromhex(value), gone) for name, key, value, gone in json.loads(line)]


def keep_writing(path, owner, seed):
    wanted = []
    signal.signal(signal.SIGTERM, lambda *_: wanted.append("end"))
    generator = random.Random(seed)
    with at_work(path) as shop:
        while not wanted:
            changes = random_changes(generator, owner)
            with shop.transaction() as change:
                apply(change, changes + random_changes(generator, SHARED))
            print(report(changes), flush=True)
            # Bursts, with pauses in which a syncer may find nothing to do.
            time.sleep(generator.choice((0, 0, 0, 0.002, 0.03)))


if __name__ == "__main__":
    keep_writing(sys.argv[1], sys.argv[2].encode(), int(sys.argv[3]))
