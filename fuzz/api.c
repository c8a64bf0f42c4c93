/*
 * The whole of libtarn against a shadow of it: a string of bytes is a program of requests to malloc's family, heaps, object caches,
 * mempools, kmalloc's family and pages, all beside each other in one process.
 *
 * Four bytes make a step: what, which object, how large, and one for variety. After each step the object must be where and what the
 * shadow says: apart from all others, aligned, large enough, its contents its own, from its first byte to its last. What
 * the library tells of it (its size, cache, heap, page) must agree with the shadow, and at the end nothing may be left over.
 */
#include "tarn/tarn.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 48, WHOLE = 2048, STAMP = 64, LIVE_MOST = 64 << 20, HEAPS = 4, CACHES = 4, POOLS = 3, SHEAF = 4, RESERVE = 3 };

enum kind { NONE, MALLOC, HEAP, CACHE, MEMPOOL, KMALLOC, VMALLOC, BLOCK, EXACT, RUN };

struct object {
    unsigned char *p;
    size_t size;
    enum kind kind;
    unsigned char seed, of, order; /* of: which heap, cache or pool */
};
static struct object objects[OBJECTS];
static size_t live;

static struct tarn_heap *heaps[HEAPS];
static size_t heap_objects[HEAPS], heap_hard[HEAPS];
static struct tarn_cache *caches[CACHES];
static struct tarn_mempool *pools[POOLS];
static struct tarn_sheaf *sheaf;
static const size_t cache_sizes[CACHES] = {24, 200, 5000, 70000};

static const size_t edges[] = {
    0,    1,    15,   16,    17,    127,   128,   129,   1024,  1025,    4095,          4096,    4097,          8191,
    8192, 8193, 9216, 32767, 32768, 32769, 65535, 65536, 65537, 1 << 20, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 9 << 20};
enum { EDGES = sizeof edges / sizeof *edges };

static const size_t pool_sizes[POOLS] = {200, 300, 8192};

/* Not assert: it must hold in every build. */
static void must(bool holds, const char *sentence)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: does not hold: %s\n", sentence);
    abort();
}

/* Caches and mempools are made at their first use in a program: so short programs are quick. */
static struct tarn_cache *cache(unsigned i)
{
    char name[16];
    snprintf(name, sizeof name, "fuzz-%u", i);
    if (!caches[i])
        caches[i] = tarn_cache_create(name, cache_sizes[i], 0, TARN_CACHE_NO_MERGE, NULL, NULL);
    must(caches[i], "a cache is made");
    return caches[i];
}

