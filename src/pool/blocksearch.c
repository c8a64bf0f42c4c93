/*
 * Block pools: how free runs are found, and where more come from.
 *
 * A search goes from word to word; what was free at the end of one counts with what is free at the beginning of the next. Inside a word the
 * beginnings of runs are found by shifting it over itself, log2(count) times.
 */
#include "pool/blocks.h"

enum { PAGE = 4096 };

_Static_assert(sizeof(tarn__bits) == sizeof(uintptr_t), "a word is as wide as an address");

/* Seals */

uintptr_t tarn__seal_mix(uintptr_t so_far, uintptr_t word)
{
    so_far ^= word;
    so_far *= (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
    return so_far ^ so_far >> (TARN__WIDTH / 2 - 3);
}

uintptr_t tarn__blockpool_seal(const struct tarn_blockpool *pool)
{
    const size_t bytes = offsetof(struct tarn_blockpool, seal) - offsetof(struct tarn_blockpool, block_size);
    return tarn__words_mix((const uintptr_t *)(const void *)&pool->block_size, bytes / sizeof(uintptr_t));
}

static uintptr_t seal_of(const struct tarn__segment *segment)
{
    const size_t bytes = offsetof(struct tarn__segment, seal) - offsetof(struct tarn__segment, next);
    return tarn__words_mix((const uintptr_t *)(const void *)&segment->next, bytes / sizeof(uintptr_t)) ^
           tarn__words_mix(&segment->span.base, 2);
}

bool tarn__segment_sealed(const struct tarn__segment *segment) { return segment->seal == seal_of(segment); }

void tarn__segment_reseal(struct tarn__segment *segment) { segment->seal = seal_of(segment); }

int tarn__blockpool_enter(struct tarn_blockpool *pool)
{
    bool trusted = pool->mode == tarn__mode_plain(pool) || pool->mode == tarn__mode_careful(pool);
    if (pool->mode == tarn__mode_ended(pool))
        return TARN_POOL_DESTROYED;
    if (!trusted && (!tarn__is_checked(pool) || pool->seal != tarn__blockpool_seal(pool)))
        return TARN_POOL_CORRUPT;
    if (pool->mode == tarn__mode_plain(pool) && pool->parked)
        tarn__blockpool_unpark(pool);
    int error = tarn__guard_enter(&pool->guard);
    if (error || trusted || tarn__segment_sealed(pool->first))
        return error;
    tarn__guard_drop(&pool->guard);
    return TARN_POOL_CORRUPT;
}

/* Bits */

void tarn__flip_blocks(struct tarn__segment *segment, size_t number, size_t count)
{
    while (count > 0) {
        size_t low = number % TARN__WIDTH, part = tarn__min(count, TARN__WIDTH - low);
        struct tarn__block_word *word = &segment->word[number / TARN__WIDTH];
        word->taken ^= tarn__run_mask(low, part);
        word->joined ^= tarn__run_mask(low, part);
        number += part;
        count -= part;
    }
}

size_t tarn__next_block(const struct tarn__segment *segment, size_t from, bool taken)
{
    while (from < segment->limit) {
        tarn__bits word = segment->word[from / TARN__WIDTH].taken;
        word = (taken ? word : ~word) >> (from % TARN__WIDTH);
        if (word)
            return tarn__min(from + tarn__lowest_bit(word), segment->limit);
        from = (from / TARN__WIDTH + 1) * TARN__WIDTH;
    }
    return segment->limit;
}

size_t tarn__run_length(const struct tarn__segment *segment, size_t number)
{
    for (size_t from = number + 1; from < segment->limit; from = (from / TARN__WIDTH + 1) * TARN__WIDTH) {
        tarn__bits ends = ~segment->word[from / TARN__WIDTH].joined >> (from % TARN__WIDTH);
        if (ends)
            return tarn__min(from + tarn__lowest_bit(ends), segment->limit) - number;
    }
    return segment->limit - number;
}

/* Searching */

/* The first `count` free neighbours from `from` on, 0: none; and the first free block of all, `limit`: none. */
static size_t scan(const struct tarn__segment *segment, size_t from, size_t count, size_t *lowest)
{
    size_t run = 0; /* free at the end of the word before */
    *lowest = tarn__next_block(segment, from, false);
    tarn__bits below = ((tarn__bits)1 << *lowest % TARN__WIDTH) - 1;
    for (size_t w = *lowest / TARN__WIDTH; w <= segment->limit / TARN__WIDTH; w++, below = 0) {
        tarn__bits taken = segment->word[w].taken | below;
        if (run + (taken ? tarn__lowest_bit(taken) : TARN__WIDTH) >= count)
            return w * TARN__WIDTH - run;
        tarn__bits starts = count < TARN__WIDTH ? tarn__run_starts(~taken, count) : 0;
        if (starts)
            return w * TARN__WIDTH + tarn__lowest_bit(starts);
        run = taken ? (size_t)__builtin_clzl(taken) : run + TARN__WIDTH;
    }
    return 0;
}

struct tarn__segment *tarn__segment_after(const struct tarn_blockpool *pool, const struct tarn__segment *segment)
{
    struct tarn__segment *next = segment->next;
    return next && tarn__is_checked(pool) && !tarn__segment_sealed(next) ? NULL : next;
}

struct tarn__segment *tarn__segment_begin(const struct tarn_blockpool *pool)
{
    if (!tarn__is_checked(pool))
        return pool->at;
    struct tarn__segment *segment = pool->first;
    while (segment && segment != pool->at)
        segment = tarn__segment_after(pool, segment);
    return segment ? segment : pool->first;
}

static struct tarn__segment *newest_of(const struct tarn_blockpool *pool)
{
    if (!tarn__is_checked(pool))
        return pool->newest;
    struct tarn__segment *segment = pool->first, *next;
    while ((next = tarn__segment_after(pool, segment)) != NULL)
        segment = next;
    return segment;
}

/* A word that was overwritten is not believed. */
static size_t start_of(const struct tarn__segment *segment)
{
    return segment->start >= TARN__WIDTH && segment->start <= segment->limit ? segment->start : TARN__WIDTH;
}

/* Free neighbours of a segment, from `from` on; what was learned is noted. 0: none. */
static size_t search_one(const struct tarn_blockpool *pool, struct tarn__segment *segment, size_t from, size_t count)
{
    if (segment->longest < count)
        return 0;
    size_t lowest, number = scan(segment, from, count, &lowest);
    if (number + count > segment->limit) /* only where bits were overwritten */
        number = 0;
    if (!number && (!pool->next_fit || from == TARN__WIDTH))
        segment->longest = count - 1;
    if (pool->next_fit)
        segment->start = number ? number + count : segment->start;
    else
        segment->start = number == lowest ? number + count : lowest;
    return number;
}

static size_t search_first_fit(struct tarn_blockpool *pool, size_t count, struct tarn__place *place)
{
    for (struct tarn__segment *segment = tarn__segment_begin(pool), *next; segment; segment = next) {
        size_t number = search_one(pool, segment, start_of(segment), count);
        place->segment = segment;
        if (number)
            return number;
        next = tarn__segment_after(pool, segment);
        if (segment == pool->at && next && segment->start >= segment->limit)
            pool->at = next;
    }
    return 0;
}

/* From where the latest ended to the newest, then from the oldest on: the one that it began with comes again at the end, then all of it. */
static size_t search_next_fit(struct tarn_blockpool *pool, size_t count, struct tarn__place *place)
{
    struct tarn__segment *begin = tarn__segment_begin(pool), *segment = begin;
    size_t number = search_one(pool, begin, start_of(begin), count);
    while (!number) {
        segment = tarn__segment_after(pool, segment);
        if (!segment)
            segment = pool->first;
        number = search_one(pool, segment, TARN__WIDTH, count);
        if (segment == begin)
            break;
    }
    if (number)
        pool->at = segment;
    place->segment = segment;
    return number;
}

size_t tarn__blocks_search(struct tarn_blockpool *pool, size_t count, struct tarn__place *place)
{
    return pool->next_fit ? search_next_fit(pool, count, place) : search_first_fit(pool, count, place);
}

/* Segments */

static size_t words_for(size_t blocks) { return blocks / TARN__WIDTH + 2; }

/* Where blocks begin behind a segment's struct at `at`. */
static uintptr_t base_of(size_t block_size, uintptr_t at, size_t blocks)
{
    size_t words = words_for(blocks) * sizeof(struct tarn__block_word), align = tarn__pow2_factor(block_size);
    return tarn__align_up(at + sizeof(struct tarn__segment) + words, tarn__min(align, PAGE));
}

size_t tarn__blocks_between(size_t block_size, uintptr_t at, uintptr_t end)
{
    size_t head = sizeof(struct tarn__segment) + words_for(0) * sizeof(struct tarn__block_word);
    size_t left = end > at && end - at > head ? end - at - head : 0;
    size_t group = TARN__WIDTH * block_size + sizeof(struct tarn__block_word);
    size_t blocks = left / group * TARN__WIDTH + left % group / block_size;
    while (blocks > 0 && base_of(block_size, at, blocks) + blocks * block_size > end)
        blocks--;
    return blocks;
}

size_t tarn__segment_bytes(size_t block_size, size_t head, size_t blocks)
{
    return tarn__align_up((size_t)base_of(block_size, head, blocks) + blocks * block_size, PAGE);
}

/* Opens as many more blocks; there is room. */
static void open_blocks(struct tarn__segment *segment, size_t count)
{
    size_t limit = segment->limit + count;
    for (; segment->limit < limit; segment->limit++)
        segment->word[segment->limit / TARN__WIDTH].taken &= ~((tarn__bits)1 << segment->limit % TARN__WIDTH);
    segment->longest = segment->limit;
    tarn__segment_reseal(segment);
}

void tarn__segment_append(struct tarn_blockpool *pool, struct tarn__segment *segment)
{
    struct tarn__segment *older = pool->first ? newest_of(pool) : NULL;
    segment->next = NULL;
    segment->number = pool->numbers++;
    tarn__segment_reseal(segment);
    pool->newest = segment;
    if (older) {
        older->next = segment;
        tarn__segment_reseal(older);
    } else {
        pool->first = pool->at = segment;
    }
    if (!tarn__is_checked(pool))
        tarn__spans_insert(&pool->spans, &segment->span);
}

void tarn__segment_add(struct tarn_blockpool *pool, uintptr_t at, uintptr_t end, size_t open)
{
    struct tarn__segment *segment = (struct tarn__segment *)at;
    size_t size = pool->block_size, blocks = tarn__blocks_between(size, at, end);
    uintptr_t base = base_of(size, at, blocks);
    *segment = (struct tarn__segment){.span = {.base = base, .end = base + blocks * size}};
    segment->origin = base - TARN__WIDTH * size;
    segment->start = segment->limit = TARN__WIDTH;
    segment->room = TARN__WIDTH + blocks;
    segment->memory = segment;
    segment->size = end - at;
    segment->word[0] = (struct tarn__block_word){0, 0};
    for (size_t w = 1; w < words_for(blocks); w++)
        segment->word[w] = (struct tarn__block_word){TARN__ALL_BITS, 0};
    if (pool->flags & TARN_POOL_POISON)
        tarn__bytes_fill((void *)base, TARN__FREED, blocks * size);
    open_blocks(segment, tarn__min(open, blocks));
    tarn__segment_append(pool, segment);
}

/* Whole increments that are `count` blocks or more. */
static size_t increments(const struct tarn_blockpool *pool, size_t count)
{
    return (count + pool->increment - 1) / pool->increment * pool->increment;
}

/* Opens more of the newest segment, so that `count` blocks are free at its end. False: it has too few left. */
static bool open_more(struct tarn_blockpool *pool, size_t count)
{
    struct tarn__segment *segment = newest_of(pool);
    size_t limit = segment->limit, tail = 0, most = tarn__min(count - 1, limit - TARN__WIDTH);
    while (tail < most && tarn__next_block(segment, limit - 1 - tail, false) == limit - 1 - tail)
        tail++;
    size_t more = increments(pool, count - tail);
    if (more > segment->room - limit)
        return false;
    open_blocks(segment, more);
    return true;
}

size_t tarn__blocks_search_more(struct tarn_blockpool *pool, size_t count, struct tarn__place *place)
{
    if (!pool->increment || count > TARN__MOST_BYTES / pool->block_size)
        return 0;
    if (open_more(pool, count))
        return tarn__blocks_search(pool, count, place);
    if (!pool->source)
        return 0;
    size_t open = increments(pool, count), size = tarn__segment_bytes(pool->block_size, 0, open);
    tarn__guard_drop(&pool->guard);
    void *memory = pool->source->ops->acquire(pool->source, size, PAGE);
    tarn__guard_take(&pool->guard);
    /* Another thread may have been faster: then its blocks will do. */
    size_t number = tarn__blocks_search(pool, count, place);
    if (number || !memory) {
        place->surplus = memory;
        place->surplus_size = size;
        return number;
    }
    tarn__segment_add(pool, (uintptr_t)memory, (uintptr_t)memory + size, open);
    return tarn__blocks_search(pool, count, place);
}

void tarn__blocks_give(struct tarn_blockpool *pool, const struct tarn__place *place)
{
    if (!place->surplus || pool->source->ops->release(pool->source, place->surplus, place->surplus_size) == 0)
        return;
    /* The source does not want it: then the pool has grown. */
    uintptr_t at = (uintptr_t)place->surplus;
    tarn__guard_take(&pool->guard);
    tarn__segment_add(pool, at, at + place->surplus_size, pool->increment);
    tarn__guard_drop(&pool->guard);
}
