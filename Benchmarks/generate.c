/* Makes a database file like the shard of a PowerDNS server (schema 5, one DBI "records_v5"):
 *
 *     generate FILE ENTRIES [SEED [KIND]]
 *
 * The same ENTRIES, SEED and KIND always give the same entries. Zones get pseudo-random ids and are written one after the
 * other, as a server would have created them, so that pages are filled and ordered as in a file that grew in use (an
 * append in key order would give a file of half the size with its pages in sequence).
 *
 * All records of a zone share the time and transaction of the zone's creation; one RRset in 16 was changed in a later
 * transaction of its own, and one in 100 is Deleted.
 *
 * KIND may be "deleted": all of them are Deleted; "plain": values have no headers, as an application knows nothing of
 * lightningstream; "dupsort": the same with MDB_DUPSORT, a key being zone and name, and its values the RRsets; "zones": the
 * usual ones, and a second file FILE.main with the zones that they are of. */
#include "common.h"
#include <unistd.h>

static uint64_t state;

/* splitmix64 */
static uint64_t next_random(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t limit) { return (uint32_t)(((next_random() >> 32) * limit) >> 32); }

/* A permutation of 0...2^31 - 1, so that no id comes twice. */
static uint32_t zone_id(uint32_t number) {
    uint32_t x = number & 0x7fffffff;
    x = (x * 0x2c1b3c6du) & 0x7fffffff;
    x ^= x >> 15;
    x = (x * 0x297a2d39u) & 0x7fffffff;
    return x ^ (x >> 16);
}

enum { A = 1, NS = 2, SOA = 6, MX = 15, TXT = 16, AAAA = 28, DKIM = 0x10000 + TXT /* a TXT record with a public key */ };

struct value {
    uint8_t bytes[1024];
    size_t size;
};

/* Appends one record of an RRset: length LE, RDATA, TTL LE, auth, disabled, ordername. */
static void add_record(struct value *value, const void *data, uint16_t size, uint32_t ttl) {
    uint8_t *to = value->bytes + value->size;
    memcpy(to, &size, 2);
    memcpy(to + 2, data, size);
    memcpy(to + 2 + size, &ttl, 4);
    memcpy(to + 6 + size, "\1\0\1", 3);
    value->size += size + 9u;
}

struct zone {
    uint32_t id;
    uint32_t network; /* most addresses of a zone are neighbours */
    uint64_t time;
    uint64_t transaction;
};

static uint64_t clock_ns = 1735689600000000000u; /* 2025-01-01; runs on with each transaction */
static uint64_t transaction_number = 2;

static void new_transaction(void) {
    clock_ns += 1 + next_random() % 40000000000u; /* 20 s on average */
    transaction_number += 1;
}

static void add_rrset_data(struct value *value, const struct zone *zone, uint32_t type) {
    static const uint32_t ttls[] = {300, 3600, 3600, 3600, 86400};
    uint32_t ttl = ttls[below(5)];
    uint8_t data[512];
    switch (type) {
    case A: {
        uint32_t count = below(8) == 0 ? 2 : 1;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t address = __builtin_bswap32((zone->network & 0xffffff00) | (below(256) & 0xff));
            add_record(value, &address, 4, ttl);
        }
        break;
    }
    case AAAA: {
        uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8};
        memcpy(address + 4, &zone->network, 4);
        uint16_t host = (uint16_t)below(65536);
        memcpy(address + 14, &host, 2);
        add_record(value, address, 16, ttl);
        break;
    }
    case MX:
        add_record(value, "\0\12\4mail\xc0\x11", 9, ttl);
        if (below(3) == 0) add_record(value, "\0\24\5mail2\xc0\x11", 10, ttl);
        break;
    case TXT: {
        int size;
        uint64_t token = next_random();
        switch (below(4)) {
        case 0: size = snprintf((char *)data + 1, 255, "v=spf1 mx a ip4:192.0.2.%u -all", below(256)); break;
        case 1: size = snprintf((char *)data + 1, 255, "v=DMARC1; p=none; rua=mailto:dmarc@example.com"); break;
        default: size = snprintf((char *)data + 1, 255, "verify=%016llx", (unsigned long long)token);
        }
        data[0] = (uint8_t)size;
        add_record(value, data, (uint16_t)(size + 1), ttl);
        break;
    }
    case DKIM: {
        static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        /* A 2048-bit key: 410 characters in two strings. */
        int size = snprintf((char *)data + 1, 511, "v=DKIM1; k=rsa; p=");
        for (uint64_t bits = 0; size < 411; size++, bits >>= 6) {
            if (bits < 64) bits = next_random() | 1ull << 63;
            data[1 + size] = (uint8_t)base64[bits & 63];
        }
        data[0] = 255;
        data[256] = (uint8_t)(size - 256);
        add_record(value, data, (uint16_t)(size + 1), ttl);
        break;
    }
    case NS:
        add_record(value, "\3ns1\7example\3net", 17, 86400);
        add_record(value, "\3ns2\7example\3net", 17, 86400);
        break;
    default: { /* SOA */
        static const uint8_t names[] = "\3ns1\7example\3net\0\12hostmaster\7example\3net";
        uint32_t numbers[5] = {2025010101 + below(1000000), 10800, 3600, 604800, 3600};
        memcpy(data, names, sizeof names);
        for (int i = 0; i < 5; i++) numbers[i] = __builtin_bswap32(numbers[i]);
        memcpy(data + sizeof names, numbers, sizeof numbers);
        add_record(value, data, sizeof names + sizeof numbers, 3600);
    }
    }
}

