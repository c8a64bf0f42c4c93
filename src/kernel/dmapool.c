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
 * So what is freed is always verified, and freed blocks hold nothing of the pool's. What letters add lies there too, but for red zones, behind blocks.
 *
 * Locks: the registry of pools, and each pool's; nothing is called and no block is touched under them. Fork hooks take them by
 * tarn__locks_above.
 *
 * Wrong if: pools of blocks a little larger than half a page are common: half of their memory is lost, as in the kernel.
 */
#include "tarn/dmapool.h"

#include "alloc/ended.h"
#include "alloc/guard.h"
#include "alloc/heap.h"
#include "base/bits.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/modes.h"
#include "base/warn.h"
#include "os/lock.h"
#include "os/stack.h"
#include "os/thread.h"
#include "page/request.h"
#include "tarn/alloc.h"
#include "tarn/pages.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Among a pool's letters: it has ended. */
#define ENDED (1u << 31)

enum { FREE_FILL = 0xa7, USED_FILL = 0xa9, ZONE_FILL = 0xcc, ZONE = 16, LEAST_SIZE = 4, NAME_MOST = 31, WAITING = 64 };

/* Of a block, with the letter U. */
struct track {
    uint32_t alloc_stack, alloc_thread, free_stack, free_thread;
};

struct chunk {
    struct tarn__list link;
    struct chunk *child[2]; /* in the trie */
    char *base;
    struct track *track; /* of each block; NULL: without U */
    uint32_t free;       /* blocks */
    uint64_t taken[];    /* bit i: block i is in use, or waits; with Q a second map behind it: it waits */
};

