"""Shadow mode with an application that is no DNS server: a shop, whose LMDB has a DBI of each kind (lab/shopapp.py)."""

import random
import time

import pytest

from lab import lmdbs, shopapp, snapshots
from lab.output import is_one_line
from lab.paths import LAB, TESTS
from lab.process import Process
from lab.shopapp import CUSTOMERS, MAILBOXES, ORDERS, ORDERS_OF, SETTINGS, TAGS, at_work
from lab.syncer import shadow_database
from lab.waiting import eventually

NOW = time.time_ns()


@pytest.fixture
def shop(tmp_path, lightningstream):
    """shop("a", storage) is an instance whose shop has furnished its LMDB, or has not made it yet (furnished=False)."""

    def make(name, storage, furnished=True, dbi_options=None, dupsort_hack=True, **settings):
        path = tmp_path / f"{name}.lmdb"
        options = {}
        if furnished:
            shopapp.furnish(path)
        else:
            options = {"create": True, "map_size": "64MB"}
        settings = {"storage_retry_interval": "200ms", "lmdb_poll_interval": "200ms",
                    "storage_poll_interval": "200ms"} | settings
        databases = {"main": shadow_database(path, dbi_options, dupsort_hack, **options)}
        instance = lightningstream(name, databases, storage.storage(), **settings)
        instance.path = path
        return instance

    return make


def put(instance, *changes):
    """The application commits changes: (DBI, key, value)."""
    with at_work(instance.path) as shop, shop.transaction() as transaction:
        for change in changes:
            transaction.put(*change)


def delete(instance, *changes):
    """It deletes: (DBI, key), with the value where there may be several."""
    with at_work(instance.path) as shop, shop.transaction() as transaction:
        for change in changes:
            transaction.delete(*change)


def pairs(instance):
    """What the application sees, which has to be what the shadows say: {DBI: {(key, value)}}."""
    return {name: set(dbi.pairs) for name, dbi in lmdbs.shadowed(instance.path)[0].items()}


def furnished(instance):
    """The same before there are shadows."""
    return {name: set(dbi.pairs) for name, dbi in lmdbs.everything(instance.path).items()}


def agree(*instances):
    """Waits until the LMDBs are equal, timestamps included, and returns what all of them hold."""
    def equal():
        for instance in instances:
            assert not instance.process or instance.process.running, f"{instance.name} has ended"
        lmdbs.assert_synced(*(instance.path for instance in instances))
        return pairs(instances[0])

    return eventually("all shops are equal", equal)


def snapshots_of(storage, instance):
    return [name for name in storage.names() if name.startswith(f"main__{instance}__") and name.endswith(".pb.gz")]


def newest(storage, instance):
    """The newest snapshot of an instance, decoded."""
    return snapshots.decode(storage.get(snapshots_of(storage, instance)[-1]))


# What syncing has to do


