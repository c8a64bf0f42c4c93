/*
 * gen_pool: ranges out of chunks, by one bit for each unit. (The kernel's lib/genalloc.c has the interface and the idea of doing without locks.)
 *
 *     pool ──> chunk ──> chunk ──> NULL      pushed by compare-and-swap, the newest first; none leaves before the pool's end
 *                │
 *                └── bits      a unit's bit is set: taken
 *
 * Invariants: a range is taken word by word in ascending order. Who finds a bit of it set clears what it set itself and searches anew. Of
 * several claims that meet, the one that is ahead goes on, so somebody always does. A bit is cleared only by who took the range. `available`
 * is brought up to date after the bits: it may be behind, even below 0, while calls are under way, and serves to pass by full chunks.
 *
 * No lock, so there is nothing to care for at a fork or in signal handlers. A call that is cut off by them leaves bits that are set.
 *
 * Wrong if: pools have so many chunks, or chunks so many units, that searching bits costs more than a tree would.
 */
#include "tarn/genpool.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/fail.h"
#include "base/modes.h"
#include "base/warn.h"
#include "tarn/alloc.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define WORD_BITS (CHAR_BIT * sizeof(long))

struct tarn_gen_pool {
    _Atomic(struct tarn_gen_pool_chunk *) chunks;
    int order;
    _Atomic(tarn_gen_pool_algo_t *) algo;
    _Atomic(void *) data;
};

/* The acquire pairs with the release in push. */
static struct tarn_gen_pool_chunk *newest(struct tarn_gen_pool *pool)
{
    return atomic_load_explicit(&pool->chunks, memory_order_acquire);
}

static size_t chunk_size(const struct tarn_gen_pool_chunk *chunk) { return chunk->end - chunk->start + 1; }

/* Rounded up; does not wrap. */
static size_t units_of(const struct tarn_gen_pool *pool, size_t size)
{
    return (size >> pool->order) + ((size & ((1ul << pool->order) - 1)) != 0);
}

static struct tarn_gen_pool_chunk *chunk_of(struct tarn_gen_pool *pool, unsigned long address)
{
    struct tarn_gen_pool_chunk *chunk = newest(pool);
    while (chunk && (address < chunk->start || address > chunk->end))
        chunk = chunk->next;
    return chunk;
}

static void add_available(struct tarn_gen_pool_chunk *chunk, long change)
{
    __atomic_fetch_add(&chunk->available, change, __ATOMIC_RELAXED);
}

static long available(const struct tarn_gen_pool_chunk *chunk) { return __atomic_load_n(&chunk->available, __ATOMIC_RELAXED); }

/*
 * Sets bits that are clear, or clears ones that are set, up to the first that is so already. Returns how many changed. The acquire of who sets a bit
 * pairs with the release of who cleared it: what was done to the units before is done.
 */