struct tarn_dma_pool {
    struct tarn__lock lock;
    bool poison;
    unsigned letters;             /* of TARN_DEBUG, for "dmapool" */
    size_t align;                 /* of blocks */
    size_t asked;                 /* bytes of a block that are its user's; behind them, with Z, a red zone */
    size_t size, boundary, bytes; /* of a block; that it does not cross; of a chunk */
    uint32_t in_boundary, blocks; /* blocks between two boundaries; in a chunk */
    struct tarn__list open, full; /* chunks */
    struct chunk *root;           /* of the trie */
    size_t chunks, active;
    size_t guarded;      /* of the active ones: blocks before guard pages, with G */
    char *wait[WAITING]; /* with Q: freed blocks, the first of which is free for others when there are too many */
    size_t first_waiting, waiting;
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

static uint64_t *waits_of(const struct tarn_dma_pool *pool, struct chunk *chunk)
{
    return &chunk->taken[(pool->blocks + 63) / 64];
}

static bool is_waiting(const struct tarn_dma_pool *pool, const struct chunk *chunk, size_t index)
{
    return pool->letters & TARN__LETTER_Q && tarn__bit_test(waits_of(pool, (struct chunk *)chunk), index);
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

/* NULL: none. */
static struct chunk *chunk_around(struct tarn_dma_pool *pool, const void *block)
{
    size_t span = (size_t)1 << tarn__log2_ceil(pool->bytes);
    return *place_of(pool, (char *)((uintptr_t)block & ~(span - 1)));
}

/* What is known of a block, for a report. */
static void describe(const struct tarn_dma_pool *pool, const struct chunk *chunk, size_t index, struct tarn__suspect *suspect)
{
    *suspect = (struct tarn__suspect){.pool = pool->name};
    if (!chunk || index >= pool->blocks)
        return;
    suspect->object = block_at(pool, chunk, index);
    suspect->size = pool->asked;
    suspect->live = tarn__bit_test(chunk->taken, index) && !is_waiting(pool, chunk, index);
    if (!chunk->track)
        return;
    const struct track *track = &chunk->track[index];
    suspect->alloc_stack = track->alloc_stack;
    suspect->alloc_thread = track->alloc_thread;
    suspect->free_stack = suspect->live ? 0 : track->free_stack;
    suspect->free_thread = suspect->live ? 0 : track->free_thread;
}

/* The chunk and the number of a block in use. NULL: it is none, and what it is instead. Under the lock. */
static struct chunk *chunk_in_use(struct tarn_dma_pool *pool, void *block, size_t *index, enum tarn__crime *crime,
                                  struct tarn__suspect *suspect)
{
    struct chunk *chunk = chunk_around(pool, block);
    *index = chunk ? index_of(pool, chunk, block) : SIZE_MAX;
    describe(pool, chunk, *index, suspect);
    if (*index < pool->blocks && tarn__bit_test(chunk->taken, *index) && !is_waiting(pool, chunk, *index))
        return chunk;
    *crime = *index < pool->blocks ? TARN__DOUBLE_FREE : TARN__INVALID_FREE;
    return NULL;
}

/* The first byte of a live block's red zone that was overwritten; NULL: none. */
static const void *zone_wrong(const struct tarn_dma_pool *pool, const unsigned char *block)
{
    for (size_t i = pool->asked; pool->letters & TARN__LETTER_Z && i < pool->size; i++)
        if (block[i] != ZONE_FILL)
            return block + i;
    return NULL;
}

static bool filled(const char *block, size_t size, unsigned char value)
{
    return (unsigned char)block[0] == value && memcmp(block, block + 1, size - 1) == 0;
}

/* Whether the pool has, which was reported. */
static bool has_ended(const struct tarn_dma_pool *pool, const char *where)
{
    bool has = TARN__UNLIKELY(pool->letters & ENDED);
    if (has)
        tarn__report(TARN__DESTROYED_POOL, where, pool, &(struct tarn__suspect){.pool = pool->name});
    return has;
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
    pool->letters = tarn__letters_for("dmapool");
    pool->poison = pool->letters & TARN__LETTER_P;
    pool->asked = size;
    pool->align = align;
    size_t zoned = tarn__align_up(size + ZONE, align);
    if (boundary != 0 && boundary < zoned)
        pool->letters &= ~(unsigned)TARN__LETTER_Z; /* there is no room for one */
    if (pool->letters & TARN__LETTER_Z)
        size = zoned;
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

static void report_poison(const struct tarn_dma_pool *pool, const char *block, const char *where)
{
    struct tarn__suspect suspect = {.pool = pool->name, .object = block, .size = pool->asked, .expected = 256 + FREE_FILL};
    for (size_t i = 0; i < pool->size && !suspect.bad; i++)
        if ((unsigned char)block[i] != FREE_FILL)
            suspect.bad = block + i;
    if (suspect.bad)
        tarn__report(TARN__POISONED, where, block, &suspect);
}

/* A block is free for others. Under the lock. */
static void put_block(struct tarn_dma_pool *pool, struct chunk *chunk, size_t index)
{
    tarn__bit_clear(chunk->taken, index);
    if (chunk->free++ == 0) {
        tarn__list_remove(&chunk->link);
        tarn__list_push_front(&pool->open, &chunk->link);
    }
}

/* As many as `most` may wait on. */
static void wait_less(struct tarn_dma_pool *pool, size_t most)
{
    for (char *block = NULL;; block = NULL) {
        tarn__lock(&pool->lock);
        if (pool->waiting > most) {
            block = pool->wait[pool->first_waiting];
            pool->first_waiting = (pool->first_waiting + 1) % WAITING;
            pool->waiting--;
        }
        tarn__unlock(&pool->lock);
        if (!block)
            return;
        if (pool->poison)
            report_poison(pool, block, "quarantine");
        tarn__lock(&pool->lock);
        struct chunk *chunk = chunk_around(pool, block);
        size_t index = index_of(pool, chunk, block);
        tarn__bit_clear(waits_of(pool, chunk), index);
        put_block(pool, chunk, index);
        tarn__unlock(&pool->lock);
    }
}

/* Ends the process, unless the handler of reports has it that the pool's end goes on: then pages with such blocks are kept. */
static void report_live(const struct tarn_dma_pool *pool)
{
    struct tarn__suspect suspect;
    const void *guarded = pool->guarded ? tarn__guard_first(pool) : NULL;
    if (guarded) {
        tarn__report(TARN__LIVE_OBJECTS, "dma_pool_destroy", guarded, NULL);
        return;
    }
    const struct tarn__list *lists[] = {&pool->full, &pool->open};
    for (int k = 0; k < 2; k++)
        for (const struct tarn__list *link = lists[k]->next; link != lists[k]; link = link->next) {
            const struct chunk *chunk = TARN__CONTAINER(link, const struct chunk, link);
            size_t index = tarn__bits_find(chunk->taken, 0, pool->blocks, true);
            while (index < pool->blocks && is_waiting(pool, chunk, index))
                index = tarn__bits_find(chunk->taken, index + 1, pool->blocks, true);
            if (index >= pool->blocks)
                continue;
            describe(pool, chunk, index, &suspect);
            tarn__report(TARN__LIVE_OBJECTS, "dma_pool_destroy", block_at(pool, chunk, index), &suspect);
            return;
        }
}

/* What is left of it says just that. */
static struct tarn_dma_pool ended_pool(const struct tarn_dma_pool *pool)
{
    struct tarn_dma_pool ended = {.letters = ENDED};
    memcpy(ended.name, pool->name, sizeof ended.name);
    return ended;
}

void tarn_dma_pool_destroy(struct tarn_dma_pool *pool)
{
    if (!pool || has_ended(pool, "dma_pool_destroy"))
        return;
    if (pool->active)
        tarn__warn("dma_pool %s: destroyed while %zu blocks are in use: their pages are kept", pool->name, pool->active);
    if (pool->active && pool->letters)
        report_live(pool);
    if (pool->guarded)
        tarn__guard_disown(pool);
    wait_less(pool, 0);
    tarn__lock(&registry_lock);
    tarn__list_remove(&pool->link);
    tarn__unlock(&registry_lock);
    end_chunks(pool, &pool->open);
    end_chunks(pool, &pool->full);
    *pool = ended_pool(pool);
    tarn__ended_keep(pool);
}

int tarn_dma_pool_poison(struct tarn_dma_pool *pool, bool on)
{
    if (has_ended(pool, "dma_pool_poison"))
        return -EINVAL;
    tarn__lock(&pool->lock);
    int error = pool->chunks ? -EBUSY : 0;
    if (!error)
        pool->poison = on;
    tarn__unlock(&pool->lock);
    return error;
}

static struct chunk *make_chunk(struct tarn_dma_pool *pool, tarn_gfp_t flags)
{
    size_t bits = (pool->blocks + 63) / 64 * sizeof(uint64_t);
    bits *= pool->letters & TARN__LETTER_Q ? 2 : 1;
    size_t tracks = pool->letters & TARN__LETTER_U ? pool->blocks * sizeof(struct track) : 0;
    struct chunk *chunk = tarn_calloc(1, sizeof *chunk + bits + tracks);
    if (!chunk)
        return NULL;
    chunk->track = tracks ? (struct track *)(void *)((char *)chunk->taken + bits) : NULL;
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
static char *take_block(struct tarn_dma_pool *pool, uint32_t stack)
{
    if (tarn__list_empty(&pool->open))
        return NULL;
    struct chunk *chunk = TARN__CONTAINER(pool->open.next, struct chunk, link);
    size_t i = tarn__bits_find(chunk->taken, 0, pool->blocks, false);
    tarn__bit_set(chunk->taken, i);
    if (chunk->track)
        chunk->track[i] = (struct track){.alloc_stack = stack, .alloc_thread = tarn__thread_id()};
    pool->active++;
    if (--chunk->free == 0) {
        tarn__list_remove(&chunk->link);
        tarn__list_push_front(&pool->full, &chunk->link);
    }
    return block_at(pool, chunk, i);
}

static void guarded_gone(void *owner, size_t size)
{
    struct tarn_dma_pool *pool = owner;
    (void)size;
    tarn__lock(&pool->lock);
    pool->active--;
    pool->guarded--;
    tarn__unlock(&pool->lock);
}

/* At the end of pages, which no boundary of less than a page crosses; a larger block is aligned to more than it is long, so none does. */
static char *alloc_guarded(struct tarn_dma_pool *pool)
{
    size_t align = pool->asked > TARN__PAGE_SIZE ? (size_t)1 << tarn__log2_ceil(pool->asked) : 1;
    char *block = tarn__guard_alloc(pool->asked, tarn__max(pool->align, align), pool->name);
    if (!block)
        return NULL;
    tarn__guard_own(block, pool, guarded_gone);
    tarn__lock(&pool->lock);
    pool->active++;
    pool->guarded++;
    tarn__unlock(&pool->lock);
    return block;
}

/* False: it is no such block. What is wrong with it was reported. */
static bool free_guarded(struct tarn_dma_pool *pool, void *block)
{
    const void *owner = tarn__guard_owner(block, guarded_gone);
    if (!owner || owner == pool)
        return tarn__guard_free(block, SIZE_MAX, "dma_pool_free");
    tarn__report(TARN__WRONG_CACHE, "dma_pool_free", block, NULL);
    return true;
}

void *tarn_dma_pool_alloc(struct tarn_dma_pool *pool, tarn_gfp_t flags, tarn_dma_t *handle)
{
    if (has_ended(pool, "dma_pool_alloc"))
        return NULL;
    char *guarded = pool->letters & TARN__LETTER_G && !(flags & (TARN_GFP_DMA | TARN_GFP_DMA32)) ? alloc_guarded(pool) : NULL;
    if (guarded) {
        if (handle)
            *handle = (uintptr_t)guarded;
        return guarded;
    }
    uint32_t stack = pool->letters & TARN__LETTER_U ? tarn__stack_here(0) : 0;
    tarn__lock(&pool->lock);
    char *block = take_block(pool, stack);
    tarn__unlock(&pool->lock);
    if (!block) {
        struct chunk *chunk = make_chunk(pool, flags);
        if (!chunk)
            return NULL;
        tarn__lock(&pool->lock);
        add_chunk(pool, chunk);
        block = take_block(pool, stack);
        tarn__unlock(&pool->lock);
        TARN__ASSERT(block, "a chunk that was just added has a free block");
    }
    if (pool->poison && !filled(block, pool->size, FREE_FILL))
        report_poison(pool, block, "dma_pool_alloc");
    if (flags & TARN_GFP_ZERO)
        memset(block, 0, pool->asked);
    else if (pool->poison)
        memset(block, USED_FILL, pool->asked);
    if (pool->letters & TARN__LETTER_Z)
        memset(block + pool->asked, ZONE_FILL, pool->size - pool->asked);
    if (handle)
        *handle = (uintptr_t)block;
    return block;
}

/* What is verified, or written, before the block may be another's; so such a block is looked for twice. False: it is not to be freed, which was reported. */
static bool prepare_free(struct tarn_dma_pool *pool, void *block)
{
    size_t index;
    enum tarn__crime crime = TARN__RED_ZONE;
    struct tarn__suspect suspect;
    tarn__lock(&pool->lock);
    bool live = chunk_in_use(pool, block, &index, &crime, &suspect) != NULL;
    tarn__unlock(&pool->lock);
    suspect.bad = live ? zone_wrong(pool, block) : NULL;
    if (!live || suspect.bad) {
        tarn__report(crime, "dma_pool_free", block, &suspect);
        return false;
    }
    if (pool->poison)
        memset(block, FREE_FILL, pool->size);
    return true;
}

void tarn_dma_pool_free(struct tarn_dma_pool *pool, void *block, tarn_dma_t handle)
{
    if (has_ended(pool, "dma_pool_free"))
        return;
    size_t index;
    enum tarn__crime crime = TARN__INVALID_FREE;
    struct tarn__suspect suspect = {.pool = pool->name};
    uint32_t stack = pool->letters & TARN__LETTER_U ? tarn__stack_here(0) : 0;
    struct chunk *chunk = NULL;
    bool waits = pool->letters & TARN__LETTER_Q;
    if (handle == (uintptr_t)block && pool->letters & TARN__LETTER_G && free_guarded(pool, block))
        return;
    if (handle == (uintptr_t)block) {
        if (waits)
            wait_less(pool, WAITING * 3 / 4);
        if ((pool->poison || pool->letters & TARN__LETTER_Z) && !prepare_free(pool, block))
            return;
        tarn__lock(&pool->lock);
        chunk = chunk_in_use(pool, block, &index, &crime, &suspect);
        if (chunk) {
            if (chunk->track) {
                chunk->track[index].free_stack = stack;
                chunk->track[index].free_thread = tarn__thread_id();
            }
            pool->active--;
            waits = waits && pool->waiting < WAITING;
            if (waits) {
                tarn__bit_set(waits_of(pool, chunk), index);
                pool->wait[(pool->first_waiting + pool->waiting++) % WAITING] = block;
            } else {
                put_block(pool, chunk, index);
            }
        }
        tarn__unlock(&pool->lock);
    }
    if (!chunk)
        tarn__report(crime, "dma_pool_free", block, &suspect);
}

void tarn_dma_pool_stats(struct tarn_dma_pool *pool, struct tarn_dma_pool_stats *stats)
{
    *stats = (struct tarn_dma_pool_stats){.name = pool->name};
    if (has_ended(pool, "dma_pool_stats"))
        return;
    tarn__lock(&pool->lock);
    *stats = (struct tarn_dma_pool_stats){
        .name = pool->name,
        .size = pool->asked,
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
        bool free = !tarn__bit_test(chunk->taken, i) || is_waiting(pool, chunk, i);
        if (pool->poison && free && !filled(block, pool->size, FREE_FILL))
            report_poison(pool, block, "dma_pool_verify");
        taken -= is_waiting(pool, chunk, i);
    }
    return taken;
}

void tarn_dma_pool_verify(struct tarn_dma_pool *pool)
{
    size_t chunks = 0, active = 0;
    if (has_ended(pool, "dma_pool_verify"))
        return;
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
    TARN__ASSERT(active + pool->guarded == pool->active, "the count of blocks in use is right");
}
