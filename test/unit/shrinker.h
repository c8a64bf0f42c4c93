/* What the tests of shrinkers share: a cache that can be shrunk, and notes what was asked of it. */
#ifndef TARN_TEST_SHRINKER_H
#define TARN_TEST_SHRINKER_H

#include "test/unit/check.h"

#include "page/shrinker.h"

/* A cache of which `objects` could be freed, and what was asked of it. */
struct cache {
    _Atomic unsigned long objects;
    unsigned long count_answer; /* instead of `objects`, unless 0 */
    unsigned long scans_before_stop;
    unsigned long scanned_each;         /* what nr_scanned is set to, unless 0 */
    bool keeps;                         /* frees nothing */
    _Atomic int scans;                  /* calls of scan since `begin` */
    unsigned long asked[64];            /* their nr_to_scan */
    struct tarn_shrink_control control; /* the last one */
    struct tarn_shrinker *shrinker;
};

static char order[16]; /* who was counted, by the flags' letter */
static size_t order_length;

static inline unsigned long count(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    struct cache *cache = shrinker->private_data;
    (void)control;
    if (order_length < sizeof order - 1 && shrinker->flags)
        order[order_length++] = (char)shrinker->flags;
    return cache->count_answer ? cache->count_answer : cache->objects;
}

static inline unsigned long scan(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control)
{
    struct cache *cache = shrinker->private_data;
    assert_int_equal(control->nr_scanned, control->nr_to_scan);
    cache->control = *control;
    if (cache->scans < 64)
        cache->asked[cache->scans] = control->nr_to_scan;
    cache->scans++;
    if (cache->scans_before_stop && (unsigned long)cache->scans > cache->scans_before_stop)
        return TARN_SHRINK_STOP;
    if (cache->scanned_each)
        control->nr_scanned = cache->scanned_each;
    if (cache->keeps)
        return 0;
    unsigned long freed = control->nr_to_scan < cache->objects ? control->nr_to_scan : cache->objects;
    cache->objects -= freed;
    return freed;
}

static inline struct cache *make(struct cache *cache, unsigned long objects)
{
    *cache = (struct cache){.objects = objects};
    cache->shrinker = tarn_shrinker_alloc(0, "test");
    assert_non_null(cache->shrinker);
    cache->shrinker->count_objects = count;
    cache->shrinker->scan_objects = scan;
    cache->shrinker->private_data = cache;
    assert_int_equal(tarn_shrinker_register(cache->shrinker), 0);
    return cache;
}

static inline void drop(struct cache *cache) { tarn_shrinker_free(cache->shrinker); }

static inline unsigned long shrink(struct cache *cache, int priority)
{
    cache->scans = 0;
    return tarn_shrink_all(TARN_GFP_KERNEL, priority);
}

#endif
