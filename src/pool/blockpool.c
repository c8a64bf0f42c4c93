/*
 * Block pools: runs of neighbouring blocks, found by bitmap.
 *
 *     segment   | pool (the first) | segment | words | block | block | block |···| not yet opened |
 *                                                    ^ 64                        ^ limit          ^ room
 *     words     | 0 | blocks 64…127 | blocks 128…191 |···| all taken |     of 64 bits, or of 32 where pointers have so many
 *     a word    | taken: a bit a block | joined: a bit a block |
 *
 * A run is a taken block that is not joined to the one before it, and those behind it that are. So each free is verified by two bits, and needs no
 * size; and a run of one block needs no second bit. Blocks are numbered from TARN__WIDTH on, so that 0 is none. What is past the limit is taken, and
 * not joined: no search and no run goes there.
 *
 * Memory comes in whole pages, but a pool has exactly the blocks that it was asked for: a segment's `limit` says how many are open. To grow is
 * to open more of the newest segment, or, where it has too few left, to get another one.
 *
 * First fit: below a segment's `start` no block is free, and no segment older than pool->at has any. Next fit: both say where the latest
 * allocation ended. `longest` bounds the longest free run of a segment: a search that fails lowers it, a free takes it back. So full segments are passed over.
 *
 * Programs often free what they took last. With first fit, in a pool without flags and lock, a freed run below which nothing is free is parked: its
 * bits stay as they are, and a request for as many blocks, which would find just it, gets it back at once. Whatever else looks at the bits
 * makes them true first: tarn__blockpool_enter does so. So the fast paths write no bits, and no address waits for arithmetic.
 *
 * The number of a block comes from an offset without a division: by the inverse of the block size's odd factor modulo a power of two, and a
 * rotation by the even one, what is no multiple becomes a number that is too large (Granlund, Montgomery, PLDI 1994, "Division by invariant integers using
 * multiplication", section 9).
 *
 * Wrong if: a bit of a live run is not taken, something lower than what is parked is free, `start` or `longest` hide a free run, or a number past the limit passes for a block.
 */
#include "pool/blocks.h"

enum {
    ZONE = 0xcc,
    FRONT = 2 * sizeof(size_t), /* of a red zone: the size asked for, and a tag that mixes it with the address */
};

/* Taking and freeing */

/* Notes that blocks became free, of which the first is the one with that number. */
static inline void note_hole(struct tarn_blockpool *pool, struct tarn__segment *segment, const struct tarn__segment *begin,
                             size_t number)
{
    segment->longest = segment->limit; /* what is free around them may join them */
    if (number < segment->start && !pool->next_fit) {
        segment->start = number;
        if (segment->number <= begin->number)
            pool->at = segment;
    }
}

/* Looking up */

/*
 * The number of the block that begins at `p`; the segment's limit or more for what is no block's beginning: what is no multiple of the block size
 * becomes too large, and so does what is outside.
 */
static inline size_t number_of(const struct tarn_blockpool *pool, const struct tarn__segment *segment, uintptr_t p)
{
    return tarn__rotate_right((p - segment->origin) * pool->inverse, pool->rotation);
}

/* The segment that has an address. NULL: none, or none that may be followed. */
static struct tarn__segment *segment_of(struct tarn_blockpool *pool, uintptr_t address)
{
    if (!tarn__is_checked(pool))
        return (struct tarn__segment *)(void *)tarn__spans_find(&pool->spans, (const void *)address);
    struct tarn__segment *segment = pool->first;
    while (segment && address - segment->span.base >= segment->span.end - segment->span.base)
        segment = tarn__segment_after(pool, segment);
    return segment;
}

/* The run that begins at `p`, as it was handed out. */
static int look_up(struct tarn_blockpool *pool, const void *p, struct tarn__run *run)
{
    uintptr_t address = (uintptr_t)p - (pool->flags & TARN_POOL_RED_ZONE ? FRONT : 0);
    struct tarn__segment *segment = segment_of(pool, address);
    size_t number = segment ? number_of(pool, segment, address) : 0;
    if (!segment)
        return TARN_POOL_FOREIGN;
    if (number >= segment->limit)
        return (address - segment->origin) / pool->block_size < segment->limit ? TARN_POOL_INSIDE : TARN_POOL_FOREIGN;
    const struct tarn__block_word *word = &segment->word[number / TARN__WIDTH];
    if (!(word->taken >> (number % TARN__WIDTH) & 1))
        return TARN_POOL_DOUBLE_FREE;
    if (word->joined >> (number % TARN__WIDTH) & 1)
        return TARN_POOL_INSIDE;
    *run = (struct tarn__run){segment, number, tarn__run_length(segment, number)};
    return 0;
}

/* What flags add */

