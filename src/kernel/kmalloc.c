/*
 * kmalloc: what kmalloc.h leaves out. Sizes up to 8192 are objects of a class's cache, larger ones blocks of 2^order pages, aligned to their size.
 *
 * An object's cache is found through its page, never through a header before the object. So kfree is tarn_free, and takes objects of any
 * cache and pages.
 *
 * Classes are made without a lock, which making one could not be done under: of threads that make the same one, all but one find its name taken
 * and take the one that has it. No thread waits for another, so a fork in the middle costs nothing.
 *
 * While failures are injected into caches (tarn/fail.h) the fast path finds no bins. The hook takes their numbers away; the slow path gives them back
 * once it is over.
 */
#include "kernel/kmalloc.h"

#include "alloc/care_large.h"
#include "alloc/guard.h"
#include "alloc/heap.h"
#include "alloc/realloc.h"
#include "base/inject.h"
#include "base/modes.h"
#include "base/warn.h"
#include "page/request.h"
#include "slab/create.h"
#include "tarn/alloc.h"
#include "tarn/pages.h"

#include <string.h>

#define ROW(prefix)                                                                                                            \
    {                                                                                                                          \
        prefix "8", prefix "16", prefix "32", prefix "64", prefix "96", prefix "128", prefix "192", prefix "256",              \
            prefix "512", prefix "1024", prefix "2048", prefix "4096", prefix "8192"                                           \
    }

/* Without the first five characters; with them where a user's cache has taken the name. */
static const char *const names[TARN__KMALLOC_KINDS][TARN__KMALLOC_CLASSES] = {
    [TARN__KMALLOC_NORMAL] = ROW("tarn-kmalloc-"),
    [TARN__KMALLOC_RECLAIMABLE] = ROW("tarn-kmalloc-rcl-"),
    [TARN__KMALLOC_DMA] = ROW("tarn-dma-kmalloc-"),
};

const uint16_t tarn__kmalloc_sizes[TARN__KMALLOC_CLASSES] = {8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192};

const uint8_t tarn__kmalloc_table[TARN__KMALLOC_TABLE_MOST / 8] = {0, 1, 2, 2, 3, 3, 3, 3,  /* 8 … 64 */
                                                                   4, 4, 4, 4, 5, 5, 5, 5,  /* 72 … 128 */
                                                                   6, 6, 6, 6, 6, 6, 6, 6}; /* 136 … 192 */

_Atomic uint8_t tarn__kmalloc_number[TARN__KMALLOC_CLASSES];
_Atomic(struct tarn_cache *) tarn__kmalloc_cache[TARN__KMALLOC_KINDS][TARN__KMALLOC_CLASSES];

struct search {
    const char *name;
    struct tarn_cache *found;
};

static void compare(struct tarn_cache *cache, void *context)
{
    struct search *search = context;
    if (cache->permanent && strcmp(cache->name, search->name) == 0)
        search->found = cache;
}

/* The class of this name: made now, or by another thread meanwhile. NULL: no memory, or a user's cache has the name. */
static struct tarn_cache *make_or_find(const char *name, size_t size, struct tarn_zone *zone, unsigned flags)
{
    struct search search = {name, tarn__cache_make_class(name, size, zone, flags)};
    if (!search.found)
        tarn_cache_each(compare, &search);
    return search.found;
}

static struct tarn_cache *make_class(unsigned kind, unsigned index)
{
    static const unsigned cache_flags[TARN__KMALLOC_KINDS] = {
        [TARN__KMALLOC_RECLAIMABLE] = TARN_CACHE_RECLAIM_ACCOUNT, [TARN__KMALLOC_DMA] = TARN_CACHE_DMA};
    tarn__heap_ready();
    struct tarn_zone *zone = kind == TARN__KMALLOC_DMA ? tarn_zone_dma() : tarn_zone_normal();
    if (!zone)
        return NULL;
    const char *name = names[kind][index];
    size_t size = tarn__kmalloc_sizes[index];
    struct tarn_cache *cache = make_or_find(name + strlen("tarn-"), size, zone, cache_flags[kind]);
    if (!cache)
        cache = make_or_find(name, size, zone, cache_flags[kind]);
    if (cache)
        atomic_store_explicit(&tarn__kmalloc_cache[kind][index], cache, memory_order_release);
    return cache;
}