static MDB_txn *txn;
static MDB_dbi dbi;
static int with_zones;
static enum { TRACKED, DELETED, PLAIN, DUPSORT } kind;

/* Writes the RRset of `name` (`length` bytes of labels from the right, each but the last ended by 0; "" for the apex);
 * returns 1, or 0 where there is one already. */
static uint64_t put(const struct zone *zone, const char *name, size_t length, uint32_t type) {
    uint8_t key_bytes[300];
    uint32_t id = __builtin_bswap32(zone->id);
    size_t size = 4;
    memcpy(key_bytes, &id, 4);
    memcpy(key_bytes + size, name, length);
    size += length;
    key_bytes[size++] = 0; /* ends the last label; the apex is this byte alone */
    key_bytes[size++] = 0;
    struct value value = {.size = kind == TRACKED || kind == DELETED ? HEADER_SIZE : 0};
    uint8_t *to = kind == DUPSORT ? value.bytes : key_bytes + size;
    to[0] = (uint8_t)(type >> 8);
    to[1] = (uint8_t)type;
    *(kind == DUPSORT ? &value.size : &size) += 2;

    uint64_t time = zone->time, transaction = zone->transaction;
    uint8_t flags = 0;
    uint32_t fate = below(1600);
    if (fate < 116) { /* 16 Deleted and 100 changed later */
        new_transaction();
        time = clock_ns;
        transaction = transaction_number;
    }
    if (kind == DELETED || (kind == TRACKED && fate < 16))
        flags = FLAG_DELETED;
    else
        add_rrset_data(&value, zone, type);
    if (kind == TRACKED || kind == DELETED) put_header(value.bytes, time, transaction, flags);

    MDB_val key = {size, key_bytes}, data = {value.size, value.bytes};
    int result = mdb_put(txn, dbi, &key, &data, kind == DUPSORT ? MDB_NODUPDATA : MDB_NOOVERWRITE);
    if (result == MDB_KEYEXIST) return 0;
    lmdb(result, "mdb_put");
    return 1;
}

static uint64_t put_zone(uint32_t number, uint64_t wanted) {
    static const char *common[] = {"www", "mail", "ftp", "webmail", "api", "shop", "vpn", "dev"};
    new_transaction();
    struct zone zone = {zone_id(number), (uint32_t)next_random(), clock_ns, transaction_number};
    static const uint16_t apex[] = {SOA, NS, A, MX, TXT, AAAA};
    uint64_t count = 0;
    uint32_t apex_sets = 3 + below(4);
    for (uint32_t i = 0; i < apex_sets && count < wanted; i++) count += put(&zone, "", 0, apex[i]);
    static const char signing[] = "_domainkey\0default";
    if (below(2) == 0 && count < wanted) count += put(&zone, signing, sizeof signing - 1, DKIM);
    /* Few zones are large: 1 to 15 hosts, one zone in 20 up to 300. */
    uint32_t hosts = below(20) == 0 ? 15 + below(285) : 1 + below(15);
    for (uint32_t i = 0; i < hosts && count < wanted; i++) {
        char name[64];
        if (i < 8 && below(4) != 0)
            snprintf(name, sizeof name, "%s", common[i]);
        else if (below(2) == 0)
            snprintf(name, sizeof name, "host%u", below(100000));
        else
            snprintf(name, sizeof name, "srv-%x", below(0x1000000));
        size_t length = strlen(name);
        uint32_t dice = below(10);
        if (dice != 0) count += put(&zone, name, length, A);
        if (dice < 4 && count < wanted) count += put(&zone, name, length, AAAA);
        if (dice == 9 && count < wanted) count += put(&zone, name, length, TXT);
        if (dice == 8 && count < wanted) count += put(&zone, name, length, MX);
    }
    return count;
}

