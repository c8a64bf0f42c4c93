/*
 * Requests as programs make them, by number and in order: the same for every strategy, from fixed seeds.
 *
 * A load is a list of events. An event names a block by a number: one that is not live is allocated, a live one gets another
 * size, or, with size 0, is freed. At the end some blocks are live.
 */
#ifndef TARN_BENCH_REGION_LOADS_H
#define TARN_BENCH_REGION_LOADS_H

#include <stddef.h>
#include <stdint.h>

struct event {
    uint32_t block, size;
};

struct load {
    struct event *events;
    size_t count, room;
    uint32_t blocks; /* numbers are below that */
};

struct load_kind {
    const char *name;
    const char *what;
    void (*make)(struct load *load, uint64_t *random);
};

extern const struct load_kind load_kinds[];
extern const unsigned load_kinds_count;

/* Makes one; `seed` is any number. */
struct load load_make(const struct load_kind *kind, uint64_t seed);
void load_free(struct load *load);

/* Random numbers: below `bound`; and around `mean`, small ones often, never 0. */
uint32_t load_below(uint64_t *random, uint32_t bound);
uint32_t load_geometric(uint64_t *random, uint32_t mean);

#endif
