/* Objects that go back to their slabs: looked up without the lock, as they are the cold memory, and put back under it, run by run. */
#include "base/bits.h"
#include "base/fail.h"
#include "slab/local.h"
#include "slab/slabs.h"

#include <string.h>

enum { SLABS_LATELY = 8 };

/* Where objects of one cache lie: runs of them that lie in one slab. */
struct places {
    size_t count, runs;
    uint16_t index[TARN__MAGAZINE_MOST];
    uint16_t first[TARN__MAGAZINE_MOST]; /* of a run */
    struct tarn__slab *slab[TARN__MAGAZINE_MOST];
    struct tarn__slab *lately[SLABS_LATELY]; /* by the number of their unit */
};

static void begin_places(struct places *places)
{
    places->count = places->runs = 0;
    memset(places->lately, 0, sizeof places->lately);
}

static struct tarn__slab **lately(struct places *places, const void *object)
{
    return &places->lately[(uintptr_t)object >> TARN__UNIT_BITS & (SLABS_LATELY - 1)];
}

/* The slab of an object, which is not the one found lately. NULL: it is none of the cache. */
static TARN__NOINLINE struct tarn__slab *find_slab(const struct tarn_cache *cache, struct places *places, const void *object)
{
    struct tarn__slab *slab = tarn__slab_around(object);
    if (!slab || slab->cache != cache)
        return NULL;
    *lately(places, object) = slab;
    return slab;
}

/* A run begins with this object. NULL: it is none of the cache. */
static inline struct tarn__slab *begin_run(const struct tarn_cache *cache, struct places *places, const void *object)
{
    struct tarn__slab *slab = *lately(places, object);
    if (!slab || (size_t)((const char *)object - slab->base) >= TARN__UNIT_SIZE)
        slab = find_slab(cache, places, object);
    if (slab) {
        places->slab[places->runs] = slab;
        places->first[places->runs++] = (uint16_t)places->count;
    }
    return slab;
}

/* Adds objects of an array or a list, as many as there is room for. Returns the first that is not added: it is none of the cache, or one too many. */
static void *locate(const struct tarn_cache *cache, struct places *places, void *const *array, void *object, size_t count)
{
    const size_t size = cache->size, start = cache->start, objects = cache->objects;
    const uint64_t inverse = cache->inverse;
    const char *base = NULL;
    size_t n = 0;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): NULL lies in no slab, which ends the loop */
    for (; n < count; n++, object = array ? NULL : *(void **)object) {
        object = array ? array[n] : object;
        if (!base || (size_t)((char *)object - base) >= TARN__UNIT_SIZE) {
            places->count = n;
            const struct tarn__slab *slab = begin_run(cache, places, object);
            if (!slab)
                break;
            base = slab->base;
        }
        size_t offset = (size_t)((char *)object - base) - start, index = (size_t)(offset * inverse >> 32);
        if (index * size != offset || index >= objects)
            break;
        places->index[n] = (uint16_t)index;
    }
    places->count = n;
    return object;
}

/* Sets the bits of objects that are put back. */
static void set_free(struct tarn__slab *slab, const uint16_t *index, size_t count)
{
    size_t lowest = slab->free > 0 ? slab->hint : SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        uint64_t *word = &slab->map[index[i] / 64], bit = UINT64_C(1) << (index[i] % 64);
        if (*word & bit)
            tarn__fail(TARN__DOUBLE_FREE, "free", tarn__object_at(slab, index[i]));
        *word |= bit;
        lowest = tarn__min(lowest, index[i] / 64u);
    }
    slab->hint = (uint16_t)lowest;
    slab->free += (uint32_t)count;
}

/* A bit for each page that an object reaches into. */
static uint32_t pages_of(const struct tarn_cache *cache, size_t index)
{
    size_t begin = index * cache->size;
    return (2u << ((begin + cache->size - 1) >> TARN__PAGE_BITS)) - (1u << (begin >> TARN__PAGE_BITS));
}

/* Whether pages are looked at whenever something is put back: small objects share them with many, so not before most of the slab is free. */
static bool are_noted(const struct tarn__slab *slab)
{
    return slab->cache->size > TARN__PAGE_SIZE / 2 || slab->group == TARN__SLAB_GROUPS - 1;
}

