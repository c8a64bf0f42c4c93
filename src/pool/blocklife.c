/* Block pools: how they begin and end, and what can be seen of them. */
#include "pool/blocks.h"

enum { PAGE = 4096, ORDINARY = 64, LARGEST = 65536, ALIGN = 16 };
#define ALL_FLAGS ((unsigned)(TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_ZERO))
#define HEAD tarn__align_up(sizeof(struct tarn_blockpool), ALIGN)

/* The inverse of an odd number: each step of Newton's doubles the number of right bits, of which there are three at the beginning. */
static tarn__bits inverse_of(tarn__bits odd)
{
    tarn__bits inverse = odd;
    for (unsigned right = 3; right < TARN__WIDTH; right *= 2)
        inverse *= 2 - odd * inverse;
    return inverse;
}

static size_t blocks_in(size_t bytes, size_t block_size) { return bytes / block_size + (bytes % block_size != 0); }

static struct tarn_blockpool template_of(const struct tarn_blockpool_options *options)
{
    size_t size = options->block_size ? options->block_size : ORDINARY;
    struct tarn_blockpool pool = {.block_size = size, .flags = options->flags};
    pool.rotation = tarn__log2_floor(tarn__pow2_factor(size));
    pool.inverse = inverse_of(size >> pool.rotation);
    pool.reciprocal = UINT32_MAX / (uint32_t)size + 1; /* also for powers of two, which 2^32 - 1 is no multiple of */
    pool.next_fit = options->fit == TARN_BLOCKPOOL_NEXT_FIT;
    pool.source = options->source ? options->source : tarn__host_source();
    pool.increment = blocks_in(options->increment, size);
    return pool;
}

static bool possible(const struct tarn_blockpool_options *options, size_t size)
{
    if (options->flags & ~ALL_FLAGS || options->block_size % 8 != 0 || options->block_size > LARGEST)
        return false;
    if (options->fit != TARN_BLOCKPOOL_FIRST_FIT && options->fit != TARN_BLOCKPOOL_NEXT_FIT)
        return false;
    return size > 0 && size <= TARN__MOST_BYTES && options->increment <= TARN__MOST_BYTES;
}

struct tarn_blockpool *tarn_blockpool_create_in(void *memory, size_t size, const struct tarn_blockpool_options *options)
{
    static const struct tarn_blockpool_options none = {.flags = 0};
    const struct tarn_blockpool_options *as = options ? options : &none;
    if (!possible(as, size))
        return NULL;
    struct tarn_blockpool model = template_of(as);
    model.flags |= tarn__watch_flags(tarn__blockpool_watched.kind);
    size_t open = memory ? SIZE_MAX : tarn__max(size / model.block_size, 1);
    uintptr_t at = tarn__align_up((uintptr_t)memory, ALIGN), end = (uintptr_t)memory + size;
    if (!memory) {
        size = tarn__segment_bytes(model.block_size, HEAD, open);
        at = model.source ? (uintptr_t)model.source->ops->acquire(model.source, size, PAGE) : 0;
        end = at + size;
    }
    if (!at || end < at || tarn__blocks_between(model.block_size, at + HEAD, end) == 0)
        return NULL;
    struct tarn_blockpool *pool = (struct tarn_blockpool *)at;
    *pool = model;
    tarn__guard_init(&pool->guard, as->lock);
    bool check = pool->flags & TARN_POOL_CHECK;
    bool plain = !pool->flags && !as->lock;
    pool->mode = check ? tarn__mode_checked(pool) : plain ? tarn__mode_plain(pool) : tarn__mode_careful(pool);
    tarn__segment_add(pool, at + HEAD, end, open);
    pool->first->memory = pool;
    pool->first->size = end - at;
    pool->own = !memory;
    tarn__segment_reseal(pool->first);
    pool->seal = tarn__blockpool_seal(pool);
    tarn__guard_arm(&pool->guard, pool->flags, pool + 1);
    if (tarn__is_watched(pool))
        tarn__watch_begin(&tarn__blockpool_watched, pool, pool->flags | (as->lock ? 0 : TARN__WATCH_ALONE));
    return pool;
}

struct tarn_blockpool *tarn_blockpool_create(size_t size, size_t increment, size_t block_size)
{
    struct tarn_blockpool_options options = {.block_size = block_size, .increment = increment};
    options.lock = TARN_POOL_LOCK_BUILTIN;
    return tarn__host_source() ? tarn_blockpool_create_in(NULL, size, &options) : NULL;
}

size_t tarn_blockpool_align(const struct tarn_blockpool *pool)
{
    size_t align = tarn__min(tarn__pow2_factor(pool->block_size), PAGE);
    return pool->flags & TARN_POOL_RED_ZONE ? tarn__min(align, 2 * sizeof(size_t)) : align;
}