static struct tarn_mempool *pool(unsigned i)
{
    if (!pools[i] && i == 0)
        pools[i] = tarn_mempool_create(RESERVE, tarn_mempool_alloc_slab, tarn_mempool_free_slab, cache(1));
    else if (!pools[i] && i == 1)
        pools[i] = tarn_mempool_create(RESERVE, tarn_mempool_kmalloc, tarn_mempool_kfree, (void *)(uintptr_t)pool_sizes[1]);
    else if (!pools[i])
        pools[i] = tarn_mempool_create(RESERVE, tarn_mempool_alloc_pages, tarn_mempool_free_pages, (void *)(uintptr_t)1);
    must(pools[i], "a mempool is made");
    return pools[i];
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static unsigned char expected(const struct object *o, size_t at) { return (unsigned char)(o->seed + at * 37); }

/* Whole, if it is small, else its ends. */
static void stamp(const struct object *o)
{
    size_t end = o->size <= WHOLE ? o->size : STAMP;
    for (size_t i = 0; i < end; i++)
        o->p[i] = expected(o, i);
    for (size_t i = o->size - end; i < o->size; i++)
        o->p[i] = expected(o, i);
}

static void verify_front(const struct object *o, size_t size)
{
    size_t end = least(o->size <= WHOLE ? o->size : STAMP, size);
    for (size_t i = 0; i < end; i++)
        must(o->p[i] == expected(o, i), "an object's first bytes are its own");
}

static void verify(const struct object *o)
{
    verify_front(o, o->size);
    for (size_t i = o->size - (o->size <= WHOLE ? 0 : STAMP); i < o->size; i++)
        must(o->p[i] == expected(o, i), "an object's last bytes are its own");
}

static void verify_apart(const struct object *o)
{
    for (const struct object *other = objects; other < objects + OBJECTS; other++)
        if (other != o && other->kind && other->size && o->size)
            must(o->p + o->size <= other->p || other->p + other->size <= o->p, "objects lie apart");
}

/* What the library says of it. */
static void verify_told(const struct object *o)
{
    if (o->kind == MALLOC || o->kind == HEAP)
        must(tarn_usable_size(o->p) >= o->size, "the usable size is at least what was asked for");
    if (o->kind == KMALLOC)
        must(tarn_ksize(o->p) >= o->size, "ksize is at least what was asked for");
    if (o->kind == MALLOC || o->kind == HEAP)
        must(tarn_heap_of(o->p) == (o->kind == HEAP ? heaps[o->of] : NULL),
             "the heap of an object is the one that it was taken from");
    if (o->kind == CACHE)
        must(tarn_cache_of(o->p) == caches[o->of], "the cache of an object is the one that it was taken from");
    if (o->kind == BLOCK) {
        struct tarn_page *page = tarn_page_of(o->p + o->size - 1);
        must(page && (unsigned char *)tarn_page_address(page) == o->p + o->size - 4096,
             "the page of an address is the one that it lies in");
    }
}

static void adopt(struct object *o, enum kind kind, void *p, size_t size, size_t align, unsigned char seed)
{
    o->p = p;
    o->size = size;
    o->seed = seed;
    o->kind = p ? kind : NONE;
    if (!p)
        return;
    must((uintptr_t)p % align == 0, "objects are aligned");
    live += size;
    verify_apart(o);
    if (size)
        stamp(o);
    if (p != TARN_ZERO_SIZE_PTR)
        verify_told(o);
}

static void forget(struct object *o)
{
    live -= o->size;
    if (o->kind == HEAP)
        heap_objects[o->of]--;
    o->kind = NONE;
    o->p = NULL;
    o->size = 0;
}

/* Freeing, by its own function or by another that takes it */

static void drop_cached(const struct object *o, unsigned char how)
{
    void *object = o->p;
    if (how % 4 == 0)
        tarn_free(object);
    else if (how % 4 == 1)
        tarn_cache_free_bulk(how & 4 ? caches[o->of] : NULL, 1, &object);
    else
        tarn_cache_free(caches[o->of], object);
}

static void drop_kmalloc(const struct object *o, unsigned char how)
{
    if (how % 4 == 0)
        tarn_kvfree(o->p);
    else if (how % 4 == 1)
        tarn_kfree_sensitive(o->p);
    else
        tarn_kfree(o->p);
}

static void drop(struct object *o, unsigned char how)
{
    if (!o->kind)
        return;
    if (o->size)
        verify(o);
    if (o->p != TARN_ZERO_SIZE_PTR)
        verify_told(o);
    switch (o->kind) {
    case MALLOC:
        how & 1 ? tarn_free_sized(o->p, o->size) : tarn_free(o->p);
        break;
    case HEAP:
        how & 1 ? tarn_heap_free(o->p) : tarn_free(o->p);
        break;
    case CACHE:
        drop_cached(o, how);
        break;
    case MEMPOOL:
        tarn_mempool_free(o->p, pools[o->of]);
        break;
    case KMALLOC:
        drop_kmalloc(o, how);
        break;
    case VMALLOC:
        how & 1 ? tarn_kvfree(o->p) : tarn_vfree(o->p);
        break;
    case BLOCK:
        tarn_pages_free(tarn_page_of(o->p), o->order);
        break;
    case EXACT:
        tarn_pages_free_exact(o->p, o->size);
        break;
    case RUN:
        tarn_pages_free_run(tarn_page_of(o->p), o->size / 4096);
        break;
    case NONE:
        break;
    }
    forget(o);
}

/* Taking */

static bool all_zero(const unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i += i < 9000 ? 1 : 509)
        if (p[i])
            return false;
    return true;
}

