/*
 * Level pools: made, refilled, ended.
 *
 * A class takes as many whole units from a segment as the blocks that it is to prepare need, or what is left; what rounding leaves over is
 * the class's next time.
 */
#include "pool/bytes.h"
#include "pool/levelpool.h"

enum {
    PAGE = 4096,
    GROWTH = 65536, /* bytes of a further segment at least */
    DEFAULT_CLASSES = 16,
    DEFAULT_BLOCKS = 20,
    KNOWN_FLAGS = TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_ZERO,
};

bool tarn__level_zones_sound(const char *p, size_t size)
{
    size_t zone = TARN__LEVEL_ZONE / 2;
    return tarn__bytes_are(p - zone, TARN__LEVEL_ZONE_FILL, zone) && tarn__bytes_are(p + size, TARN__LEVEL_ZONE_FILL, zone);
}

/* Segments */

/* Bytes of the arrays for so many bytes of units. */
static size_t bits_bytes(size_t units) { return (units / TARN__LEVEL_GRAIN + 63) / 64 * sizeof(uint64_t); }

/* Bytes of memory, wherever it begins, in which a segment has so many bytes of units. */
static size_t memory_for(size_t units)
{
    return TARN__LEVEL_UNIT * 2 + sizeof(struct tarn__level_segment) + bits_bytes(units) * 2 + units / TARN__LEVEL_UNIT + units;
}

/* Lays out a segment in the memory from `from`, of which the end is known, and adds it. False: there is no room for a unit. */
static bool add_segment(struct tarn_levelpool *pool, void *memory, size_t size, uintptr_t from)
{
    uintptr_t at = tarn__align_up(from, sizeof(uint64_t)), end = (uintptr_t)memory + size;
    size_t room = end - from, fixed = memory_for(0);
    if (room < fixed + TARN__LEVEL_UNIT)
        return false;
    size_t units = tarn__align_down(room - fixed, TARN__LEVEL_UNIT);
    while (memory_for(units) > room)
        units -= tarn__max(tarn__align_down((memory_for(units) - room) / 2, TARN__LEVEL_UNIT), TARN__LEVEL_UNIT);
    if (units == 0)
        return false;
    struct tarn__level_segment *segment = (struct tarn__level_segment *)at;
    size_t bits = bits_bytes(units);
    at += tarn__align_up(sizeof *segment, sizeof(uint64_t));
    tarn__bytes_fill((void *)at, 0, bits * 2);
    segment->live = (uint64_t *)at;
    segment->starts = (uint64_t *)(at + bits);
    segment->class_of = (uint8_t *)(at + bits * 2);
    segment->span.base = tarn__align_up(at + bits * 2 + units / TARN__LEVEL_UNIT, TARN__LEVEL_UNIT);
    segment->span.end = segment->span.base + units;
    segment->taken = 0;
    segment->memory = memory;
    segment->size = size;
    segment->next = pool->segment;
    pool->segment = segment;
    tarn__spans_insert(&pool->spans, &segment->span);
    return true;
}

/* Bytes of units that so many blocks of a class need, with red zones of `zone` bytes each; SIZE_MAX: not representable. */
static size_t units_for(size_t zone, unsigned number, size_t blocks)
{
    size_t bytes;
    if (__builtin_mul_overflow(blocks, tarn__level_size(number) + zone, &bytes) || bytes > PTRDIFF_MAX / 2)
        return SIZE_MAX;
    return tarn__align_up(bytes + zone, TARN__LEVEL_UNIT);
}

/* Filling levels */

/* The class gets a chunk for `blocks` blocks, or for as many as there is room for. False: for none. */
static bool new_chunk(struct tarn_levelpool *pool, unsigned number, size_t blocks)
{
    struct tarn__level *level = &pool->levels[number];
    struct tarn__level_segment *segment = pool->segment;
    size_t left = segment->span.end - segment->span.base - segment->taken;
    size_t bytes = tarn__min(units_for(tarn__level_zone(pool->flags), number, blocks), left);
    if (bytes < tarn__level_stride(pool, number) + tarn__level_zone(pool->flags))
        return false;
    tarn__bytes_fill(segment->class_of + segment->taken / TARN__LEVEL_UNIT, (unsigned char)number, bytes / TARN__LEVEL_UNIT);
    level->chunk = segment;
    level->next = segment->span.base + segment->taken;
    level->end = level->next + bytes;
    segment->taken += bytes;
    return true;
}