def test_three_shops_agree(shop, storage):
    """One has everything, two have nothing; then each of them changes and deletes things of each kind."""
    a, b, c = shops = [shop("a", storage), shop("b", storage, furnished=False), shop("c", storage, furnished=False)]
    expected = furnished(a)
    for instance in shops:
        instance.start()
    eventually("all have what a had", lambda: agree(*shops) == expected)
    for instance in shops:
        assert {name: dbi.flags for name, dbi in lmdbs.shadowed(instance.path)[0].items()} == shopapp.FLAGS
    assert (shopapp.customer(0), b"the house") in expected[CUSTOMERS]

    put(a, (CUSTOMERS, shopapp.customer(0), b"a new house"), (TAGS, b"pencil", b"sold out"),
        (ORDERS_OF, b"Bob", shopapp.order_of(7)), (SETTINGS, b"currency", b""))
    put(b, (ORDERS, shopapp.order(1 << 63), b"a boat"), (MAILBOXES, b"bob@example.net", b"bob"), (SETTINGS, b"new", b"b"))
    delete(c, (CUSTOMERS, shopapp.customer(3)), (ORDERS, shopapp.order(0)), (MAILBOXES, b"org"), (TAGS, b"pencil", b"red"),
           (ORDERS_OF, b"Ada", shopapp.order_of(0)), (TAGS, b"pen", b""), (SETTINGS, b"motto"))
    expected[CUSTOMERS] -= {(shopapp.customer(0), b"the house"), (shopapp.customer(3), b"")}
    expected[CUSTOMERS] |= {(shopapp.customer(0), b"a new house")}
    expected[TAGS] ^= {(b"pencil", b"sold out"), (b"pencil", b"red"), (b"pen", b"")}
    expected[ORDERS_OF] ^= {(b"Bob", shopapp.order_of(7)), (b"Ada", shopapp.order_of(0))}
    expected[SETTINGS] = {(b"currency", b""), (b"new", b"b")}
    expected[ORDERS] ^= {(shopapp.order(1 << 63), b"a boat"), (shopapp.order(0), b"0 pencils")}
    expected[MAILBOXES] ^= {(b"bob@example.net", b"bob"), (b"org", b"org")}
    eventually("all have all changes", lambda: agree(*shops) == expected)

    # What was deleted comes back where its application puts it back.
    delete(a, (CUSTOMERS, shopapp.customer(0)))
    eventually("the house is gone", lambda: (shopapp.customer(0), b"a new house") not in agree(*shops)[CUSTOMERS])
    put(b, (CUSTOMERS, shopapp.customer(0), b"the house"))
    eventually("the house is back", lambda: (shopapp.customer(0), b"the house") in agree(*shops)[CUSTOMERS])
    for instance in shops:
        instance.stop()


def test_change_during_a_merge_is_not_overwritten(shop, directory):
    """The application holds the write lock when a merge has been planned, and commits something newer for the same entries."""
    b = shop("b", directory)
    b.start()
    eventually("start-up is over", lambda: snapshots_of(directory, "b"))
    when = time.time_ns() - 10**9
    pen = [(lmdbs.shadow_key(lmdbs.DUPSORT, b"pen", tag), tag, when, False) for tag in (b"", b"theirs")]
    news = {
        SETTINGS: (0, [(key, b"theirs", when, False) for key in (b"currency", b"motto", b"only theirs")]),
        TAGS: (lmdbs.DUPSORT, pen)}
    with at_work(b.path) as application, application.transaction() as transaction:
        transaction.put(SETTINGS, b"currency", b"ours")
        transaction.delete(SETTINGS, b"motto")
        transaction.put(TAGS, b"pen", b"ours")
        directory.put(*snapshots.encode_all("main", "x", news, when))
        b.process.wait_for_output("main__x__")
        # The merge begins at once, and hangs. Should it come later, the test shows less, but does not fail.
        time.sleep(0.5)
    eventually("it is merged", lambda: (b"only theirs", b"theirs") in pairs(b)[SETTINGS])
    found = pairs(b)
    assert found[SETTINGS] == {(b"currency", b"ours"), (b"only theirs", b"theirs")}
    assert {(b"pen", b"ours"), (b"pen", b"theirs")} <= found[TAGS]
    entries = lmdbs.shadowed(b.path)[1][SETTINGS].entries
    assert entries[b"currency"].timestamp > when and entries[b"motto"].timestamp > when
    b.stop()


def test_live_empty_values_are_kept(shop, directory):
    """Only what is deleted is deleted: an empty value is a value, here, in a snapshot, and there."""
    a, b = shop("a", directory), shop("b", directory, furnished=False)
    a.once()
    b.once("receive")
    empty = {(SETTINGS, b"motto"), (CUSTOMERS, shopapp.customer(3)), (MAILBOXES, b"postmaster@example.org"), (TAGS, b"pen")}
    for instance in (a, b):
        assert {(name, key) for name, found in pairs(instance).items() for key, value in found if not value} == empty
    sent = snapshots.contents(newest(directory, "a"))
    for name, key in empty:
        key = lmdbs.shadow_key(shopapp.FLAGS[name], key, b"")
        assert (sent[name].entries[key].value, sent[name].entries[key].deleted) == (b"", False)
    delete(a, (SETTINGS, b"motto"))
    a.once()
    b.once("receive")
    assert pairs(b)[SETTINGS] == {(b"currency", b"EUR")}
    assert snapshots.contents(newest(directory, "a"))[SETTINGS].entries[b"motto"].deleted


