/* What the C programs of the benchmark share: ending with one line on an error, byte order, clocks, and opening a
 * shard database with the flags that lightningstream itself uses. */
#pragma once
#include <errno.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DBI_NAME "records_v5"
#define SHADOW_NAME "_sync_shadow_" DBI_NAME
enum { HEADER_SIZE = 24, FLAG_DELETED = 1 };

__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

/* Ends the program when a call to liblmdb failed. */
static inline void lmdb(int result, const char *operation) {
    if (result != 0) fail("%s: %s", operation, mdb_strerror(result));
}

static inline void put_be64(uint8_t *to, uint64_t value) {
    value = __builtin_bswap64(value);
    memcpy(to, &value, 8);
}

static inline uint64_t get_be64(const uint8_t *from) {
    uint64_t value;
    memcpy(&value, from, 8);
    return __builtin_bswap64(value);
}

/* Writes the 24 bytes that precede every value: time, transaction, version 0, flags, reserved, no extensions. */
static inline void put_header(uint8_t *to, uint64_t nanoseconds, uint64_t transaction, uint8_t flags) {
    put_be64(to, nanoseconds);
    put_be64(to + 8, transaction);
    memset(to + 16, 0, 8);
    to[17] = flags;
}

static inline uint64_t now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* A key that sorts behind all generated ones: an A record of the zone with the last id. */
#define CHANGED_KEY ((MDB_val){15, "\x7f\xff\xff\xff" "visible" "\0\0\0\x01"})

/* Opens one database file. `map_size` 0 keeps the file's own. */
static inline MDB_env *open_environment(const char *path, unsigned int flags, size_t map_size) {
    MDB_env *environment;
    lmdb(mdb_env_create(&environment), "mdb_env_create");
    lmdb(mdb_env_set_maxdbs(environment, 64), "mdb_env_set_maxdbs");
    if (map_size > 0) lmdb(mdb_env_set_mapsize(environment, map_size), "mdb_env_set_mapsize");
    lmdb(mdb_env_open(environment, path, MDB_NOSUBDIR | MDB_NOTLS | flags, 0664), path);
    return environment;
}