static bool chunk_has_block(const struct tarn_levelpool *pool, unsigned number)
{
    const struct tarn__level *level = &pool->levels[number];
    return level->end - level->next >= tarn__level_stride(pool, number) + tarn__level_zone(pool->flags);
}

/* The link of the only ready block leads nowhere, whatever lies there. */
static void prepare_block(struct tarn_levelpool *pool, unsigned number)
{
    struct tarn__level *level = &pool->levels[number];
    size_t size = tarn__level_size(number), zone = tarn__level_zone(pool->flags);
    char *p = (char *)level->next + zone;
    if (zone) {
        tarn__bytes_fill(p - zone / 2, TARN__LEVEL_ZONE_FILL, zone / 2);
        tarn__bytes_fill(p + size, TARN__LEVEL_ZONE_FILL, zone / 2);
    }
    if (pool->flags & TARN_POOL_POISON)
        tarn__bytes_fill(p, TARN__FREED, size);
    tarn__bit_set(level->chunk->starts, tarn__level_bit(level->chunk, p));
    *(void **)(void *)p = tarn__level_ready(pool, level) ? level->head : NULL;
    level->head = p;
    level->next += size + zone;
    level->given++;
    level->prepared++;
}

/* Until `blocks` are ready, or nothing is left to prepare from. */
static void prepare(struct tarn_levelpool *pool, unsigned number, size_t blocks)
{
    struct tarn__level *level = &pool->levels[number];
    while (tarn__level_ready(pool, level) < blocks &&
           (chunk_has_block(pool, number) || new_chunk(pool, number, blocks - tarn__level_ready(pool, level))))
        prepare_block(pool, number);
}

/* The guard is let go of while the source is asked; whoever filled the class meanwhile makes the memory superfluous. */
static void grow(struct tarn_levelpool *pool, unsigned number, size_t least, size_t most)
{
    struct tarn_source *source = pool->source;
    size_t units = units_for(tarn__level_zone(pool->flags), number, most);
    if (!source || units > PTRDIFF_MAX / 2)
        return;
    size_t size = tarn__align_up(tarn__max(memory_for(units), GROWTH), PAGE);
    tarn__guard_drop(&pool->guard);
    void *memory = source->ops->acquire(source, size, PAGE);
    tarn__guard_take(&pool->guard);
    if (!memory)
        return;
    prepare(pool, number, most);
    if (tarn__level_ready(pool, &pool->levels[number]) < least) {
        add_segment(pool, memory, size, (uintptr_t)memory);
        return;
    }
    tarn__guard_drop(&pool->guard);
    source->ops->release(source, memory, size);
    tarn__guard_take(&pool->guard);
}

void tarn__level_refill(struct tarn_levelpool *pool, unsigned number, size_t least, size_t most)
{
    prepare(pool, number, most);
    if (tarn__level_ready(pool, &pool->levels[number]) >= least)
        return;
    grow(pool, number, least, most);
    prepare(pool, number, most);
}

/* Beginning and end */

/* With zeros replaced by what they stand for. False: it cannot be. */
static bool complete(struct tarn_levelpool_options *options)
{
    options->classes = options->classes ? options->classes : DEFAULT_CLASSES;
    options->blocks = options->blocks ? options->blocks : DEFAULT_BLOCKS;
    if (options->classes > TARN__LEVEL_MOST || options->low_water >= options->blocks || options->flags & ~(unsigned)KNOWN_FLAGS)
        return false;
    options->low_water = options->low_water ? options->low_water : options->blocks / 4;
    return true;
}

static size_t struct_bytes(const struct tarn_levelpool_options *options)
{
    return sizeof(struct tarn_levelpool) + options->classes * sizeof(struct tarn__level) + TARN__LEVEL_UNIT;
}

/* Bytes of memory in which all blocks can be prepared; 0: not representable. */
static size_t bytes_needed(const struct tarn_levelpool_options *options)
{
    size_t sum = 0, zone = tarn__level_zone(options->flags);
    for (unsigned number = 0; number < options->classes; number++) {
        size_t units = units_for(zone, number, options->blocks);
        if (units > PTRDIFF_MAX / 4 || __builtin_add_overflow(sum, units, &sum) || sum > PTRDIFF_MAX / 2)
            return 0;
    }
    return struct_bytes(options) + memory_for(sum);
}

