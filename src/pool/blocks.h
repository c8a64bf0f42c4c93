/*
 * What a block pool is made of. blockpool.c has the picture, takes and frees; blocksearch.c finds free runs, and gets memory; blocklife.c makes
 * pools, ends them, and looks at them.
 *
 * With TARN_POOL_CHECK pointers are followed only in structs whose seal is right, and the tree of spans is not used. Whether a pool is one of those
 * is known by a word that holds its own address in one of three forms: anything else in its place is corruption.
 */
#ifndef TARN_POOL_BLOCKS_H
#define TARN_POOL_BLOCKS_H

#include "base/bits.h"
#include "pool/bytes.h"
#include "pool/host.h"
#include "pool/peak.h"
#include "pool/spans.h"
#include "pool/watch.h"
#include "tarn/blockpool.h"

typedef unsigned long tarn__bits;

enum { TARN__WIDTH = sizeof(tarn__bits) * 8 };
#define TARN__ALL_BITS (~(tarn__bits)0)
#define TARN__MOST_BYTES ((size_t)PTRDIFF_MAX / 4) /* of a request: sums of them do not wrap */

struct tarn__block_word {
    tarn__bits taken, joined;
};

struct tarn__segment {
    struct tarn__span span;     /* its blocks, also those not open yet; the first member */
    struct tarn__segment *next; /* newer */
    uintptr_t origin;           /* where block 0 would be: numbers begin at TARN__WIDTH */
    size_t limit, room;         /* one past the last open block, and past the last of all */
    size_t number;              /* newer ones have higher ones */
    void *memory;
    size_t size;    /* of the memory */
    uintptr_t seal; /* of what is above from `next` on, and of where the span begins and ends */
    size_t start;   /* where a search begins */
    size_t longest; /* no free run is longer */
    struct tarn__block_word word[];
};

struct tarn_blockpool {
    uintptr_t mode;
    struct tarn__guard guard;
    size_t block_size;
    tarn__bits inverse;            /* of its odd factor, modulo 2^TARN__WIDTH */
    uint32_t reciprocal, rotation; /* more than 2^32 / block_size, by as little as can be; log2 of its even factor */
    uint16_t next_fit, own;        /* both 0 or 1; own: the memory of the first segment is the source's */
    unsigned flags;
    struct tarn_source *source;  /* NULL: none */
    size_t increment;            /* blocks; 0: it does not grow */
    struct tarn__segment *first; /* the oldest */
    uintptr_t seal;              /* of what is above, from the block size on; the guard has its own */

    struct tarn__segment *at; /* where a search begins */
    struct tarn__segment *newest;
    struct tarn__spans spans;
    char *
        parked; /* NULL, or a free run of pool->at, lower than all others, whose bits say that it is live; plain pools with first fit only */
    size_t parked_bytes;
    struct tarn__peak bytes; /* of live blocks */
    size_t numbers;          /* of segments, given out */
    uint64_t allocations, frees, failures;
};

extern const struct tarn__watched tarn__blockpool_watched;

