/* Looks at databases from the outside, as an application beside lightningstream would:
 *
 *     probe info    DATABASE               LastTxnID, entries and pages in use
 *     probe digest  DATABASE               a hash of all keys, times, Deleted flags and values
 *     probe wait    DATABASE [PAUSE_MS]    takes the write lock again and again until standard input ends, and changes
 *                                          one record every PAUSE_MS; prints how long it waited for the lock, in µs
 *     probe change  DATABASE COUNT         changes one record, COUNT times, in a transaction each; prints the µs it took
 *     probe touch   DATABASE               changes one record as PowerDNS does, with its header
 *     probe visible A B COUNT PAUSE_MS     changes one record in A and waits until a reader sees it in B; prints
 *                                          the µs of each; PAUSE_MS to PAUSE_MS + 500 between two
 *     probe stream  DATABASE COUNT PAUSE_MS  changes COUNT different records, in a transaction each; prints the last
 *                                          transaction and the time that the last record has, in ns
 *     probe arrive  DATABASE COUNT TIME    waits until a reader sees the last of COUNT records with that time; prints when
 *                                          that was, in ns of CLOCK_MONOTONIC */
#include "common.h"
#include <poll.h>
#include <unistd.h>

static MDB_dbi open_records(MDB_env *environment) {
    MDB_txn *txn;
    MDB_dbi dbi;
    lmdb(mdb_txn_begin(environment, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    lmdb(mdb_dbi_open(txn, DBI_NAME, 0, &dbi), "mdb_dbi_open");
    lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
    return dbi;
}

static void info(const char *path) {
    MDB_env *environment = open_environment(path, MDB_RDONLY, 0);
    MDB_dbi dbi = open_records(environment);
    MDB_envinfo facts;
    MDB_stat stat;
    MDB_txn *txn;
    lmdb(mdb_env_info(environment, &facts), "mdb_env_info");
    lmdb(mdb_txn_begin(environment, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    lmdb(mdb_stat(txn, dbi, &stat), "mdb_stat");
    mdb_txn_abort(txn);
    printf("last_txn %zu entries %zu pages %zu\n", facts.me_last_txnid, stat.ms_entries, facts.me_last_pgno + 1);
    mdb_env_close(environment);
}

/* FNV-1a over 8 bytes at a time; the length goes in first, so that bytes can't move between fields. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t size) {
    const uint8_t *from = bytes;
    hash = (hash ^ size) * 0x100000001b3u;
    for (; size >= 8; size -= 8, from += 8) {
        uint64_t word;
        memcpy(&word, from, 8);
        hash = (hash ^ word) * 0x100000001b3u;
        hash ^= hash >> 32;
    }
    for (; size > 0; size--) hash = (hash ^ *from++) * 0x100000001b3u;
    return hash;
}

static void digest(const char *path) {
    MDB_env *environment = open_environment(path, MDB_RDONLY, 0);
    MDB_dbi dbi = open_records(environment);
    MDB_txn *txn;
    MDB_cursor *cursor;
    lmdb(mdb_txn_begin(environment, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    lmdb(mdb_cursor_open(txn, dbi, &cursor), "mdb_cursor_open");
    MDB_val key, value;
    uint64_t hash = 0xcbf29ce484222325u, count = 0;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        const uint8_t *header = value.mv_data;
        if (value.mv_size < HEADER_SIZE) fail("a value without header");
        uint8_t flags = header[17] & FLAG_DELETED;
        hash = mix(hash, key.mv_data, key.mv_size);
        hash = mix(hash, header, 8);
        hash = mix(hash, &flags, 1);
        hash = mix(hash, header + HEADER_SIZE, value.mv_size - HEADER_SIZE);
        count++;
    }
    mdb_txn_abort(txn);
    printf("digest %016llx entries %llu\n", (unsigned long long)hash, (unsigned long long)count);
    mdb_env_close(environment);
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void rest(uint64_t nanoseconds) {
    struct timespec time = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    nanosleep(&time, NULL);
}

/* Changes a record as an application that keeps no headers; adds a value where keys have several. */
static void change_record(MDB_txn *txn, MDB_dbi dbi) {
    uint8_t bytes[8];
    put_be64(bytes, now(CLOCK_REALTIME));
    MDB_val key = CHANGED_KEY, value = {sizeof bytes, bytes};
    lmdb(mdb_put(txn, dbi, &key, &value, 0), "mdb_put");
}

static void change(const char *path, uint64_t count) {
    MDB_env *environment = open_environment(path, 0, 0);
    MDB_dbi dbi = open_records(environment);
    uint64_t start = now(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < count; i++) {
        MDB_txn *txn;
        lmdb(mdb_txn_begin(environment, NULL, 0, &txn), "mdb_txn_begin");
        change_record(txn, dbi);
        lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
    }
    printf("took_us %llu\n", (unsigned long long)(now(CLOCK_MONOTONIC) - start) / 1000);
    mdb_env_close(environment);
}

static void wait_for_lock(const char *path, uint64_t pause_ms) {
    enum { CAPACITY = 8 << 20, PAUSE = 100000 };
    MDB_env *environment = open_environment(path, 0, 0);
    MDB_dbi dbi = pause_ms > 0 ? open_records(environment) : 0;
    uint64_t changed = now(CLOCK_MONOTONIC);
    uint64_t *waits = malloc(CAPACITY * sizeof *waits);
    if (waits == NULL) fail("no memory");
    size_t count = 0;
    struct pollfd input = {.fd = 0, .events = POLLIN};
    /* The caller ends it by closing our standard input. */
    while (count < CAPACITY && poll(&input, 1, 0) == 0) {
        MDB_txn *txn;
        uint64_t start = now(CLOCK_MONOTONIC);
        lmdb(mdb_txn_begin(environment, NULL, 0, &txn), "mdb_txn_begin");
        uint64_t begun = now(CLOCK_MONOTONIC);
        waits[count++] = begun - start;
        if (pause_ms > 0 && begun - changed >= pause_ms * 1000000) {
            changed = begun;
            change_record(txn, dbi);
            lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
        } else {
            mdb_txn_abort(txn);
        }
        rest(PAUSE);
    }
    if (count == 0) fail("not one write transaction was started");
    qsort(waits, count, sizeof *waits, ascending);
    printf("count %zu median_us %.1f p99_us %.1f longest_us %.1f\n", count, (double)waits[count / 2] / 1e3,
           (double)waits[count * 99 / 100] / 1e3, (double)waits[count - 1] / 1e3);
    free(waits);
    mdb_env_close(environment);
}

/* Changes the TTL of the first RRset that is one A record, as PowerDNS does. */
static void touch(const char *path) {
    enum { RECORD = 13 }; /* length of the RDATA, an address, TTL, auth, disabled, ordername */
    MDB_env *environment = open_environment(path, 0, 0);
    MDB_dbi dbi = open_records(environment);
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    lmdb(mdb_txn_begin(environment, NULL, 0, &txn), "mdb_txn_begin");
    lmdb(mdb_cursor_open(txn, dbi, &cursor), "mdb_cursor_open");
    uint8_t bytes[HEADER_SIZE + RECORD];
    do {
        lmdb(mdb_cursor_get(cursor, &key, &value, MDB_NEXT), "looking for an A record");
    } while (value.mv_size != sizeof bytes || memcmp((uint8_t *)key.mv_data + key.mv_size - 2, "\0\1", 2) != 0);
    memcpy(bytes, value.mv_data, sizeof bytes);
    put_header(bytes, now(CLOCK_REALTIME), mdb_txn_id(txn), 0);
    bytes[sizeof bytes - 7] ^= 1;
    value.mv_data = bytes;
    lmdb(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), "mdb_cursor_put");
    lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
    mdb_env_close(environment);
}

enum { A_RECORD = 13, POLL = 100000 };
static const uint64_t patience = 60000000000u;

/* Puts one A record as PowerDNS does. */
static void put_a_record(MDB_txn *txn, MDB_dbi dbi, MDB_val key, uint64_t time) {
    uint8_t bytes[HEADER_SIZE + A_RECORD];
    put_header(bytes, time, mdb_txn_id(txn), 0);
    memcpy(bytes + HEADER_SIZE, "\4\0\xc0\0\2\1\x2c\1\0\0\1\0\1", A_RECORD);
    MDB_val value = {sizeof bytes, bytes};
    lmdb(mdb_put(txn, dbi, &key, &value, 0), "mdb_put");
}

/* The time of a record; 0 if there is none. */
static uint64_t time_of(MDB_txn *reader, MDB_dbi dbi, MDB_val key) {
    MDB_val value;
    int result = mdb_get(reader, dbi, &key, &value);
    return result == 0 && value.mv_size >= HEADER_SIZE ? get_be64(value.mv_data) : 0;
}

/* Waits until a reader sees a record with this time. */
static void await(MDB_txn *reader, MDB_dbi dbi, MDB_val key, uint64_t time) {
    uint64_t start = now(CLOCK_MONOTONIC);
    for (;;) {
        lmdb(mdb_txn_renew(reader), "mdb_txn_renew");
        uint64_t seen = time_of(reader, dbi, key);
        mdb_txn_reset(reader);
        if (seen == time) return;
        if (now(CLOCK_MONOTONIC) - start > patience) fail("a change did not arrive within a minute");
        rest(POLL);
    }
}

static MDB_txn *new_reader(MDB_env *environment) {
    MDB_txn *reader;
    lmdb(mdb_txn_begin(environment, NULL, MDB_RDONLY, &reader), "mdb_txn_begin");
    mdb_txn_reset(reader);
    return reader;
}

/* The key of one of the records that a stream changes: like CHANGED_KEY. */
static MDB_val stream_key(char *bytes, uint64_t number) {
    memcpy(bytes, CHANGED_KEY.mv_data, CHANGED_KEY.mv_size);
    char digits[8];
    snprintf(digits, sizeof digits, "%07u", (unsigned)(number % 10000000));
    memcpy(bytes + 4, digits, 7);
    return (MDB_val){CHANGED_KEY.mv_size, bytes};
}

static void stream(const char *path, uint64_t count, uint64_t pause_ms) {
    MDB_env *environment = open_environment(path, 0, 0);
    MDB_dbi dbi = open_records(environment);
    uint64_t time = 0, transaction = 0;
    for (uint64_t i = 0; i < count; i++) {
        char key[32];
        MDB_txn *txn;
        if (i > 0) rest(pause_ms * 1000000);
        lmdb(mdb_txn_begin(environment, NULL, 0, &txn), "mdb_txn_begin");
        time = now(CLOCK_REALTIME);
        transaction = mdb_txn_id(txn);
        put_a_record(txn, dbi, stream_key(key, i), time);
        lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
    }
    printf("last_txn %llu time %llu\n", (unsigned long long)transaction, (unsigned long long)time);
    mdb_env_close(environment);
}

static void arrive(const char *path, uint64_t count, uint64_t time) {
    MDB_env *environment = open_environment(path, 0, 0);
    MDB_dbi dbi = open_records(environment);
    MDB_txn *reader = new_reader(environment);
    char key[32];
    puts("ready");
    fflush(stdout);
    await(reader, dbi, stream_key(key, count - 1), time);
    printf("%llu\n", (unsigned long long)now(CLOCK_MONOTONIC));
    mdb_txn_abort(reader);
    mdb_env_close(environment);
}

static void visible(const char *path_a, const char *path_b, uint64_t count, uint64_t pause_ms) {
    MDB_env *a = open_environment(path_a, 0, 0), *b = open_environment(path_b, 0, 0);
    MDB_dbi dbi_a = open_records(a), dbi_b = open_records(b);
    MDB_val key = CHANGED_KEY;
    MDB_txn *reader = new_reader(b);
    for (uint64_t i = 0; i < count; i++) {
        rest((pause_ms + i * 137 % 500) * 1000000); /* never in step with a poll of once a second */
        MDB_txn *txn;
        lmdb(mdb_txn_begin(a, NULL, 0, &txn), "mdb_txn_begin");
        uint64_t time = now(CLOCK_REALTIME), start = now(CLOCK_MONOTONIC);
        put_a_record(txn, dbi_a, key, time);
        lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
        await(reader, dbi_b, key, time);
        printf("%llu\n", (unsigned long long)(now(CLOCK_MONOTONIC) - start) / 1000);
        fflush(stdout);
    }
    mdb_txn_abort(reader);
    mdb_env_close(a);
    mdb_env_close(b);
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (argc == 3 && strcmp(command, "info") == 0)
        info(argv[2]);
    else if (argc == 3 && strcmp(command, "digest") == 0)
        digest(argv[2]);
    else if ((argc == 3 || argc == 4) && strcmp(command, "wait") == 0)
        wait_for_lock(argv[2], argc == 4 ? strtoull(argv[3], NULL, 10) : 0);
    else if (argc == 4 && strcmp(command, "change") == 0)
        change(argv[2], strtoull(argv[3], NULL, 10));
    else if (argc == 3 && strcmp(command, "touch") == 0)
        touch(argv[2]);
    else if (argc == 6 && strcmp(command, "visible") == 0)
        visible(argv[2], argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
    else if (argc == 5 && strcmp(command, "stream") == 0)
        stream(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    else if (argc == 5 && strcmp(command, "arrive") == 0)
        arrive(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    else
        fail("usage: probe info FILE | digest FILE | wait FILE [PAUSE_MS] | change FILE COUNT | touch FILE |"
             " visible A B COUNT PAUSE_MS | stream FILE COUNT PAUSE_MS | arrive FILE COUNT TIME");
    return 0;
}
