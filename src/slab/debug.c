/* Red zones, poison and tracks. The layout of a slot is drawn in cache.h. */
#include "slab/debug.h"

#include "base/bits.h"
#include "base/fail.h"
#include "base/warn.h"
#include "os/os.h"
#include "slab/local.h"

#include <string.h>

static struct tarn__track *tracks_of(const struct tarn_cache *cache, const void *object)
{
    return cache->tracks ? (struct tarn__track *)((char *)object + cache->tracks) : NULL;
}

static void track(const struct tarn_cache *cache, void *object, int which, const void *caller)
{
    struct tarn__track *tracks = tracks_of(cache, object);
    if (tracks)
        tracks[which] = (struct tarn__track){caller, tarn__thread_id(), (uint32_t)tarn__os_now()};
}

static void describe_track(const char *what, const struct tarn__track *track)
{
    if (track->caller)
        tarn__warn("  %s at %p by thread %u, %u ms", what, track->caller, track->thread, track->when);
}

void tarn__debug_describe(const struct tarn_cache *cache, const void *object)
{
    const struct tarn__track *tracks = tracks_of(cache, object);
    tarn__warn("  object %p of cache %s, %u bytes", object, cache->name, cache->object_size);
    if (tracks) {
        describe_track("allocated", &tracks[0]);
        describe_track("freed", &tracks[1]);
    }
}

static _Noreturn void report(enum tarn__crime crime, const struct tarn_cache *cache, const char *where, const void *object)
{
    tarn__debug_describe(cache, object);
    tarn__fail(crime, where, object);
}

/* The object's bytes from its end to what follows are red too. */
static size_t right_zone(const struct tarn_cache *cache)
{
    return (cache->tracks ? cache->tracks : cache->size - cache->start) - cache->object_size;
}

static void paint(const struct tarn_cache *cache, char *object, unsigned char colour)
{
    if (!(cache->flags & TARN_CACHE_RED_ZONE))
        return;
    memset(object - cache->start, colour, cache->start);
    memset(object + cache->object_size, colour, right_zone(cache));
}

static bool all_are(const unsigned char *p, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != value)
            return false;
    return true;
}

static bool is_painted(const struct tarn_cache *cache, const void *object, unsigned char colour)
{
    const unsigned char *p = object;
    return !(cache->flags & TARN_CACHE_RED_ZONE) ||
           (all_are(p - cache->start, cache->start, colour) && all_are(p + cache->object_size, right_zone(cache), colour));
}

/* A constructed object keeps its state, and one that readers may still look at its contents: neither is poisoned. */
static bool is_poisoning(const struct tarn_cache *cache)
{
    return (cache->flags & TARN_CACHE_POISON) && !cache->ctor && !(cache->flags & TARN_CACHE_TYPESAFE_BY_RCU);
}

static void poison(const struct tarn_cache *cache, unsigned char *object)
{
    if (!is_poisoning(cache))
        return;
    memset(object, TARN__POISON_FREE, cache->object_size - 1);
    object[cache->object_size - 1] = TARN__POISON_END;
}

static bool is_poisoned(const struct tarn_cache *cache, const unsigned char *object)
{
    return !is_poisoning(cache) ||
           (all_are(object, cache->object_size - 1, TARN__POISON_FREE) && object[cache->object_size - 1] == TARN__POISON_END);
}

void tarn__debug_prepare(const struct tarn_cache *cache, char *base)
{
    for (size_t i = 0; i < cache->objects; i++) {
        char *object = base + i * cache->size + cache->start;
        paint(cache, object, TARN__RED_FREE);
        poison(cache, (unsigned char *)object);
        if (cache->tracks)
            memset(tracks_of(cache, object), 0, 2 * sizeof(struct tarn__track));
    }
}

/* What a user can have spoilt of a free object. */
static void check_free(const struct tarn_cache *cache, const void *object, const char *where)
{
    if (!is_painted(cache, object, TARN__RED_FREE))
        report(TARN__RED_ZONE, cache, where, object);
    if (!is_poisoned(cache, object))
        report(TARN__POISONED, cache, where, object);
}

void tarn__debug_leave(const struct tarn_cache *cache, const char *base)
{
    for (size_t i = 0; i < cache->objects; i++)
        check_free(cache, base + i * cache->size + cache->start, "slab_release");
}

void *tarn__debug_alloc(struct tarn_cache *cache, tarn_gfp_t flags, const void *caller)
{
    void *object = tarn__direct_alloc(cache, flags);
    if (!object)
        return NULL;
    check_free(cache, object, "cache_alloc");
    paint(cache, object, TARN__RED_USED);
    track(cache, object, 0, caller);
    return object;
}

void *tarn__debug_alloc_exact(struct tarn_cache *cache, size_t size, tarn_gfp_t flags, const void *caller)
{
    (void)size;
    return tarn__debug_alloc(cache, flags, caller);
}

size_t tarn__debug_size(const struct tarn_cache *cache, const void *object, const char *where)
{
    (void)object, (void)where;
    return cache->object_size;
}

void tarn__debug_check(const struct tarn_cache *cache, const void *object)
{
    if (!is_painted(cache, object, TARN__RED_USED))
        report(TARN__RED_ZONE, cache, "cache_free", object);
}

void tarn__debug_free(struct tarn_cache *cache, void *object, const void *caller)
{
    struct tarn__slab *slab = tarn__slab_of(object);
    if (!slab)
        tarn__fail(TARN__INVALID_FREE, "cache_free", object);
    if (tarn__object_is_free(slab, object))
        report(TARN__DOUBLE_FREE, cache, "cache_free", object);
    tarn__debug_check(cache, object);
    track(cache, object, 1, caller);
    paint(cache, object, TARN__RED_FREE);
    poison(cache, object);
    tarn__direct_free(cache, object);
}