/* A quick look at whether a page that the object reaches into may be idle now: not while a neighbour within the page is in use. */
static bool may_idle(const struct tarn__slab *slab, size_t index)
{
    const struct tarn_cache *cache = slab->cache;
    size_t begin = index * cache->size, next = begin + cache->size;
    if (cache->size > TARN__PAGE_SIZE / 2)
        return true;
    if (begin >> TARN__PAGE_BITS != next >> TARN__PAGE_BITS) /* it is the last of its page */
        return true;
    return (index + 1 >= cache->objects || tarn__bit_test(slab->map, index + 1)) &&
           (begin % TARN__PAGE_SIZE == 0 || tarn__bit_test(slab->map, index - 1));
}

/* Pages that may have become idle, in a slab that stays in its group. */
static void note_put(struct tarn__slab *slab, const uint16_t *index, size_t count)
{
    uint32_t pages = 0;
    if (!slab->cache->purges || !are_noted(slab) || (count == 1 && !may_idle(slab, index[0])))
        return;
    for (size_t i = 0; i < count; i++)
        pages |= pages_of(slab->cache, index[i]);
    tarn__slab_note_idle(slab, pages);
}

/* Gives objects back to their slab. True when the slab is empty by that. */
static bool put_run(struct tarn__slab *slab, const uint16_t *index, size_t count)
{
    struct tarn_cache *cache = slab->cache;
    bool was_full = slab->free == 0;
    set_free(slab, index, count);
    if (!was_full && slab->free < slab->leaves_at) {
        note_put(slab, index, count);
        return false;
    }
    if (slab->free == cache->objects &&
        !slab->away) /* no object reaches into what is away: whoever purges that gives the slab up */
        return true;
    tarn__list_remove(&slab->link);
    tarn__slab_list(cache, slab);
    if (cache->purges && (slab->group >= TARN__SLAB_GROUPS / 2 || are_noted(slab)))
        tarn__slab_note_idle(slab, UINT16_MAX);
    return false;
}

static void put_places(struct tarn_cache *cache, const struct places *places)
{
    struct tarn__list empty;
    tarn__list_init(&empty);
    struct tarn__change change = tarn__change_begin(cache);
    cache->free_objects += places->count;
    for (size_t i = 0; i < places->runs; i++) {
        size_t first = places->first[i], end = i + 1 < places->runs ? places->first[i + 1] : places->count;
        if (put_run(places->slab[i], places->index + first, end - first)) {
            tarn__slab_forget(cache, places->slab[i]);
            tarn__list_push_front(&empty, &places->slab[i]->link);
        }
    }
    tarn__change_end(&change);
    while (!tarn__list_empty(&empty)) {
        struct tarn__slab *slab = TARN__CONTAINER(empty.next, struct tarn__slab, link);
        tarn__list_remove(&slab->link);
        tarn__slab_destroy(slab);
    }
}

void tarn__cache_put(struct tarn_cache *cache, void *object)
{
    struct places places;
    begin_places(&places);
    locate(cache, &places, &object, NULL, 1);
    if (places.count == 0)
        tarn__fail(TARN__INVALID_FREE, "free", object);
    put_places(cache, &places);
}

/* An object of a magazine is none of the cache. In a list a link that leads out of the cache was written by the user of the object before. */
static _Noreturn void foreign_object(const struct places *places, bool linked, const void *object)
{
    size_t n = places->count;
    const struct tarn__slab *slab = n > 0 ? places->slab[places->runs - 1] : NULL;
    if (slab && places->first[places->runs - 1] == n && places->runs > 1)
        slab = places->slab[places->runs - 2];
    if (linked && slab)
        tarn__fail(TARN__CORRUPT_LIST, "free", tarn__object_at(slab, places->index[n - 1]));
    tarn__fail(TARN__INVALID_FREE, "free", object);
}

/* Objects are looked at before the lock is taken: they are the cold memory. */
void tarn__cache_put_magazine(struct tarn_cache *cache, struct tarn__magazine magazine)
{
    void **array = cache->linked ? NULL : magazine.head, *object = magazine.head;
    struct places places;
    for (size_t done = 0, part; done < magazine.count; done += part) {
        part = tarn__min(magazine.count - done, TARN__MAGAZINE_MOST);
        begin_places(&places);
        object = locate(cache, &places, array ? array + done : NULL, object, part);
        if (places.count < part)
            foreign_object(&places, cache->linked, object);
        put_places(cache, &places);
    }
    if (array)
        tarn__array_put(cache, array);
}

void tarn__direct_free(struct tarn_cache *cache, void *object)
{
    tarn__cache_put(cache, tarn__object_mark(object, false));
    tarn__atomic_add(&cache->past_frees, 1);
    tarn__ledger_note(-(int64_t)cache->size);
}