static void take_malloc(struct object *o, size_t size, unsigned char how, unsigned char seed)
{
    size_t align = 16;
    unsigned char *p;
    if (how % 4 == 0) {
        p = tarn_calloc(1, size);
        must(!p || all_zero(p, size), "calloc gives zero");
    } else if (how % 4 == 1) {
        align = (size_t)1 << how / 4 % 22;
        p = tarn_aligned_alloc(align, size);
    } else {
        p = tarn_malloc(size);
    }
    must(p, "ordinary requests are served");
    adopt(o, MALLOC, p, size, align, seed);
}

static void take_heap(struct object *o, size_t size, unsigned char how, unsigned char seed)
{
    size_t align = how & 32 ? (size_t)1 << how % 13 : 16;
    o->of = how % HEAPS;
    if (!heaps[o->of])
        return;
    unsigned char *p = how & 32   ? tarn_heap_aligned_alloc(heaps[o->of], align, size)
                       : how & 64 ? tarn_heap_calloc(heaps[o->of], 1, size)
                                  : tarn_heap_alloc(heaps[o->of], size);
    must(p || heap_hard[o->of], "a heap without limits serves ordinary requests");
    must(!p || !(how & 64) || how & 32 || all_zero(p, size), "calloc gives zero");
    heap_objects[o->of] += p != NULL;
    adopt(o, HEAP, p, size, align, seed);
}

static void take_cached(struct object *o, unsigned char how, unsigned char seed)
{
    void *p = NULL;
    o->of = how % CACHES;
    if (how & 16)
        tarn_cache_alloc_bulk(cache(o->of), TARN_GFP_KERNEL, 1, &p);
    else if (how & 32)
        p = tarn_cache_zalloc(cache(o->of), TARN_GFP_KERNEL);
    else if (how & 64 && o->of == 1 && sheaf && tarn_sheaf_size(sheaf) > 0)
        p = tarn_cache_alloc_from_sheaf(cache(1), TARN_GFP_KERNEL, sheaf);
    else
        p = tarn_cache_alloc(cache(o->of), TARN_GFP_KERNEL);
    must(p, "caches serve ordinary requests");
    must((how & 48) != 32 || all_zero(p, cache_sizes[o->of]), "zalloc gives zero");
    adopt(o, CACHE, p, cache_sizes[o->of], 8, seed);
}

static void take_pooled(struct object *o, unsigned char how, unsigned char seed)
{
    o->of = how % POOLS;
    unsigned char *p =
        how & 16 ? tarn_mempool_alloc_preallocated(pool(o->of)) : tarn_mempool_alloc(pool(o->of), TARN_GFP_KERNEL);
    must(p || how & 16, "a mempool serves who may wait");
    if (p && o->of == 2) { /* it gives descriptors; these must stay, so memory is not looked at */
        tarn_mempool_free(p, pool(2));
        return;
    }
    adopt(o, MEMPOOL, p, pool_sizes[o->of], 8, seed);
}

static void take_kmalloc(struct object *o, size_t size, unsigned char how, unsigned char seed)
{
    unsigned char *p = how & 1   ? tarn_kzalloc(size, TARN_GFP_KERNEL)
                       : how & 2 ? tarn_kvmalloc(size, TARN_GFP_KERNEL)
                                 : tarn_kmalloc(size, TARN_GFP_KERNEL);
    must(p || size > TARN_KMALLOC_MOST, "kmalloc serves up to 4 MiB");
    must(!p || !(how & 1) || all_zero(p, size), "kzalloc gives zero");
    bool paged = size > 8192 && (how & 3) == 2; /* kvmalloc's: alignment is a page's, ksize is not for it */
    adopt(o, paged ? VMALLOC : KMALLOC, p, size, size ? 8 : 16, seed);
}

