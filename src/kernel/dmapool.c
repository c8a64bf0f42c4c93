/*
 * dma_pool: blocks of one size cut from pages, so that none crosses a boundary. (The interface is that of the kernel's mm/dmapool.c.)
 *
 *     chunk    | block | block | block |···| block | block | block |···|      pages: one, or as many as one block needs
 *              ^ base                      ^ base + boundary                  base is aligned to the power of two ≥ their size
 *
 * A chunk's descriptor lies apart from its pages: a bit for each block, set while it is in use. A chunk with a free block is on the list of open
 * ones, else on that of full ones. From a block its chunk is found by rounding the address down, and by a binary trie on the
 * bits of the base, hashed: it needs no room of its own and never fails to take one more.
 *
 * So what is freed is always verified, and freed blocks hold nothing of the pool's.
 *
 * Locks: the registry of pools, and each pool's; nothing is called and no block is touched under them. Fork hooks take them by
 * tarn__locks_above.
 *
 * Wrong if: pools of blocks a little larger than half a page are common: half of their memory is lost, as in the kernel.
 */
#include "tarn/dmapool.h"

#include "alloc/heap.h"
#include "base/bits.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/warn.h"
#include "os/lock.h"
#include "page/request.h"
#include "tarn/alloc.h"
#include "tarn/pages.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum { FREE_FILL = 0xa7, USED_FILL = 0xa9, LEAST_SIZE = 4, NAME_MOST = 31 };

struct chunk {
    struct tarn__list link;
    struct chunk *child[2]; /* in the trie */
    char *base;
    uint32_t free;    /* blocks */
    uint64_t taken[]; /* bit i: block i is in use */
};

struct tarn_dma_pool {
    struct tarn__lock lock;
    bool poison;
    size_t size, boundary, bytes; /* of a block; that it does not cross; of a chunk */
    uint32_t in_boundary, blocks; /* blocks between two boundaries; in a chunk */
    struct tarn__list open, full; /* chunks */
    struct chunk *root;           /* of the trie */
    size_t chunks, active;
    struct tarn__list link; /* in the registry */
    char name[NAME_MOST + 1];
};

static struct tarn__lock registry_lock = TARN__LOCK_INIT(TARN__RANK_POOLS);
static struct tarn__list registry = {&registry, &registry};

/* Their address is a multiple of the power of two ≥ their size. */
static char *take_pages(size_t bytes, tarn_gfp_t flags)
{
    struct tarn_zone *zone = flags & (TARN_GFP_DMA | TARN_GFP_DMA32) ? tarn_zone_dma() : tarn_zone_normal();
    size_t align = (size_t)1 << tarn__log2_ceil(bytes);
    struct tarn_page *run = zone ? tarn__pages_request(zone, bytes / TARN__PAGE_SIZE, align, flags, NULL) : NULL;
    return run ? tarn__page_address(run) : NULL;
}

static void give_pages(char *base) { tarn__pages_free(tarn__run_at(base)); }

/* The chunk that begins at `base`, or where it is to be put. */
static struct chunk **place_of(struct tarn_dma_pool *pool, const char *base)
{
    uint64_t path = (uintptr_t)base * UINT64_C(0x9e3779b97f4a7c15);
    struct chunk **at = &pool->root;
    for (; *at && (*at)->base != base; path <<= 1)
        at = &(*at)->child[path >> 63];
    return at;
}

static char *block_at(const struct tarn_dma_pool *pool, const struct chunk *chunk, size_t i)
{
    return chunk->base + i / pool->in_boundary * pool->boundary + i % pool->in_boundary * pool->size;
}

/* The number of the block that begins at `p`; `blocks` or more: none does. */
static size_t index_of(const struct tarn_dma_pool *pool, const struct chunk *chunk, const void *p)
{
    size_t offset = (size_t)((const char *)p - chunk->base);
    size_t part = offset / pool->boundary, rest = offset % pool->boundary;
    if (rest % pool->size != 0 || rest / pool->size >= pool->in_boundary)
        return SIZE_MAX;
    return part * pool->in_boundary + rest / pool->size;
}

/* The chunk and the number of a block in use; ends the process if it is none. Under the lock. */
static struct chunk *chunk_in_use(struct tarn_dma_pool *pool, void *block, size_t *index)
{
    size_t span = (size_t)1 << tarn__log2_ceil(pool->bytes);
    struct chunk *chunk = *place_of(pool, (char *)((uintptr_t)block & ~(span - 1)));
    *index = chunk ? index_of(pool, chunk, block) : SIZE_MAX;
    if (*index >= pool->blocks)
        tarn__fail(TARN__INVALID_FREE, "dma_pool_free", block);
    if (!tarn__bit_test(chunk->taken, *index))
        tarn__fail(TARN__DOUBLE_FREE, "dma_pool_free", block);
    return chunk;
}