static void set_kind(const char *name) {
    if (strcmp(name, "deleted") == 0) kind = DELETED;
    else if (strcmp(name, "plain") == 0) kind = PLAIN;
    else if (strcmp(name, "dupsort") == 0) kind = DUPSORT;
    else if (strcmp(name, "zones") == 0) with_zones = 1;
    else fail("KIND must be deleted, plain, dupsort or zones, not \"%s\"", name);
}

static void put_entry(const char *name, const void *key, size_t key_size, const void *payload, size_t size) {
    MDB_dbi table;
    lmdb(mdb_dbi_open(txn, name, MDB_CREATE, &table), name);
    uint8_t value[HEADER_SIZE + 256];
    put_header(value, clock_ns, transaction_number, 0);
    memcpy(value + HEADER_SIZE, payload, size);
    MDB_val mdb_key = {key_size, (void *)key}, data = {HEADER_SIZE + size, value};
    lmdb(mdb_put(txn, table, &mdb_key, &data, 0), "mdb_put");
}

/* Writes the main database of zones 1 to `count` (schema 5): z1.test and so on. */
static void put_main(const char *path, uint32_t count) {
    MDB_env *environment = open_environment(path, MDB_NOSYNC, (size_t)count * 2048 + (16u << 20));
    lmdb(mdb_txn_begin(environment, NULL, 0, &txn), "mdb_txn_begin");
    put_entry("pdns", "schemaversion", 13, "\0\0\0\5", 4);
    for (uint32_t number = 1; number <= count; number++) {
        uint32_t id = __builtin_bswap32(zone_id(number));
        char label[16];
        size_t length = (size_t)snprintf(label, sizeof label, "z%u", number);
        /* DomainInfo: class information, the name, and zeroes for everything but the kind, Native. */
        uint8_t info[128] = {0, 1};
        info[10] = (uint8_t)(length + 7);
        info[18] = (uint8_t)length;
        memcpy(info + 19, label, length);
        memcpy(info + 19 + length, "\4test", 6);
        size_t end = 18 + length + 7;
        info[end + 8 + 8 + 5 + 8 + 4 + 4] = 2;
        put_entry("domains_v5", &id, 4, info, end + 8 + 8 + 5 + 8 + 4 + 4 + 4 + 8 + 8);
        uint8_t key[32] = {0, (uint8_t)(length + 6), 't', 'e', 's', 't', 0};
        memcpy(key + 7, label, length + 1);
        memcpy(key + 8 + length, &id, 4);
        put_entry("domains_v5_0", key, 12 + length, "", 0);
    }
    lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
    mdb_env_close(environment);
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 5) fail("usage: generate FILE ENTRIES [SEED [deleted|plain|dupsort|zones]]");
    char *end;
    uint64_t entries = strtoull(argv[2], &end, 10);
    if (*end != 0 || entries == 0) fail("ENTRIES must be a positive number, not \"%s\"", argv[2]);
    state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    if (argc > 4) set_kind(argv[4]);

    if (access(argv[1], F_OK) == 0) fail("%s exists already", argv[1]);
    size_t map_size = ((entries * 256) + (16u << 20)) & ~(size_t)0xfffff;
    /* A writable map without a flush: nobody needs this file after a power failure. */
    MDB_env *environment = open_environment(argv[1], MDB_WRITEMAP | MDB_NOSYNC, map_size);
    lmdb(mdb_txn_begin(environment, NULL, 0, &txn), "mdb_txn_begin");
    lmdb(mdb_dbi_open(txn, DBI_NAME, MDB_CREATE | (kind == DUPSORT ? MDB_DUPSORT : 0), &dbi), "mdb_dbi_open");
    uint64_t count = 0;
    uint32_t zones = 0;
    while (count < entries) count += put_zone(++zones, entries - count);
    lmdb(mdb_txn_commit(txn), "mdb_txn_commit");

    MDB_envinfo info;
    lmdb(mdb_env_info(environment, &info), "mdb_env_info");
    lmdb(mdb_env_sync(environment, 1), "mdb_env_sync");
    mdb_env_close(environment);
    /* A writable map makes the file as long as the map; only the pages in use belong to it. */
    if (truncate(argv[1], (off_t)(info.me_last_pgno + 1) * sysconf(_SC_PAGESIZE)) != 0)
        fail("truncate %s: %s", argv[1], strerror(errno));
    if (with_zones) {
        char path[4096];
        snprintf(path, sizeof path, "%s.main", argv[1]);
        put_main(path, zones);
    }
    return 0;
}