def test_snapshot_says_what_the_application_has(shop, directory):
    """Names and flags of the application's DBIs, its values, and none of the private DBIs."""
    a = shop("a", directory)
    a.once()
    application, versions = lmdbs.shadowed(a.path)
    message = newest(directory, "a")
    assert (message.formatVersion, message.compatVersion) == (3, 1)
    assert {dbi.name: dbi.flags for dbi in message.databases} == shopapp.FLAGS
    sent = snapshots.contents(message)
    for name, dbi in versions.items():
        assert sent[name].entries == dbi.entries, name
        assert {entry.value for entry in sent[name].entries.values()} == {value for _, value in application[name].pairs}
    # Nobody knows when it was made, so it has to give way to everything that has a time.
    assert {entry.timestamp for dbi in sent.values() for entry in dbi.entries.values()} == {1}


def test_restart_writes_nothing(shop, directory):
    a = shop("a", directory)
    a.once()
    put(a, (SETTINGS, b"currency", b"CHF"))
    a.once()
    before, sent = lmdbs.last_transaction(a.path), newest(directory, "a")
    a.once()
    assert lmdbs.last_transaction(a.path) == before
    a.start()
    count = len(directory.names())
    eventually("it has stored one", lambda: len(directory.names()) > count)
    assert lmdbs.last_transaction(a.path) == before
    a.stop()
    # When a daemon ends it records what is merged and sent.
    assert lmdbs.last_transaction(a.path) == before + 1
    assert list(newest(directory, "a").databases) == list(sent.databases)


def test_writes_of_others_cost_the_receiver_one_transaction(shop, directory):
    a, b = shop("a", directory), shop("b", directory, furnished=False)
    a.once()
    b.once("receive")
    before = lmdbs.last_transaction(b.path)
    put(a, *((SETTINGS, b"%03d" % number, b"v") for number in range(100)), (TAGS, b"pencil", b"new"))
    a.once()
    b.once("receive")
    lmdbs.assert_synced(a.path, b.path)
    assert lmdbs.last_transaction(b.path) == before + 1
    # And its own syncer, which starts anew, has nothing to add to that.
    b.once()
    assert lmdbs.last_transaction(b.path) == before + 1


def test_burst_costs_few_transactions(shop, directory):
    """Each of the application's commits is followed by a pass only if there is time for one."""
    a, b = shop("a", directory), shop("b", directory, furnished=False)
    for instance in (a, b):
        instance.start()
    agree(a, b)
    before, commits = lmdbs.last_transaction(a.path), 500
    with at_work(a.path) as application:
        for number in range(commits):
            with application.transaction() as transaction:
                transaction.put(ORDERS, shopapp.order(1000 + number % 50), b"%d" % number)
    found = agree(a, b)
    assert (shopapp.order(1049), b"%d" % (commits - 1)) in found[ORDERS]
    assert lmdbs.last_transaction(a.path) - before - commits < 50
    for instance in (a, b):
        instance.stop()


def test_applications_write_while_merges_go_on(shop, storage, logs):
    """Three applications commit all the time. What they did with keys of their own is there in the end, everywhere."""
    shops = [shop(name, storage, furnished=name == "a") for name in "abc"]
    shops[0].once()
    for instance in shops[1:]:
        instance.once()
    for instance in shops:
        instance.start()
    first_day = agree(*shops)
    writers = []
    for number, instance in enumerate(shops):
        log = logs / f"shop-{instance.name}.log"
        writers.append(Process([
            LAB / "venv/bin/python", TESTS / "lab/shopapp.py", instance.path, instance.name, 17 + number], log))
    try:
        for turn in (1, 2):
            for writer, instance in zip(writers, shops):
                eventually("many transactions", lambda: writer.output().count("\n") > 200 * turn, limit=120)
                if turn == 1 and instance is shops[1]:
                    # One syncer dies meanwhile, and starts again on what it left.
                    instance.kill()
                    instance.start()
        for writer in writers:
            assert writer.terminate() == 0, writer.output()
    finally:
        for writer in writers:
            writer.kill()
    books = shopapp.Books()
    for writer in writers:
        for line in writer.output().splitlines():
            books.enter(shopapp.read_report(line))
    expected = {name: first_day[name] | found for name, found in books.pairs.items()}
    found = agree(*shops)
    missing = {name: sorted(expected[name] - found[name])[:5] for name in expected if expected[name] - found[name]}
    shared = shopapp.keys_of(shopapp.SHARED)
    extra = [(name, *pair) for name in expected for pair in found[name] - expected[name] if (name, pair[0]) not in shared]
    assert (missing, extra) == ({}, [])
    for instance in shops:
        instance.stop()