/* The modes: no flags and no lock; flags or a lock, but no TARN_POOL_CHECK; with that. */
static inline uintptr_t tarn__mode_plain(const struct tarn_blockpool *pool) { return (uintptr_t)pool; }
static inline uintptr_t tarn__mode_careful(const struct tarn_blockpool *pool) { return ~(uintptr_t)pool; }
static inline uintptr_t tarn__mode_checked(const struct tarn_blockpool *pool)
{
    return ((uintptr_t)pool >> 4) * (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
}

static inline bool tarn__is_watched(const struct tarn_blockpool *pool) { return pool->flags & TARN__WATCHED; }

static inline bool tarn__is_checked(const struct tarn_blockpool *pool) { return pool->mode == tarn__mode_checked(pool); }

static inline uintptr_t tarn__mode_ended(const struct tarn_blockpool *pool) { return ~tarn__mode_checked(pool); }

/*
 * Makes that all is in the bits, and takes the guard. @return 0, or why the call must not go on: as tarn__guard_enter, or the pool's words or its oldest segment's were
 * overwritten, as far as that is known; then the guard is not taken
 */
int tarn__blockpool_enter(struct tarn_blockpool *pool);

/* Mixes a word into a seal. */
uintptr_t tarn__seal_mix(uintptr_t so_far, uintptr_t word);

uintptr_t tarn__blockpool_seal(const struct tarn_blockpool *pool);
bool tarn__segment_sealed(const struct tarn__segment *segment);
void tarn__segment_reseal(struct tarn__segment *segment);

static inline char *tarn__block_at(const struct tarn_blockpool *pool, const struct tarn__segment *segment, size_t number)
{
    return (char *)(segment->origin + number * pool->block_size);
}

/* size > 0. The product is exact up to 65536 bytes, as the block size is no more. */
static inline size_t tarn__blocks_for(const struct tarn_blockpool *pool, size_t size)
{
    if (__builtin_expect(size <= pool->block_size, 1))
        return 1;
    if (__builtin_expect(size <= 65536, 1))
        return (size_t)((uint64_t)(uint32_t)(size - 1) * pool->reciprocal >> 32) + 1;
    return (size - 1) / pool->block_size + 1;
}

static inline size_t tarn__lowest_bit(tarn__bits word) { return (size_t)__builtin_ctzl(word); }

/* `count` bits from `low` on; count > 0, and they fit. */
static inline tarn__bits tarn__run_mask(size_t low, size_t count) { return TARN__ALL_BITS >> (TARN__WIDTH - count) << low; }

struct tarn__run {
    struct tarn__segment *segment;
    size_t number, count;
};

/* The bits at which `count` ones begin. */
static inline tarn__bits tarn__run_starts(tarn__bits word, size_t count)
{
    for (size_t more = count - 1, step = 1; more > 0; step *= 2) {
        size_t by = step < more ? step : more;
        word &= word >> by;
        more -= by;
    }
    return word;
}

/* Takes blocks that are all free, or frees ones that are all taken: as ones that go on a run that begins before them. */
void tarn__flip_blocks(struct tarn__segment *segment, size_t number, size_t count);

/* The same of a whole run. */
static inline void tarn__flip_run(const struct tarn__run *run)
{
    tarn__flip_blocks(run->segment, run->number, run->count);
    run->segment->word[run->number / TARN__WIDTH].joined ^= (tarn__bits)1 << (run->number % TARN__WIDTH);
}

/* The first block from `from` on that is taken, or that is free; `limit`: none. */
size_t tarn__next_block(const struct tarn__segment *segment, size_t from, bool taken);

/* The length of the run that begins at `number`. */
size_t tarn__run_length(const struct tarn__segment *segment, size_t number);

/* Makes what is parked free, and seen to be so. */
void tarn__blockpool_unpark(struct tarn_blockpool *pool);

/* Bytes of a run that its user may use; SIZE_MAX: its red zones were overwritten. `where` gets where they begin. */
size_t tarn__run_bytes(const struct tarn_blockpool *pool, const struct tarn__run *run, void **where);

/* Searching and growing, with the guard held */

/* What a search found; and memory that was got in vain, to be given back when the guard is let go of. */
struct tarn__place {
    struct tarn__segment *segment;
    void *surplus;
    size_t surplus_size;
};

/* `count` free neighbours; 0: none. They are to be taken at once, as the search goes on behind them. */
size_t tarn__blocks_search(struct tarn_blockpool *pool, size_t count, struct tarn__place *place);

/* The same from more memory; the guard is let go of meanwhile. */
size_t tarn__blocks_search_more(struct tarn_blockpool *pool, size_t count, struct tarn__place *place);

/* Without the guard. */
void tarn__blocks_give(struct tarn_blockpool *pool, const struct tarn__place *place);

/* pool->at; with checks, the first where that may have been overwritten. */
struct tarn__segment *tarn__segment_begin(const struct tarn_blockpool *pool);

/* The next newer one; NULL: none that may be followed. */
struct tarn__segment *tarn__segment_after(const struct tarn_blockpool *pool, const struct tarn__segment *segment);

/* Makes [at, end) a segment, the newest, with `open` blocks, or as many as there is room for. */
void tarn__segment_add(struct tarn_blockpool *pool, uintptr_t at, uintptr_t end, size_t open);

/* Adds one that was taken out. */
void tarn__segment_append(struct tarn_blockpool *pool, struct tarn__segment *segment);

/* How many blocks find room between `at` and `end`, behind a segment's struct. */
size_t tarn__blocks_between(size_t block_size, uintptr_t at, uintptr_t end);

/* Bytes, whole pages, of a segment with that many blocks, that begins `head` bytes behind the beginning of a page. */
size_t tarn__segment_bytes(size_t block_size, size_t head, size_t blocks);

#endif