static void release_segments(struct tarn_levelpool *pool)
{
    struct tarn_source *source = pool->source;
    struct tarn__level_segment *segment = pool->segment;
    bool own = pool->own_memory;
    while (segment) {
        struct tarn__level_segment *next = segment->next;
        if (next || own)
            source->ops->release(source, segment->memory, segment->size);
        segment = next;
    }
}

/* A pool at the beginning of `memory`, with its blocks prepared; NULL: there is too little. */
static struct tarn_levelpool *make(void *memory, size_t size, const struct tarn_levelpool_options *options,
                                   struct tarn_source *source, bool own_memory)
{
    uintptr_t at = tarn__align_up((uintptr_t)memory, 16);
    size_t bytes = struct_bytes(options);
    if (size < bytes)
        return NULL;
    struct tarn_levelpool *pool = (struct tarn_levelpool *)at;
    tarn__bytes_fill(pool, 0, bytes - TARN__LEVEL_UNIT);
    pool->classes = options->classes;
    pool->largest = tarn__level_size(options->classes - 1);
    pool->blocks = options->blocks;
    pool->flags = options->flags;
    pool->source = source;
    pool->own_memory = own_memory;
    if (!add_segment(pool, memory, size, at + (bytes - TARN__LEVEL_UNIT)))
        return NULL;
    const struct tarn__level_segment *first = pool->segment;
    for (unsigned number = 0; number < pool->classes; number++) {
        tarn__level_refill(pool, number, pool->blocks, pool->blocks); /* no lock yet */
        if (tarn__level_ready(pool, &pool->levels[number]) < pool->blocks) {
            pool->own_memory = false;
            release_segments(pool);
            return NULL;
        }
    }
    pool->reserve = options->low_water + 1;
    for (unsigned number = 0; number < pool->classes; number++)
        pool->levels[number].taken += pool->reserve;
    tarn__passed_init(&pool->passed, &options->fallback);
    tarn__guard_init(&pool->guard, options->lock);
    if (!options->lock && !pool->flags) {
        pool->plain = (uintptr_t)pool;
        pool->short_limit = pool->largest;
    }
    tarn__guard_arm(&pool->guard, pool->flags, first + 1);
    if (pool->flags & TARN__WATCHED)
        tarn__watch_begin(&tarn__levelpool_watched, pool, pool->flags | (options->lock ? 0 : TARN__WATCH_ALONE));
    return pool;
}

struct tarn_levelpool *tarn_levelpool_create(void *memory, size_t size, const struct tarn_levelpool_options *given)
{
    struct tarn_levelpool_options options;
    tarn__bytes_fill(&options, 0, sizeof options);
    if (given)
        options = *given;
    if (!complete(&options) || size > PTRDIFF_MAX / 2 || (uintptr_t)memory + size < size)
        return NULL;
    options.flags |= tarn__watch_flags(tarn__levelpool_watched.kind);
    if (memory)
        return make(memory, size, &options, options.source, false);
    struct tarn_source *source = options.source ? options.source : tarn__host_source();
    size = tarn__align_up(size ? size : bytes_needed(&options), PAGE);
    memory = source && size ? source->ops->acquire(source, size, PAGE) : NULL;
    if (!memory)
        return NULL;
    struct tarn_levelpool *pool = make(memory, size, &options, source, true);
    if (!pool)
        source->ops->release(source, memory, size);
    return pool;
}

int tarn_levelpool_destroy(struct tarn_levelpool *pool)
{
    size_t live;
    bool seen = pool->flags & TARN__WATCHED;
    if (seen)
        tarn__watch_empty(pool);
    int error = tarn__guard_enter(&pool->guard);
    if (error)
        return error;
    live = pool->passed.count;
    for (unsigned number = 0; number < pool->classes; number++) {
        const struct tarn__level *level = &pool->levels[number];
        live += level->prepared - tarn__level_ready(pool, level) - level->lost;
    }
    tarn__guard_drop(&pool->guard);
    if (live)
        return seen ? tarn__watch_wrong(pool, TARN_POOL_BUSY, "tarn_levelpool_destroy", pool) : TARN_POOL_BUSY;
    if (seen)
        tarn__watch_end(pool);
    tarn__guard_end(&pool->guard);
    tarn__passed_end(&pool->passed);
    release_segments(pool);
    return 0;
}