# What it must not do


@pytest.mark.parametrize("since", [-1, 1], ids=["older", "newer"])
def test_changes_made_while_the_syncer_was_down(since, shop, directory):
    """They are later than what they changed, and earlier than everything else that has a time."""
    a = shop("a", directory)
    a.once()
    known = NOW - 10**12
    old = {SETTINGS: (0, [(b"currency", b"EUR", known, False), (b"motto", b"short", known, False),
                          (b"unit", b"metre", known, False)]),
           TAGS: (lmdbs.DUPSORT, [(lmdbs.shadow_key(lmdbs.DUPSORT, b"pen", b"red"), b"red", known, False)])}
    directory.put(*snapshots.encode_all("main", "x", old, known))
    a.once()
    delete(a, (SETTINGS, b"motto"), (TAGS, b"pen", b"red"))
    put(a, (SETTINGS, b"currency", b"CHF"), (SETTINGS, b"made here", b"v"))
    # The other side has sent its old state again, or a new one.
    when = known + 10**9 * since
    new = {SETTINGS: (0, [(b"currency", b"USD", when, False), (b"motto", b"long", when, False),
                          (b"unit", b"metre", known, False)]),
           TAGS: (lmdbs.DUPSORT, [(lmdbs.shadow_key(lmdbs.DUPSORT, b"pen", b"red"), b"red", when, False)])}
    directory.put(*snapshots.encode_all("main", "x", new, NOW))
    a.once()
    found = pairs(a)
    if since < 0:
        assert found[SETTINGS] == {(b"currency", b"CHF"), (b"unit", b"metre"), (b"made here", b"v")}
        assert (b"pen", b"red") not in found[TAGS]
    else:
        assert found[SETTINGS] == {
            (b"currency", b"USD"), (b"motto", b"long"), (b"unit", b"metre"), (b"made here", b"v")}
        assert (b"pen", b"red") in found[TAGS]
    sent = snapshots.contents(newest(directory, "a"))[SETTINGS].entries
    assert sent[b"made here"].timestamp == 1
    assert sent[b"motto"] == (lmdbs.Entry(known + 1, True, b"") if since < 0 else lmdbs.Entry(when, False, b"long"))


def test_dropped_dbi_is_not_sent(shop, directory):
    """What was in it is deleted; nobody else has to have the DBI."""
    a, b = shop("a", directory), shop("b", directory, furnished=False)
    a.start()
    eventually("a has sent all", lambda: snapshots_of(directory, "a"))
    with at_work(a.path) as application:
        application.drop(MAILBOXES)
    eventually("a has sent what is left", lambda: MAILBOXES not in snapshots.contents(newest(directory, "a")))
    application, versions = lmdbs.shadowed(a.path)
    assert MAILBOXES not in application and all(entry.deleted for entry in versions[MAILBOXES].entries.values())
    b.once()
    assert MAILBOXES not in pairs(b)
    a.stop()


