/* Slabs: made and given up without the lock, listed, taken from; which of their pages are idle. Objects are put back in put.c. */
#include "base/bits.h"
#include "base/fail.h"
#include "os/os.h"
#include "page/decay.h"
#include "page/request.h"
#include "slab/cache.h"
#include "slab/debug.h"
#include "slab/slabs.h"

#include <string.h>

enum {
    MOST_SLABS_VISITED = 8, /* by one refill, so that it stays short when many slabs have a little */
    SHED_LEAST = 640 << 10, /* bytes of slabs from which on a cache can be shedding */
    MANY_IDLE = 6,          /* pages: then they are given back first, as a call gives back many */
    SHED_SHARE = 8,         /* it is when less than one in so many is left */
    FADE_MS = 100
};

/*
 * Where the system's pages are larger than ours nearly no slab would have one free of objects, and what is counted as idle could not be given back.
 */
static bool can_purge(const struct tarn_cache *cache)
{
    bool stays = cache->ctor || cache->dtor || cache->flags & (TARN__DEBUG_FLAGS | TARN_CACHE_TYPESAFE_BY_RCU);
    return cache->pages == TARN__UNIT_PAGES && !stays && tarn__os_page_size() == TARN__PAGE_SIZE;
}

void tarn__cache_set_up(struct tarn_cache *cache, struct tarn__magazine *depot)
{
    size_t size = cache->size, capacity = TARN__MAGAZINE_BYTES / size;
    cache->inverse = (uint32_t)((UINT64_C(0x100000000) + size - 1) / size);
    cache->keeps = cache->capacity > 0 || cache->ctor;
    if (cache->capacity == 0)
        cache->capacity = (uint32_t)tarn__min(tarn__max(capacity, TARN__MAGAZINE_LEAST), TARN__MAGAZINE_MOST);
    cache->depot = depot;
    cache->depot_depth = (uint32_t)tarn__min(TARN__DEPOT_BYTES / (cache->capacity * size), TARN__DEPOT_DEPTH);
    cache->most = cache->depot_depth;
    tarn__lock_init(&cache->depot_lock, TARN__RANK_DEPOT);
    tarn__lock_init(&cache->slabs_lock, TARN__RANK_SLABS);
    tarn__list_init(&cache->full);
    tarn__list_init(&cache->idle);
    cache->purges = can_purge(cache);
    tarn__list_init(&cache->aliases);
    tarn__list_init(&cache->all);
    for (int group = 0; group < TARN__SLAB_GROUPS; group++)
        tarn__list_init(&cache->partial[group]);
}

void tarn__cache_init(struct tarn_cache *cache, const char *name, unsigned number, size_t size, struct tarn_zone *zone,
                      struct tarn__magazine *depot)
{
    *cache = (struct tarn_cache){
        .zone = zone,
        .size = (uint32_t)size,
        .object_size = (uint32_t)size,
        .objects = (uint32_t)tarn__min(TARN__UNIT_SIZE / size, TARN__SLAB_OBJECTS),
        .pages = TARN__UNIT_PAGES,
        .align = (uint32_t)tarn__min(tarn__pow2_factor(size), TARN__PAGE_SIZE),
        .flags = TARN_CACHE_NO_MERGE,
        .references = 1,
        .number = number,
        .tag = number,
        .permanent = true,
        .linked = true,
        .marked = true,
    };
    strncpy(cache->name, name, sizeof cache->name - 1);
    tarn__cache_set_up(cache, depot);
}

static struct tarn__slab *slab_in_room(struct tarn__section *section, size_t unit)
{
    return (struct tarn__slab *)section->room[unit];
}

