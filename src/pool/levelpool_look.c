/*
 * Looking at a level pool: counters, live blocks, and the whole as a specification.
 */
#include "pool/bitmap.h"
#include "pool/bytes.h"
#include "pool/levelpool.h"

static size_t live_of(const struct tarn_levelpool *pool, const struct tarn__level *level)
{
    return level->prepared - tarn__level_ready(pool, level) - level->lost;
}

static size_t untouched(const struct tarn_levelpool *pool)
{
    const struct tarn__level_segment *segment = pool->segment;
    return segment->span.end - segment->span.base - segment->taken;
}

size_t tarn_levelpool_ready(struct tarn_levelpool *pool, size_t size)
{
    if (size > pool->largest)
        return 0;
    if (tarn__guard_enter(&pool->guard))
        return 0;
    size_t ready = tarn__level_ready(pool, &pool->levels[tarn__level_of(size)]);
    tarn__guard_drop(&pool->guard);
    return ready;
}

/* The capacity of what no class has yet is told as blocks of the largest class. */
void tarn_levelpool_stats(struct tarn_levelpool *pool, struct tarn_pool_stats *stats)
{
    tarn__bytes_fill(stats, 0, sizeof *stats);
    if (pool->flags & TARN__WATCHED)
        tarn__watch_empty(pool);
    if (tarn__guard_enter(&pool->guard))
        return;
    size_t zone = tarn__level_zone(pool->flags), rest = untouched(pool), largest = tarn__level_stride(pool, pool->classes - 1);
    for (const struct tarn__level_segment *segment = pool->segment; segment; segment = segment->next)
        stats->size += segment->size;
    stats->segments = pool->spans.count;
    stats->capacity = rest > zone ? (rest - zone) / largest * pool->largest : 0;
    stats->live_blocks = pool->passed.count;
    for (unsigned number = 0; number < pool->classes; number++) {
        const struct tarn__level *level = &pool->levels[number];
        size_t size = tarn__level_size(number), stride = tarn__level_stride(pool, number), left = level->end - level->next;
        size_t more = left > zone ? (left - zone) / stride : 0;
        stats->capacity += (level->prepared - level->lost + more) * size;
        stats->live_blocks += live_of(pool, level);
        if (tarn__level_ready(pool, level) || more || rest >= stride + zone)
            stats->largest_free = size;
    }
    stats->frees = pool->passed_given;
    for (unsigned number = 0; number < pool->classes; number++)
        stats->frees += pool->levels[number].given - pool->levels[number].prepared;
    stats->allocations = stats->frees + stats->live_blocks;
    stats->live_bytes = tarn__peak_live(&pool->bytes);
    stats->peak_bytes = pool->bytes.most;
    stats->failures = pool->failures;
    stats->fallbacks = pool->passed.ever;
    tarn__guard_drop(&pool->guard);
}

static size_t bits_taken(const struct tarn__level_segment *segment) { return segment->taken / TARN__LEVEL_GRAIN; }

void tarn_levelpool_each(struct tarn_levelpool *pool, tarn_pool_visit *visit, void *context)
{
    if (pool->flags & TARN__WATCHED)
        tarn__watch_empty(pool);
    if (tarn__guard_enter(&pool->guard))
        return;
    for (const struct tarn__level_segment *segment = pool->segment; segment; segment = segment->next)
        for (size_t bit = tarn__bitmap_next(segment->live, 0, bits_taken(segment)); bit < bits_taken(segment);
             bit = tarn__bitmap_next(segment->live, bit + 1, bits_taken(segment)))
            if (tarn__level_sound(pool, segment, bit))
                visit(context, (char *)segment->span.base + bit * TARN__LEVEL_GRAIN,
                      tarn__level_size(tarn__level_at(segment, bit)));
    tarn__passed_each(&pool->passed, visit, context);
    tarn__guard_drop(&pool->guard);
}