def test_dropped_dbi_loses_its_entries_everywhere(shop, directory):
    """Dropping a DBI is deleting what was in it; the DBI itself comes back with the next snapshot that has it."""
    a, b = shop("a", directory), shop("b", directory, furnished=False)
    for instance in (a, b):
        instance.start()
    agree(a, b)
    with at_work(a.path) as application:
        application.drop(MAILBOXES)
    eventually("a has seen it", lambda: not pairs(a).get(MAILBOXES))
    put(b, (SETTINGS, b"news", b"of b"))
    eventually("it is there again", lambda: (b"news", b"of b") in pairs(a)[SETTINGS] and pairs(a).get(MAILBOXES) == set())
    put(a, (SETTINGS, b"news", b"of a"))
    eventually("b has none either", lambda: agree(a, b)[MAILBOXES] == set())
    put(b, (MAILBOXES, b"eve@example.org", b"eve"))
    put(a, (MAILBOXES, b"bob@example.org", b"another bob"))
    eventually("both have only what is new", lambda: agree(a, b)[MAILBOXES] == {
        (b"eve@example.org", b"eve"), (b"bob@example.org", b"another bob")})
    for instance in (a, b):
        instance.stop()


def test_receive_keeps_its_own_changes_to_itself(shop, directory):
    a, b = shop("a", directory), shop("b", directory)
    a.once()
    b.start("receive")
    put(b, (SETTINGS, b"own", b"v"))
    put(a, (SETTINGS, b"theirs", b"v"), (TAGS, b"pencil", b"theirs"))
    delete(a, (ORDERS, shopapp.order(0)))
    a.once()
    eventually("b has received it", lambda: (b"theirs", b"v") in pairs(b)[SETTINGS])
    b.stop()
    b.once("receive")
    found = pairs(b)
    assert (b"own", b"v") in found[SETTINGS]
    assert (b"pencil", b"theirs") in found[TAGS]
    assert (shopapp.order(0), b"0 pencils") not in found[ORDERS]
    assert not [name for name in directory.names() if "__b" in name]


def test_killed_while_merging(shop, directory):
    """Shadow and main are written together, at whatever moment the process dies."""
    count = 30_000
    a = shop("a", directory)
    put(a, *((ORDERS, shopapp.order(1000 + number), b"%d" % number) for number in range(count)),
        *((TAGS, b"article %d" % number, b"new") for number in range(count)))
    a.once()
    outcomes = []
    for attempt in range(12):
        b = shop(f"b{attempt}", directory, furnished=False)
        b.start("receive")
        eventually("the LMDB is there", b.path.exists)
        # Spread over the whole time of the merge, whatever that is on this machine.
        time.sleep(random.uniform(0, 0.15 * (attempt + 1)))
        b.kill()
        found = len(pairs(b).get(ORDERS, ()))
        assert found in (0, count + 7), f"killed half-way: {found} entries"
        outcomes.append((found, b))
        if found:
            break
    for _, b in (outcomes[0], outcomes[-1]):
        b.once("receive")
        lmdbs.assert_synced(a.path, b.path)


def test_killed_while_capturing(shop, directory):
    """Nothing of a change is lost when the syncer dies while it sees to it."""
    a, b = shop("a", directory), shop("b", directory, furnished=False)
    a.once()
    b.once()
    for attempt in range(5):
        a.start()
        with at_work(a.path) as application:
            for number in range(20):
                with application.transaction() as transaction:
                    for key in range(200):
                        transaction.put(ORDERS, shopapp.order(1000 + key), b"%d %d" % (attempt, number))
        time.sleep(random.uniform(0, 0.05 * attempt))
        a.kill()
        application = lmdbs.everything(a.path)[ORDERS]
        a.once()
        assert lmdbs.shadowed(a.path)[0][ORDERS] == application, "what the application has written stays"
    b.once()
    a.once()
    lmdbs.assert_synced(a.path, b.path)


# What it refuses


def refused(instance, *words):
    """`sync --only-once` fails with one line that holds all the words, stores nothing and writes nothing."""
    before = lmdbs.everything(instance.path)
    done = instance.run("sync", "--only-once")
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    for word in words:
        assert word in last, f"no {word!r} in: {done.stderr}"
    assert lmdbs.everything(instance.path) == before
    return last


