/*
 * Level pool: allocation and free. (Layout: pool/levelpool.h; making, refilling and ending: levelpool_fill.c.)
 *
 * The functions with which the file begins are whole for a pool without lock and flags; all else, and all that is wrong, goes the slow way.
 *
 * Wrong if: pools have many segments and pass from one to another with each call; the short way is for the one found last.
 */
#include "pool/levelpool.h"

#include "pool/bytes.h"

/* The segment that has `p`, if it is aligned and its live bit is `live`; else NULL. So nothing is read where a wild pointer leads. */
static struct tarn__level_segment *segment_if(struct tarn_levelpool *pool, const void *p, bool live)
{
    struct tarn__level_segment *segment = tarn__level_segment(pool, p);
    bool is =
        segment && (uintptr_t)p % TARN__LEVEL_GRAIN == 0 && tarn__bit_test(segment->live, tarn__level_bit(segment, p)) == live;
    if (is)
        tarn__level_near(pool, segment);
    return is ? segment : NULL;
}

/* The ready block `p` becomes live; `bit` is that of it in `live`. */
static inline void *hand_out(struct tarn_levelpool *pool, size_t number, uint64_t *live, size_t bit, void *p)
{
    struct tarn__level *level = &pool->levels[number];
    tarn__bit_set(live, bit); /* first: its word has just been read */
    level->head = *(void **)p;
    level->taken++;
    tarn__peak_take(&pool->bytes, tarn__level_size(number));
    return p;
}

static inline void make_ready(struct tarn_levelpool *pool, unsigned number, uint64_t *live, size_t bit, void *p)
{
    struct tarn__level *level = &pool->levels[number];
    tarn__bit_clear(live, bit);
    *(void **)p = level->head;
    level->head = p;
    level->given++;
    tarn__peak_give(&pool->bytes, tarn__level_size(number));
}

static void *alloc_slow(struct tarn_levelpool *pool, size_t less) __attribute__((noinline));
static int free_slow(struct tarn_levelpool *pool, void *p) __attribute__((noinline));

void *tarn_levelpool_alloc(struct tarn_levelpool *pool, size_t size)
{
    size_t less = size - 1;
    size_t number = less / TARN__LEVEL_GRAIN;
    if (__builtin_expect(pool->plain != (uintptr_t)pool || less >= pool->short_limit || tarn__level_low(&pool->levels[number]),
                         0))
        return alloc_slow(pool, less);
    void *p = pool->levels[number].head;
    size_t bit = tarn__level_near_bit(pool, p);
    if (__builtin_expect(bit >= pool->near_grains || tarn__bit_test(pool->near_live, bit), 0))
        return alloc_slow(pool, less);
    return hand_out(pool, number, pool->near_live, bit, p);
}

int tarn_levelpool_free(struct tarn_levelpool *pool, void *p)
{
    size_t bit = tarn__level_near_bit(pool, p);
    if (__builtin_expect(pool->plain != (uintptr_t)pool || bit >= pool->near_grains || !tarn__bit_test(pool->near_live, bit),
                         0))
        return free_slow(pool, p);
    make_ready(pool, pool->near_class_of[bit / (TARN__LEVEL_UNIT / TARN__LEVEL_GRAIN)], pool->near_live, bit, p);
    return 0;
}

/* Whether `p` may be handed out: nothing outside of the pool is read to tell. */
static bool ready_sound(const struct tarn_levelpool *pool, unsigned number, const struct tarn__level_segment *segment, void *p)
{
    if (!(pool->flags & TARN_POOL_CHECK))
        return true;
    size_t bit = tarn__level_bit(segment, p);
    return tarn__bit_test(segment->starts, bit) && tarn__level_at(segment, bit) == number &&
           tarn__level_sound(pool, segment, bit);
}

/*
 * A ready block, or NULL. When a link was overwritten, what was ready behind it is out of use; when poison was, that one block. `ready` counts
 * down, so the last block's link is never followed.
 */
static void *pop(struct tarn_levelpool *pool, unsigned number)
{
    struct tarn__level *level = &pool->levels[number];
    size_t rest = tarn__level_size(number) - tarn__min(tarn__level_size(number), sizeof(void *));
    while (tarn__level_ready(pool, level) > 0) {
        char *p = level->head;
        struct tarn__level_segment *segment = segment_if(pool, p, false);
        if (!segment || !ready_sound(pool, number, segment, p)) {
            level->lost += tarn__level_ready(pool, level);
            level->taken = level->given + pool->reserve;
            tarn__level_refill(pool, number, pool->reserve, pool->blocks + 1);
            continue;
        }
        if (!(pool->flags & TARN_POOL_POISON) || tarn__bytes_are(p + sizeof(void *), TARN__FREED, rest))
            return hand_out(pool, number, segment->live, tarn__level_bit(segment, p), p);
        level->head = *(void **)(void *)p;
        level->taken++;
        level->lost++;
    }
    return NULL;
}

static void fill_new(const struct tarn_levelpool *pool, char *p, size_t size)
{
    if (pool->flags & (TARN_POOL_ZERO | TARN_POOL_POISON))
        tarn__bytes_fill(p, pool->flags & TARN_POOL_ZERO ? 0 : TARN__FRESH, size);
}

static void *alloc_here(struct tarn_levelpool *pool, size_t size)
{
    void *p = NULL;
    bool passes = size > pool->largest;
    unsigned number = tarn__level_of(size);
    if (tarn__guard_enter(&pool->guard))
        return NULL;
    if (passes) {
        p = tarn__passed_alloc(&pool->passed, &pool->guard, size);
        if (p)
            tarn__peak_take(&pool->bytes, size);
    } else {
        if (tarn__level_low(&pool->levels[number]))
            tarn__level_refill(pool, number, pool->reserve, pool->blocks + 1);
        p = pop(pool, number);
    }
    if (!p)
        pool->failures++;
    tarn__guard_drop(&pool->guard);
    if (p)
        fill_new(pool, p, passes ? size : tarn__level_size(number));
    return p;
}

