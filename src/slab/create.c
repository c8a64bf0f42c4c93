/*
 * The making, sharing and ending of caches (tarn/cache.h).
 *
 * A cache's memory comes from the descriptors' store and is kept for the next one: nothing of it is ever unmapped, so who looks at a cache
 * that has just gone sees an old one, and no fault.
 *
 * Sharing (the kernel's merging): what has no constructor and is not debugged differs by size alone, so two such caches of nearly one size
 * had better fill the same slabs.
 */
#include "slab/create.h"

#include "base/bits.h"
#include "base/fail.h"
#include "base/tools.h"
#include "base/warn.h"
#include "page/meta.h"
#include "slab/debug.h"
#include "slab/local.h"
#include "slab/quarantine.h"

#include <errno.h>
#include <string.h>

enum { LEAST_ALIGN = 8, MOST_NATURAL_ALIGN = 16, RED_SIZE = 8, MOST_LISTED = 32, MOST_LOST = 8 };

static const unsigned known_flags = TARN_CACHE_HWCACHE_ALIGN | TARN_CACHE_PANIC | TARN__DEBUG_FLAGS |
                                    TARN_CACHE_TYPESAFE_BY_RCU | TARN_CACHE_RECLAIM_ACCOUNT | TARN_CACHE_DMA |
                                    TARN_CACHE_DMA32 | TARN_CACHE_ACCOUNT | TARN_CACHE_NO_MERGE | TARN_CACHE_NOLEAKTRACE;
static const unsigned never_merged =
    TARN__DEBUG_FLAGS | TARN_CACHE_TYPESAFE_BY_RCU | TARN_CACHE_NO_MERGE | TARN_CACHE_NOLEAKTRACE;
static const unsigned merged_if_equal = TARN_CACHE_RECLAIM_ACCOUNT | TARN_CACHE_DMA | TARN_CACHE_DMA32 | TARN_CACHE_ACCOUNT;

/* What is allocated for a cache. */
struct made {
    struct tarn_cache cache;
    struct tarn__magazine depot[TARN__DEPOT_DEPTH];
};

static struct tarn__list spare_caches = {&spare_caches, &spare_caches}; /* by `all` */
static struct tarn__list spare_aliases = {&spare_aliases, &spare_aliases};
static bool injecting; /* all three under the caches' lock */

/* What the environment says of a cache; to note who allocated is to keep tracks here. */
static unsigned letters_of(const char *name)
{
    return tarn__letters_for(name) | tarn__tools_letters() | (tarn__noted_for(name) ? (unsigned)TARN__LETTER_U : 0);
}

/* Arguments */

static bool name_is_valid(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    return length > 0 && length <= TARN_CACHE_NAME_MOST && strpbrk(name, " \t\n\v\f\r") == NULL;
}

static bool flags_are_valid(unsigned flags, const struct tarn_cache_args *args)
{
    bool both_zones = (flags & TARN_CACHE_DMA) && (flags & TARN_CACHE_DMA32);
    bool zone_twice = (flags & (TARN_CACHE_DMA | TARN_CACHE_DMA32)) && args->zone;
    bool ends_badly = args->dtor && (!args->ctor || (flags & TARN_CACHE_TYPESAFE_BY_RCU));
    return !(flags & ~known_flags) && !both_zones && !zone_twice && !ends_badly;
}

static bool arguments_are_valid(const char *name, size_t size, const struct tarn_cache_args *args, unsigned flags)
{
    bool align = args->align == 0 || (tarn__is_pow2(args->align) && args->align <= TARN__PAGE_SIZE);
    bool user = args->useroffset <= size && args->usersize <= size - args->useroffset;
    return name_is_valid(name) && size > 0 && size <= TARN_CACHE_SIZE_MOST && align && user && flags_are_valid(flags, args) &&
           args->sheaf_capacity <= TARN__MAGAZINE_MOST;
}

