/*
 * Block pools: runs of neighbouring blocks, found by bitmap.
 *
 *     segment   | pool (the first) | segment | words | block | block | block |···| not yet opened |
 *                                                    ^ 64                        ^ limit          ^ room
 *     words     | 0 | blocks 64…127 | blocks 128…191 |···| all taken |     of 64 bits, or of 32 where pointers have so many
 *     a word    | taken: a bit a block | first: a bit a block |
 *
 * A run is a taken block that is first, and those behind it that are taken and not first. So each free is verified by one bit, and needs no
 * size. Blocks are numbered from TARN__WIDTH on, so that 0 is none. What is past the limit is taken, and first: no search and no run goes there.
 *
 * Memory comes in whole pages, but a pool has exactly the blocks that it was asked for: a segment's `limit` says how many are open. To grow is
 * to open more of the newest segment, or, where it has too few left, to get another one.
 *
 * First fit: below a segment's `start` no block is free, and no segment older than pool->at has any. Next fit: both say where the latest
 * allocation ended. `longest` bounds the longest free run of a segment: a search that fails lowers it, a free takes it back. So full segments are passed over.
 *
 * The fast paths are for pools without flags and lock, and leave what is rare to others that begin again: taking the block at `start`, whose
 * address is kept in `next`, and freeing one block. So the address that comes next does not wait for the arithmetic of the free before.
 *
 * The number of a block comes from an offset without a division: by the inverse of the block size's odd factor modulo a power of two, and a
 * rotation by the even one, what is no multiple becomes a number that is too large (Granlund, Montgomery, PLDI 1994, "Division by invariant integers using
 * multiplication", section 9).
 *
 * Wrong if: a bit of a live run is not taken, `start` or `longest` hide a free run, or a number past the limit passes for a block.
 */
#include "pool/blocks.h"

enum {
    ZONE = 0xcc,
    FRONT = 2 * sizeof(size_t), /* of a red zone: the size asked for, and a tag that mixes it with the address */
};

/* Taking and freeing */

static inline void note_taken(struct tarn_blockpool *pool, size_t count)
{
    size_t live = pool->live + count;
    pool->live = live;
    if (live > pool->peak)
        pool->peak = live;
}

static inline void take_run(struct tarn_blockpool *pool, struct tarn__segment *segment, size_t number, size_t count)
{
    tarn__flip_taken(segment, number, count);
    segment->word[number / TARN__WIDTH].first |= (tarn__bits)1 << (number % TARN__WIDTH);
    pool->allocations++;
    note_taken(pool, count);
}

/* Notes that blocks became free, and that the first of them, if it is known, is the one to be taken next where the search begins with it. */
static inline void note_free(struct tarn_blockpool *pool, struct tarn__segment *segment, const struct tarn__segment *begin,
                             char *p, size_t number, size_t count)
{
    segment->longest = segment->limit; /* what is free around them may join them */
    pool->live -= count;
    if (number < segment->start && !pool->next_fit) {
        segment->start = number;
        if (segment->number <= begin->number) {
            pool->at = segment;
            pool->next = p;
        }
    }
}

/* Looking up */

/*
 * The number of the block that begins at `p`; the segment's limit or more for what is no block's beginning: what is no multiple of the block size
 * becomes too large, and so does what is outside.
 */
