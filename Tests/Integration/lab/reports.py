"""Reports as /status.json shows them, made up."""

import datetime

NOW = datetime.datetime(2026, 11, 21, 3, 12, 45, tzinfo=datetime.UTC)


def time(seconds_ago):
    return (NOW - datetime.timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def snapshot(database, instance, seconds_ago, size=None):
    at = NOW - datetime.timedelta(seconds=seconds_ago)
    return {"name": f"{database}__{instance}__{at:%Y%m%d-%H%M%S}-000000000__GX.pb.gz", "time": time(seconds_ago)} | (
        {"size": size} if size else {})


def instance(database, name, seconds_ago, *, waits=0, latency=0.42, skew=0, has=None, health="OK", own=False):
    newest = snapshot(database, name, seconds_ago, 1_834_221)
    found = {"name": name, "is_own": own, "newest": newest}
    if own:
        return found
    found |= {"lag": waits, "latency": latency, "clock_skew": skew}
    found["merged"] = snapshot(database, name, seconds_ago + 300) if waits else newest
    found["merged_at"] = time(max(0, seconds_ago - 0.4))
    return found | ({"health": health, "merged_of_ours": has["name"]} if health else {})


def dbi(name, entries, depth=3, flags="0"):
    leaves = entries // 40 + 1
    return {"name": name, "entries": entries, "depth": depth, "branch_pages": leaves // 60, "leaf_pages": leaves,
            "overflow_pages": entries // 9000, "bytes": leaves * 4096, "flags": flags}


def history(merges=2):
    minutes = []
    for index in range(60):
        count = (index * 7) % 5 % 3 * merges if index % 11 else 0
        minute = {"time": time(3600 - 60 * index), "merges": count, "sends": 1 if index % 9 == 0 else 0,
                  "entries": count * (3 + index % 17)}
        if count:
            minute["latency"] = 0.3 + (index * 13 % 29) / 20
        minutes.append(minute)
    return minutes


def database(name, entries, map_size, used, instances, sent):
    dbis = [dbi("domains_v5", entries // 9, 2), dbi("domains_v5_0", entries // 9, 2, "MDB_DUPSORT|MDB_DUPFIXED"),
            dbi("keydata_v5", 211, 1), dbi("metadata_v5", 612, 2), dbi("pdns", 4, 1)]
    if name == "shard":
        dbis = [dbi("records_v5", entries, 4), dbi("rrsets_v5", entries // 3, 3)]
    activities = []
    for index in range(9):
        merge = index % 4 != 2
        who = ["ns2", "ns3-fra"][index % 2] if merge else "ns1"
        activities.append({
            "time": time(4 + index * 97), "kind": "merge" if merge else "send", "instance": who,
            "snapshot": snapshot(name, who, 5 + index * 97)["name"], "entries": entries + index, "size": 1_834_221,
            "duration": 0.21 + index / 40} | (
                {"lock": 0.003 + index / 1000, "changed": 3 + index * 41} if merge else {}))
    return {
        "name": name, "path": f"/var/lib/powerdns/pdns.lmdb{'-0' if name == 'shard' else ''}",
        "lmdb": {"map_size": map_size, "used_bytes": used, "dbi_bytes": sum(one["bytes"] for one in dbis),
                 "file_size": used, "last_transaction": 184_467, "readers": 5, "maximum_readers": 126, "dbis": dbis},
        "startup_complete": True, "unsent": False,
        "storage": {"snapshots": len(instances) + 2, "bytes": 11_005_326, "listed": time(0.6)}, "sent": sent,
        "instances": instances, "history": history(), "activities": activities}


def healthy():
    """Two databases of three instances; everything is well."""
    databases = []
    for name, entries, map_size, used in ("main", 48_213, 1 << 30, 96_534_528), ("shard", 1_204_551, 1 << 34, 4_831_838_208):
        sent = snapshot(name, "ns1", 41, 1_834_221)
        databases.append(database(name, entries, map_size, used, [
            instance(name, "ns1", 41, own=True), instance(name, "ns2", 5, has=sent),
            instance(name, "ns3-fra", 102, has=sent, latency=1.27),
            instance(name, "old-release", 8112, health=None, latency=None)], sent))
        databases[-1]["instances"][-1].pop("latency")
    return {
        "version": 1, "software": "lightningstream 0.3.0", "instance": "ns1", "hostname": "dns-ams-1.example.net",
        "time": time(0), "started": time(11_520), "mode": "sync",
        "health": {"status": "OK", "since": time(11_505), "failures": {}, "warnings": {}}, "databases": databases,
        "zones": {"count": 5_357, "changed": [
            {"name": name, "time": time(ago), "instance": who, "database": where} for name, ago, who, where in (
                ("example.org.", 5, "ns2", "shard"), ("example.net.", 41, "ns1", "shard"),
                ("xn--bcher-kva.example.", 102, "ns3-fra", "main"), ("2.0.192.in-addr.arpa.", 1804, "ns2", "shard"))]},
        "problems": [{"time": time(5440), "database": "main", "count": 3,
                      "text": "list s3://dns-eu/ at https://s3.example.net: Timeout: no answer within 10 s"}]}


def twenty():
    """Twenty instances; one has not merged the newest of one database."""
    report = healthy()
    for one in report["databases"]:
        name, sent = one["name"], one["sent"]
        one["instances"] = [
            instance(name, f"ns{number}", 3 + number, own=number == 1, has=sent) for number in range(1, 21)]
        if name == "shard":
            one["instances"][6] = instance(name, "ns7", 200, waits=120, has=snapshot(name, "ns1", 3000))
    return report


def lagging():
    """One instance has sent what is not merged yet."""
    report = healthy()
    one = report["databases"][1]
    sent = one["sent"]
    one["instances"][2] = instance("shard", "ns3-fra", 312, waits=287.4, latency=94.2, skew=41.6, health="Warning",
                                   has=snapshot("shard", "ns1", 3000))
    one["unsent"] = True
    report["health"] |= {"status": "Warning", "since": time(190), "warnings": {
        "shard_clock_skew": "the clock of ns3-fra is 41.6 s ahead of ours: check NTP on its host; its changes win over "
                            "newer ones of others until then"}}
    one["lmdb"]["used_bytes"] = int(one["lmdb"]["map_size"] * 0.871)
    assert sent
    return report


def failing():
    """The storage can't be reached, and a database may not send."""
    report = lagging()
    report["health"] |= {"status": "Unavailable", "since": time(1265), "failures": {
        "main_storage_list_failed_duration":
            "listing has failed for 21 min: list s3://dns-eu/ at https://s3.example.net: DNSError: cannot resolve host",
        "shard_storage_store_failed_duration":
            "storing has failed for 18 min: PUT shard__ns1__20261121-025501-000000000__GX.pb.gz: AccessDenied"}}
    report["databases"][0]["fence"] = (
        "it has not synced for 12 days, longer than the retention of 10 days: run `lightningstream resync main`")
    report["databases"][0]["lmdb"]["used_bytes"] = int(report["databases"][0]["lmdb"]["map_size"] * 0.968)
    report["problems"][:0] = [
        {"time": time(3), "database": "shard", "count": 109,
         "text": "PUT shard__ns1__20261121-025501-000000000__GX.pb.gz: AccessDenied"},
        {"time": time(8), "database": "main", "count": 1263,
         "text": "list s3://dns-eu/ at https://s3.example.net: DNSError: cannot resolve host"}]
    return report


def starting():
    """A process that has just come up: one database is not open yet, the other one is empty."""
    report = healthy()
    report |= {"started": time(2), "problems": []}
    report["health"] |= {"since": time(2)}
    del report["zones"]
    first, second = report["databases"]
    second |= {"startup_complete": False, "instances": [], "history": [], "activities": [], "unsent": None}
    for name in "lmdb", "storage", "sent", "unsent":
        del second[name]
    first |= {"startup_complete": False, "instances": first["instances"][:2], "history": [], "activities": []}
    return report


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\u202e\u0007\n</title></style>"


def hostile():
    """Every text that can come from outside tries to be markup."""
    report = failing()
    report |= {"instance": HOSTILE, "hostname": HOSTILE, "software": HOSTILE}
    report["health"]["failures"] = {HOSTILE: HOSTILE}
    report["health"]["warnings"] = {"w" + HOSTILE: HOSTILE}
    for one in report["databases"]:
        one |= {"name": one["name"] + HOSTILE, "path": HOSTILE, "fence": HOSTILE, "blocked": HOSTILE}
        one["instances"][1] |= {"name": HOSTILE, "health": HOSTILE, "merged_of_ours": HOSTILE}
        one["instances"][1]["newest"] |= {"name": HOSTILE, "time": HOSTILE}
        one["lmdb"]["dbis"][0] |= {"name": HOSTILE, "flags": HOSTILE}
        one["activities"][0] |= {"instance": HOSTILE, "snapshot": HOSTILE, "time": HOSTILE}
        one["history"][5] |= {"time": HOSTILE}
        one["storage"]["listed"] = HOSTILE
    report["zones"]["changed"][0] |= {"name": HOSTILE, "time": HOSTILE, "instance": HOSTILE, "database": HOSTILE}
    report["problems"][0] |= {"text": HOSTILE, "database": HOSTILE, "time": HOSTILE}
    return report


def huge():
    """Names as long as they may be, without a place to break them, and many of everything."""
    report = healthy()
    long = "n" * 511
    one = report["databases"][0]
    one["path"] = "/" + "p" * 900
    one["lmdb"]["dbis"] = [dbi(f"{index}{long}", 10**12) for index in range(40)]
    one["instances"] += [instance("main", f"{index}-{long}", 5, has=one["sent"]) for index in range(30)]
    one["lmdb"] |= {"last_transaction": 2**64 - 1, "map_size": 2**62, "used_bytes": 2**61}
    report["zones"]["changed"][0] |= {"name": "z" * 250, "instance": long}
    report["problems"][0]["text"] = long * 4
    return report
