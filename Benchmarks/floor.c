/* The least work that a dump, a load and a merge need: bare liblmdb and ISA-L, one loop, one thread.
 *
 *     floor dump  DATABASE SNAPSHOT    cursor scan, memcpy encoding, gzip level 1, write(2), fsync
 *     floor load  SNAPSHOT DATABASE    inflate, MDB_APPEND puts in one write transaction into a new file
 *     floor merge SNAPSHOT DATABASE    inflate, ordered cursor scan of the DBI with the versions; nothing is parsed or
 *                                      compared
 *     floor scan  DATABASE             ordered cursor scans of the application's DBI and its shadow that touch every byte
 *
 * Databases are opened with the flags lightningstream uses (MDB_NOMETASYNC). Each prints entries, bytes before
 * compression, CPU and wall time in ms and private memory (RssAnon, in KiB) at its highest point. The times of a scan are
 * those of a second pass, because a daemon, too, has mapped the file's pages long ago. */
#include "common.h"
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEVEL = 1, IO_SIZE = 256 << 10, CHUNK_SIZE = 1 << 20, WINDOW_SIZE = 1 << 20 };

static long peak_kib;

/* To be called where a program holds the most memory. */
static void note_memory(void) {
    char line[128];
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL) {
        long kib;
        if (sscanf(line, "RssAnon: %ld", &kib) == 1 && kib > peak_kib) peak_kib = kib;
    }
    fclose(file);
}

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) fail("no memory");
    return memory;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value) {
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

/* MARK: Compressing */

struct deflater {
    struct isal_zstream stream;
    uint8_t *output;
    int descriptor;
    uint64_t bytes_in;
};

static void open_deflater(struct deflater *deflater, const char *path) {
    deflater->descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (deflater->descriptor < 0) fail("open %s: %s", path, strerror(errno));
    isal_deflate_init(&deflater->stream);
    deflater->stream.gzip_flag = IGZIP_GZIP;
    deflater->stream.level = LEVEL;
    deflater->stream.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    deflater->stream.level_buf = allocate(ISAL_DEF_LVL1_DEFAULT);
    deflater->output = allocate(IO_SIZE);
    deflater->bytes_in = 0;
}

static void compress_bytes(struct deflater *deflater, const void *bytes, size_t size, int last) {
    struct isal_zstream *stream = &deflater->stream;
    stream->next_in = (uint8_t *)bytes;
    stream->avail_in = (uint32_t)size;
    stream->end_of_stream = (uint16_t)last;
    deflater->bytes_in += size;
    do {
        stream->next_out = deflater->output;
        stream->avail_out = IO_SIZE;
        if (isal_deflate(stream) != COMP_OK) fail("isal_deflate failed");
        for (const uint8_t *from = deflater->output; from < stream->next_out;) {
            ssize_t written = write(deflater->descriptor, from, (size_t)(stream->next_out - from));
            if (written < 0) fail("write: %s", strerror(errno));
            from += written;
        }
    } while (stream->avail_out == 0);
}

static uint64_t dump(const char *database, const char *snapshot, uint64_t *bytes) {
    MDB_env *environment = open_environment(database, MDB_NOMETASYNC, 0);
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    lmdb(mdb_txn_begin(environment, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    lmdb(mdb_dbi_open(txn, DBI_NAME, 0, &dbi), "mdb_dbi_open");
    lmdb(mdb_cursor_open(txn, dbi, &cursor), "mdb_cursor_open");

    struct deflater deflater;
    open_deflater(&deflater, snapshot);
    enum { NAME_SIZE = sizeof DBI_NAME - 1, ROOM = 32 + NAME_SIZE, LARGEST = 1 << 16 };
    uint8_t *buffer = allocate(ROOM + CHUNK_SIZE + LARGEST), *entries = buffer + ROOM;

    /* formatVersion 3, compatVersion 1, meta: instance, time, database */
    uint8_t *at = entries;
    memcpy(at, "\x08\x03\x20\x01\x12\x1d\x12\x05" "floor" "\x29", 14);
    uint64_t time = now(CLOCK_REALTIME);
    memcpy(at + 14, &time, 8);
    memcpy(at + 22, "\x3a\x05" "shard" "\x0a\x02" "GX", 11);
    at += 33;
    /* 2 + 5 instance, 9 time, 2 + 5 database, 4 generation = 27 */
    entries[5] = 27;
    compress_bytes(&deflater, entries, (size_t)(at - entries), 0);

    uint64_t count = 0;
    at = entries;
    MDB_val key, value;
    int result = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (;;) {
        if (result == 0 && value.mv_size >= HEADER_SIZE) {
            const uint8_t *header = value.mv_data;
            uint64_t timestamp = get_be64(header);
            size_t data_size = value.mv_size - HEADER_SIZE;
            int deleted = header[17] & FLAG_DELETED;
            if (data_size > LARGEST / 2) fail("a value of %zu bytes is too large for this program", data_size);
            size_t size = 2 + key.mv_size + (key.mv_size > 127) + 9 + (deleted ? 2 : 0);
            if (data_size > 0) size += 2 + data_size + (data_size > 127) + (data_size > 16383);
            *at++ = 0x12;
            at = put_varint(at, size);
            *at++ = 0x0a;
            at = put_varint(at, key.mv_size);
            memcpy(at, key.mv_data, key.mv_size);
            at += key.mv_size;
            if (data_size > 0) {
                *at++ = 0x12;
                at = put_varint(at, data_size);
                memcpy(at, header + HEADER_SIZE, data_size);
                at += data_size;
            }
            *at++ = 0x19;
            memcpy(at, &timestamp, 8);
            at += 8;
            if (deleted) {
                *at++ = 0x20;
                *at++ = FLAG_DELETED;
            }
            count++;
            result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        } else if (result == 0) {
            fail("a value without header");
        } else if (result != MDB_NOTFOUND) {
            lmdb(result, "mdb_cursor_get");
        }
        int last = result == MDB_NOTFOUND;
        if (at - entries < CHUNK_SIZE && !last) continue;
        /* The chunk's length is known now: its head goes before the entries. */
        uint8_t head[ROOM], *to = head;
        size_t size = (size_t)(at - entries) + 2 + NAME_SIZE;
        *to++ = 0x1a;
        to = put_varint(to, size);
        *to++ = 0x0a;
        *to++ = NAME_SIZE;
        memcpy(to, DBI_NAME, NAME_SIZE);
        to += NAME_SIZE;
        uint8_t *start = entries - (to - head);
        memcpy(start, head, (size_t)(to - head));
        compress_bytes(&deflater, start, (size_t)(at - start), last);
        at = entries;
        if (last) break;
    }
    note_memory();
    if (fsync(deflater.descriptor) != 0 || close(deflater.descriptor) != 0) fail("fsync: %s", strerror(errno));
    mdb_txn_abort(txn);
    mdb_env_close(environment);
    *bytes = deflater.bytes_in;
    return count;
}

/* MARK: Decompressing */

struct inflater {
    struct inflate_state state;
    uint8_t *input, *window;
    size_t start, end; /* what of the window is not used yet */
    int descriptor, ended;
    uint64_t bytes_out;
};

static void open_inflater(struct inflater *inflater, const char *path) {
    inflater->descriptor = open(path, O_RDONLY);
    if (inflater->descriptor < 0) fail("open %s: %s", path, strerror(errno));
    isal_inflate_init(&inflater->state);
    inflater->state.crc_flag = ISAL_GZIP;
    inflater->state.avail_in = 0;
    inflater->input = allocate(IO_SIZE);
    inflater->window = allocate(WINDOW_SIZE);
    inflater->start = inflater->end = 0;
    inflater->ended = 0;
    inflater->bytes_out = 0;
}

/* Moves what is left to the front of the window and fills the rest; returns 0 when there is nothing more. */
static int refill(struct inflater *inflater) {
    struct inflate_state *state = &inflater->state;
    size_t left = inflater->end - inflater->start;
    memmove(inflater->window, inflater->window + inflater->start, left);
    state->next_out = inflater->window + left;
    state->avail_out = (uint32_t)(WINDOW_SIZE - left);
    while (state->avail_out > 0 && !inflater->ended) {
        if (state->avail_in == 0) {
            ssize_t size = read(inflater->descriptor, inflater->input, IO_SIZE);
            if (size < 0) fail("read: %s", strerror(errno));
            if (size == 0) {
                if (state->block_state != ISAL_BLOCK_FINISH) fail("the snapshot ends too early");
                inflater->ended = 1;
                break;
            }
            state->next_in = inflater->input;
            state->avail_in = (uint32_t)size;
        }
        if (state->block_state == ISAL_BLOCK_FINISH) { /* one more member */
            isal_inflate_reset(state);
            state->crc_flag = ISAL_GZIP;
        }
        int result = isal_inflate(state);
        if (result != ISAL_DECOMP_OK) fail("isal_inflate: error %d", result);
    }
    size_t end = (size_t)(state->next_out - inflater->window);
    inflater->bytes_out += end - left;
    inflater->start = 0;
    inflater->end = end;
    return end > left;
}

/* Makes at least `size` bytes of the window readable. */
static inline const uint8_t *need(struct inflater *inflater, size_t size) {
    while (__builtin_expect(inflater->end - inflater->start < size, 0))
        if (size > WINDOW_SIZE || !refill(inflater)) fail("the snapshot is cut off");
    return inflater->window + inflater->start;
}

static inline uint64_t take_varint(struct inflater *inflater, uint64_t *size) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = *need(inflater, 1);
        inflater->start++;
        *size += 1;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    fail("a varint is too long");
}

static void skip(struct inflater *inflater, uint64_t size) {
    while (size > 0) {
        size_t part = inflater->end - inflater->start;
        if (part > size) part = size;
        inflater->start += part;
        size -= part;
        if (size > 0 && !refill(inflater)) fail("the snapshot is cut off");
    }
}

static const uint8_t *kv_varint(const uint8_t *at, uint64_t *value) {
    *value = *at & 0x7f;
    for (int shift = 7; *at++ >= 0x80 && shift < 64; shift += 7) *value |= (uint64_t)(*at & 0x7f) << shift;
    return at;
}

/* Puts one KV message: key, value, time, flags, in whatever order they come. */
static void put_entry(MDB_txn *txn, MDB_dbi dbi, uint64_t transaction, const uint8_t *at, const uint8_t *end) {
    MDB_val key = {0, NULL};
    const uint8_t *data = NULL;
    uint64_t data_size = 0, time = 0, flags = 0;
    while (at < end) {
        uint64_t size;
        switch (*at++) {
        case 0x0a:
            at = kv_varint(at, &size);
            key.mv_size = size;
            key.mv_data = (void *)at;
            at += size;
            break;
        case 0x12:
            at = kv_varint(at, &data_size);
            data = at;
            at += data_size;
            break;
        case 0x19:
            memcpy(&time, at, 8);
            at += 8;
            break;
        case 0x20: at = kv_varint(at, &flags); break;
        default: fail("an unexpected field in an entry");
        }
    }
    MDB_val value = {HEADER_SIZE + data_size, NULL};
    lmdb(mdb_put(txn, dbi, &key, &value, MDB_APPEND | MDB_RESERVE), "mdb_put");
    put_header(value.mv_data, time, transaction, flags & FLAG_DELETED);
    memcpy((uint8_t *)value.mv_data + HEADER_SIZE, data, data_size);
}

static uint64_t load(const char *snapshot, const char *database, uint64_t *bytes) {
    struct inflater inflater;
    open_inflater(&inflater, snapshot);
    MDB_env *environment = open_environment(database, MDB_NOMETASYNC, (size_t)4 << 30);
    MDB_txn *txn;
    MDB_dbi dbi = 0;
    lmdb(mdb_txn_begin(environment, NULL, 0, &txn), "mdb_txn_begin");
    size_t transaction = mdb_txn_id(txn);
    uint64_t count = 0;
    while (inflater.end > inflater.start || refill(&inflater)) {
        uint64_t used = 0, tag = take_varint(&inflater, &used);
        if ((tag & 7) == 0) {
            take_varint(&inflater, &used);
            continue;
        }
        if ((tag & 7) != 2) fail("an unexpected field in the snapshot");
        uint64_t size = take_varint(&inflater, &used);
        if (tag >> 3 != 3) {
            skip(&inflater, size);
            continue;
        }
        for (uint64_t done = 0; done < size;) {
            uint64_t field = take_varint(&inflater, &done), length = take_varint(&inflater, &done);
            if ((field & 7) == 0) continue; /* flags */
            const uint8_t *content = need(&inflater, length);
            if (field == 0x12) {
                put_entry(txn, dbi, transaction, content, content + length);
                count++;
            } else if (field == 0x0a) {
                char name[256] = {0};
                if (length >= sizeof name) fail("the name of a DBI is too long");
                memcpy(name, content, length);
                lmdb(mdb_dbi_open(txn, name, MDB_CREATE, &dbi), "mdb_dbi_open");
            }
            inflater.start += length;
            done += length;
        }
    }
    note_memory();
    lmdb(mdb_txn_commit(txn), "mdb_txn_commit");
    mdb_env_close(environment);
    *bytes = inflater.bytes_out;
    return count;
}

static uint64_t merge(const char *snapshot, const char *database, uint64_t *bytes) {
    struct inflater inflater;
    open_inflater(&inflater, snapshot);
    while (refill(&inflater)) inflater.start = inflater.end;

    MDB_env *environment = open_environment(database, MDB_NOMETASYNC, 0);
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    lmdb(mdb_txn_begin(environment, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    if (mdb_dbi_open(txn, SHADOW_NAME, 0, &dbi) != 0) lmdb(mdb_dbi_open(txn, DBI_NAME, 0, &dbi), "mdb_dbi_open");
    lmdb(mdb_cursor_open(txn, dbi, &cursor), "mdb_cursor_open");
    MDB_val key, value;
    uint64_t count = 0;
    volatile uint64_t newest = 0; /* so that each header is read */
    int result;
    while ((result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        uint64_t time = get_be64(value.mv_data);
        if (time > newest) newest = time;
        count++;
    }
    if (result != MDB_NOTFOUND) lmdb(result, "mdb_cursor_get");
    note_memory();
    mdb_txn_abort(txn);
    mdb_env_close(environment);
    *bytes = inflater.bytes_out;
    return count;
}

/* MARK: Shadows */

/* A sum that depends on all bytes, so that each is read. */
static inline uint64_t touch(MDB_val bytes) {
    const uint8_t *from = bytes.mv_data, *end = from + bytes.mv_size;
    uint64_t sum = 0, word;
    if (bytes.mv_size < 8) {
        while (from < end) sum += *from++;
        return sum;
    }
    for (; end - from > 8; from += 8) {
        memcpy(&word, from, 8);
        sum += word;
    }
    memcpy(&word, end - 8, 8); /* may overlap */
    return sum + word;
}

static uint64_t scan(MDB_txn *txn, const char *name, uint64_t *bytes) {
    MDB_dbi dbi;
    MDB_cursor *cursor;
    lmdb(mdb_dbi_open(txn, name, 0, &dbi), name);
    lmdb(mdb_cursor_open(txn, dbi, &cursor), "mdb_cursor_open");
    MDB_val key, value;
    uint64_t count = 0, sum = 0;
    volatile uint64_t result_of_all;
    int result;
    while ((result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        sum += touch(key) + touch(value);
        *bytes += key.mv_size + value.mv_size;
        count++;
    }
    if (result != MDB_NOTFOUND) lmdb(result, "mdb_cursor_get");
    result_of_all = sum;
    (void)result_of_all;
    mdb_cursor_close(cursor);
    return count;
}

struct times {
    uint64_t wall, cpu;
};

static struct times times_now(void) { return (struct times){now(CLOCK_MONOTONIC), now(CLOCK_PROCESS_CPUTIME_ID)}; }

/* Sets `start` to the beginning of the second pass. */
static uint64_t scan_twice(const char *database, uint64_t *bytes, struct times *start) {
    MDB_env *environment = open_environment(database, MDB_NOMETASYNC, 0);
    uint64_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        *start = times_now();
        *bytes = 0;
        MDB_txn *txn;
        lmdb(mdb_txn_begin(environment, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
        count = scan(txn, DBI_NAME, bytes) + scan(txn, SHADOW_NAME, bytes);
        mdb_txn_abort(txn);
    }
    note_memory();
    /* Left open: unmapping a file is no part of a pass. */
    return count;
}

int main(int argc, char **argv) {
    struct times start = {now(CLOCK_MONOTONIC), 0};
    uint64_t count, bytes = 0;
    if (argc == 3 && strcmp(argv[1], "scan") == 0)
        count = scan_twice(argv[2], &bytes, &start);
    else if (argc != 4)
        fail("usage: floor dump DATABASE SNAPSHOT | load SNAPSHOT DATABASE | merge SNAPSHOT DATABASE | scan DATABASE");
    else if (strcmp(argv[1], "dump") == 0)
        count = dump(argv[2], argv[3], &bytes);
    else if (strcmp(argv[1], "load") == 0)
        count = load(argv[2], argv[3], &bytes);
    else if (strcmp(argv[1], "merge") == 0)
        count = merge(argv[2], argv[3], &bytes);
    else
        fail("unknown command %s", argv[1]);
    struct times end = times_now();
    double wall = (double)(end.wall - start.wall) / 1e6, cpu = (double)(end.cpu - start.cpu) / 1e6;
    printf("entries %llu bytes %llu cpu_ms %.1f wall_ms %.1f rss_anon_kib %ld\n", (unsigned long long)count,
           (unsigned long long)bytes, cpu, wall, peak_kib);
    return 0;
}