/* What was asked for, else what any type of the size can need; with the flag, to the least fraction of a cache line that holds the object. */
static size_t alignment_for(size_t size, size_t align, unsigned flags)
{
    size_t line = TARN__CACHE_LINE;
    if (align == 0)
        align = tarn__min(tarn__pow2_factor(size), MOST_NATURAL_ALIGN);
    while (line > LEAST_ALIGN && size <= line / 2)
        line /= 2;
    return tarn__max(tarn__max(align, LEAST_ALIGN), flags & TARN_CACHE_HWCACHE_ALIGN ? line : 0);
}

/* Where the parts of a slot are: cache.h has the picture. */
static void lay_out(struct tarn_cache *cache)
{
    size_t end = tarn__align_up(cache->object_size, LEAST_ALIGN), align = cache->align;
    if (cache->flags & TARN_CACHE_RED_ZONE) {
        cache->start = (uint32_t)tarn__max(align, RED_SIZE);
        end += RED_SIZE;
    }
    if (cache->flags & TARN__DEBUG_FLAGS) {
        cache->tracks = (uint32_t)end;
        end += cache->flags & TARN_CACHE_STORE_USER ? sizeof(struct tarn__tail) : TARN__TAIL_SMALL;
    }
    cache->size = (uint32_t)tarn__align_up(cache->start + end, align);
    cache->objects = (uint32_t)tarn__min(tarn__max(TARN__UNIT_SIZE / cache->size, 1), TARN__SLAB_OBJECTS);
    cache->pages = (uint32_t)(tarn__align_up((size_t)cache->objects * cache->size, TARN__PAGE_SIZE) / TARN__PAGE_SIZE);
    cache->marked = cache->objects > 1;
    cache->tag = TARN__SHARED_TAG + 1;
}

/*
 * While failures are injected, no request takes the fast path; nor ever do those of size classes, whose bins are of another kind, and of what may
 * lie outside of the table of units. The caches' lock is held; the cache may be in use already.
 */
static void set_quick(struct tarn_cache *cache)
{
    bool slow =
        injecting || (cache->flags & TARN__DEBUG_FLAGS) || cache->linked || !cache->marked || cache->zone != tarn_zone_normal();
    uint32_t quick = slow ? 0 : cache->number;
    __atomic_store_n(&cache->quick, quick * sizeof(struct tarn__bin), __ATOMIC_RELAXED);
}

static void describe(struct tarn_cache *cache, const char *name, size_t size, const struct tarn_cache_args *args,
                     unsigned flags, struct tarn_zone *zone)
{
    *cache = (struct tarn_cache){
        .object_size = (uint32_t)size,
        .align = (uint32_t)alignment_for(size, args->align, flags),
        .flags = flags | (args->sheaf_capacity ? TARN_CACHE_NO_MERGE : 0),
        .ctor = args->ctor,
        .dtor = args->dtor,
        .zone = zone,
        .useroffset = args->useroffset,
        .usersize = args->usersize,
        .capacity = args->sheaf_capacity,
        .references = 1,
        .watched = (flags & TARN_CACHE_RED_ZONE) && tarn__tools_letters(),
    };
    strncpy(cache->name, name, sizeof cache->name - 1);
    lay_out(cache);
}

/* Sharing */

static bool may_share(const struct tarn_cache *cache)
{
    return !cache->ctor && !cache->dtor && !(cache->flags & never_merged) && cache->usersize == 0;
}

/* One that has room for such objects, at their alignment, and loses less than eight bytes. The caches' lock is held. */
static struct tarn_cache *find_like(const struct tarn_cache *wanted)
{
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next) {
        struct tarn_cache *cache = TARN__CONTAINER(link, struct tarn_cache, all);
        if (may_share(cache) && cache->references > 0 && cache->zone == wanted->zone &&
            !((cache->flags ^ wanted->flags) & merged_if_equal) && cache->size >= wanted->size &&
            cache->size - wanted->size < MOST_LOST && cache->size % wanted->align == 0)
            return cache;
    }
    return NULL;
}