static size_t change_bits(unsigned long *map, size_t first, size_t count, bool set)
{
    for (size_t at = first, end = first + count; at < end;) {
        size_t n = tarn__min(WORD_BITS - at % WORD_BITS, end - at);
        unsigned long mask = (~0ul >> (WORD_BITS - n)) << (at % WORD_BITS), *word = &map[at / WORD_BITS];
        unsigned long was = __atomic_load_n(word, __ATOMIC_RELAXED);
        do
            if ((set ? was : ~was) & mask)
                return at - first;
        while (!__atomic_compare_exchange_n(word, &was, was ^ mask, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
        at += n;
    }
    return count;
}

/* Takes the bits, all or none. */
static bool claim(unsigned long *map, size_t first, size_t count)
{
    size_t got = change_bits(map, first, count, true);
    if (got < count)
        change_bits(map, first, got, false);
    return got == count;
}

struct tarn_gen_pool *tarn_gen_pool_create(int min_order, int nid)
{
    (void)nid;
    if (min_order < 0 || min_order > (int)WORD_BITS - 2)
        return NULL;
    struct tarn_gen_pool *pool = tarn_malloc(sizeof *pool);
    if (!pool)
        return NULL;
    pool->order = min_order;
    atomic_init(&pool->chunks, NULL);
    tarn_gen_pool_set_algo(pool, NULL, NULL);
    return pool;
}

/* The first range that is taken. */
static void report_live(struct tarn_gen_pool *pool)
{
    for (struct tarn_gen_pool_chunk *chunk = newest(pool); chunk; chunk = chunk->next)
        for (size_t i = 0; i < chunk_size(chunk) >> pool->order; i++)
            if (chunk->bits[i / WORD_BITS] >> (i % WORD_BITS) & 1) {
                struct tarn__suspect suspect = {.pool = "genpool", .live = true};
                suspect.object = (void *)(chunk->start + (i << pool->order));
                suspect.size = (size_t)1 << pool->order;
                tarn__report(TARN__LIVE_OBJECTS, "gen_pool_destroy", suspect.object, &suspect);
                return;
            }
}

int tarn_gen_pool_destroy(struct tarn_gen_pool *pool)
{
    if (!pool)
        return 0;
    size_t taken = tarn_gen_pool_size(pool) - tarn_gen_pool_available(pool);
    if (taken) {
        tarn__warn("gen_pool: destroyed while %zu bytes are in use: it stays", taken);
        if (tarn__letters_for("genpool"))
            report_live(pool);
        return -EBUSY;
    }
    for (struct tarn_gen_pool_chunk *chunk = newest(pool), *next; chunk; chunk = next) {
        next = chunk->next;
        tarn_free(chunk);
    }
    tarn_free(pool);
    return 0;
}

/* Pushes a chunk unless it overlaps another. Those that are pushed meanwhile are looked at, too. */
static int push(struct tarn_gen_pool *pool, struct tarn_gen_pool_chunk *chunk)
{
    const struct tarn_gen_pool_chunk *seen = NULL;
    chunk->next = newest(pool);
    do {
        for (struct tarn_gen_pool_chunk *other = chunk->next; other != seen; other = other->next)
            if (other->start <= chunk->end && chunk->start <= other->end)
                return -EEXIST;
        seen = chunk->next;
    } while (
        !atomic_compare_exchange_weak_explicit(&pool->chunks, &chunk->next, chunk, memory_order_acq_rel, memory_order_acquire));
    return 0;
}

int tarn_gen_pool_add(struct tarn_gen_pool *pool, unsigned long address, uint64_t physical, size_t size, void *owner)
{
    if (address == 0 || size == 0 || size > LONG_MAX || address + (size - 1) < address)
        return -EINVAL;
    size_t words = ((size >> pool->order) + WORD_BITS - 1) / WORD_BITS;
    struct tarn_gen_pool_chunk *chunk = tarn_calloc(1, sizeof *chunk + words * sizeof(long));
    if (!chunk)
        return -ENOMEM;
    *chunk = (struct tarn_gen_pool_chunk){
        .available = (long)size,
        .physical = physical,
        .owner = owner,
        .start = address,
        .end = address + (size - 1),
        .bits = (unsigned long *)(chunk + 1),
    };
    int error = push(pool, chunk);
    if (error)
        tarn_free(chunk);
    return error;
}

/* A claimed range's address in one chunk, or 0. */
static unsigned long alloc_from(struct tarn_gen_pool *pool, struct tarn_gen_pool_chunk *chunk, size_t units,
                                tarn_gen_pool_algo_t *algo, void *data)
{
    size_t bits = chunk_size(chunk) >> pool->order;
    for (;;) {
        size_t at = algo(chunk->bits, bits, 0, (unsigned)units, data, pool, chunk->start);
        if (at >= bits || units > bits - at)
            return 0;
        if (claim(chunk->bits, at, units)) {
            add_available(chunk, -(long)(units << pool->order));
            return chunk->start + (at << pool->order);
        }
    }
}

unsigned long tarn_gen_pool_alloc(struct tarn_gen_pool *pool, size_t size, tarn_gen_pool_algo_t *algo, void *data, void **owner)
{
    size_t units = units_of(pool, size);
    unsigned long address = 0;
    if (!algo) {
        algo = atomic_load_explicit(&pool->algo, memory_order_relaxed);
        data = atomic_load_explicit(&pool->data, memory_order_relaxed);
    }
    if (owner)
        *owner = NULL;
    if (units == 0 || units > UINT_MAX || size > LONG_MAX)
        return 0;
    for (struct tarn_gen_pool_chunk *chunk = newest(pool); chunk && !address; chunk = chunk->next) {
        if (available(chunk) < (long)size)
            continue;
        address = alloc_from(pool, chunk, units, algo, data);
        if (address && owner)
            *owner = chunk->owner;
    }
    return address;
}

unsigned long tarn_gen_pool_zalloc(struct tarn_gen_pool *pool, size_t size, tarn_gen_pool_algo_t *algo, void *data,
                                   void **owner)
{
    unsigned long address = tarn_gen_pool_alloc(pool, size, algo, data, owner);
    if (address)
        memset((void *)address, 0, size);
    return address;
}

void tarn_gen_pool_free(struct tarn_gen_pool *pool, unsigned long address, size_t size, void **owner)
{
    struct tarn_gen_pool_chunk *chunk = chunk_of(pool, address);
    if (!chunk || ((address - chunk->start) & ((1ul << pool->order) - 1)))
        tarn__fail(TARN__INVALID_FREE, "gen_pool_free", (void *)address);
    size_t first = (address - chunk->start) >> pool->order, units = units_of(pool, size);
    if (units > (chunk_size(chunk) >> pool->order) - first)
        tarn__fail(TARN__WRONG_SIZE, "gen_pool_free", (void *)address);
    if (owner)
        *owner = chunk->owner;
    if (change_bits(chunk->bits, first, units, false) < units)
        tarn__fail(TARN__DOUBLE_FREE, "gen_pool_free", (void *)address);
    add_available(chunk, (long)(units << pool->order));
}

void *tarn_gen_pool_dma_alloc(struct tarn_gen_pool *pool, size_t size, uint64_t *dma, tarn_gen_pool_algo_t *algo, void *data)
{
    unsigned long address = pool ? tarn_gen_pool_alloc(pool, size, algo, data, NULL) : 0;
    if (address && dma)
        *dma = tarn_gen_pool_physical(pool, address);
    return (void *)address;
}

void *tarn_gen_pool_dma_alloc_align(struct tarn_gen_pool *pool, size_t size, uint64_t *dma, int align)
{
    struct tarn_gen_pool_align wish = {align};
    return tarn_gen_pool_dma_alloc(pool, size, dma, tarn_gen_pool_first_fit_align, &wish);
}

void *tarn_gen_pool_dma_zalloc(struct tarn_gen_pool *pool, size_t size, uint64_t *dma, tarn_gen_pool_algo_t *algo, void *data)
{
    void *p = tarn_gen_pool_dma_alloc(pool, size, dma, algo, data);
    return p ? memset(p, 0, size) : NULL;
}

void *tarn_gen_pool_dma_zalloc_align(struct tarn_gen_pool *pool, size_t size, uint64_t *dma, int align)
{
    struct tarn_gen_pool_align wish = {align};
    return tarn_gen_pool_dma_zalloc(pool, size, dma, tarn_gen_pool_first_fit_align, &wish);
}

void tarn_gen_pool_set_algo(struct tarn_gen_pool *pool, tarn_gen_pool_algo_t *algo, void *data)
{
    atomic_store_explicit(&pool->algo, algo ? algo : tarn_gen_pool_first_fit, memory_order_relaxed);
    atomic_store_explicit(&pool->data, data, memory_order_relaxed);
}

int tarn_gen_pool_order(const struct tarn_gen_pool *pool) { return pool->order; }

uint64_t tarn_gen_pool_physical(struct tarn_gen_pool *pool, unsigned long address)
{
    const struct tarn_gen_pool_chunk *chunk = chunk_of(pool, address);
    if (!chunk || chunk->physical == TARN_GEN_POOL_NO_PHYSICAL)
        return TARN_GEN_POOL_NO_PHYSICAL;
    return chunk->physical + (address - chunk->start);
}

bool tarn_gen_pool_has(struct tarn_gen_pool *pool, unsigned long address, size_t size)
{
    const struct tarn_gen_pool_chunk *chunk = chunk_of(pool, address);
    return chunk && size > 0 && size - 1 <= chunk->end - address;
}

size_t tarn_gen_pool_available(struct tarn_gen_pool *pool)
{
    long sum = 0;
    for (struct tarn_gen_pool_chunk *chunk = newest(pool); chunk; chunk = chunk->next)
        sum += available(chunk);
    return sum > 0 ? (size_t)sum : 0;
}

size_t tarn_gen_pool_size(struct tarn_gen_pool *pool)
{
    size_t sum = 0;
    for (struct tarn_gen_pool_chunk *chunk = newest(pool); chunk; chunk = chunk->next)
        sum += chunk_size(chunk);
    return sum;
}

void tarn_gen_pool_each_chunk(struct tarn_gen_pool *pool,
                              void (*visit)(struct tarn_gen_pool *pool, struct tarn_gen_pool_chunk *chunk, void *context),
                              void *context)
{
    for (struct tarn_gen_pool_chunk *chunk = newest(pool); chunk; chunk = chunk->next)
        visit(pool, chunk, context);
}

static void verify_chunk(const struct tarn_gen_pool *pool, const struct tarn_gen_pool_chunk *chunk)
{
    size_t bits = chunk_size(chunk) >> pool->order, taken = 0, beyond = 0;
    for (size_t i = 0; i < (bits + WORD_BITS - 1) / WORD_BITS * WORD_BITS; i++)
        *(i < bits ? &taken : &beyond) += chunk->bits[i / WORD_BITS] >> (i % WORD_BITS) & 1;
    TARN__ASSERT(beyond == 0, "a chunk has no bit set beyond its units");
    TARN__ASSERT(available(chunk) == (long)(chunk_size(chunk) - (taken << pool->order)), "a chunk's available bytes are right");
    for (const struct tarn_gen_pool_chunk *other = chunk->next; other; other = other->next)
        TARN__ASSERT(other->end < chunk->start || other->start > chunk->end, "chunks do not overlap");
}

void tarn_gen_pool_verify(struct tarn_gen_pool *pool)
{
    for (const struct tarn_gen_pool_chunk *chunk = newest(pool); chunk; chunk = chunk->next)
        verify_chunk(pool, chunk);
}
