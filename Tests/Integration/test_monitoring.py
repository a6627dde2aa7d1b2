"""What the daemon tells: metrics as Prometheus reads them, and health."""

import json
import time
import urllib.error
import urllib.request

import lmdb
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lab import lmdbs
from lab.powerdns import MAP_SIZE
from lab.process import free_port
from lab.storage import Directory
from lab.syncer import database
from lab.waiting import eventually

BOTH = ["main", "shard"]
LIMIT = ("limit_name", "download"), ("limit_name", "decompress")


def histogram(name, *labels):
    return {(f"{name}_bucket", *labels, "le"), (f"{name}_sum", *labels), (f"{name}_count", *labels)}


def counters(prefix, *names):
    return {(prefix + name, ) if isinstance(name, str) else (prefix + name[0], *name[1:]) for name in names}


# Names and labels that dashboards for release 1.0 use, and the new ones.
SPECIFIED = (
    counters(
        "lightningstream_syncer_", ("snapshots_generated_total", "lmdb"),
        ("snapshots_generated_last_unix_seconds", "lmdb"), ("snapshots_generated_last_size_bytes", "lmdb"),
        ("snapshots_store_failed_attempts_total", "lmdb"), ("snapshots_store_failed_permanently_total", "lmdb"),
        "snapshots_store_calls_total", "snapshots_store_bytes_total", "snapshots_load_calls_total",
        "snapshots_load_bytes_total", "snapshots_list_calls_total",
        ("snapshots_load_failed_total", "lmdb", "syncer_instance"), ("snapshots_list_failed_total", "lmdb"),
        ("entries_total", "lmdb", "result"), ("fenced", "lmdb"), ("namesake", "lmdb"),
        ("clock_offset_seconds", "lmdb"), ("sends_total", "lmdb", "kind"), ("sent_bytes_total", "lmdb", "kind"),
        ("diff_pages_total", "lmdb"), ("delta_fallbacks_total", "lmdb", "reason"), ("diff_wrong", "lmdb"),
        ("pin_age_transactions", "lmdb"), ("position_lag_seconds", "lmdb", "syncer_instance"))
    | histogram("lightningstream_syncer_diff_seconds", "lmdb")
    | counters("lightningstream_receiver_", ("hints_total", "lmdb", "source"), ("listening", "lmdb"))
    | histogram("lightningstream_receiver_hint_merged_seconds", "lmdb", "source")
    | counters("lightningstream_", ("instance_last_heard_seconds", "lmdb", "syncer_instance"))
    | counters(
        "lightningstream_powerdns_", ("changes_total", "lmdb", "direction", "kind"), ("zone_findings", "severity"))
    | histogram("lightningstream_syncer_visible_latency_seconds", "lmdb", "syncer_instance")
    | histogram("lightningstream_syncer_write_lock_seconds", "lmdb")
    | counters(
        "lightningstream_receiver_", ("snapshots_last_received_seconds", "lmdb", "syncer_instance"),
        ("snapshots_in_storage_count", "lmdb"), ("snapshots_in_storage_bytes", "lmdb"),
        ("clock_skew_seconds", "lmdb", "syncer_instance"))
    | histogram("lightningstream_receiver_snapshots_last_received_age_seconds", "lmdb", "syncer_instance")
    | counters(
        "lightningstream_cleaner_", "list_calls_total", "list_failed_total", ("delete_total", "lmdb", "reason"),
        "delete_failed_total")
    | counters(
        "lightningstream_sweeper_", ("cleaned_total", "lmdb"), ("stats_available", "lmdb"),
        ("stats_total_entries", "lmdb"), ("stats_deleted_entries", "lmdb"), ("duration_seconds_sum", "lmdb"),
        ("duration_seconds_count", "lmdb"))
    | counters(
        "lightningstream_climit_", *[(name, "lmdb", "limit_name") for name in
                                     ("limit", "waiting", "active", "acquired_total")])
    | histogram("lightningstream_climit_active_seconds", "lmdb", "limit_name")
    | histogram("lightningstream_climit_waiting_seconds", "lmdb", "limit_name")
    | counters(
        "storage_s3_", ("call_timestamp_seconds", "method"), ("call_total", "method"), ("call_error_total", "method"),
        ("call_error_by_type_total", "method", "error"))
    | histogram("storage_s3_call_duration_seconds", "method")
    | counters(
        "lmdb_", *[(name, "lmdb") for name in (
            "mapsize_bytes", "env_readers_current", "env_readers_max", "env_last_tnx_id", "filesize_bytes",
            "total_usage_bytes", "total_usage_fraction", "map_headroom_fraction")],
        *[(name, "lmdb", "db") for name in ("db_usage_bytes", "stat_entries", "stat_depth")],
        ("stat_pages", "lmdb", "db", "pagetype"), ("smaps_bytes", "lmdb", "database_path", "smap"))
    | counters(
        "process_", "cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time_seconds",
        "virtual_memory_bytes", "max_fds"))