/* Bytes that a run of blocks must have for `size` of a request. */
static size_t with_zones(const struct tarn_blockpool *pool, size_t size)
{
    return pool->flags & TARN_POOL_RED_ZONE ? size + FRONT + sizeof(size_t) : size;
}

/* No byte of it is one of text, or of a small number. */
static __attribute__((noinline)) size_t tag_of(const size_t *front)
{
    return tarn__seal_mix((uintptr_t)front, front[0]) | SIZE_MAX / 255 * 128;
}

size_t tarn__run_bytes(const struct tarn_blockpool *pool, const struct tarn__run *run, void **where)
{
    size_t room = run->count * pool->block_size;
    char *begin = tarn__block_at(pool, run->segment, run->number);
    *where = begin;
    if (!(pool->flags & TARN_POOL_RED_ZONE))
        return room;
    const size_t *front = (const size_t *)(const void *)begin;
    *where = begin + FRONT;
    if (room < FRONT + sizeof(size_t) || front[0] > room - FRONT - sizeof(size_t) || front[1] != tag_of(front))
        return SIZE_MAX;
    return tarn__bytes_are(begin + FRONT + front[0], ZONE, room - FRONT - front[0]) ? front[0] : SIZE_MAX;
}

/* Makes a run that has just been taken, or whose length changed, one for `size` bytes, of which `kept` stay. @return as it is handed out */
static void *dress(const struct tarn_blockpool *pool, const struct tarn__run *run, size_t size, size_t kept)
{
    char *begin = tarn__block_at(pool, run->segment, run->number), *p = begin;
    size_t room = run->count * pool->block_size;
    if (pool->flags & TARN_POOL_RED_ZONE) {
        size_t *front = (size_t *)(void *)begin;
        front[0] = size;
        front[1] = tag_of(front);
        p = begin + FRONT;
        tarn__bytes_fill(p + size, ZONE, room - FRONT - size);
        room = size;
    }
    if (room > kept && pool->flags & (TARN_POOL_ZERO | TARN_POOL_POISON))
        tarn__bytes_fill(p + kept, pool->flags & TARN_POOL_ZERO ? 0 : TARN__FRESH, room - kept);
    return p;
}

/* Whether free blocks are as they were left. */
static bool untouched(const struct tarn_blockpool *pool, const struct tarn__segment *segment, size_t number, size_t count)
{
    return !(pool->flags & TARN_POOL_POISON) ||
           tarn__bytes_are(tarn__block_at(pool, segment, number), TARN__FREED, count * pool->block_size);
}

static void poison(const struct tarn_blockpool *pool, const struct tarn__segment *segment, size_t number, size_t count)
{
    if (pool->flags & TARN_POOL_POISON)
        tarn__bytes_fill(tarn__block_at(pool, segment, number), TARN__FREED, count * pool->block_size);
}

/* The interface */

static void *alloc_here(struct tarn_blockpool *pool, size_t size)
{
    struct tarn__place place = {NULL, NULL, 0};
    size_t number = 0, count = 0;
    void *p = NULL;
    if (tarn__blockpool_enter(pool))
        return NULL;
    size = tarn__max(size, 1);
    if (size <= TARN__MOST_BYTES) {
        count = tarn__blocks_for(pool, with_zones(pool, size));
        number = tarn__blocks_search(pool, count, &place);
        if (!number)
            number = tarn__blocks_search_more(pool, count, &place);
    }
    if (number && untouched(pool, place.segment, number, count)) {
        const struct tarn__run run = {place.segment, number, count};
        tarn__flip_run(&run);
        pool->allocations++;
        tarn__peak_take(&pool->bytes, count * pool->block_size);
        p = dress(pool, &run, size, 0);
    } else {
        pool->failures++;
        if (number)
            place.segment->start = tarn__min(place.segment->start, number);
    }
    tarn__guard_drop(&pool->guard);
    tarn__blocks_give(pool, &place);
    return p;
}

static __attribute__((noinline)) void *alloc_slowly(struct tarn_blockpool *pool, size_t size)
{
    return tarn__is_watched(pool) ? tarn__watch_alloc(pool, 1, size) : alloc_here(pool, size);
}

/* Makes a run free, that is counted so. */
static void release(struct tarn_blockpool *pool, const struct tarn__run *run)
{
    tarn__flip_run(run);
    note_hole(pool, run->segment, tarn__segment_begin(pool), run->number);
}

void tarn__blockpool_unpark(struct tarn_blockpool *pool)
{
    struct tarn__segment *segment = pool->at;
    size_t number = number_of(pool, segment, (uintptr_t)pool->parked);
    pool->parked = NULL;
    release(pool, &(struct tarn__run){segment, number, tarn__run_length(segment, number)});
}