def test_several_values_a_key_need_the_setting(shop, directory):
    a = shop("a", directory, dupsort_hack=False)
    refused(a, "main", "MDB_DUPSORT", "dupsort_hack")
    assert directory.names() == []
    # Nor does it make such a DBI.
    with_setting = shop("b", directory)
    with_setting.once()
    c = shop("c", directory, furnished=False, dupsort_hack=False)
    done = c.run("receive", "--only-once", "--timeout", "20s")
    assert any("MDB_DUPSORT" in line and "dupsort_hack" in line for line in done.stderr.splitlines()), done.stderr
    assert lmdbs.everything(c.path) == {}


LONG = b"x" * 501  # of "long", 502 bytes of a value have room in a transformed key

UNTRANSFORMABLE = {
    "equal": (TAGS, lmdbs.DUPSORT, [(b"long", LONG + b"x1"), (b"long", LONG + b"x2")], "long"),
    "out of order": (TAGS, lmdbs.DUPSORT, [(b"a", b"\xff"), (b"a\0\0\0\0", b"x")], "a"),
    "key of 256 bytes": (TAGS, lmdbs.DUPSORT, [(b"k" * 256, b"v")], "kkk"),
    "integers as values": (
        "numbers", lmdbs.DUPSORT | lmdbs.DUPFIXED | lmdbs.INTEGERDUP,
        [(b"many", shopapp.order(1)), (b"many", shopapp.order(256))], "many"),
    "integers as keys": (
        "numbers", lmdbs.DUPSORT | lmdbs.INTEGERKEY, [(shopapp.order(1), b"v"), (shopapp.order(256), b"v")], r"\x01"),
}


@pytest.mark.parametrize("kind", UNTRANSFORMABLE)
def test_what_a_shadow_can_not_tell_apart_or_sort(kind, shop, directory):
    name, flags, entries, key = UNTRANSFORMABLE[kind]
    a = shop("a", directory)
    a.once()
    stored = directory.names()
    lmdbs.write_plain(a.path, {name: lmdbs.Stored(flags, entries)})
    refused(a, name, key)
    assert [known for known in directory.names() if known.endswith(".pb.gz")] == [
        known for known in stored if known.endswith(".pb.gz")]
    with at_work(a.path, {name: flags}) as application, application.transaction() as transaction:
        transaction.delete(name, *entries[-1])
    if kind != "key of 256 bytes":
        a.once()
        assert entries[0] in pairs(a)[name]


def test_values_that_just_fit(shop, directory):
    """The longest values that can still be told apart, beside one that is longer than its part of the key."""
    a, b = shop("a", directory), shop("b", directory, furnished=False)
    put(a, (TAGS, b"long", LONG + b"1"), (TAGS, b"long", LONG + b"2"), (TAGS, b"other", b"y" * 511),
        (TAGS, b"k" * 255, b"v" * 300), (TAGS, b"one", b"z" * 511), (TAGS, b"one", b"z"))
    a.once()
    b.once("receive")
    lmdbs.assert_synced(a.path, b.path)
    assert (b"other", b"y" * 511) in pairs(b)[TAGS]
    delete(a, (TAGS, b"long", LONG + b"1"), (TAGS, b"one", b"z" * 511))
    a.once()
    b.once("receive")
    lmdbs.assert_synced(a.path, b.path)
    found = pairs(b)[TAGS]
    assert (b"long", LONG + b"2") in found and (b"long", LONG + b"1") not in found
    assert [value for key, value in found if key == b"one"] == [b"z"]


@pytest.mark.parametrize("name, flags", [(SETTINGS, lmdbs.DUPSORT), (SETTINGS, lmdbs.INTEGERKEY), (ORDERS, 0)])
def test_dbi_made_anew_with_other_flags(name, flags, shop, directory):
    """Its shadow does not fit any more, and nobody else's snapshots would: that is for a person to put right."""
    a = shop("a", directory)
    a.once()
    with at_work(a.path) as application:
        application.drop(name)
    entry = shopapp.order(7), b"v"
    lmdbs.write_plain(a.path, {name: lmdbs.Stored(flags, [entry])})
    refused(a, lmdbs.SHADOW + name, "drop-shadow")
    assert a.run("drop-shadow").returncode == 0
    a.once()
    assert entry in pairs(a)[name]


# Snapshots of old formats, and flags of DBIs