static bool filled(const char *block, size_t size, unsigned char value)
{
    return (unsigned char)block[0] == value && memcmp(block, block + 1, size - 1) == 0;
}

/* The registry's lock is taken first and let go of last: no pool comes or goes in between. */
static void each_lock(void (*act)(struct tarn__lock *))
{
    bool letting_go = act == tarn__unlock_after_fork;
    if (!letting_go)
        act(&registry_lock);
    for (struct tarn__list *link = registry.next; link != &registry; link = link->next)
        act(&TARN__CONTAINER(link, struct tarn_dma_pool, link)->lock);
    if (letting_go)
        act(&registry_lock);
}

__attribute__((constructor(200))) static void name_locks(void) { tarn__locks_above = each_lock; }

static void enrol(struct tarn_dma_pool *pool)
{
    tarn__lock(&registry_lock);
    tarn__list_push_back(&registry, &pool->link);
    tarn__unlock(&registry_lock);
}

struct tarn_dma_pool *tarn_dma_pool_create(const char *name, size_t size, size_t align, size_t boundary)
{
    if (align == 0)
        align = 1;
    if (size == 0 || size > INT_MAX || align > INT_MAX || !tarn__is_pow2(align))
        return NULL;
    size = tarn__align_up(tarn__max(size, LEAST_SIZE), align);
    if (boundary != 0 && (boundary < size || !tarn__is_pow2(boundary)))
        return NULL;
    struct tarn_dma_pool *pool = tarn_calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    tarn__lock_init(&pool->lock, TARN__RANK_POOL);
    strncpy(pool->name, name, NAME_MOST);
    pool->size = size;
    pool->bytes = tarn__align_up(size, TARN__PAGE_SIZE);
    pool->boundary = boundary ? tarn__min(boundary, pool->bytes) : pool->bytes;
    pool->in_boundary = (uint32_t)(pool->boundary / size);
    pool->blocks = (uint32_t)(pool->bytes / pool->boundary) * pool->in_boundary;
    tarn__list_init(&pool->open);
    tarn__list_init(&pool->full);
#ifdef TARN_DEBUG_BUILD
    pool->poison = true;
#endif
    enrol(pool);
    return pool;
}

/* Gives chunks back, except those with blocks in use. */
static void end_chunks(struct tarn_dma_pool *pool, struct tarn__list *list)
{
    for (struct tarn__list *link = list->next, *next; link != list; link = next) {
        struct chunk *chunk = TARN__CONTAINER(link, struct chunk, link);
        next = link->next;
        if (chunk->free == pool->blocks)
            give_pages(chunk->base);
        tarn_free(chunk);
    }
}

void tarn_dma_pool_destroy(struct tarn_dma_pool *pool)
{
    if (!pool)
        return;
    if (pool->active)
        tarn__warn("dma_pool %s: destroyed while %zu blocks are in use: their pages are kept", pool->name, pool->active);
    tarn__lock(&registry_lock);
    tarn__list_remove(&pool->link);
    tarn__unlock(&registry_lock);
    end_chunks(pool, &pool->open);
    end_chunks(pool, &pool->full);
    tarn_free(pool);
}

int tarn_dma_pool_poison(struct tarn_dma_pool *pool, bool on)
{
    tarn__lock(&pool->lock);
    int error = pool->chunks ? -EBUSY : 0;
    if (!error)
        pool->poison = on;
    tarn__unlock(&pool->lock);
    return error;
}

static struct chunk *make_chunk(struct tarn_dma_pool *pool, tarn_gfp_t flags)
{
    struct chunk *chunk = tarn_calloc(1, sizeof *chunk + (pool->blocks + 63) / 64 * sizeof *chunk->taken);
    if (!chunk)
        return NULL;
    chunk->free = pool->blocks;
    chunk->base = take_pages(pool->bytes, flags);
    if (!chunk->base) {
        tarn_free(chunk);
        return NULL;
    }
    if (pool->poison)
        memset(chunk->base, FREE_FILL, pool->bytes);
    return chunk;
}

static void add_chunk(struct tarn_dma_pool *pool, struct chunk *chunk)
{
    *place_of(pool, chunk->base) = chunk;
    tarn__list_push_front(&pool->open, &chunk->link);
    pool->chunks++;
}

/* The lowest free block of the first open chunk. */
static char *take_block(struct tarn_dma_pool *pool)
{
    if (tarn__list_empty(&pool->open))
        return NULL;
    struct chunk *chunk = TARN__CONTAINER(pool->open.next, struct chunk, link);
    size_t i = tarn__bits_find(chunk->taken, 0, pool->blocks, false);
    tarn__bit_set(chunk->taken, i);
    pool->active++;
    if (--chunk->free == 0) {
        tarn__list_remove(&chunk->link);
        tarn__list_push_front(&pool->full, &chunk->link);
    }
    return block_at(pool, chunk, i);
}