static inline size_t number_of(const struct tarn_blockpool *pool, const struct tarn__segment *segment, uintptr_t p)
{
    tarn__bits product = (p - segment->origin) * pool->inverse;
    return product >> pool->rotation | product << (-pool->rotation & (TARN__WIDTH - 1));
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
    if (!(word->first >> (number % TARN__WIDTH) & 1))
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

static size_t tag_of(const size_t *front) { return tarn__seal_mix((uintptr_t)front, front[0]); }

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

static __attribute__((noinline)) void *alloc_slowly(struct tarn_blockpool *pool, size_t size)
{
    struct tarn__place place = {NULL, NULL, 0};
    size_t number = 0, count = 0;
    void *p = NULL;
    if (!tarn__blockpool_enter(pool))
        return NULL;
    pool->next = NULL;
    size = tarn__max(size, 1);
    if (size <= TARN__MOST_BYTES) {
        count = tarn__blocks_for(pool, with_zones(pool, size));
        number = tarn__blocks_search(pool, count, &place);
        if (!number)
            number = tarn__blocks_search_more(pool, count, &place);
    }
    if (number && untouched(pool, place.segment, number, count)) {
        take_run(pool, place.segment, number, count);
        p = dress(pool, &(struct tarn__run){place.segment, number, count}, size, 0);
    } else {
        pool->failures++;
        if (number)
            place.segment->start = tarn__min(place.segment->start, number);
    }
    tarn__guard_drop(&pool->guard);
    tarn__blocks_give(pool, &place);
    return p;
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
    bool lowest = (starts & (free & -free)) != 0;
    word->taken |= tarn__run_mask(low, count);
    word->first |= (tarn__bits)1 << low;
    char *p = tarn__block_at(pool, segment, number);
    segment->start = lowest || pool->next_fit ? number + count : start;
    pool->next = count == 1 && ~word->taken >> low >> 1 & 1 ? p + pool->block_size : NULL;
    pool->allocations++;
    note_taken(pool, count);
    return p;
}

static __attribute__((noinline)) void *alloc_run(struct tarn_blockpool *pool, size_t size)
{
    size_t count = tarn__blocks_for(pool, size);
    return count < TARN__WIDTH ? alloc_near(pool, size, count) : alloc_slowly(pool, size);
}

static __attribute__((noinline)) void *alloc_one(struct tarn_blockpool *pool, size_t size) { return alloc_near(pool, size, 1); }

void *tarn_blockpool_alloc(struct tarn_blockpool *pool, size_t size)
{
    if (__builtin_expect(pool->mode != tarn__mode_plain(pool), 0))
        return alloc_slowly(pool, size);
    if (size > pool->block_size)
        return alloc_run(pool, size);
    char *p = pool->next;
    if (__builtin_expect(!p, 0))
        return alloc_one(pool, size);
    struct tarn__segment *segment = pool->at;
    size_t number = segment->start, low = number % TARN__WIDTH;
    struct tarn__block_word *word = &segment->word[number / TARN__WIDTH];
    tarn__bits taken = word->taken | (tarn__bits)1 << low;
    word->taken = taken;
    word->first ^= (tarn__bits)1 << low;
    segment->start = number + 1;
    pool->next = ~taken >> low >> 1 & 1 ? p + pool->block_size : NULL; /* no further than the word */
    pool->allocations++;
    note_taken(pool, 1);
    return p;
}

static void free_run(struct tarn_blockpool *pool, const struct tarn__run *run, char *p)
{
    tarn__flip_taken(run->segment, run->number, run->count);
    run->segment->word[run->number / TARN__WIDTH].first ^= (tarn__bits)1 << (run->number % TARN__WIDTH);
    pool->frees++;
    note_free(pool, run->segment, tarn__segment_begin(pool), p, run->number, run->count);
}

static __attribute__((noinline)) int free_slowly(struct tarn_blockpool *pool, void *p)
{
    struct tarn__run run;
    void *where;
    if (!p)
        return 0;
    if (!tarn__blockpool_enter(pool))
        return TARN_POOL_CORRUPT;
    int error = look_up(pool, p, &run);
    if (!error && tarn__run_bytes(pool, &run, &where) == SIZE_MAX)
        error = TARN_POOL_CORRUPT;
    if (!error) {
        poison(pool, run.segment, run.number, run.count);
        free_run(pool, &run, pool->mode == tarn__mode_plain(pool) ? p : NULL);
    }
    tarn__guard_drop(&pool->guard);
    return error;
}

/* A run inside one word, of which more than the first block is known. */
static __attribute__((noinline)) int free_near(struct tarn_blockpool *pool, void *p, struct tarn__segment *segment,
                                               size_t number)
{
    size_t low = number % TARN__WIDTH;
    struct tarn__block_word *word = &segment->word[number / TARN__WIDTH];
    tarn__bits first = word->first, more = (word->taken & ~first) >> low >> 1; /* blocks behind that are of the run */
    size_t count = tarn__lowest_bit(~more) + 1;
    if (!(first >> low & 1) || low + count == TARN__WIDTH)
        return free_slowly(pool, p);
    word->taken -= tarn__run_mask(low, count);
    word->first = first ^ (tarn__bits)1 << low;
    pool->frees++;
    note_free(pool, segment, pool->at, p, number, count);
    return 0;
}

int tarn_blockpool_free(struct tarn_blockpool *pool, void *p)
{
    if (__builtin_expect(pool->mode != tarn__mode_plain(pool), 0))
        return free_slowly(pool, p);
    /* In the segment of the latest free, one block that is not the last of its word; all else, and what is wrong, begins again elsewhere. */
    struct tarn__segment *segment = (struct tarn__segment *)(void *)pool->spans.latest;
    size_t number = number_of(pool, segment, (uintptr_t)p), low = number % TARN__WIDTH;
    if (__builtin_expect(number >= segment->limit, 0))
        return free_slowly(pool, p);
    struct tarn__block_word *word = &segment->word[number / TARN__WIDTH];
    tarn__bits taken = word->taken, first = word->first, bit = (tarn__bits)1 << low;
    if (!(first & bit) || (taken & ~first) & bit << 1 || low == TARN__WIDTH - 1)
        return free_near(pool, p, segment, number);
    /* In two ways, lest they become one wide store: the next allocation would wait for it. */
    word->taken = taken - bit;
    word->first = first ^ bit;
    pool->frees++;
    note_free(pool, segment, pool->at, p, number, 1);
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
        tarn__flip_taken(segment, end, more);
        note_taken(pool, more);
        pool->next = NULL; /* it may be one of them */
    } else if (count < run->count) {
        poison(pool, segment, end - fewer, fewer);
        tarn__flip_taken(segment, end - fewer, fewer);
        note_free(pool, segment, tarn__segment_begin(pool), NULL, end - fewer, fewer);
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
    if (!tarn__blockpool_enter(pool))
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

size_t tarn_blockpool_usable_size(struct tarn_blockpool *pool, const void *p)
{
    struct tarn__run run;
    void *where;
    if (!tarn__blockpool_enter(pool))
        return 0;
    size_t size = look_up(pool, p, &run) ? SIZE_MAX : tarn__run_bytes(pool, &run, &where);
    tarn__guard_drop(&pool->guard);
    return size == SIZE_MAX ? 0 : size;
}

size_t tarn_blockpool_used(struct tarn_blockpool *pool)
{
    if (!tarn__blockpool_enter(pool))
        return 0;
    size_t used = pool->live * pool->block_size;
    tarn__guard_drop(&pool->guard);
    return used;
}