/* A new slab, all of it free, on no list. */
static struct tarn__slab *slab_create(struct tarn_cache *cache, tarn_gfp_t flags)
{
    if (cache->flags & TARN_CACHE_RECLAIM_ACCOUNT)
        flags |= TARN_GFP_RECLAIMABLE;
    bool zeroed;
    struct tarn_page *run = tarn__pages_request(cache->zone, cache->pages, TARN__UNIT_SIZE, flags, &zeroed);
    if (!run)
        return NULL;
    struct tarn__section *section = tarn__page_section(run);
    char *base = tarn__page_address(run);
    struct tarn__slab *slab = slab_in_room(section, (size_t)(base - section->base) >> TARN__UNIT_BITS);
    slab->cache = cache;
    slab->base = base;
    slab->free = cache->objects;
    slab->hint = 0;
    slab->constructed = 0;
    slab->resident = zeroed && cache->purges ? 0 : UINT16_MAX;
    slab->idle = slab->away = 0;
    for (size_t w = 0; w < (cache->objects + 63) / 64; w++)
        slab->map[w] = tarn__word_mask(w, 0, cache->objects);
    if (!tarn__marks_begin(slab) && (tarn__zone_trim(cache->zone, 0) == 0 || !tarn__marks_begin(slab))) {
        tarn__pages_free(run);
        return NULL;
    }
    if (cache->flags & TARN__DEBUG_FLAGS)
        tarn__debug_prepare(cache, base);
    tarn__pages_mark(run, TARN__PAGE_SLAB);
    return slab;
}

static void give_up(struct tarn__slab *slab)
{
    struct tarn__section *section = tarn__section_of(slab->base);
    if (slab->cache->flags & TARN__DEBUG_FLAGS)
        tarn__debug_leave(slab->cache, slab->base);
    for (size_t i = 0; slab->cache->dtor && i < slab->constructed; i++)
        slab->cache->dtor(tarn__object_at(slab, i));
    tarn__marks_end(slab);
    struct tarn_page *run = &section->page[(size_t)(slab->base - section->base) >> TARN__PAGE_BITS];
    if (slab->cache->purges)
        tarn__pages_free_partly(run, slab->resident);
    else
        tarn__pages_free(run);
}

static void after_grace_period(struct tarn_rcu_head *head) { give_up(TARN__CONTAINER(head, struct tarn__slab, rcu)); }

void tarn__slab_destroy(struct tarn__slab *slab)
{
    if (slab->cache->flags & TARN_CACHE_TYPESAFE_BY_RCU)
        tarn_rcu_call(&slab->rcu, after_grace_period);
    else
        give_up(slab);
}

/* 0 for a slab with few free objects, 3 for one that is nearly empty. */
static unsigned group_of(const struct tarn__slab *slab) { return slab->free * TARN__SLAB_GROUPS / (slab->cache->objects + 1); }

void tarn__slab_list(struct tarn_cache *cache, struct tarn__slab *slab)
{
    slab->group = (uint16_t)group_of(slab);
    uint32_t next_group = ((slab->group + 1u) * (cache->objects + 1) + TARN__SLAB_GROUPS - 1) / TARN__SLAB_GROUPS;
    slab->leaves_at = (uint32_t)tarn__min(next_group, cache->objects); /* an empty one leaves for good */
    tarn__list_push_front(&cache->partial[slab->group], &slab->link);
}

static struct tarn__slab *fullest_partial(struct tarn_cache *cache)
{
    for (int group = 0; group < TARN__SLAB_GROUPS; group++)
        if (!tarn__list_empty(&cache->partial[group]))
            return TARN__CONTAINER(cache->partial[group].next, struct tarn__slab, link);
    return NULL;
}

/* Pages. `first` to `last` objects reach into a page; none does if it is the slab's tail. */

static size_t first_on(const struct tarn_cache *cache, unsigned page)
{
    return tarn__object_index(cache, page * TARN__PAGE_SIZE);
}

/* One more than the last. */
static size_t end_on(const struct tarn_cache *cache, unsigned page)
{
    return tarn__min(tarn__object_index(cache, (page + 1) * TARN__PAGE_SIZE - 1) + 1, cache->objects);
}

/* Mostly there are none, one, or all. */
static long count_pages(uint32_t pages)
{
    long count = pages == UINT16_MAX ? (long)TARN__UNIT_PAGES : 0;
    for (pages = count > 0 ? 0 : pages; pages; pages &= pages - 1)
        count++;
    return count;
}