static struct tarn__alias *take_alias(void)
{
    struct tarn__alias *alias = NULL;
    tarn__lock(&tarn__caches_lock);
    if (!tarn__list_empty(&spare_aliases)) {
        alias = TARN__CONTAINER(spare_aliases.next, struct tarn__alias, link);
        tarn__list_remove(&alias->link);
    }
    tarn__unlock(&tarn__caches_lock);
    return alias ? alias : tarn__meta_alloc(sizeof *alias, sizeof(void *));
}

/* Shares a cache that is like the wanted one. 0 and *cache, which is NULL if there is none; -EEXIST, -ENOMEM. */
static int share(const struct tarn_cache *wanted, struct tarn_cache **cache)
{
    struct tarn__alias *alias = may_share(wanted) ? take_alias() : NULL;
    if (may_share(wanted) && !alias)
        return -ENOMEM;
    tarn__lock(&tarn__caches_lock);
    bool taken = tarn__cache_name_taken(wanted->name);
    struct tarn_cache *like = alias && !taken ? find_like(wanted) : NULL;
    if (like) {
        memcpy(alias->name, wanted->name, sizeof alias->name);
        tarn__list_push_front(&like->aliases, &alias->link);
        __atomic_fetch_add(&like->references, 1, __ATOMIC_RELAXED); /* who allocates looks at it without the lock */
        if (like->object_size < wanted->object_size)
            __atomic_store_n(&like->object_size, wanted->object_size, __ATOMIC_RELAXED);
    } else if (alias) {
        tarn__list_push_front(&spare_aliases, &alias->link);
    }
    tarn__unlock(&tarn__caches_lock);
    *cache = like;
    return taken ? -EEXIST : 0;
}

/* Leaves a shared cache to the others. False: there are no others, and from now on there will be none. */
static bool leave_shared(struct tarn_cache *cache)
{
    tarn__lock(&tarn__caches_lock);
    bool shared = __atomic_fetch_sub(&cache->references, 1, __ATOMIC_RELAXED) > 1;
    if (shared) {
        struct tarn__list *latest = cache->aliases.next;
        cache->left = true;
        tarn__list_remove(latest);
        tarn__list_push_front(&spare_aliases, latest);
    }
    tarn__unlock(&tarn__caches_lock);
    return shared;
}

/* Making */

static struct tarn_cache *take_memory(void)
{
    struct made *made = NULL;
    tarn__lock(&tarn__caches_lock);
    if (!tarn__list_empty(&spare_caches)) {
        made = TARN__CONTAINER(spare_caches.next, struct made, cache.all);
        tarn__list_remove(&made->cache.all);
    }
    tarn__unlock(&tarn__caches_lock);
    if (!made)
        made = tarn__meta_alloc(sizeof *made, TARN__CACHE_LINE);
    return made ? &made->cache : NULL;
}

static void keep_memory(struct tarn_cache *cache)
{
    tarn__lock(&tarn__caches_lock);
    tarn__list_push_front(&spare_caches, &cache->all);
    tarn__unlock(&tarn__caches_lock);
}

/*
 * Debugged caches have no bins, so that what is freed goes to its slab; but for malloc's classes, which are used by all threads: theirs are not
 * looked at by the fast paths, so that no check is passed by; nor do watched ones, as a bin's array would hide leaks. Nor have those of objects that
 * are slabs of their own, unless a size of magazines
 * was asked for: a thread would keep megabytes idle, and save little beside what it does with such an object.
 */
static bool has_bins(const struct tarn_cache *cache)
{
    if (cache->flags & TARN__DEBUG_FLAGS)
        return cache->exact && cache->align <= MOST_NATURAL_ALIGN && !cache->watched;
    return cache->size <= TARN__UNIT_SIZE || cache->capacity > 0 || cache->ctor;
}