/* What is found of a class by walking over the segments. */
struct tally {
    size_t prepared, live;
};

/* Whether blocks begin apart from each other in chunks of their class, only they are live, and zones are whole. Without a start nothing is live. */
static bool segment_sound(const struct tarn_levelpool *pool, const struct tarn__level_segment *segment, struct tally *tally)
{
    size_t limit = bits_taken(segment), all = (segment->span.end - segment->span.base) / TARN__LEVEL_GRAIN;
    for (size_t bit = 0; bit < all; bit = bit / 64 * 64 + 64)
        if (segment->live[bit / 64] & ~segment->starts[bit / 64])
            return false;
    if (tarn__bitmap_next(segment->starts, limit, all) != all)
        return false;
    size_t next;
    for (size_t bit = tarn__bitmap_next(segment->starts, 0, limit); bit < limit; bit = next) {
        next = tarn__bitmap_next(segment->starts, bit + 1, limit);
        unsigned number = tarn__level_at(segment, bit);
        const char *p = (const char *)segment->span.base + bit * TARN__LEVEL_GRAIN;
        if (number >= pool->classes || !tarn__level_sound(pool, segment, bit) ||
            next - bit < tarn__level_stride(pool, number) / TARN__LEVEL_GRAIN)
            return false;
        if ((pool->flags & TARN_POOL_RED_ZONE) && !tarn__level_zones_sound(p, tarn__level_size(number)))
            return false;
        tally[number].prepared++;
        tally[number].live += tarn__bit_test(segment->live, bit);
    }
    return true;
}

static bool level_sound(struct tarn_levelpool *pool, unsigned number)
{
    const struct tarn__level *level = &pool->levels[number];
    const char *p = level->head;
    size_t link = tarn__min(tarn__level_size(number), sizeof p);
    for (size_t left = tarn__level_ready(pool, level); left > 0; left--) {
        const struct tarn__level_segment *segment = tarn__level_segment(pool, p);
        if (!segment || (uintptr_t)p % TARN__LEVEL_GRAIN != 0)
            return false;
        size_t bit = tarn__level_bit(segment, p);
        if (!tarn__bit_test(segment->starts, bit) || tarn__bit_test(segment->live, bit) ||
            tarn__level_at(segment, bit) != number)
            return false;
        if ((pool->flags & TARN_POOL_POISON) && !tarn__bytes_are(p + link, TARN__FREED, tarn__level_size(number) - link))
            return false;
        p = *(char *const *)(const void *)p;
    }
    return level->lost == 0 && (tarn__level_ready(pool, level) == 0 || !p);
}

static bool pool_sound(struct tarn_levelpool *pool)
{
    struct tally tally[TARN__LEVEL_MOST];
    size_t bytes = tarn__passed_bytes(&pool->passed), segments = 0;
    tarn__bytes_fill(tally, 0, sizeof tally);
    for (const struct tarn__level_segment *segment = pool->segment; segment; segment = segment->next, segments++)
        if (!segment_sound(pool, segment, tally))
            return false;
    for (unsigned number = 0; number < pool->classes; number++) {
        const struct tarn__level *level = &pool->levels[number];
        if (tally[number].prepared != level->prepared || tally[number].live != live_of(pool, level) ||
            !level_sound(pool, number))
            return false;
        bytes += tally[number].live * tarn__level_size(number);
    }
    return segments == pool->spans.count && bytes == tarn__peak_live(&pool->bytes) && bytes <= pool->bytes.most &&
           tarn__passed_check(&pool->passed);
}

int tarn_levelpool_check(struct tarn_levelpool *pool)
{
    int error = tarn__guard_enter(&pool->guard);
    if (error)
        return error;
    bool sound = pool_sound(pool);
    tarn__guard_drop(&pool->guard);
    return sound ? 0 : tarn__watch_wrong(pool, TARN_POOL_CORRUPT, "tarn_levelpool_check", pool);
}