/* `idle` is what the slab's idle pages are from now on. */
static void set_idle(struct tarn__slab *slab, uint32_t idle)
{
    struct tarn_cache *cache = slab->cache;
    if (!slab->idle && idle)
        tarn__list_push_front(&cache->idle, &slab->idle_link);
    if (slab->idle && !idle)
        tarn__list_remove(&slab->idle_link);
    if (idle && count_pages(idle) >= MANY_IDLE && count_pages(slab->idle) < MANY_IDLE) {
        tarn__list_remove(&slab->idle_link);
        tarn__list_push_back(&cache->idle, &slab->idle_link);
    }
    cache->idle_pages += count_pages(idle & ~(uint32_t)slab->idle) - count_pages(slab->idle & ~idle);
    slab->idle = (uint16_t)idle;
}

static void set_resident(struct tarn__slab *slab, uint32_t resident)
{
    slab->cache->absent_pages += count_pages(slab->resident & ~resident) - count_pages(resident & ~(uint32_t)slab->resident);
    slab->resident = (uint16_t)resident;
}

/* Of some pages, those that are idle now. */
void tarn__slab_note_idle(struct tarn__slab *slab, uint32_t pages)
{
    const struct tarn_cache *cache = slab->cache;
    uint32_t idle = slab->idle;
    for (pages &= slab->resident & ~idle & ~(uint32_t)slab->away; pages; pages &= pages - 1) {
        unsigned page = (unsigned)__builtin_ctz(pages);
        size_t end = end_on(cache, page);
        if (tarn__bits_find(slab->map, first_on(cache, page), end, false) == end)
            idle |= 1u << page;
    }
    if (idle != slab->idle)
        set_idle(slab, idle);
}

/*
 * The lowest free objects, `first` to `last`, were taken: the pages between hold something from now on. Returns how many of these were not
 * resident before.
 */
static size_t note_taken(struct tarn__slab *slab, const char *first, const char *last)
{
    const struct tarn_cache *cache = slab->cache;
    if (!cache->purges || (slab->resident == UINT16_MAX && !slab->idle))
        return 0;
    size_t begin = (size_t)(first - slab->base) >> TARN__PAGE_BITS;
    size_t end = ((size_t)(last - slab->base) + cache->size - 1) >> TARN__PAGE_BITS;
    uint32_t touched = (2u << end) - (1u << begin), fresh = touched & ~(uint32_t)slab->resident;
    if (fresh)
        set_resident(slab, slab->resident | touched);
    if (slab->idle & touched)
        set_idle(slab, slab->idle & ~touched);
    return (size_t)count_pages(fresh);
}

/* The lowest free objects of a slab. Those that were never constructed are the last of them, as they are the highest. */
static size_t take_from(struct tarn__slab *slab, void **objects, size_t wanted)
{
    size_t size = slab->cache->size, start = slab->cache->start, got = 0, w = slab->hint;
    wanted = tarn__min(wanted, slab->free);
    for (; got < wanted; w++) {
        uint64_t word = slab->map[w];
        for (; word && got < wanted; word &= word - 1)
            objects[got++] = slab->base + (w * 64 + (size_t)__builtin_ctzll(word)) * size + start;
        slab->map[w] = word;
        slab->hint = (uint16_t)w;
    }
    slab->free -= (uint32_t)got;
    return got;
}

/* Read without the lock, too. */
static void set_peak(struct tarn_cache *cache, size_t objects) { __atomic_store_n(&cache->peak, objects, __ATOMIC_RELAXED); }

static void file_slab(struct tarn_cache *cache, struct tarn__slab *slab)
{
    if (slab->free > 0)
        tarn__slab_list(cache, slab);
    else
        tarn__list_push_front(&cache->full, &slab->link);
}