def old_snapshot(version, customers, flags=lmdbs.INTEGERKEY, since=0):
    entries = [(shopapp.customer(number), value, NOW + since, value is None) for number, value in customers.items()]
    entries = [(key, value or b"", when, deleted) for key, value, when, deleted in entries]
    return snapshots.encode_all("main", "x", {CUSTOMERS: (flags, entries)}, NOW + since, formatVersion=version)


@pytest.mark.parametrize("version", [1, 2])
def test_old_formats_into_dbis_that_are_there(version, shop, directory):
    """In format 1 an empty value is a deletion. Neither knows flags of DBIs: those here count."""
    directory.put(*old_snapshot(version, {0: b"their house", 1: None, 7: b"new", 256: b"far away"}))
    a = shop("a", directory)
    a.once()
    assert pairs(a)[CUSTOMERS] == {
        (shopapp.customer(number), name) for number, name in (
            (0, b"their house"), (2, b"Bob"), (3, b""), (7, b"new"), (256, b"far away"))}
    assert lmdbs.shadowed(a.path)[1][CUSTOMERS].entries[shopapp.customer(1)].deleted


def test_format_2_has_empty_values(shop, directory):
    directory.put(*old_snapshot(2, {1: b""}))
    a = shop("a", directory)
    a.once()
    assert (shopapp.customer(1), b"") in pairs(a)[CUSTOMERS]


@pytest.mark.parametrize("there", [True, False], ids=["into a DBI", "into none"])
def test_format_2_with_transformed_keys(there, shop, directory):
    """Before format 3 nothing says that keys are transformed: that the DBI here has several values a key does."""
    key = lmdbs.shadow_key(lmdbs.DUPSORT, b"pencil", b"old")
    directory.put(*snapshots.encode_all(
        "main", "x", {TAGS: (0, [(key, b"old", NOW, False)])}, NOW, formatVersion=2))
    a = shop("a", directory, furnished=there, dbi_options={TAGS: {"override_create_flags": "DUPSORT"}})
    a.once()
    assert (b"pencil", b"old") in pairs(a)[TAGS]
    assert lmdbs.everything(a.path)[TAGS].flags == lmdbs.DUPSORT


@pytest.mark.parametrize("there", [True, False], ids=["into a DBI", "into none"])
@pytest.mark.parametrize("key, value", [
    (b"pencil", b"no transformed key"), (b"pencil\0\0\0\0new\6", b"old"), (b"pencil\0\0\0\0new\7", b"new"),
    (b"\0\0\0\0new\0", b"new"), (b"pencil\0\0\0\0new\xff", b"new")])
def test_transformed_keys_are_checked(key, value, there, shop, directory):
    """A snapshot with one that is none, or not that of its value, is refused whole, wherever it tells of the transform."""
    entries = [(lmdbs.shadow_key(lmdbs.DUPSORT, b"pen", b"good"), b"good", NOW, False), (key, value, NOW, False)]
    directory.put(*snapshots.encode_all("main", "x", {TAGS: (lmdbs.DUPSORT, entries)}, NOW))
    a = shop("a", directory, furnished=there)
    before = lmdbs.everything(a.path) if there else {}
    done = a.run("receive", "--only-once")
    assert any("refused" in line and TAGS in line for line in done.stderr.splitlines()), done.stderr
    assert {name: dbi for name, dbi in lmdbs.everything(a.path).items() if not name.startswith("_sync")} == before


def test_transform_may_be_told_behind_the_entries(shop, directory):
    """As protobuf's own libraries write it, in the order of the fields' numbers."""
    entries = [(lmdbs.shadow_key(lmdbs.DUPSORT, b"pen", tag), tag, NOW, False) for tag in (b"blue", b"cheap")]
    directory.put(*snapshots.encode_all("main", "x", {TAGS: (lmdbs.DUPSORT, entries)}, NOW))
    a = shop("a", directory, furnished=False)
    a.once("receive")
    assert pairs(a) == {TAGS: {(b"pen", b"blue"), (b"pen", b"cheap")}}