def get(port, path):
    """The status and the text of an answer; whatever hangs, there must be one."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        raise AssertionError(f"{path}: {error}") from error


def samples(port):
    """Every sample: {(name, ((label, value), …)): number}."""
    status, text = get(port, "/metrics")
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type != "unknown", family.name
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def value(found, name, **labels):
    return found.get((name, tuple(sorted(labels.items()))))


def shapes(found):
    return {(name, *sorted(label for label, _ in labels)) for name, labels in found}


@pytest.fixture
def served(lightningstream):
    """served(name, databases, storage, **settings) is an instance with its port."""

    def make(name, databases, storage, **settings):
        port = free_port()
        instance = lightningstream(name, databases, storage, http={"address": f"127.0.0.1:{port}"}, **settings)
        instance.port = port
        return instance

    return make


def test_every_name_and_label(bucket, powerdns, served):
    """Two PowerDNS servers over S3: every metric of the specification is there, under its name and with its labels."""
    storage = bucket.storage()
    storage["options"]["use_update_marker"] = True
    storage["cleanup"] = {"enabled": True, "interval": "1s"}
    a, b = powerdns("a").start(), powerdns("b").start()
    a.util("create-zone", "example.org", "ns1.example.org")
    options = {"create": True, "file_mask": "0600", "map_size": MAP_SIZE}
    syncers = [
        served(server.name, {"main": database(server.main, **options), "shard": database(server.shard, **options)},
               storage, sweeper={"enabled": True, "first_interval": "100ms"},
               storage_retry_interval="1s").start() for server in (a, b)]

    def equal():
        for left, right in (a.main, b.main), (a.shard, b.shard):
            assert right.exists()
            # Each keeps its own account of its last sync.
            found = [{name: dbi for name, dbi in lmdbs.contents(path).items() if not name.startswith("_sync")}
                     for path in (left, right)]
            assert found[0] and not lmdbs.differences(*found)
        return True

    eventually("b has what a has", equal)
    now = time.strftime("%Y%m%d-%H%M%S-000000000", time.gmtime())
    bucket.put(f"main__broken__{now}__GX.pb.gz", b"not gzip")
    # Who writes keeps the marker, too.
    bucket.put("update-marker", now.encode())

    def complete():
        found = samples(syncers[1].port)
        wanted = {(name, *sorted(labels)) for name, *labels in SPECIFIED}
        assert wanted - shapes(found) == set()
        unknown = shapes(found) - wanted
        assert unknown == set()
        return found

    found = eventually("every metric is there", complete)
    for name in BOTH:
        # 0 in a daemon that found the other's snapshots at its start: its first sweep waits. Either of them may be first.
        assert value(found, "lightningstream_sweeper_stats_available", lmdb=name) in (0, 1)
        assert value(found, "lightningstream_syncer_entries_total", lmdb=name, result="merged") > 0
        assert value(found, "lightningstream_syncer_visible_latency_seconds_count", lmdb=name, syncer_instance="a") > 0
        assert value(found, "lightningstream_syncer_write_lock_seconds_count", lmdb=name) > 0
        assert value(found, "lightningstream_receiver_snapshots_last_received_seconds", lmdb=name,
                     syncer_instance="a") > time.time() - 600
        assert value(found, "lmdb_mapsize_bytes", lmdb=name) > 0
        assert 0 < value(found, "lmdb_map_headroom_fraction", lmdb=name) < 1
        assert value(found, "lightningstream_syncer_namesake", lmdb=name) == 0
        for kind, value_of in LIMIT:
            assert value(found, "lightningstream_climit_acquired_total", lmdb=name, **{kind: value_of}) > 0
    assert value(found, "lightningstream_syncer_snapshots_load_failed_total", lmdb="main", syncer_instance="broken") >= 1
    entries = len(lmdbs.contents(b.main)["domains_v5"].entries)
    assert value(found, "lmdb_stat_entries", lmdb="main", db="domains_v5") == entries
    for method in ("list", "load", "store"):
        assert value(found, "storage_s3_call_total", method=method) > 0
    assert value(found, "storage_s3_call_total", method="delete") is not None
    # There is no update marker at first: for whoever looks first, that is a call that fails.
    assert sum(value(samples(syncer.port), "storage_s3_call_error_by_type_total", method="load", error="NotFound")
               for syncer in syncers) > 0
    assert value(found, "lmdb_smaps_bytes", lmdb="main", database_path=str(b.main), smap="rss") > 0
    bounds = [labels for name, labels in found
              if name == "lightningstream_receiver_snapshots_last_received_age_seconds_bucket"]
    assert {dict(labels)["le"] for labels in bounds} >= {"0.1", "2.592e+06", "+Inf"}

    # A damaged one is downloaded once more before it is rejected.
    def warned():
        status, text = get(syncers[1].port, "/healthz")
        health = json.loads(text)
        assert status == 200 and health["ok"] and health["status"] == "Warning" and health["has_warnings"]
        assert list(health["warnings"]) == ["main_snapshot_refused"] and health["failures"] == {}
        return health

    health = eventually("the damaged snapshot is rejected", warned)
    assert health["metadata"]["startup_main"] is True and health["metadata"]["startup_shard"] is True
    assert health["runtime"]["threads"] > 0
    for syncer in syncers:
        syncer.stop()
    states = [name for name in bucket.names() if name.endswith(".state")]
    assert states == [f"{name}__{who}.state" for name in BOTH for who in "ab"]


def test_names_that_want_to_break_out(directory, served, tmp_path):
    """DBI names are the application's, and may hold anything."""
    names = ['a"b', "back\\slash", "two\nlines", "esc\x1b[31m\u202e", 'x"} 1\nfake{y="', "ünïcödé €", "n" * 400]
    path = tmp_path / "odd.lmdb"
    lmdbs.write(path, {name: {b"k": lmdbs.stored(1, b"v")} for name in names})
    syncer = served("odd", {"main": database(path)}, directory.storage()).start()
    found = eventually("the LMDB has been looked at", lambda: (
        lambda found: found if shapes(found) >= {("lmdb_stat_entries", "db", "lmdb")} else None)(samples(syncer.port)))
    shown = {dict(labels)["db"] for name, labels in found if name == "lmdb_stat_entries"}
    # What is not printable is escaped as in JSON: what reads the metrics would act on it.
    escapes = str.maketrans({"\n": "\\n", "\x1b": "\\u001b", "\u202e": "\\u202e"})
    assert shown == {name.translate(escapes)[:128] for name in names}
    assert not any(name == "fake" for name, _ in found)
    syncer.stop()