/* Which of the objects that were taken from one slab have never been constructed: the last `fresh` of them, from now on counted as constructed. */
static size_t note_fresh(struct tarn__slab *slab, void *const *objects, size_t got)
{
    if (!slab->cache->ctor || got == 0)
        return 0;
    size_t first = slab->constructed, last = tarn__object_index(slab->cache, (size_t)((char *)objects[got - 1] - slab->base));
    if (last < first)
        return 0;
    slab->constructed = (uint16_t)(last + 1);
    return last + 1 - first;
}

/* Runs the constructor, with no lock held. */
static void construct(const struct tarn_cache *cache, void *const *objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cache->ctor(objects[i]);
}

struct tarn__change tarn__change_begin(struct tarn_cache *cache)
{
    tarn__lock(&cache->slabs_lock);
    return (struct tarn__change){.cache = cache, .idle = cache->idle_pages, .absent = cache->absent_pages};
}

/* `purging`: nothing more is purged for what is told now, and what the system refused is not tried again from here. */
static void change_end_of(const struct tarn__change *change, bool purging)
{
    struct tarn_cache *cache = change->cache;
    long idle = cache->idle_pages - change->idle, absent = cache->absent_pages - change->absent;
    tarn__unlock(&cache->slabs_lock);
    if (purging)
        tarn__idle_count(cache->zone, idle, absent);
    else if (idle != 0 || absent != 0)
        tarn__idle_note(cache->zone, idle, absent, change->fresh);
}

void tarn__change_end(const struct tarn__change *change) { change_end_of(change, false); }

/* Objects of one slab were taken. */
static void note(struct tarn__change *change, struct tarn__slab *slab, void *const *objects, size_t count)
{
    change->to_construct = note_fresh(slab, objects, count);
    if (count > 0)
        change->fresh += note_taken(slab, objects[0], objects[count - 1]);
}

/* From the partial slabs there are; from one slab only where objects are constructed, so that those to construct are the last. */
static size_t take_partial(struct tarn__change *change, void **objects, size_t wanted)
{
    struct tarn_cache *cache = change->cache;
    size_t got = 0;
    struct tarn__slab *slab;
    int visits = cache->ctor ? 1 : MOST_SLABS_VISITED;
    for (; got < wanted && visits > 0 && (slab = fullest_partial(cache)); visits--) {
        size_t more = take_from(slab, objects + got, wanted - got);
        note(change, slab, objects + got, more);
        got += more;
        tarn__list_remove(&slab->link);
        file_slab(cache, slab);
    }
    cache->free_objects -= got;
    return got;
}

size_t tarn__cache_take(struct tarn_cache *cache, void **objects, size_t wanted)
{
    struct tarn__change change = tarn__change_begin(cache);
    size_t got = take_partial(&change, objects, wanted);
    tarn__change_end(&change);
    construct(cache, objects + got - change.to_construct, change.to_construct);
    return got;
}

size_t tarn__cache_take_new(struct tarn_cache *cache, void **objects, size_t wanted, tarn_gfp_t flags)
{
    struct tarn__slab *slab = slab_create(cache, flags);
    if (!slab)
        return 0;
    size_t got = take_from(slab, objects, wanted);
    struct tarn__change change = tarn__change_begin(cache);
    cache->absent_pages += count_pages(~(uint32_t)slab->resident & UINT16_MAX);
    if (cache->purges)
        set_idle(slab, slab->resident);
    note(&change, slab, objects, got);
    cache->slabs++;
    set_peak(cache, tarn__max(cache->peak, cache->slabs * cache->objects));
    cache->free_objects += slab->free;
    file_slab(cache, slab);
    tarn__change_end(&change);
    construct(cache, objects + got - change.to_construct, change.to_construct);
    return got;
}

/* The slab whose unit holds `p`, or NULL. */
struct tarn__slab *tarn__slab_around(const void *p)
{
    struct tarn__section *section = tarn__section_of(p);
    if (!section)
        return NULL;
    size_t unit = (size_t)((const char *)p - section->base) >> TARN__UNIT_BITS;
    bool is_slab = unit < TARN__SECTION_UNITS && tarn__page_state(&section->page[unit * TARN__UNIT_PAGES]) == TARN__PAGE_SLAB;
    return is_slab ? slab_in_room(section, unit) : NULL;
}