/* The low zone is asked for by name; that pages are reclaimable is a wish. */
static unsigned kind_of(tarn_gfp_t flags)
{
    return flags & (TARN_GFP_DMA | TARN_GFP_DMA32) ? TARN__KMALLOC_DMA
           : flags & TARN_GFP_RECLAIMABLE          ? TARN__KMALLOC_RECLAIMABLE
                                                   : TARN__KMALLOC_NORMAL;
}

bool tarn__kmalloc_flags_can_be(tarn_gfp_t flags, size_t size)
{
    bool both = (flags & TARN_GFP_MOVABLE) && (flags & TARN_GFP_RECLAIMABLE);
    if (!both && !(flags & TARN_GFP_HIGHMEM))
        return true;
    if (!(flags & TARN_GFP_NOWARN))
        tarn__warn("kmalloc of %zu bytes with flags that %s: %#x", size,
                   both ? "name two mobility groups" : "ask for high memory", flags);
    return false;
}

static void *debugged_pages(const struct tarn__care_want *want, size_t size, size_t align, bool *zeroed)
{
    struct tarn_zone *zone = kind_of(want->flags) == TARN__KMALLOC_DMA ? tarn_zone_dma() : tarn_zone_normal();
    size_t pages = tarn__align_up(size, TARN__PAGE_SIZE) / TARN__PAGE_SIZE;
    struct tarn_page *run = zone ? tarn__pages_request(zone, pages, align, want->flags, zeroed) : NULL;
    return run ? tarn__large_note(run, want->size) : NULL;
}

/* As letters have it. Aligned as is promised: of kmalloc's blocks, which are aligned to more than that otherwise, to what divides the size. */
static void *debug_pages(unsigned letters, size_t size, size_t align, tarn_gfp_t flags)
{
    bool zeroed;
    struct tarn__care_want want = {.pool = "kmalloc-large",
                                   .letters = letters & ~(unsigned)TARN__LETTER_G,
                                   .size = size,
                                   .align = align > TARN__PAGE_SIZE ? tarn__max(tarn__pow2_factor(size), 16) : align,
                                   .fresh = !(flags & TARN_GFP_ZERO),
                                   .flags = flags};
    void *p = NULL;
    if ((letters & TARN__LETTER_G) && kind_of(flags) != TARN__KMALLOC_DMA) /* guarded pages lie anywhere */
        p = tarn__guard_alloc(size, want.align, want.pool);
    if (p)
        return p;
    p = tarn__care_large_alloc(&want, debugged_pages, &zeroed);
    return p && (flags & TARN_GFP_ZERO) && !zeroed ? memset(p, 0, size) : p;
}

void *tarn__kernel_pages(size_t size, size_t pages, size_t align, tarn_gfp_t flags)
{
    bool zeroed;
    unsigned letters = TARN__UNLIKELY(tarn__modes_any) ? tarn__letters_for("kmalloc-large") : 0;
    if (letters)
        return debug_pages(letters, size, align, flags);
    struct tarn_zone *zone = kind_of(flags) == TARN__KMALLOC_DMA ? tarn_zone_dma() : tarn_zone_normal();
    struct tarn_page *run = zone ? tarn__pages_request(zone, pages, align, flags, &zeroed) : NULL;
    if (!run)
        return NULL;
    void *p = tarn__large_note(run, size);
    return (flags & TARN_GFP_ZERO) && !zeroed ? memset(p, 0, pages * TARN__PAGE_SIZE) : p;
}

static bool injecting(void) { return atomic_load(&tarn__injecting[TARN_FAIL_SLAB]); }

/*
 * Lets the fast path have the class's bin, or takes it away. Who gives the number looks again afterwards whether failures have begun to be
 * injected; who begins that says so first and takes numbers away then. So one of them sees the other.
 */
static void set_number(unsigned index, const struct tarn_cache *cache)
{
    _Atomic uint8_t *number = &tarn__kmalloc_number[index];
    uint8_t due = injecting() ? 0 : (uint8_t)cache->number;
    if (atomic_load_explicit(number, memory_order_relaxed) != due)
        atomic_store(number, due);
    if (due && injecting())
        atomic_store(number, 0);
}

