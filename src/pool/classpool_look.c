/*
 * Looking at a class pool: counters, live blocks, and the whole as a specification.
 */
#include "pool/classpool.h"

#include "pool/bitmap.h"
#include "pool/bytes.h"

/* The first block that begins at `offset` bytes from the base or behind; `carved`: none does. */
static size_t next_start(const struct tarn_classpool *pool, size_t offset)
{
    size_t limit = pool->carved / TARN__CLASS_GRAIN;
    return tarn__bitmap_next(tarn__class_starts(pool), offset / TARN__CLASS_GRAIN, limit) * TARN__CLASS_GRAIN;
}

/* What the untouched rest gives, largest blocks first; and the largest of them. */
static size_t rest_of(const struct tarn_classpool *pool, size_t *largest)
{
    size_t sum = 0, carved = pool->carved;
    for (unsigned number = TARN_CLASSPOOL_CLASSES; number-- > 0;) {
        size_t size = tarn__classpool_class_size(number), step = size + TARN__CLASS_GRAIN;
        if (!tarn__class_fits(carved, pool->room, size))
            continue;
        size_t count = (pool->room - carved - size - TARN__CLASS_GAP) / step + 1;
        *largest = tarn__max(*largest, size);
        sum += count * size;
        carved += count * step;
    }
    return sum;
}

void tarn_classpool_stats(struct tarn_classpool *pool, struct tarn_pool_stats *stats)
{
    tarn__bytes_fill(stats, 0, sizeof *stats);
    if (pool->flags & TARN__WATCHED)
        tarn__watch_empty(pool);
    if (tarn__guard_enter(&pool->guard))
        return;
    stats->size = pool->size;
    stats->segments = 1;
    stats->capacity = rest_of(pool, &stats->largest_free);
    stats->live_blocks = pool->passed.count;
    for (unsigned number = 0; number < TARN_CLASSPOOL_CLASSES; number++) {
        const struct tarn__class *class = &pool->classes[number];
        stats->capacity += (class->carved - pool->lost[number]) * tarn__classpool_class_size(number);
        stats->live_blocks += tarn__class_live(class);
        stats->allocations += class->taken;
        stats->frees += class->given;
        if (class->head != &pool->none)
            stats->largest_free = tarn__max(stats->largest_free, tarn__classpool_class_size(number));
    }
    stats->live_bytes = tarn__peak_live(&pool->bytes);
    stats->peak_bytes = pool->bytes.most;
    stats->allocations += pool->passed.ever;
    stats->frees += pool->passed_given;
    stats->failures = pool->failures;
    stats->fallbacks = pool->passed.ever;
    tarn__guard_drop(&pool->guard);
}

int tarn_classpool_class(struct tarn_classpool *pool, unsigned index, struct tarn_classpool_class *answer)
{
    if (index >= TARN_CLASSPOOL_CLASSES)
        return TARN_POOL_INVALID;
    int error = tarn__guard_enter(&pool->guard);
    if (error)
        return error;
    const struct tarn__class *class = &pool->classes[index];
    *answer = (struct tarn_classpool_class){tarn__classpool_class_size(index), tarn__class_live(class),
                                            tarn__class_waiting(pool, index)};
    tarn__guard_drop(&pool->guard);
    return 0;
}

/* One whose header was overwritten is passed over: nobody knows its size any more. */
void tarn_classpool_each(struct tarn_classpool *pool, tarn_pool_visit *visit, void *context)
{
    if (pool->flags & TARN__WATCHED)
        tarn__watch_empty(pool);
    if (tarn__guard_enter(&pool->guard))
        return;
    for (size_t at = next_start(pool, 0); at < pool->carved; at = next_start(pool, at + TARN__CLASS_GRAIN)) {
        char *p = pool->base + at;
        if (tarn__class_header_sound(pool, p) && tarn__class_state(pool, p) != TARN__CLASS_QUEUED)
            visit(context, p, tarn__class_asked(tarn__class_header(p)->word));
    }
    tarn__passed_each(&pool->passed, visit, context);
    tarn__guard_drop(&pool->guard);
}

/* Whether a block is as it should be, and ends where the next one begins; it is counted by class. */
static bool block_sound(const struct tarn_classpool *pool, size_t at, size_t next, size_t *live, size_t *waiting)
{
    const char *p = pool->base + at;
    if (!tarn__class_header_sound(pool, p))
        return false;
    unsigned number = tarn__class_number(tarn__class_header(p)->word);
    if (next - at != tarn__classpool_class_size(number) + TARN__CLASS_GRAIN)
        return false;
    bool queued = tarn__class_state(pool, p) == TARN__CLASS_QUEUED;
    ++(queued ? waiting : live)[number];
    return queued || tarn__class_guard_sound(pool, p);
}

static bool queue_sound(const struct tarn_classpool *pool, unsigned number)
{
    const struct tarn__class *class = &pool->classes[number];
    size_t count = tarn__class_waiting(pool, number);
    for (const struct tarn__class_queued *block = class->head; block != &pool->none; block = block->next) {
        if (count-- == 0 || !tarn__class_begins(pool, block) || block->seal != tarn__class_seal(pool, block))
            return false;
        if (!tarn__class_queued_sound(pool, number, block))
            return false;
        size_t rest = tarn__classpool_class_size(number) - sizeof *block;
        if ((pool->flags & TARN_POOL_POISON) && !tarn__bytes_are(block + 1, TARN__FREED, rest))
            return false;
    }
    return count == 0;
}

static bool pool_sound(const struct tarn_classpool *pool)
{
    size_t live[TARN__CLASSPOOL_NUMBERS], waiting[TARN__CLASSPOOL_NUMBERS], bytes = tarn__passed_bytes(&pool->passed);
    tarn__bytes_fill(live, 0, sizeof live);
    tarn__bytes_fill(waiting, 0, sizeof waiting);
    size_t at = next_start(pool, 0), next;
    if (at != TARN__CLASS_GRAIN)
        return false;
    for (; at < pool->carved; at = next) {
        next = next_start(pool, at + TARN__CLASS_GRAIN);
        if (!block_sound(pool, at, next, live, waiting))
            return false;
    }
    for (unsigned number = 0; number < TARN_CLASSPOOL_CLASSES; number++) {
        const struct tarn__class *class = &pool->classes[number];
        if (pool->lost[number] || class->carved != live[number] + waiting[number] || tarn__class_live(class) != live[number])
            return false;
        if (!queue_sound(pool, number))
            return false;
        bytes += live[number] * tarn__classpool_class_size(number);
    }
    return bytes == tarn__peak_live(&pool->bytes) && bytes <= pool->bytes.most && tarn__passed_check(&pool->passed);
}

int tarn_classpool_check(struct tarn_classpool *pool)
{
    int error = tarn__guard_enter(&pool->guard);
    if (error)
        return error;
    bool sound = pool_sound(pool);
    tarn__guard_drop(&pool->guard);
    return sound ? 0 : tarn__watch_wrong(pool, TARN_POOL_CORRUPT, "tarn_classpool_check", pool);
}