/* The number of the object that begins at `p` in its slab; the slab's count of objects, or more, if none does. */
static inline size_t index_in(const struct tarn__slab *slab, const void *p)
{
    size_t offset = (size_t)((const char *)p - slab->base) - slab->cache->start;
    size_t index = tarn__object_index(slab->cache, offset);
    return index * slab->cache->size == offset ? index : SIZE_MAX;
}

struct tarn__slab *tarn__slab_of(const void *p)
{
    struct tarn__slab *slab = tarn__slab_around(p);
    return slab && index_in(slab, p) < slab->cache->objects ? slab : NULL;
}

static struct tarn__slab *any_slab(struct tarn_cache *cache)
{
    struct tarn__slab *slab = fullest_partial(cache);
    return slab || tarn__list_empty(&cache->full) ? slab : TARN__CONTAINER(cache->full.next, struct tarn__slab, link);
}

/* A slab leaves its cache. */
void tarn__slab_forget(struct tarn_cache *cache, struct tarn__slab *slab)
{
    set_idle(slab, 0);
    cache->absent_pages -= count_pages(~(uint32_t)slab->resident & UINT16_MAX);
    tarn__list_remove(&slab->link);
    cache->slabs--;
    cache->free_objects -= slab->free;
}

void tarn__cache_release_slabs(struct tarn_cache *cache)
{
    for (struct tarn__slab *slab; (slab = any_slab(cache)) != NULL;) {
        struct tarn__change change = tarn__change_begin(cache);
        tarn__slab_forget(cache, slab);
        tarn__change_end(&change);
        tarn__slab_destroy(slab);
    }
}

void *tarn__object_around(const void *p)
{
    const struct tarn__slab *slab = tarn__slab_around(p);
    size_t index = slab ? tarn__object_index(slab->cache, (size_t)((const char *)p - slab->base)) : SIZE_MAX;
    return slab && index < slab->cache->objects ? tarn__object_at(slab, index) : NULL;
}

/* What the peak exceeds the present by loses an eighth in a tick: half of it goes in half a second. */
static void fade(struct tarn_cache *cache, size_t objects)
{
    uint64_t tick = tarn__os_now() / FADE_MS, passed = tick - cache->faded;
    cache->faded = tick;
    for (size_t excess = cache->peak - objects; passed > 0 && excess > 0; passed--) {
        excess -= (excess + 7) / 8;
        set_peak(cache, objects + excess);
    }
}

uint32_t tarn__cache_bound(struct tarn_cache *cache, size_t own)
{
    uint32_t bound = UINT32_MAX;
    if (!cache->purges || __atomic_load_n(&cache->peak, __ATOMIC_RELAXED) * cache->size < SHED_LEAST)
        return bound;
    tarn__lock(&cache->slabs_lock);
    size_t objects = cache->slabs * cache->objects;
    size_t unused = cache->free_objects + __atomic_load_n(&cache->depot_objects, __ATOMIC_RELAXED) + own;
    size_t live = objects - tarn__min(objects, unused);
    if (live < cache->peak / SHED_SHARE) {
        fade(cache, objects);
        bound = (uint32_t)(live * SHED_SHARE * TARN__MAGAZINE_MOST / tarn__max(cache->peak, 1));
    }
    tarn__unlock(&cache->slabs_lock);
    return bound;
}

/* Takes the free objects of a page out of reach; returns how many. */
static size_t claim_page(struct tarn__slab *slab, unsigned page)
{
    size_t first = first_on(slab->cache, page), end = end_on(slab->cache, page), count = 0;
    if (end > first)
        count = tarn__bits_count(slab->map, first, end - first);
    if (count > 0)
        tarn__bits_clear(slab->map, first, end - first);
    return count;
}

static size_t return_page(struct tarn__slab *slab, unsigned page)
{
    size_t first = first_on(slab->cache, page), end = end_on(slab->cache, page);
    if (end <= first)
        return 0;
    size_t count = end - first - tarn__bits_count(slab->map, first, end - first);
    tarn__bits_set(slab->map, first, end - first);
    return count;
}