/* Gives memory back of segments that are in no pool any more, linked by next. What the source does not take is left in *kept. */
static size_t release_all(struct tarn_source *source, struct tarn__segment *segment, struct tarn__segment **kept)
{
    size_t bytes = 0;
    for (struct tarn__segment *next; segment; segment = next) {
        size_t size = segment->size;
        next = segment->next;
        if (source->ops->release(source, segment->memory, size) == 0) {
            bytes += size;
            continue;
        }
        segment->next = *kept;
        *kept = segment;
    }
    return bytes;
}

int tarn_blockpool_destroy(struct tarn_blockpool *pool)
{
    if (!pool)
        return 0;
    if (tarn__is_watched(pool))
        tarn__watch_empty(pool);
    int error = tarn__blockpool_enter(pool);
    if (error)
        return error;
    bool busy = pool->allocations != pool->frees, seen = tarn__is_watched(pool);
    tarn__guard_drop(&pool->guard);
    if (busy)
        return seen ? tarn__watch_wrong(pool, TARN_POOL_BUSY, "tarn_blockpool_destroy", pool) : TARN_POOL_BUSY;
    for (struct tarn__segment *segment = pool->first; segment; segment = segment->next)
        if (segment->next && !tarn__segment_after(pool, segment))
            return TARN_POOL_CORRUPT;
    tarn__guard_end(&pool->guard);
    if (seen)
        tarn__watch_end(pool);
    pool->mode = tarn__mode_ended(pool);
    struct tarn_source *source = pool->source;
    struct tarn__segment *kept = NULL, *first = pool->first;
    void *memory = first->memory;
    size_t size = first->size;
    bool own = pool->own;
    release_all(source, first->next, &kept);
    if (own)
        source->ops->release(source, memory, size);
    return 0;
}

static bool is_empty(const struct tarn__segment *segment)
{
    return tarn__next_block(segment, TARN__WIDTH, true) == segment->limit;
}

size_t tarn_blockpool_trim(struct tarn_blockpool *pool)
{
    struct tarn__segment *gone = NULL, *kept = NULL;
    if (tarn__blockpool_enter(pool))
        return 0;
    struct tarn__segment *older = pool->first, *segment;
    while ((segment = tarn__segment_after(pool, older)) != NULL) {
        if (!is_empty(segment)) {
            older = segment;
            continue;
        }
        if (!tarn__is_checked(pool))
            tarn__spans_remove(&pool->spans, &segment->span);
        older->next = segment->next;
        tarn__segment_reseal(older);
        segment->next = gone;
        gone = segment;
    }
    pool->newest = older;
    pool->at = pool->first;
    tarn__guard_drop(&pool->guard);
    size_t bytes = release_all(pool->source, gone, &kept);
    while (kept) {
        segment = kept;
        kept = segment->next;
        tarn__guard_take(&pool->guard);
        tarn__segment_append(pool, segment);
        tarn__guard_drop(&pool->guard);
    }
    return bytes;
}

/* Looking */

/* Most free neighbours of a segment. */
static size_t longest_free(const struct tarn__segment *segment)
{
    size_t longest = 0, begin = TARN__WIDTH, end;
    while ((begin = tarn__next_block(segment, begin, false)) < segment->limit) {
        end = tarn__next_block(segment, begin, true);
        longest = tarn__max(longest, end - begin);
        begin = end;
    }
    return longest;
}

void tarn_blockpool_stats(struct tarn_blockpool *pool, struct tarn_pool_stats *stats)
{
    *stats = (struct tarn_pool_stats){.size = 0};
    if (tarn__is_watched(pool))
        tarn__watch_empty(pool);
    if (tarn__blockpool_enter(pool))
        return;
    size_t longest = 0, size = pool->block_size;
    for (const struct tarn__segment *segment = pool->first; segment; segment = tarn__segment_after(pool, segment)) {
        stats->segments++;
        stats->size += segment->size;
        stats->capacity += (segment->limit - TARN__WIDTH) * size;
        longest = tarn__max(longest, longest_free(segment));
    }
    size_t zones = pool->flags & TARN_POOL_RED_ZONE ? 3 * sizeof(size_t) : 0;
    stats->largest_free = longest * size > zones ? longest * size - zones : 0;
    stats->live_bytes = tarn__peak_live(&pool->bytes);
    stats->peak_bytes = pool->bytes.most;
    stats->live_blocks = (size_t)(pool->allocations - pool->frees);
    stats->allocations = pool->allocations;
    stats->frees = pool->frees;
    stats->failures = pool->failures;
    tarn__guard_drop(&pool->guard);
}

/* The next run from run->number + run->count on. False: none. */
static bool next_run(struct tarn__run *run)
{
    run->number = tarn__next_block(run->segment, run->number + run->count, true);
    if (run->number >= run->segment->limit)
        return false;
    run->count = tarn__run_length(run->segment, run->number);
    return true;
}