@pytest.mark.parametrize("version", [1, 2])
def test_old_formats_do_not_tell_how_to_make_a_dbi(version, shop, directory):
    directory.put(*old_snapshot(version, {0: b"house", 256: b"far away"}))
    a = shop("a", directory, furnished=False)
    done = a.run("receive", "--only-once", "--timeout", "3s")
    assert done.returncode == 75
    lines = [line for line in done.stderr.splitlines() if "override_create_flags" in line]
    assert lines and all(CUSTOMERS in line and f"format version {version}" in line for line in lines), done.stderr
    assert lmdbs.everything(a.path) == {}

    a = shop("b", directory, furnished=False, dbi_options={CUSTOMERS: {"override_create_flags": "MDB_INTEGERKEY"}})
    a.once("receive")
    application, _ = lmdbs.shadowed(a.path)
    assert application[CUSTOMERS].flags == lmdbs.INTEGERKEY
    assert application[CUSTOMERS].pairs == [(shopapp.customer(0), b"house"), (shopapp.customer(256), b"far away")]


def test_flags_of_the_configuration_win_over_those_of_the_snapshot(shop, directory):
    keys = [b"a.example", b"b.test"]
    directory.put(*snapshots.encode_all(
        "main", "x", {"hosts": (0, [(key, b"v", NOW, False) for key in keys])}, NOW))
    a = shop("a", directory, furnished=False, dbi_options={"hosts": {"override_create_flags": "REVERSEKEY"}})
    a.once("receive")
    assert lmdbs.everything(a.path)["hosts"] == lmdbs.Stored(lmdbs.REVERSEKEY, [(key, b"v") for key in keys])
    # They are for making one only.
    b = shop("b", directory, dbi_options={SETTINGS: {"override_create_flags": "REVERSEKEY"}})
    b.once("receive")
    assert lmdbs.everything(b.path)[SETTINGS].flags == 0


# What looks at it


def test_dump_and_stats_show_what_is_whose(shop, directory):
    a = shop("a", directory)
    a.once()
    delete(a, (SETTINGS, b"motto"))
    a.once()
    before = a.path.read_bytes()
    stats = a.run("stats").stdout
    for name in shopapp.FLAGS:
        for dbi in (name, lmdbs.SHADOW + name):
            assert any(line.split()[:1] == [dbi] for line in stats.splitlines()), f"no {dbi} in {stats}"
    lines = a.run("dump").stdout.splitlines()
    assert "currency = EUR" in lines, "the application's values have no header"
    assert any(line.startswith("currency = {") and line.endswith("} EUR") for line in lines)
    assert any(line.startswith("motto = {") and line.endswith(", Deleted}") for line in lines)
    assert not any("no header" in line for line in lines)
    assert not any(line.startswith("motto") and "{" not in line for line in lines)
    hidden = a.run("dump", "--hide").stdout.splitlines()
    assert "currency = EUR" in hidden and not any("_sync" in line or "{" in line for line in hidden)
    assert a.path.read_bytes() == before, "looking changes nothing"


def test_dump_of_a_snapshot_shows_flags_and_transform(shop, directory):
    a = shop("a", directory)
    a.once()
    name = [name for name in directory.names() if name.endswith(".pb.gz")][-1]
    done = a.run("snapshots", "dump", name)
    assert (done.returncode, done.stderr) == (0, "")
    heads = [line for line in done.stdout.splitlines() if line.startswith("# ")]
    assert any(TAGS in line and "MDB_DUPSORT" in line and "dupsort_hack_v1" in line for line in heads), heads
    assert any(CUSTOMERS in line and "MDB_INTEGERKEY" in line for line in heads), heads
    assert lmdbs.SHADOW not in done.stdout


def test_wrong_file_is_one_clear_line(shop, directory):
    """A shadow that somebody else has written into is an error that says where, not a guess."""
    a = shop("a", directory)
    a.once()
    lmdbs.write_plain(a.path, {lmdbs.SHADOW + SETTINGS: lmdbs.Stored(0, [(b"currency", b"no header")])})
    last = refused(a, lmdbs.SHADOW + SETTINGS, "currency", "drop-shadow")
    assert is_one_line(last + "\n")