/* Claims or returns the objects of some pages, and puts the slab on the list where it belongs. */
static void move_pages(struct tarn__slab *slab, uint32_t pages, bool back)
{
    size_t count = 0;
    for (; pages; pages &= pages - 1) {
        unsigned page = (unsigned)__builtin_ctz(pages);
        count += back ? return_page(slab, page) : claim_page(slab, page);
    }
    count = back ? count : (size_t)0 - count;
    slab->free += (uint32_t)count;
    slab->cache->free_objects += count;
    slab->hint = back ? 0 : slab->hint;
    tarn__list_remove(&slab->link);
    file_slab(slab->cache, slab);
}

struct tarn__slab *tarn__cache_idle_take(struct tarn_cache *cache, uint16_t *pages)
{
    struct tarn__slab *slab = NULL;
    struct tarn__change change = tarn__change_begin(cache);
    if (!tarn__list_empty(&cache->idle)) {
        slab = TARN__CONTAINER(cache->idle.prev, struct tarn__slab, idle_link);
        *pages = slab->idle;
        slab->away |= *pages;
        set_idle(slab, 0);
        move_pages(slab, *pages, false);
    }
    change_end_of(&change, true);
    return slab;
}

void tarn__cache_idle_return(struct tarn__slab *slab, uint16_t pages, uint16_t cleaned)
{
    struct tarn_cache *cache = slab->cache;
    struct tarn__change change = tarn__change_begin(cache);
    slab->away &= (uint16_t)~pages;
    set_resident(slab, slab->resident & ~(uint32_t)cleaned);
    move_pages(slab, pages, true);
    tarn__slab_note_idle(slab, UINT16_MAX); /* what was refused, and neighbours that became free meanwhile */
    bool empty = slab->free == cache->objects && !slab->away;
    if (empty)
        tarn__slab_forget(cache, slab);
    change_end_of(&change, true);
    if (empty)
        tarn__slab_destroy(slab);
}

uint8_t *tarn__mark_of(const struct tarn__slab *slab, const void *p) { return &slab->marks[index_in(slab, p)]; }

bool tarn__object_is_free(const struct tarn__slab *slab, const void *p) { return !tarn__mark_read(tarn__mark_of(slab, p)); }

void *tarn__object_mark(void *object, bool used)
{
    const struct tarn__slab *slab = tarn__slab_of(object);
    if (!slab)
        tarn__fail(TARN__CORRUPT_LIST, "malloc", object);
    tarn__mark_write(tarn__mark_of(slab, object), used);
    return object;
}

void tarn__misuse(enum tarn__crime crime, const char *where, const void *p)
{
    const struct tarn__slab *slab = tarn__slab_of(p);
    bool was = slab ? tarn__object_is_free(slab, p) : (uintptr_t)p % sizeof(void *) == 0 && tarn__page_is_free(p);
    tarn__report(crime == TARN__INVALID_FREE && was ? TARN__DOUBLE_FREE : crime, where, p, NULL);
}

static void visit_list(struct tarn__list *head, void (*visit)(void *object, void *context), void *context)
{
    for (struct tarn__list *link = head->next; link != head; link = link->next) {
        struct tarn__slab *slab = TARN__CONTAINER(link, struct tarn__slab, link);
        for (size_t i = 0; i < slab->cache->objects; i++)
            if (!tarn__bit_test(slab->map, i))
                visit(tarn__object_at(slab, i), context);
    }
}

void tarn__cache_visit(struct tarn_cache *cache, void (*visit)(void *object, void *context), void *context)
{
    visit_list(&cache->full, visit, context);
    for (int group = 0; group < TARN__SLAB_GROUPS; group++)
        visit_list(&cache->partial[group], visit, context);
}