/* Gives a description memory and a place among the caches. */
static int establish(const struct tarn_cache *wanted, struct tarn_cache **cache)
{
    struct tarn_cache *memory = take_memory();
    if (!memory)
        return -ENOMEM;
    *memory = *wanted;
    tarn__cache_set_up(memory, TARN__CONTAINER(memory, struct made, cache)->depot);
    if (memory->watched)
        tarn__tools_pool(memory);
    int error = tarn__cache_enter(memory, TARN__USER_NUMBERS, has_bins(wanted) ? TARN__CACHES : 0);
    if (error) {
        if (memory->watched)
            tarn__tools_pool_end(memory);
        keep_memory(memory);
    } else {
        tarn__lock(&tarn__caches_lock);
        set_quick(memory);
        tarn__unlock(&tarn__caches_lock);
        *cache = memory;
    }
    return error;
}

static int make(struct tarn_cache **cache, const char *name, size_t size, const struct tarn_cache_args *args, unsigned flags)
{
    static const struct tarn_cache_args none;
    struct tarn_cache wanted;
    *cache = NULL;
    args = args ? args : &none;
    if (!arguments_are_valid(name, size, args, flags))
        return -EINVAL;
    struct tarn_zone *zone = args->zone                                    ? args->zone
                             : flags & (TARN_CACHE_DMA | TARN_CACHE_DMA32) ? tarn_zone_dma()
                                                                           : tarn_zone_normal();
    if (!zone)
        return -ENOMEM;
    unsigned letters = letters_of(name);
    describe(&wanted, name, size, args, flags | tarn__debug_flags(letters), zone);
    wanted.guarded = (letters & TARN__LETTER_G) && !args->ctor && !(flags & TARN_CACHE_TYPESAFE_BY_RCU);
    int error = share(&wanted, cache);
    return error || *cache ? error : establish(&wanted, cache);
}

int tarn_cache_make(struct tarn_cache **cache, const char *name, size_t size, const struct tarn_cache_args *args,
                    unsigned flags)
{
    int error = make(cache, name, size, args, flags);
    if (error && (flags & TARN_CACHE_PANIC))
        tarn__fail(TARN__NO_CACHE, "cache_make", NULL);
    if (error)
        tarn__warn("cache %s: not made: %s", name ? name : "without name",
                   error == -EEXIST   ? "the name is taken"
                   : error == -ENOMEM ? "no memory"
                                      : "arguments that cannot be, or do not go together");
    return error;
}

struct tarn_cache *tarn_cache_create(const char *name, size_t size, size_t align, unsigned flags, void (*ctor)(void *),
                                     void (*dtor)(void *))
{
    struct tarn_cache *cache;
    struct tarn_cache_args args = {.align = align, .ctor = ctor, .dtor = dtor};
    tarn_cache_make(&cache, name, size, &args, flags);
    return cache;
}

struct tarn_cache *tarn__cache_make_class(const char *name, size_t size, struct tarn_zone *zone, unsigned flags)
{
    struct tarn_cache *cache = take_memory();
    if (!cache)
        return NULL;
    unsigned letters = letters_of(name), debug = tarn__debug_flags(letters);
    if (debug) {
        const struct tarn_cache_args args = {.align = tarn__pow2_factor(size)};
        describe(cache, name, size, &args, flags | debug, zone);
        cache->permanent = true;
        cache->guarded = letters & TARN__LETTER_G;
        tarn__cache_set_up(cache, TARN__CONTAINER(cache, struct made, cache)->depot);
        if (cache->watched)
            tarn__tools_pool(cache);
    } else {
        tarn__cache_init(cache, name, 0, size, zone, TARN__CONTAINER(cache, struct made, cache)->depot);
        cache->flags |= flags;
    }
    if (tarn__cache_enter(cache, TARN__FIRST_KERNEL_NUMBER, debug ? 0 : TARN__CLASS_NUMBERS) == 0)
        return cache;
    keep_memory(cache);
    return NULL;
}