static void take_pages(struct object *o, size_t size, unsigned char how, unsigned char seed)
{
    size_t pages = (size + 4095) / 4096 + (size == 0);
    if (how % 4 == 0) {
        adopt(o, VMALLOC, tarn_vzalloc(pages * 4096), pages * 4096, 4096, seed);
    } else if (how % 4 == 1) {
        adopt(o, EXACT, tarn_pages_alloc_exact(NULL, pages * 4096, TARN_GFP_KERNEL), pages * 4096, 4096, seed);
    } else if (how % 4 == 2) {
        struct tarn_page *page = tarn_pages_alloc_run(NULL, pages, TARN_GFP_KERNEL);
        adopt(o, RUN, page ? tarn_page_address(page) : NULL, pages * 4096, 4096, seed);
    } else {
        unsigned order = how / 4 % 8;
        unsigned flags = how & 128 ? TARN_GFP_MOVABLE : how & 64 ? TARN_GFP_RECLAIMABLE : 0;
        struct tarn_page *page = tarn_pages_alloc(NULL, order, TARN_GFP_KERNEL | flags);
        must(page && tarn_page_order(page) == order, "a block has the order that was asked for");
        o->order = (unsigned char)order;
        adopt(o, BLOCK, tarn_page_address(page), (size_t)4096 << order, (size_t)4096 << order, seed);
    }
    must(o->kind, "pages are served");
}

/* Changing */

static void resize(struct object *o, size_t size, unsigned char seed)
{
    struct object was = *o;
    void *p;
    if (o->kind == MALLOC)
        p = tarn_realloc(o->p, size);
    else if (o->kind == HEAP)
        p = tarn_heap_realloc(heaps[o->of], o->p, size);
    else if (o->kind == KMALLOC)
        p = tarn_krealloc(o->p, size, TARN_GFP_KERNEL);
    else
        return;
    if (!p && size) { /* refused: nothing has changed */
        must(o->kind != MALLOC, "ordinary requests are served");
        must(o->kind != HEAP || heap_hard[o->of], "a heap without limits serves ordinary requests");
        must(o->kind != KMALLOC || size > TARN_KMALLOC_MOST, "krealloc serves up to 4 MiB");
        verify(&was);
        return;
    }
    forget(o);
    must(size || !p || p == TARN_ZERO_SIZE_PTR, "a size of 0 frees");
    if (p && size) {
        struct object moved = was;
        moved.p = p;
        verify_front(&moved, size);
    }
    if (!p)
        return;
    o->of = was.of;
    heap_objects[o->of % HEAPS] += was.kind == HEAP;
    adopt(o, was.kind, p, size, size ? 8 : 16, seed);
}

/* Heaps come and go, reset and limit. */
static void change_heap(unsigned which, unsigned char how)
{
    which %= HEAPS;
    struct tarn_heap_options options = {
        .name = "fuzz", .hard_limit = how & 64 ? (size_t)how << 12 : 0, .flags = how & 128 ? TARN_POOL_RED_ZONE : 0};
    if (!heaps[which]) {
        heaps[which] = tarn_heap_create(&options);
        must(heaps[which], "a heap is made");
        heap_hard[which] = options.hard_limit;
        heap_objects[which] = 0;
        return;
    }
    struct tarn_heap_stats stats;
    tarn_heap_stats(heaps[which], &stats);
    must(stats.own_objects == heap_objects[which], "a heap counts its objects");
    must(!heap_hard[which] || stats.live_bytes <= heap_hard[which], "a heap keeps its limit");
    tarn_heap_verify(heaps[which]);
    if (how & 1)
        return;
    for (struct object *o = objects; o < objects + OBJECTS; o++)
        if (o->kind == HEAP && o->of == which) {
            verify(o);
            forget(o);
        }
    if (how & 2) {
        must(tarn_heap_reset(heaps[which]) == stats.live_objects, "a reset tells how many objects there were");
    } else {
        must(tarn_heap_destroy(heaps[which]) == stats.live_objects, "the end of a heap tells how many objects there were");
        heaps[which] = NULL;
    }
}

