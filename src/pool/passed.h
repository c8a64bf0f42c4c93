/*
 * Blocks that a pool passed on to its fallback: which they are, and their sizes.
 *
 * A hash table by address, apart from the blocks, so that a wrong pointer is told without reading where it points, and whatever a program
 * writes beside such a block spoils nothing here. The first few entries lie in the pool; a larger table is asked of the fallback itself.
 */
#ifndef TARN_POOL_PASSED_H
#define TARN_POOL_PASSED_H

#include "pool/host.h"

struct tarn__passed_entry {
    void *p; /* NULL: the place is empty */
    size_t size;
};

enum { TARN__PASSED_FEW = 16 };

struct tarn__passed {
    struct tarn_pool_fallback fallback;
    struct tarn__passed_entry *table; /* `few`, or the fallback's */
    size_t places;                    /* a power of two */
    size_t count;                     /* at most three quarters of them */
    uint64_t ever;
    struct tarn__passed_entry few[TARN__PASSED_FEW];
};

/* `fallback` with both functions NULL is that of the host. The struct stays where it is from then on. */
void tarn__passed_init(struct tarn__passed *passed, const struct tarn_pool_fallback *fallback);

/*
 * A block of the fallback, entered; NULL: none. The guard is held at the call and afterwards, and let go of in between. The fallback's block
 * comes back if there is no room to remember it.
 */
void *tarn__passed_alloc(struct tarn__passed *passed, struct tarn__guard *guard, size_t size);

/* The entry of `p`, or NULL. O(1) expected; under the guard. */
const struct tarn__passed_entry *tarn__passed_find(const struct tarn__passed *passed, const void *p);

/* Takes the entry of `p` out, if there is one; the block, of *size bytes, goes back by tarn__passed_give, with no guard held. */
bool tarn__passed_remove(struct tarn__passed *passed, const void *p, size_t *size);

static inline void tarn__passed_give(const struct tarn__passed *passed, void *p, size_t size)
{
    if (passed->fallback.free)
        passed->fallback.free(passed->fallback.context, p, size);
}

/* Gives back the table, when nothing is entered any more or who ends has visited what is. */
void tarn__passed_end(struct tarn__passed *passed);

void tarn__passed_each(const struct tarn__passed *passed, tarn_pool_visit *visit, void *context);

/* Bytes of all entries. O(places). */
size_t tarn__passed_bytes(const struct tarn__passed *passed);

/* Whether every entry is found where it should be, and counted. */
bool tarn__passed_check(const struct tarn__passed *passed);

#endif