void tarn_blockpool_each(struct tarn_blockpool *pool, tarn_pool_visit *visit, void *context)
{
    if (tarn__is_watched(pool))
        tarn__watch_empty(pool);
    if (tarn__blockpool_enter(pool))
        return;
    for (struct tarn__segment *segment = pool->first; segment; segment = tarn__segment_after(pool, segment)) {
        struct tarn__run run = {segment, TARN__WIDTH, 0};
        while (next_run(&run)) {
            void *where;
            char *end = tarn__block_at(pool, segment, run.number + run.count);
            size_t size = tarn__run_bytes(pool, &run, &where);
            if (size != SIZE_MAX)
                visit(context, where, size);
            else if ((char *)where < end) /* its size is lost */
                visit(context, where, (size_t)(end - (char *)where));
        }
    }
    tarn__guard_drop(&pool->guard);
}

/* Counts of all segments. */
struct sum {
    size_t blocks, runs;
};

/*
 * Bits: none before the first block, all taken and apart past the limit; and what is joined to the block before it is taken, as that is.
 */
static bool bits_hold(const struct tarn__segment *segment)
{
    tarn__bits before = 0; /* whether the block before the word is taken */
    if (segment->word[0].taken || segment->word[0].joined)
        return false;
    for (size_t w = 1; w <= segment->room / TARN__WIDTH; w++) {
        tarn__bits taken = segment->word[w].taken, joined = segment->word[w].joined, closed = 0;
        size_t low = w * TARN__WIDTH;
        if (segment->limit < low + TARN__WIDTH)
            closed = segment->limit > low ? TARN__ALL_BITS << (segment->limit - low) : TARN__ALL_BITS;
        if (closed & ~(taken & ~joined) || joined & ~(taken & (taken << 1 | before)))
            return false;
        before = taken >> (TARN__WIDTH - 1);
    }
    return true;
}

static bool shape_holds(const struct tarn_blockpool *pool, const struct tarn__segment *segment)
{
    const struct tarn__span *span = &segment->span;
    return tarn__segment_sealed(segment) && segment->limit >= TARN__WIDTH && segment->limit <= segment->room &&
           span->base == segment->origin + TARN__WIDTH * pool->block_size &&
           span->end == segment->origin + segment->room * pool->block_size;
}

/* What searches believe. */
static bool hints_hold(const struct tarn_blockpool *pool, const struct tarn__segment *segment)
{
    if (segment->start < TARN__WIDTH || segment->start > segment->limit || longest_free(segment) > segment->longest)
        return false;
    size_t first = tarn__next_block(segment, TARN__WIDTH, false), at = tarn__segment_begin(pool)->number;
    return pool->next_fit || (first >= segment->start && (segment->number >= at || first == segment->limit));
}

/* The blocks themselves: red zones, and what lies in free ones. */
static bool blocks_hold(const struct tarn_blockpool *pool, struct tarn__segment *segment, struct sum *sum)
{
    struct tarn__run run = {segment, TARN__WIDTH, 0};
    bool more;
    do {
        size_t behind = run.number + run.count;
        more = next_run(&run);
        void *where;
        size_t free = run.number - behind;
        if (pool->flags & TARN_POOL_POISON &&
            !tarn__bytes_are(tarn__block_at(pool, segment, behind), TARN__FREED, free * pool->block_size))
            return false;
        if (more && tarn__run_bytes(pool, &run, &where) == SIZE_MAX)
            return false;
        sum->blocks += more ? run.count : 0;
        sum->runs += more;
    } while (more);
    return true;
}

int tarn_blockpool_check(struct tarn_blockpool *pool)
{
    struct sum sum = {0, 0};
    int error = tarn__blockpool_enter(pool);
    if (error)
        return error;
    bool holds = pool->seal == tarn__blockpool_seal(pool);
    struct tarn__segment *segment = pool->first, *newest = NULL, *at = NULL;
    while (holds && segment) {
        holds =
            shape_holds(pool, segment) && bits_hold(segment) && hints_hold(pool, segment) && blocks_hold(pool, segment, &sum);
        newest = segment;
        at = segment == pool->at ? segment : at;
        segment = tarn__segment_after(pool, segment);
    }
    holds = holds && at && !newest->next && newest == pool->newest;
    if (!tarn__is_checked(pool))
        for (segment = pool->first; holds && segment; segment = segment->next)
            holds = tarn__spans_search(&pool->spans, segment->span.base) == &segment->span;
    holds = holds && sum.blocks * pool->block_size == tarn__peak_live(&pool->bytes) && !pool->parked &&
            tarn__peak_live(&pool->bytes) <= pool->bytes.most && sum.runs == pool->allocations - pool->frees;
    tarn__guard_drop(&pool->guard);
    return holds ? 0 : tarn__watch_wrong(pool, TARN_POOL_CORRUPT, "tarn_blockpool_check", pool);
}
