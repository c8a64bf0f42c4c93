/*
 * How stacks are kept (kept.c), for those who read them from outside of the process: format/live.h.
 */
#ifndef TARN_OS_KEPT_H
#define TARN_OS_KEPT_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    TARN__KEPT_UNIT = 16,
    TARN__KEPT_CHUNK_UNITS_BITS = 16,
    TARN__KEPT_CHUNK = TARN__KEPT_UNIT << TARN__KEPT_CHUNK_UNITS_BITS,
    TARN__KEPT_CHUNKS = 4096,
    TARN__KEPT_BUCKETS = 1 << 17,
};

struct tarn__kept_stack {
    uint32_t next, hash;
    uint32_t count, unused;
    uintptr_t frames[];
};

struct tarn__kept {
    _Atomic uint64_t next; /* the number of the next that is kept, if there is room for it in its chunk */
    char *_Atomic chunk[TARN__KEPT_CHUNKS];
    _Atomic uint32_t bucket[TARN__KEPT_BUCKETS];
};

/* Where the address of all this is found; NULL there: no stack was kept. */
extern struct tarn__kept *_Atomic tarn__kept;

#endif
