"""The comparison of pages finds each change of real writers: PowerDNS, and Python's binding of liblmdb."""

import random
import subprocess

import lmdb
import pytest

from lab.paths import page_diff


class PageDiff:
    """Compares the pages of a file between one call of `changes` and the next."""

    def __init__(self, path):
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", page_diff(), path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1)
        assert self._answer() == "ready"

    def _answer(self):
        return self._process.stdout.readline().strip()

    def changes(self):
        """(changed entries, tree pages read)"""
        self._process.stdin.write("\n")
        answer = self._answer()
        assert answer and not answer.startswith(("WRONG", "ERROR")), answer or "page-diff has ended"
        return tuple(int(number) for number in answer.split())

    def end(self):
        self._process.stdin.close()
        assert self._process.wait(20) == 0
        self._process.stdout.close()


@pytest.fixture
def page_diffs():
    made = []

    def make(path):
        made.append(PageDiff(path))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_python_writes(tmp_path, page_diffs):
    path = str(tmp_path / "file.lmdb")
    draw = random.Random(1)
    with lmdb.open(path, subdir=False, max_dbs=16, map_size=1 << 28, sync=False) as environment:
        handles = {name: environment.open_db(name.encode()) for name in ("a", "b", "large")}
        several = environment.open_db(b"several", dupsort=True)

        def step(transaction, count):
            for _ in range(count):
                name = draw.choice(list(handles))
                key = b"%06d" % draw.randrange(2000)
                if draw.random() < 0.3:
                    transaction.delete(key, db=handles[name])
                else:
                    size = draw.randrange(20000) if name == "large" else draw.randrange(60)
                    transaction.put(key, bytes([draw.randrange(4)]) * size, db=handles[name])
                transaction.put(key, b"%d" % draw.randrange(50), db=several)

        with environment.begin(write=True) as transaction:
            step(transaction, 3000)
        diff = page_diffs(path)
        found = 0
        for number in range(150):
            for _ in range(draw.randrange(4)):
                transaction = environment.begin(write=True)
                step(transaction, draw.choice([1, 2, 5, 200]))
                # A transaction within it, which is aborted or becomes part of it.
                inner = environment.begin(write=True, parent=transaction)
                step(inner, 5)
                inner.abort() if draw.random() < 0.5 else inner.commit()
                transaction.abort() if draw.random() < 0.1 else transaction.commit()
            if number % 30 == 29:
                with environment.begin(write=True) as transaction:
                    transaction.drop(handles["b"], delete=False)
            found += diff.changes()[0]
        assert found > 500


@pytest.mark.parametrize("version", ["4.9", "5.x"])
def test_powerdns_writes(version, powerdns, page_diffs):
    server = powerdns("a", version).start()
    server.util("create-zone", "example.org", "ns1.example.org")
    main, shard = page_diffs(server.main), page_diffs(server.shard)
    server.api("PATCH", "/zones/example.org.", {"rrsets": [
        {"name": f"host{number}.example.org.", "type": "A", "ttl": 300, "changetype": "REPLACE",
         "records": [{"content": f"192.0.2.{number % 250}"}]} for number in range(1, 2000)]})
    assert shard.changes()[0] >= 1999
    main.changes()
    server.util("add-record", "example.org", server.owner("example.org", "www"), "A", "300", "192.0.2.1")
    changes, pages = shard.changes()
    assert 1 <= changes <= 4 and pages <= 24
    server.util("create-zone", "example.net", "ns1.example.net")
    assert main.changes()[0] >= 1 and shard.changes()[0] >= 2
    server.util("secure-zone", "example.org")
    server.util("rectify-zone", "example.org")
    assert main.changes()[0] >= 1
    shard.changes()
    server.util("delete-zone", "example.org")
    assert main.changes()[0] >= 1 and shard.changes()[0] >= 1999
    # Nothing has changed since.
    assert main.changes()[0] == 0 and shard.changes()[0] == 0
