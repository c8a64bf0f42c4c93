/* Slabs: objects taken and put back under the cache's slab lock, slabs made and given up without it. */
#include "base/bits.h"
#include "base/fail.h"
#include "slab/cache.h"

enum { MOST_SLABS_VISITED = 8 }; /* by one refill, so that it stays short when many slabs have a little */

uint8_t tarn__unit_cache[(size_t)1 << (TARN__WINDOW_BITS - TARN__UNIT_BITS)];

void tarn__cache_init(struct tarn__cache *cache, const char *name, unsigned number, size_t size, struct tarn__zone *zone,
                      struct tarn__magazine *depot)
{
    size_t capacity = TARN__MAGAZINE_BYTES / size;
    *cache = (struct tarn__cache){
        .name = name,
        .zone = zone,
        .size = (uint32_t)size,
        .inverse = (uint32_t)((UINT64_C(0x100000000) + size - 1) / size),
        .objects = (uint32_t)(TARN__UNIT_SIZE / size),
        .capacity = (uint32_t)tarn__min(tarn__max(capacity, TARN__MAGAZINE_LEAST), TARN__MAGAZINE_MOST),
        .number = number,
        .depot = depot,
    };
    tarn__lock_init(&cache->depot_lock, TARN__RANK_DEPOT);
    tarn__lock_init(&cache->slabs_lock, TARN__RANK_SLABS);
    for (int group = 0; group < TARN__SLAB_GROUPS; group++)
        tarn__list_init(&cache->partial[group]);
}

static struct tarn__slab *slab_in_room(struct tarn__section *section, size_t unit)
{
    return (struct tarn__slab *)section->room[unit];
}

static void mark_unit(const char *base, unsigned number)
{
    size_t unit = ((uintptr_t)base - tarn__window_base) >> TARN__UNIT_BITS;
    if (unit < sizeof tarn__unit_cache)
        tarn__unit_cache[unit] = (uint8_t)number;
}

/* A new slab, all of it free, on no list. */
static struct tarn__slab *slab_create(struct tarn__cache *cache)
{
    struct tarn__page *run = tarn__pages_alloc(cache->zone, TARN__UNIT_PAGES, TARN__UNIT_SIZE, NULL);
    if (!run)
        return NULL;
    struct tarn__section *section = tarn__page_section(run);
    char *base = tarn__page_address(run);
    struct tarn__slab *slab = slab_in_room(section, (size_t)(base - section->base) >> TARN__UNIT_BITS);
    slab->cache = cache;
    slab->base = base;
    slab->free = cache->objects;
    slab->hint = 0;
    for (size_t w = 0; w < (cache->objects + 63) / 64; w++)
        slab->map[w] = tarn__word_mask(w, 0, cache->objects);
    run->state = TARN__PAGE_SLAB;
    mark_unit(base, cache->number);
    return slab;
}

static void slab_destroy(struct tarn__slab *slab)
{
    struct tarn__section *section = tarn__section_of(slab->base);
    mark_unit(slab->base, 0);
    tarn__pages_free(&section->page[(size_t)(slab->base - section->base) >> TARN__PAGE_BITS]);
}

/* 0 for a slab with few free objects, 3 for one that is nearly empty. */
static unsigned group_of(const struct tarn__slab *slab)
{
    uint32_t quarters = slab->free * TARN__SLAB_GROUPS;
    return quarters <= slab->cache->objects ? 0 : quarters <= 2 * slab->cache->objects ? 1 : quarters <= 3 * slab->cache->objects ? 2 : 3;
}

static void list_slab(struct tarn__cache *cache, struct tarn__slab *slab)
{
    slab->group = (uint16_t)group_of(slab);
    tarn__list_push_front(&cache->partial[slab->group], &slab->link);
}

static struct tarn__slab *fullest_partial(struct tarn__cache *cache)
{
    for (int group = 0; group < TARN__SLAB_GROUPS; group++)
        if (!tarn__list_empty(&cache->partial[group]))
            return TARN__CONTAINER(cache->partial[group].next, struct tarn__slab, link);
    return NULL;
}

/* The lowest free objects of a slab. */
static size_t take_from(struct tarn__slab *slab, void **objects, size_t wanted)
{
    size_t size = slab->cache->size, got = 0, w = slab->hint;
    wanted = tarn__min(wanted, slab->free);
    for (; got < wanted; w++) {
        uint64_t word = slab->map[w];
        for (; word && got < wanted; word &= word - 1)
            objects[got++] = slab->base + (w * 64 + (size_t)__builtin_ctzll(word)) * size;
        slab->map[w] = word;
        slab->hint = (uint16_t)w;
    }
    slab->free -= (uint32_t)got;
    return got;
}

/* From the partial slabs there are. */
static size_t take_partial(struct tarn__cache *cache, void **objects, size_t wanted)
{
    size_t got = 0;
    struct tarn__slab *slab;
    for (int visited = 0; got < wanted && visited < MOST_SLABS_VISITED && (slab = fullest_partial(cache)); visited++) {
        got += take_from(slab, objects + got, wanted - got);
        tarn__list_remove(&slab->link);
        if (slab->free > 0)
            list_slab(cache, slab);
    }
    cache->free_objects -= got;
    return got;
}