static void injection_changed(bool on)
{
    tarn__caches_inject(on);
    for (unsigned i = 0; i < TARN__KMALLOC_CLASSES; i++)
        atomic_store(&tarn__kmalloc_number[i], 0);
}

__attribute__((constructor(200))) static void follow_injection(void)
{
    tarn__heap_ready();
    tarn__inject_changed = injection_changed;
}

static void *alloc_pages(size_t size, tarn_gfp_t flags)
{
    if (!tarn__kmalloc_flags_can_be(flags, size))
        return NULL;
    if (size > TARN_KMALLOC_MOST) {
        if (!(flags & TARN_GFP_NOWARN))
            tarn__warn("kmalloc of %zu bytes: more than %zu", size, TARN_KMALLOC_MOST);
        return NULL;
    }
    unsigned order = tarn__log2_ceil(size) - TARN__PAGE_BITS;
    if (tarn__inject(TARN_FAIL_SLAB, flags, order, NULL))
        return NULL;
    return tarn__kernel_pages(size, (size_t)1 << order, TARN__PAGE_SIZE << order, flags);
}

static void *alloc_object(size_t size, tarn_gfp_t flags)
{
    unsigned kind = kind_of(flags), index = tarn__kmalloc_index(size);
    struct tarn_cache *cache = atomic_load_explicit(&tarn__kmalloc_cache[kind][index], memory_order_acquire);
    if (!cache) /* the acquire pairs with the release in make_class */
        cache = make_class(kind, index);
    if (!cache)
        return NULL;
    if (kind == TARN__KMALLOC_NORMAL)
        set_number(index, cache);
    return tarn_cache_alloc(cache, flags);
}

/* Zeroing is here and not in the cache, so that a zeroed object comes by the fast path but for one call. */
TARN__NOINLINE void *tarn__kmalloc_slow(size_t size, tarn_gfp_t flags)
{
    if (size == 0)
        return TARN_ZERO_SIZE_PTR;
    if (size > TARN__KMALLOC_SMALL_MOST)
        return alloc_pages(size, flags);
    if (!(flags & TARN_GFP_ZERO))
        return alloc_object(size, flags);
    void *object = tarn__kmalloc(size, flags & ~TARN_GFP_ZERO);
    return object ? memset(object, 0, tarn__kmalloc_sizes[tarn__kmalloc_index(size)]) : NULL;
}

void *tarn_kmalloc(size_t size, tarn_gfp_t flags) { return tarn__kmalloc(size, flags); }

void *tarn_kzalloc(size_t size, tarn_gfp_t flags) { return tarn__kmalloc(size, flags | TARN_GFP_ZERO); }

void *tarn_kmalloc_array(size_t count, size_t size, tarn_gfp_t flags)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : tarn__kmalloc(bytes, flags);
}

void *tarn_kcalloc(size_t count, size_t size, tarn_gfp_t flags)
{
    return tarn_kmalloc_array(count, size, flags | TARN_GFP_ZERO);
}

void tarn_kfree(const void *p) { tarn__kfree(p); }

/* The compiler must believe that somebody reads the zeros. */
void tarn_kfree_sensitive(const void *p)
{
    size_t size = tarn_ksize(p);
    if (size > 0) {
        memset((void *)p, 0, size);
        __asm__ volatile("" : : "r"(p) : "memory");
    }
    tarn__kfree(p);
}

void tarn_kfree_bulk(size_t count, void **objects)
{
    for (size_t i = 0; i < count; i++)
        tarn__kfree(objects[i]);
}

/* Of an object in a slab what was asked for: behind it may be what belongs to the cache. */
size_t tarn_ksize(const void *p)
{
    if (TARN_ZERO_OR_NULL(p))
        return 0;
    const struct tarn__slab *slab = tarn__run_at(p) ? NULL : tarn__slab_of(p);
    return slab ? slab->cache->object_size : tarn_usable_size(p);
}

size_t tarn_kmalloc_size_roundup(size_t size)
{
    if (size == 0 || size > TARN_KMALLOC_MOST)
        return size;
    return size <= TARN__KMALLOC_SMALL_MOST ? tarn__kmalloc_sizes[tarn__kmalloc_index(size)]
                                            : (size_t)1 << tarn__log2_ceil(size);
}