def test_answers_before_there_is_a_storage(served, tmp_path):
    """Nobody listens where the storage should be: start-up does not end, and whoever asks is told."""
    lmdbs.write(tmp_path / "x.lmdb", {"records": {b"k": lmdbs.stored(1, b"v")}})
    storage = {"type": "s3", "options": {
        "endpoint_url": f"http://127.0.0.1:{free_port()}", "bucket": "b", "access_key": "a", "secret_key": "s"}}
    check = {"warn_duration": "1ms", "error_duration": "2ms"}
    syncer = served(
        "early", {"main": database(tmp_path / "x.lmdb")}, storage, storage_retry_interval="100ms",
        health={"storage_list": check, "start": check | {"report_healthz": True}}).start()

    def failing():
        status, text = get(syncer.port, "/healthz")
        assert status == 503
        failures = json.loads(text)["failures"]
        assert failures.keys() == {"main_storage_list_failed_duration", "main_startup_in_progress"}
        assert "listing the storage has failed for" in failures["main_storage_list_failed_duration"]
        return True

    eventually("listing fails", failing)
    assert value(samples(syncer.port), "lightningstream_syncer_snapshots_list_failed_total", lmdb="main") > 0
    assert json.loads(get(syncer.port, "/healthz")[1])["metadata"]["startup_main"] is False
    syncer.stop()
    assert "health is Unavailable" in syncer.log.read_text()


def test_a_daemon_that_is_starting_does_not_say_that_there_are_no_zones(served, directory, tmp_path):
    lmdbs.write(tmp_path / "x.lmdb", {"records": {b"k": lmdbs.stored(1, b"v")}})
    syncer = served("early", {"main": database(tmp_path / "x.lmdb")}, directory.storage(), storage_retry_interval="100ms")
    syncer.start("sync", "--wait-for-marker-file", "go")

    def answers(status, text):
        found = get(syncer.port, "/insync?zone=example.org")
        assert found[0] == status and text in found[1], found
        return True

    eventually("it is starting", lambda: answers(503, "the daemon is starting"))
    directory.put("go", b"")
    eventually("there is no PowerDNS", lambda: answers(404, "no database with"))
    syncer.stop()