size_t tarn__cache_take(struct tarn__cache *cache, void **objects, size_t wanted)
{
    tarn__lock(&cache->slabs_lock);
    size_t got = take_partial(cache, objects, wanted);
    tarn__unlock(&cache->slabs_lock);
    if (got > 0)
        return got;
    struct tarn__slab *slab = slab_create(cache);
    if (!slab)
        return 0;
    got = take_from(slab, objects, wanted);
    tarn__lock(&cache->slabs_lock);
    cache->slabs++;
    cache->free_objects += slab->free;
    if (slab->free > 0)
        list_slab(cache, slab);
    tarn__unlock(&cache->slabs_lock);
    return got;
}

struct tarn__slab *tarn__slab_of(const void *p)
{
    struct tarn__section *section = tarn__section_of(p);
    if (!section)
        return NULL;
    size_t offset = (size_t)((const char *)p - section->base), unit = offset >> TARN__UNIT_BITS;
    if (unit >= TARN__SECTION_UNITS || section->page[unit * TARN__UNIT_PAGES].state != TARN__PAGE_SLAB)
        return NULL;
    struct tarn__slab *slab = slab_in_room(section, unit);
    size_t within = offset & (TARN__UNIT_SIZE - 1), index = tarn__object_index(slab->cache, within);
    return index < slab->cache->objects && index * slab->cache->size == within ? slab : NULL;
}

/* Gives one object back to its slab. A slab that becomes empty leaves the lists and is returned. */
static struct tarn__slab *put_object(struct tarn__cache *cache, void *object)
{
    struct tarn__slab *slab = tarn__slab_of(object);
    if (!slab || slab->cache != cache)
        tarn__fail(TARN__INVALID_FREE, "free", object);
    size_t index = tarn__object_index(cache, (size_t)((char *)object - slab->base)), w = index / 64;
    if (tarn__bit_test(slab->map, index))
        tarn__fail(TARN__DOUBLE_FREE, "free", object);
    tarn__bit_set(slab->map, index);
    if (w < slab->hint || slab->free == 0)
        slab->hint = (uint16_t)w;
    if (slab->free++ == 0) {
        list_slab(cache, slab);
    } else if (slab->group != group_of(slab)) {
        tarn__list_remove(&slab->link);
        list_slab(cache, slab);
    }
    if (slab->free < cache->objects)
        return NULL;
    tarn__list_remove(&slab->link);
    return slab;
}

void tarn__cache_put(struct tarn__cache *cache, void *const *objects, size_t count)
{
    struct tarn__list empty;
    tarn__list_init(&empty);
    tarn__lock(&cache->slabs_lock);
    cache->free_objects += count;
    for (size_t i = 0; i < count; i++) {
        struct tarn__slab *slab = put_object(cache, objects[i]);
        if (slab) {
            tarn__list_push_front(&empty, &slab->link);
            cache->slabs--;
            cache->free_objects -= cache->objects;
        }
    }
    tarn__unlock(&cache->slabs_lock);
    while (!tarn__list_empty(&empty)) {
        struct tarn__slab *slab = TARN__CONTAINER(empty.next, struct tarn__slab, link);
        tarn__list_remove(&slab->link);
        slab_destroy(slab);
    }
}

static void check_slab(const struct tarn__cache *cache, const struct tarn__slab *slab, unsigned group)
{
    TARN__ASSERT(slab->cache == cache, "a listed slab belongs to its cache");
    TARN__ASSERT(slab->group == group && group_of(slab) == group, "a slab is on the list of its fullness");
    TARN__ASSERT(tarn__slab_of(slab->base) == slab, "a slab is found from its first object");
    TARN__ASSERT(slab->free > 0 && slab->free < cache->objects, "a listed slab is neither full nor empty");
    TARN__ASSERT(tarn__bits_count(slab->map, 0, TARN__SLAB_WORDS * 64) >= slab->free, "a slab has a bit for each free object");
    TARN__ASSERT(tarn__bits_count(slab->map, 0, cache->objects) == slab->free, "the count of a slab's free objects is right");
    TARN__ASSERT(tarn__bits_count(slab->map, 0, slab->hint * 64u) == 0, "nothing is free below the hint");
}

void tarn__cache_check(struct tarn__cache *cache)
{
    size_t free_objects = 0, depot_objects = 0;
    tarn__lock(&cache->slabs_lock);
    for (unsigned group = 0; group < TARN__SLAB_GROUPS; group++)
        for (struct tarn__list *link = cache->partial[group].next; link != &cache->partial[group]; link = link->next) {
            struct tarn__slab *slab = TARN__CONTAINER(link, struct tarn__slab, link);
            check_slab(cache, slab, group);
            free_objects += slab->free;
        }
    TARN__ASSERT(free_objects == cache->free_objects, "the count of a cache's free objects is right");
    tarn__unlock(&cache->slabs_lock);
    tarn__lock(&cache->depot_lock);
    for (uint32_t i = 0; i < cache->depth; i++) {
        TARN__ASSERT(cache->depot[i].count > 0 && cache->depot[i].count <= cache->capacity, "a magazine in the depot is neither empty nor overfull");
        depot_objects += cache->depot[i].count;
    }
    TARN__ASSERT(depot_objects == cache->depot_objects, "the count of the depot's objects is right");
    tarn__unlock(&cache->depot_lock);
}