struct tarn_cache *tarn__cache_make_exact(const char *name, size_t size, size_t align, struct tarn_zone *zone, unsigned flags)
{
    struct tarn_cache wanted, *cache;
    struct tarn_cache_args args = {.align = align};
    describe(&wanted, name, size, &args, flags, zone);
    wanted.permanent = wanted.exact = true;
    lay_out(&wanted);
    return establish(&wanted, &cache) ? NULL : cache;
}

/* Ending */

static uint64_t active(struct tarn_cache *cache)
{
    struct tarn__local_sums sums;
    tarn__local_sum(cache, &sums);
    return sums.allocs - sums.frees;
}

struct listing {
    struct tarn_cache *cache;
    unsigned count;
    const void *first;
};

static void list_object(void *object, void *context)
{
    struct listing *listing = context;
    bool live = !(listing->cache->flags & TARN__DEBUG_FLAGS) || tarn__debug_is_live(listing->cache, object);
    if (live && listing->count++ < MOST_LISTED && tarn__warns())
        tarn__debug_describe(listing->cache, object);
    if (live && !listing->first)
        listing->first = object;
}

static void report_live(struct tarn_cache *cache, uint64_t live)
{
    struct listing listing = {cache, 0, NULL};
    bool reports = tarn__letters_for(cache->name);
    if (!tarn__warns() && !reports)
        return;
    tarn__warn("cache %s: still has %llu objects in use at its destruction; it is kept", cache->name, (unsigned long long)live);
    tarn__cache_visit(cache, list_object, &listing);
    if (listing.count > MOST_LISTED)
        tarn__warn("  and %u more", listing.count - MOST_LISTED);
    if (reports)
        tarn__report(TARN__LIVE_OBJECTS, "cache_destroy", listing.first ? listing.first : cache, NULL);
}

/* Back to its slabs with all that threads and the depot have. Frees that wait for a grace period are objects in use until then. */
static uint64_t settle(struct tarn_cache *cache)
{
    if (cache->flags & (TARN_CACHE_QUARANTINE | TARN__LAST_WAITS))
        tarn__quarantine_empty();
    tarn__local_collect(cache);
    tarn__depot_reap(cache, true);
    return active(cache);
}

int tarn_cache_destroy(struct tarn_cache *cache)
{
    if (cache && cache->permanent)
        return -EINVAL;
    if (!cache || leave_shared(cache))
        return 0;
    if (active(cache) > 0)
        tarn_rcu_barrier();
    tarn__cache_withdraw(cache);
    uint64_t live = settle(cache);
    if (live > 0) {
        tarn__cache_readmit(cache);
        report_live(cache, live);
        return -EBUSY;
    }
    tarn__cache_release_slabs(cache);
    if (cache->flags & TARN_CACHE_TYPESAFE_BY_RCU)
        tarn_rcu_barrier();
    tarn__local_forget(cache);
    tarn__arrays_leave(cache);
    tarn__cache_release(cache);
    if (cache->watched)
        tarn__tools_pool_end(cache);
    keep_memory(cache);
    return 0;
}

int tarn_cache_shrink(struct tarn_cache *cache)
{
    atomic_fetch_add_explicit(&cache->epoch, 1, memory_order_relaxed);
    if (cache->flags & (TARN_CACHE_QUARANTINE | TARN__LAST_WAITS))
        tarn__quarantine_empty();
    tarn__local_flush_cache(cache);
    tarn__depot_reap(cache, true);
    tarn__lock(&cache->slabs_lock);
    bool any = cache->slabs > 0;
    tarn__unlock(&cache->slabs_lock);
    return any;
}

void tarn__caches_inject(bool on)
{
    tarn__lock(&tarn__caches_lock);
    injecting = on;
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next)
        set_quick(TARN__CONTAINER(link, struct tarn_cache, all));
    tarn__unlock(&tarn__caches_lock);
}