void tarn__slabs_each(struct tarn_cache *cache, void (*visit)(struct tarn__slab *slab, void *context), void *context)
{
    for (struct tarn__list *link = cache->full.next; link != &cache->full; link = link->next)
        visit(TARN__CONTAINER(link, struct tarn__slab, link), context);
    for (int group = 0; group < TARN__SLAB_GROUPS; group++)
        for (struct tarn__list *link = cache->partial[group].next; link != &cache->partial[group]; link = link->next)
            visit(TARN__CONTAINER(link, struct tarn__slab, link), context);
}

static void check_full(const struct tarn_cache *cache, const struct tarn__slab *slab)
{
    TARN__ASSERT(slab->cache == cache && slab->free == 0, "a slab on the list of full ones is full, and of its cache");
    TARN__ASSERT(tarn__bits_count(slab->map, 0, cache->objects) == 0, "a full slab has no bit set");
}

static void check_slab(const struct tarn_cache *cache, const struct tarn__slab *slab, unsigned group)
{
    TARN__ASSERT(slab->cache == cache, "a listed slab belongs to its cache");
    TARN__ASSERT(slab->group == group && group_of(slab) == group, "a slab is on the list of its fullness");
    TARN__ASSERT(slab->free < slab->leaves_at || slab->away, "a slab leaves its group in time");
    TARN__ASSERT(tarn__slab_of(tarn__object_at(slab, 0)) == slab, "a slab is found from its first object");
    TARN__ASSERT(slab->free > 0 && (slab->free < cache->objects || slab->away), "a listed slab is neither full nor empty");
    TARN__ASSERT(tarn__bits_count(slab->map, 0, cache->objects) == slab->free, "the count of a slab's free objects is right");
    TARN__ASSERT(tarn__bits_count(slab->map, 0, slab->hint * 64u) == 0, "nothing is free below the hint");
    TARN__ASSERT(((slab->idle | slab->away) & ~slab->resident) == 0, "pages that are idle, or away to be purged, are resident");
    TARN__ASSERT((slab->idle & slab->away) == 0, "what is away is not idle");
    for (unsigned page = 0; page < TARN__UNIT_PAGES; page++)
        TARN__ASSERT(!(slab->idle >> page & 1) ||
                         tarn__bits_find(slab->map, first_on(cache, page), end_on(cache, page), false) == end_on(cache, page),
                     "all objects that reach into an idle page are free");
}

static void check_idle(struct tarn_cache *cache)
{
    long idle = 0;
    for (struct tarn__list *link = cache->idle.next; link != &cache->idle; link = link->next)
        idle += count_pages(TARN__CONTAINER(link, struct tarn__slab, idle_link)->idle);
    TARN__ASSERT(idle == cache->idle_pages, "the count of a cache's idle pages is right");
}

void tarn__cache_check(struct tarn_cache *cache)
{
    size_t free_objects = 0, depot_objects = 0, slabs = 0;
    tarn__lock(&cache->slabs_lock);
    for (struct tarn__list *link = cache->full.next; link != &cache->full; link = link->next, slabs++)
        check_full(cache, TARN__CONTAINER(link, struct tarn__slab, link));
    for (unsigned group = 0; group < TARN__SLAB_GROUPS; group++)
        for (struct tarn__list *link = cache->partial[group].next; link != &cache->partial[group]; link = link->next) {
            struct tarn__slab *slab = TARN__CONTAINER(link, struct tarn__slab, link);
            check_slab(cache, slab, group);
            free_objects += slab->free;
            slabs++;
        }
    TARN__ASSERT(slabs == cache->slabs, "every slab is on a list");
    TARN__ASSERT(free_objects == cache->free_objects, "the count of a cache's free objects is right");
    check_idle(cache);
    tarn__unlock(&cache->slabs_lock);
    tarn__lock(&cache->depot_lock);
    for (uint32_t i = 0; i < cache->depth; i++) {
        TARN__ASSERT(cache->depot[i].count > 0 && cache->depot[i].count <= cache->capacity,
                     "a magazine in the depot is neither empty nor overfull");
        depot_objects += cache->depot[i].count;
    }
    TARN__ASSERT(depot_objects == cache->depot_objects, "the count of the depot's objects is right");
    tarn__unlock(&cache->depot_lock);
}
