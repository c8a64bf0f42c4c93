/*
 * Class pools begin and end.
 *
 * Modules that race for one variable do so under the host's one lock. A pool in a caller's buffer is made and ended under it as a whole, as
 * all racers name the same buffer; of a source's memory, one racer's is too much and goes back.
 */
#include "pool/classpool.h"

#include "pool/bytes.h"

enum { PAGE = 4096, KNOWN_FLAGS = TARN_POOL_CHECK | TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_ZERO };

_Static_assert(sizeof(struct tarn_classpool) <= 1408, "a buffer of the least size has room for blocks");

static uint32_t pools_made; /* under the host's lock */

/* Differs from pool to pool, also from one to the next in the same memory. */
static uintptr_t new_secret(const void *memory)
{
    uintptr_t secret = (uintptr_t)memory ^ (uintptr_t)&secret << 7 ^ (uintptr_t)&pools_made << 13;
    secret += ++pools_made * (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < 2; i++)
        secret = (secret ^ secret >> sizeof secret * 4 ^ secret >> 13) * (uintptr_t)UINT64_C(0xbf58476d1ce4e5b9);
    return secret ^ secret >> sizeof secret * 4;
}

/* Lays out [memory, memory + size). `source`: it comes from there, and is zero; NULL: the caller's. */
static struct tarn_classpool *make(void *memory, size_t size, const struct tarn_classpool_options *options,
                                   struct tarn_source *source)
{
    uintptr_t begin = (uintptr_t)memory, at = tarn__align_up(begin, TARN__CLASS_GRAIN), end = begin + size;
    struct tarn_classpool *pool = (struct tarn_classpool *)at;
    at += tarn__align_up(sizeof *pool, TARN__CLASS_GRAIN);
    size_t words = (end - at) / TARN__CLASS_GRAIN / 64 + 1;
    tarn__bytes_fill(pool, 0, sizeof *pool);
    pool->memory = memory;
    pool->size = size;
    pool->opens = 1;
    at += tarn__align_up(words * sizeof(uint64_t), TARN__CLASS_GRAIN);
    pool->base = (char *)at;
    pool->room = end - at;
    pool->carved = TARN__CLASS_GRAIN;
    pool->grains = 1;
    pool->secret = new_secret(memory) | 1; /* so no seal is 0, which that of `none` is */
    for (unsigned number = 0; number < TARN_CLASSPOOL_CLASSES; number++)
        pool->classes[number].head = &pool->none;
    pool->flags = options->flags | tarn__watch_flags(tarn__classpool_watched.kind);
    pool->source = source;
    pool->notify = options->notify;
    pool->notify_context = options->notify_context;
    if (!source)
        tarn__bytes_fill(tarn__class_starts(pool), 0, words * sizeof(uint64_t));
    tarn__passed_init(&pool->passed, &options->fallback);
    tarn__guard_init(&pool->guard, options->lock);
    if (!options->lock && !(pool->flags & (KNOWN_FLAGS | TARN__WATCHED) & ~(unsigned)TARN_POOL_RED_ZONE)) {
        pool->plain = (uintptr_t)pool;
        pool->short_limit = TARN_CLASSPOOL_MOST;
    }
    tarn__guard_arm(&pool->guard, pool->flags, pool + 1);
    if (pool->flags & TARN__WATCHED)
        tarn__watch_begin(&tarn__classpool_watched, pool, pool->flags | (options->lock ? 0 : TARN__WATCH_ALONE));
    return pool;
}

static bool acceptable(const void *memory, size_t size, const struct tarn_classpool_options *options)
{
    unsigned known = (unsigned)KNOWN_FLAGS | TARN_CLASSPOOL_PASS_LARGE | TARN_CLASSPOOL_PASS_FULL;
    return size >= TARN_CLASSPOOL_BUFFER_LEAST && size <= PTRDIFF_MAX && (uintptr_t)memory + size >= size &&
           !(options->flags & ~known);
}

int tarn_classpool_open(struct tarn_classpool **pool, void *memory, size_t size, const struct tarn_classpool_options *options)
{
    static const struct tarn_classpool_options none;
    struct tarn_source *source = NULL;
    void *acquired = NULL;
    int error = 0;
    if (!pool)
        return TARN_POOL_INVALID;
    options = options ? options : &none;
    tarn__host_lock();
    if (!*pool && !memory && acceptable(memory, size, options)) {
        tarn__host_unlock();
        source = options->source ? options->source : tarn__host_source();
        size = tarn__align_up(size, PAGE);
        acquired = source ? source->ops->acquire(source, size, PAGE) : NULL;
        tarn__host_lock();
    }
    if (*pool) {
        error = tarn__guard_enter(&(*pool)->guard);
        if (!error) {
            (*pool)->opens++;
            tarn__guard_drop(&(*pool)->guard);
        }
    } else if (!acceptable(memory, size, options)) {
        error = TARN_POOL_INVALID;
    } else if (!memory && !acquired) {
        error = TARN_POOL_NO_MEMORY;
    } else {
        *pool = make(memory ? memory : acquired, size, options, source);
        acquired = NULL;
    }
    tarn__host_unlock();
    if (acquired)
        source->ops->release(source, acquired, size);
    return error;
}

static void give_back(void *passed, void *p, size_t size) { tarn__passed_give(passed, p, size); }

/* The struct may be another pool's as soon as the lock is free, so what is still to do is copied. */
int tarn_classpool_close(struct tarn_classpool **pool, struct tarn_pool_stats *left)
{
    struct tarn_pool_stats stats;
    tarn__host_lock();
    struct tarn_classpool *ending = pool ? *pool : NULL;
    int error = ending ? tarn__guard_enter(&ending->guard) : TARN_POOL_INVALID;
    if (error) {
        tarn__host_unlock();
        return error;
    }
    bool last = --ending->opens == 0, seen = last && ending->flags & TARN__WATCHED;
    tarn__guard_drop(&ending->guard);
    if (seen)
        tarn__watch_empty(ending);
    tarn_classpool_stats(ending, &stats);
    struct tarn__passed passed;
    tarn__bytes_copy(&passed, &ending->passed, sizeof passed);
    struct tarn_source *source = ending->source;
    void *memory = ending->memory;
    size_t size = ending->size;
    if (last) {
        if (passed.table == ending->passed.few)
            passed.table = passed.few;
        tarn__guard_end(&ending->guard);
        *pool = NULL;
    }
    tarn__host_unlock();
    if (left)
        *left = stats;
    if (!last)
        return 0;
    if (seen) {
        tarn__watch_wrong(ending, stats.live_blocks ? TARN_POOL_BUSY : 0, "tarn_classpool_close", ending);
        tarn__watch_end(ending);
    }
    tarn__passed_each(&passed, give_back, &passed);
    tarn__passed_end(&passed);
    if (source)
        source->ops->release(source, memory, size);
    return stats.live_blocks ? TARN_POOL_BUSY : 0;
}