void *tarn_dma_pool_alloc(struct tarn_dma_pool *pool, tarn_gfp_t flags, tarn_dma_t *handle)
{
    tarn__lock(&pool->lock);
    char *block = take_block(pool);
    tarn__unlock(&pool->lock);
    if (!block) {
        struct chunk *chunk = make_chunk(pool, flags);
        if (!chunk)
            return NULL;
        tarn__lock(&pool->lock);
        add_chunk(pool, chunk);
        block = take_block(pool);
        tarn__unlock(&pool->lock);
        TARN__ASSERT(block, "a chunk that was just added has a free block");
    }
    if (pool->poison && !filled(block, pool->size, FREE_FILL))
        tarn__fail(TARN__POISONED, "dma_pool_alloc", block);
    if (flags & TARN_GFP_ZERO)
        memset(block, 0, pool->size);
    else if (pool->poison)
        memset(block, USED_FILL, pool->size);
    if (handle)
        *handle = (uintptr_t)block;
    return block;
}

/* The fill comes before the block is another's, so a poisoned block is looked for twice. */
static void fill_freed(struct tarn_dma_pool *pool, void *block)
{
    size_t index;
    tarn__lock(&pool->lock);
    chunk_in_use(pool, block, &index);
    tarn__unlock(&pool->lock);
    memset(block, FREE_FILL, pool->size);
}

void tarn_dma_pool_free(struct tarn_dma_pool *pool, void *block, tarn_dma_t handle)
{
    size_t index;
    if (handle != (uintptr_t)block)
        tarn__fail(TARN__INVALID_FREE, "dma_pool_free", block);
    if (pool->poison)
        fill_freed(pool, block);
    tarn__lock(&pool->lock);
    struct chunk *chunk = chunk_in_use(pool, block, &index);
    tarn__bit_clear(chunk->taken, index);
    pool->active--;
    if (chunk->free++ == 0) {
        tarn__list_remove(&chunk->link);
        tarn__list_push_front(&pool->open, &chunk->link);
    }
    tarn__unlock(&pool->lock);
}

void tarn_dma_pool_stats(struct tarn_dma_pool *pool, struct tarn_dma_pool_stats *stats)
{
    tarn__lock(&pool->lock);
    *stats = (struct tarn_dma_pool_stats){
        .name = pool->name,
        .size = pool->size,
        .page_blocks = pool->blocks,
        .page_bytes = pool->bytes,
        .pages = pool->chunks,
        .blocks = pool->chunks * pool->blocks,
        .active = pool->active,
    };
    tarn__unlock(&pool->lock);
}

/* Returns the number of its blocks in use. */
static size_t verify_chunk(struct tarn_dma_pool *pool, struct chunk *chunk)
{
    size_t taken = tarn__bits_count(chunk->taken, 0, pool->blocks);
    TARN__ASSERT(chunk->free == pool->blocks - taken, "a chunk's count of free blocks is right");
    TARN__ASSERT(*place_of(pool, chunk->base) == chunk, "a chunk is found from its address");
    for (size_t i = 0; i < pool->blocks; i++) {
        const char *block = block_at(pool, chunk, i);
        TARN__ASSERT(index_of(pool, chunk, block) == i, "a block's number is found from its address");
        TARN__ASSERT(block + pool->size <= chunk->base + pool->bytes, "a block lies in its chunk");
        if (pool->poison && !tarn__bit_test(chunk->taken, i) && !filled(block, pool->size, FREE_FILL))
            tarn__fail(TARN__POISONED, "dma_pool_verify", block);
    }
    return taken;
}

void tarn_dma_pool_verify(struct tarn_dma_pool *pool)
{
    size_t chunks = 0, active = 0;
    for (struct tarn__list *link = pool->open.next; link != &pool->open; link = link->next, chunks++) {
        struct chunk *chunk = TARN__CONTAINER(link, struct chunk, link);
        TARN__ASSERT(chunk->free > 0, "an open chunk has a free block");
        active += verify_chunk(pool, chunk);
    }
    for (struct tarn__list *link = pool->full.next; link != &pool->full; link = link->next, chunks++) {
        struct chunk *chunk = TARN__CONTAINER(link, struct chunk, link);
        TARN__ASSERT(chunk->free == 0, "a full chunk has no free block");
        active += verify_chunk(pool, chunk);
    }
    TARN__ASSERT(chunks == pool->chunks, "every chunk is on a list");
    TARN__ASSERT(active == pool->active, "the count of blocks in use is right");
}