/* The same for a run that must not have been overrun. */
static inline int look_up_whole(struct tarn_blockpool *pool, const void *p, struct tarn__run *run)
{
    void *where;
    int error = look_up(pool, p, run);
    return !error && tarn__run_bytes(pool, run, &where) == SIZE_MAX ? TARN_POOL_CORRUPT : error;
}

static int free_here(struct tarn_blockpool *pool, void *p)
{
    struct tarn__run run;
    int error = tarn__blockpool_enter(pool);
    if (error)
        return error;
    error = look_up_whole(pool, p, &run);
    if (!error) {
        poison(pool, run.segment, run.number, run.count);
        pool->frees++;
        tarn__peak_give(&pool->bytes, run.count * pool->block_size);
        release(pool, &run);
    }
    tarn__guard_drop(&pool->guard);
    return error;
}

static __attribute__((noinline)) int free_slowly(struct tarn_blockpool *pool, void *p)
{
    if (!p)
        return 0;
    return tarn__is_watched(pool) ? tarn__watch_free(pool, p, TARN__ANY_SIZE, "tarn_blockpool_free") : free_here(pool, p);
}

/* A short run in the word where the search begins, if that has one: it is what a search would find. Else all of a search. */
static inline void *alloc_near(struct tarn_blockpool *pool, size_t size, size_t count)
{
    struct tarn__segment *segment = pool->at;
    size_t start = segment->start;
    struct tarn__block_word *word = &segment->word[start / TARN__WIDTH];
    tarn__bits free = ~word->taken >> (start % TARN__WIDTH), starts = tarn__run_starts(free, count);
    if (__builtin_expect(starts == 0, 0))
        return alloc_slowly(pool, size);
    size_t number = start + tarn__lowest_bit(starts), low = number % TARN__WIDTH;
    tarn__bits run = tarn__run_mask(low, count);
    word->taken |= run;
    if (count > 1)
        word->joined |= run & (run << 1);
    if ((starts & (free & -free)) || pool->next_fit)
        segment->start = number + count;
    pool->allocations++;
    tarn__peak_take(&pool->bytes, count * pool->block_size);
    return tarn__block_at(pool, segment, number);
}

static __attribute__((noinline)) void *alloc_run(struct tarn_blockpool *pool, size_t size)
{
    size_t count = tarn__blocks_for(pool, size);
    return pool->parked || count >= TARN__WIDTH ? alloc_slowly(pool, size) : alloc_near(pool, size, count);
}

static __attribute__((noinline)) void *alloc_one(struct tarn_blockpool *pool, size_t size)
{
    return pool->parked ? alloc_slowly(pool, size) : alloc_near(pool, size, 1);
}

/* A run inside one word, of which more than the first block is known; or it is not to be parked. */
static __attribute__((noinline)) int free_near(struct tarn_blockpool *pool, char *p)
{
    struct tarn__segment *segment = (struct tarn__segment *)(void *)pool->spans.latest;
    size_t number = number_of(pool, segment, (uintptr_t)p), low = number % TARN__WIDTH;
    if (number >= segment->limit || (pool->parked && (p <= pool->parked || segment != pool->at)))
        return free_slowly(pool, p);
    struct tarn__block_word *word = &segment->word[number / TARN__WIDTH];
    tarn__bits joined = word->joined >> low;
    size_t count = tarn__lowest_bit(~(joined >> 1)) + 1;
    if (!(word->taken >> low & ~joined & 1) || low + count == TARN__WIDTH)
        return free_slowly(pool, p);
    pool->frees++;
    tarn__peak_give(&pool->bytes, count * pool->block_size);
    if (!pool->parked && segment == pool->at && number < segment->start && !pool->next_fit) {
        pool->parked = p;
        pool->parked_bytes = count * pool->block_size;
        return 0;
    }
    tarn__bits run = tarn__run_mask(low, count);
    word->taken ^= run;
    word->joined &= ~run;
    note_hole(pool, segment, pool->at, number);
    return 0;
}

/*
 * The two of the pair: what was freed last, if that is the lowest free run and the next request is for as much, is handed out again without a
 * look at the bits. All else begins again elsewhere, and so does what is wrong.
 */
void *tarn_blockpool_alloc(struct tarn_blockpool *pool, size_t size)
{
    if (__builtin_expect(pool->mode != tarn__mode_plain(pool), 0))
        return alloc_slowly(pool, size);
    char *p = pool->parked;
    if (!p || pool->parked_bytes - size >= pool->block_size)
        return size > pool->block_size ? alloc_run(pool, size) : alloc_one(pool, size);
    pool->parked = NULL;
    pool->allocations++;
    tarn__peak_take(&pool->bytes, pool->parked_bytes);
    return p;
}