def test_figures_while_another_program_holds_the_write_lock(served, directory, tmp_path):
    """A merge waits for the lock for as long as the application likes; whoever asks gets the figures of the LMDB meanwhile."""
    ours, theirs = tmp_path / "ours.lmdb", tmp_path / "theirs.lmdb"
    lmdbs.write(ours, {"records": {b"%d" % number: lmdbs.stored(1, b"v") for number in range(7)}})
    lmdbs.write(theirs, {"records": {b"new": lmdbs.stored(2, b"v")}})
    served("theirs", {"main": database(theirs)}, directory.storage()).once("sync")
    syncer = served("ours", {"main": database(ours)}, directory.storage(), storage_poll_interval="100ms")
    with lmdb.open(str(ours), subdir=False, max_dbs=8) as application, application.begin(write=True):
        syncer.start("receive")
        syncer.process.wait_for_output("downloaded a snapshot")
        time.sleep(0.5)
        for _ in range(3):
            assert get(syncer.port, "/healthz")[0] == 200
            assert value(samples(syncer.port), "lmdb_stat_entries", lmdb="main", db="records") == 7
        assert "merged a snapshot" not in syncer.log.read_text()
    syncer.process.wait_for_output("merged a snapshot")
    eventually("the figures follow", lambda: value(
        samples(syncer.port), "lmdb_stat_entries", lmdb="main", db="records") == 8)
    syncer.stop()


def test_what_goes_on_while_another_program_holds_the_write_lock(
        served, lightningstream, directory, fixture_lmdbs, tmp_path):
    """PowerDNS has the lock of its main LMDB for 3 s while a merge waits for it: that keeps nothing else waiting.

    Health, fresh figures, the comparison of the next snapshot, sends, and the check of zones that the other LMDB's merge has
    changed all come before the lock is released.
    """
    second = 2 * 10**18  # later than anything in the fixtures

    def prepared(name, changed):
        """Snapshots of the fixtures with entries of the DBIs written once more, deleted or not: {database: object}."""
        files = dict(zip(BOTH, fixture_lmdbs("pdns-4.9", name)))
        for kind, (dbi, wanted, deleted) in changed.items():
            entries = lmdbs.contents(files[kind])[dbi].entries
            found = {key: entry for key, entry in entries.items() if wanted(key) and not entry.deleted}
            assert found
            lmdbs.write(files[kind], {dbi: {
                key: lmdbs.stored(second, b"" if deleted else entry.value, deleted) for key, entry in found.items()}})
        bucket = Directory(tmp_path / f"{name}-bucket")
        lightningstream(
            name, {kind: database(file) for kind, file in files.items()}, bucket.storage()).once("sync")
        return {each.split("__")[0]: (each, bucket.get(each)) for each in bucket.names() if each.endswith(".pb.gz")}

    def told(*texts):
        found = [line for line in syncer.log.read_text().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in found if all(text in line for text in texts)]

    soa = b"\x00\x06"  # the type, in the middle of a key of PowerDNS: zone, name, type
    news = prepared("news", {"main": ("metadata_v5", lambda _: True, False)})
    known = prepared("known", {"shard": ("records_v5", lambda key: soa in key[5:], True)})
    main, shard = fixture_lmdbs("pdns-4.9")
    syncer = served(
        "ours", {"main": database(main), "shard": database(shard)}, directory.storage(), storage_poll_interval="100ms",
        lmdb_poll_interval="10s", log={"level": "debug", "format": "json"})
    syncer.start()
    eventually("all is settled", lambda: len(told("start-up is complete")) == 2)
    before = len(told("stored a snapshot", "main__ours"))
    with lmdb.open(str(main), subdir=False, max_dbs=16, map_size=0) as application:
        # What follows the snapshot after start-up goes out when the poll interval has passed.
        fresh = application.open_db(b"fresh")
        with application.begin(write=True) as transaction:
            for number in range(5):
                transaction.put(b"%d" % number, lmdbs.stored(second, b"v"), db=fresh)
        with application.begin(write=True):
            end = time.monotonic() + 3
            directory.put(*news["main"])
            eventually("the merge has begun", lambda: value(
                samples(syncer.port), "lightningstream_climit_active", lmdb="main", limit_name="decompress") == 1)
            # From here on the lock is waited for.
            assert len(told("stored a snapshot", "main__ours")) == before
            directory.put(*known["main"])
            directory.put(*known["shard"])
            eventually("the next snapshot is compared", lambda: told("merged a snapshot", "main__known"))
            eventually("sends go on", lambda: len(told("stored a snapshot", "main__ours")) > before)
            eventually("the changed zones are checked", lambda: told("soa-missing"))
            while time.monotonic() < end or value(
                    samples(syncer.port), "lmdb_stat_entries", lmdb="main", db="fresh") != 5:
                assert get(syncer.port, "/healthz")[0] == 200
            assert not told("merged a snapshot", "main__news")
            assert value(
                samples(syncer.port), "lightningstream_climit_active", lmdb="main", limit_name="decompress") == 1
    merged = eventually("the merge ends", lambda: told("merged a snapshot", "main__news"))
    assert int(merged[0]["merged"]) > 0
    syncer.stop()