static void tend(unsigned char what, unsigned char how)
{
    switch (what % 6) {
    case 0:
        tarn_trim((size_t)how << 12);
        break;
    case 1:
        tarn_cache_shrink(cache(how % CACHES));
        break;
    case 2:
        tarn_cache_verify(cache(how % CACHES));
        break;
    case 3:
        tarn_pages_drain();
        tarn_zone_verify(tarn_zone_normal());
        break;
    case 4:
        if (tarn_mempool_resize(pool(how % POOLS), how % 8 + 1) != 0)
            must(false, "a reserve of so few is made");
        break;
    default:
        if (sheaf)
            must(tarn_cache_refill_sheaf(cache(1), TARN_GFP_KERNEL, &sheaf, SHEAF) == 0, "a sheaf is filled");
        else
            sheaf = tarn_cache_prefill_sheaf(cache(1), TARN_GFP_KERNEL, SHEAF);
        break;
    }
}

/* Programs */

static size_t size_of(unsigned char kind, unsigned char byte)
{
    if (kind & 0x80)
        return edges[byte % EDGES];
    return kind & 0x40 ? (size_t)byte * 1031 : byte * 5u;
}

static void step(const uint8_t *bytes)
{
    struct object *o = &objects[bytes[1] % OBJECTS];
    size_t size = size_of(bytes[0], bytes[2]);
    unsigned char how = bytes[3], seed = (unsigned char)(bytes[1] * 7 + bytes[2] + how);
    unsigned what = bytes[0] % 16;
    if (live > LIVE_MOST && what < 11)
        what = 15;
    if (what < 8 || what == 15)
        drop(o, how);
    if (what < 2)
        take_malloc(o, size, how, seed);
    else if (what < 4)
        take_heap(o, size, how, seed);
    else if (what == 4)
        take_cached(o, how, seed);
    else if (what == 5)
        take_pooled(o, how, seed);
    else if (what == 6)
        take_kmalloc(o, size, how, seed);
    else if (what == 7)
        take_pages(o, size, how, seed);
    else if (what < 11)
        resize(o, size, seed);
    else if (what == 11)
        change_heap(bytes[1], how);
    else if (what == 12)
        tend(bytes[1], how);
    else
        drop(o, how);
}

/* Caches end without -EBUSY, so nothing of them is left over. */
static void end(void)
{
    for (struct object *o = objects; o < objects + OBJECTS; o++)
        drop(o, o->seed);
    for (unsigned i = 0; i < HEAPS; i++) {
        must(tarn_heap_destroy(heaps[i]) == 0, "a heap whose objects were freed holds none");
        heaps[i] = NULL;
    }
    if (sheaf)
        tarn_cache_return_sheaf(caches[1], TARN_GFP_KERNEL, sheaf);
    sheaf = NULL;
    for (unsigned i = 0; i < POOLS; i++) {
        tarn_mempool_destroy(pools[i]);
        pools[i] = NULL;
    }
    for (unsigned i = 0; i < CACHES; i++) {
        must(tarn_cache_destroy(caches[i]) == 0, "a cache whose objects were freed ends");
        caches[i] = NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct tarn_stats before, after;
    tarn_stats(&before);
    for (; count >= 4; bytes += 4, count -= 4)
        step(bytes);
    end();
    tarn_stats(&after);
    must(live == 0 && after.live_objects == before.live_objects, "all that was freed is counted");
    return 0;
}