int tarn_blockpool_free(struct tarn_blockpool *pool, void *p)
{
    if (__builtin_expect(pool->mode != tarn__mode_plain(pool), 0))
        return free_slowly(pool, p);
    const struct tarn__segment *segment = pool->at;
    size_t number = number_of(pool, segment, (uintptr_t)p), low = number % TARN__WIDTH;
    if (pool->parked || number >= segment->start || pool->next_fit)
        return free_near(pool, p);
    const struct tarn__block_word *word = &segment->word[number / TARN__WIDTH];
    if (!(word->taken >> low & 1) || word->joined >> low & 3 || low == TARN__WIDTH - 1)
        return free_near(pool, p);
    pool->parked = p;
    pool->parked_bytes = pool->block_size;
    pool->frees++;
    tarn__peak_give(&pool->bytes, pool->block_size);
    return 0;
}

/* Changes a run's length where it is. False: what follows is not free. */
static bool resize_in_place(struct tarn_blockpool *pool, struct tarn__run *run, size_t count)
{
    struct tarn__segment *segment = run->segment;
    size_t end = run->number + run->count, more = count - run->count, fewer = run->count - count;
    if (count > run->count) {
        if (more > segment->limit - end || tarn__next_block(segment, end, true) < tarn__min(end + more, segment->limit) ||
            !untouched(pool, segment, end, more))
            return false;
        tarn__flip_blocks(segment, end, more);
        tarn__peak_take(&pool->bytes, more * pool->block_size);
    } else if (count < run->count) {
        poison(pool, segment, end - fewer, fewer);
        tarn__flip_blocks(segment, end - fewer, fewer);
        tarn__peak_give(&pool->bytes, fewer * pool->block_size);
        note_hole(pool, segment, tarn__segment_begin(pool), end - fewer);
    }
    run->count = count;
    return true;
}

void *tarn_blockpool_realloc(struct tarn_blockpool *pool, void *p, size_t size)
{
    struct tarn__run run;
    void *where;
    if (!p || size == 0) {
        if (p)
            tarn_blockpool_free(pool, p);
        return p ? NULL : tarn_blockpool_alloc(pool, size);
    }
    if (tarn__is_watched(pool))
        return tarn__watch_realloc(pool, p, size, "tarn_blockpool_realloc");
    if (tarn__blockpool_enter(pool))
        return NULL;
    int error = size > TARN__MOST_BYTES ? TARN_POOL_INVALID : look_up(pool, p, &run);
    size_t was = error ? SIZE_MAX : tarn__run_bytes(pool, &run, &where);
    if (was == SIZE_MAX)
        pool->failures++;
    else if (resize_in_place(pool, &run, tarn__blocks_for(pool, with_zones(pool, size))))
        dress(pool, &run, size, was);
    else
        error = TARN_POOL_NO_MEMORY;
    tarn__guard_drop(&pool->guard);
    if (was == SIZE_MAX || !error)
        return was == SIZE_MAX ? NULL : p;
    void *moved = tarn_blockpool_alloc(pool, size);
    if (moved) {
        tarn__bytes_copy(moved, p, tarn__min(was, size));
        tarn_blockpool_free(pool, p);
    }
    return moved;
}

static size_t usable(struct tarn_blockpool *pool, const void *p)
{
    struct tarn__run run;
    void *where;
    if (tarn__blockpool_enter(pool))
        return 0;
    size_t size = look_up(pool, p, &run) ? SIZE_MAX : tarn__run_bytes(pool, &run, &where);
    tarn__guard_drop(&pool->guard);
    return size == SIZE_MAX ? 0 : size;
}

size_t tarn_blockpool_usable_size(struct tarn_blockpool *pool, const void *p)
{
    return tarn__is_watched(pool) ? tarn__watch_usable(pool, p) : usable(pool, p);
}

size_t tarn_blockpool_used(struct tarn_blockpool *pool)
{
    if (tarn__blockpool_enter(pool))
        return 0;
    size_t used = tarn__peak_live(&pool->bytes);
    tarn__guard_drop(&pool->guard);
    return used;
}

/* What watched pools are asked */

static void *watched_alloc(void *pool, size_t align, size_t size)
{
    (void)align;
    return alloc_here(pool, size);
}

static int watched_free(void *pool, void *p, size_t size)
{
    (void)size;
    return free_here(pool, p);
}

static int watched_look(void *at, const void *p)
{
    struct tarn_blockpool *pool = at;
    struct tarn__run run;
    int error = tarn__blockpool_enter(pool);
    if (error)
        return error;
    error = look_up_whole(pool, p, &run);
    tarn__guard_drop(&pool->guard);
    return error;
}

static size_t watched_usable(void *pool, const void *p) { return usable(pool, p); }

static size_t watched_align(const void *pool) { return tarn_blockpool_align(pool); }

const struct tarn__watched tarn__blockpool_watched = {"blockpool",    watched_alloc, watched_free, watched_look,
                                                      watched_usable, watched_align, false};