/* `less`: by one than the size, as the fast path has nothing else left of it. */
static void *alloc_slow(struct tarn_levelpool *pool, size_t less)
{
    size_t size = less + 1;
    return pool->flags & TARN__WATCHED ? tarn__watch_alloc(pool, 1, size) : alloc_here(pool, size);
}

/* What an address is at which no live block begins. Blocks have at most 64 grains, so few bits are looked at. */
static int wrong_address(struct tarn_levelpool *pool, const void *p)
{
    const struct tarn__level_segment *segment = tarn__level_segment(pool, p);
    if (!segment)
        return TARN_POOL_FOREIGN;
    size_t offset = (uintptr_t)p - segment->span.base, bit = offset / TARN__LEVEL_GRAIN;
    if (offset % TARN__LEVEL_GRAIN == 0 && tarn__bit_test(segment->starts, bit))
        return TARN_POOL_DOUBLE_FREE;
    for (size_t back = 0; back < pool->classes && back <= bit; back++)
        if (tarn__bit_test(segment->starts, bit - back))
            return back <= tarn__level_at(segment, bit - back) ? TARN_POOL_INSIDE : TARN_POOL_FOREIGN;
    return TARN_POOL_FOREIGN;
}

/* 0 when a live block of a class begins at `p`, and is sound; else what is wrong. Under the guard. */
static int find_live(struct tarn_levelpool *pool, const void *p, struct tarn__level_segment **segment)
{
    *segment = segment_if(pool, p, true);
    if (!*segment)
        return wrong_address(pool, p);
    if (!tarn__level_sound(pool, *segment, tarn__level_bit(*segment, p)))
        return TARN_POOL_CORRUPT;
    bool zones = pool->flags & TARN_POOL_RED_ZONE;
    size_t size = tarn__level_size(tarn__level_at(*segment, tarn__level_bit(*segment, p)));
    return zones && !tarn__level_zones_sound(p, size) ? TARN_POOL_CORRUPT : 0;
}

static int free_here(struct tarn_levelpool *pool, void *p)
{
    struct tarn__level_segment *segment;
    bool passed = false;
    size_t size;
    int error = tarn__guard_enter(&pool->guard);
    if (error)
        return error;
    error = find_live(pool, p, &segment);
    if (!error) {
        size_t bit = tarn__level_bit(segment, p);
        unsigned number = tarn__level_at(segment, bit);
        if (pool->flags & TARN_POOL_POISON)
            tarn__bytes_fill(p, TARN__FREED, tarn__level_size(number));
        make_ready(pool, number, segment->live, bit, p);
    } else if (error == TARN_POOL_FOREIGN && (passed = tarn__passed_remove(&pool->passed, p, &size))) {
        error = 0;
        pool->passed_given++;
        tarn__peak_give(&pool->bytes, size);
    }
    tarn__guard_drop(&pool->guard);
    if (passed)
        tarn__passed_give(&pool->passed, p, size);
    return error;
}

static int free_slow(struct tarn_levelpool *pool, void *p)
{
    if (!p)
        return 0;
    return pool->flags & TARN__WATCHED ? tarn__watch_free(pool, p, TARN__ANY_SIZE, "tarn_levelpool_free") : free_here(pool, p);
}

/* 0 and the bytes that may be used of a live block, or of one that was passed on; else what is wrong. */
static int size_of(struct tarn_levelpool *pool, const void *p, size_t *size)
{
    struct tarn__level_segment *segment;
    const struct tarn__passed_entry *entry;
    int error = tarn__guard_enter(&pool->guard);
    if (error)
        return error;
    error = find_live(pool, p, &segment);
    if (!error) {
        *size = tarn__level_size(tarn__level_at(segment, tarn__level_bit(segment, p)));
    } else if (error == TARN_POOL_FOREIGN && (entry = tarn__passed_find(&pool->passed, p))) {
        error = 0;
        *size = entry->size;
    }
    tarn__guard_drop(&pool->guard);
    return error;
}

void *tarn_levelpool_realloc(struct tarn_levelpool *pool, void *p, size_t size)
{
    size_t has;
    if (!p)
        return tarn_levelpool_alloc(pool, size);
    if (size == 0) {
        tarn_levelpool_free(pool, p);
        return NULL;
    }
    if (pool->flags & TARN__WATCHED)
        return tarn__watch_realloc(pool, p, size, "tarn_levelpool_realloc");
    if (size_of(pool, p, &has) != 0)
        return NULL;
    bool passed = has > pool->largest;
    if (passed ? size == has : size <= has)
        return p;
    void *moved = tarn_levelpool_alloc(pool, size);
    if (moved) {
        tarn__bytes_copy(moved, p, tarn__min(has, size));
        tarn_levelpool_free(pool, p);
    }
    return moved;
}

static size_t usable(void *pool, const void *p)
{
    size_t size;
    return size_of(pool, p, &size) == 0 ? size : 0;
}

size_t tarn_levelpool_usable_size(struct tarn_levelpool *pool, const void *p)
{
    return pool->flags & TARN__WATCHED ? tarn__watch_usable(pool, p) : usable(pool, p);
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

static int watched_look(void *pool, const void *p)
{
    size_t size;
    return size_of(pool, p, &size);
}

const struct tarn__watched tarn__levelpool_watched = {"levelpool", watched_alloc, watched_free, watched_look,
                                                      usable,      NULL,          false};
