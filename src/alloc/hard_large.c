/* Blocks by address in a table of chains; freed ones in a list, oldest first. One lock for both; system calls and long looks are made without it. */
#include "alloc/hard_large.h"

#include "alloc/hard.h"
#include "alloc/hard_slots.h"
#include "base/list.h"
#include "os/fault.h"
#include "os/os.h"
#include "page/section.h"

enum { CHAINS = 4096, KEPT_BLOCKS = 64, ALIGN = 64 };
#define CLEARED_MOST ((size_t)1 << 20) /* bytes up to which a block is cleared by writing */
#define KEPT_BYTES ((size_t)8 << 20)   /* of such blocks */

enum state { LIVE, BUSY, KEPT };

struct block {
    struct block *next;     /* in its chain, or among spare descriptors */
    struct tarn__list kept; /* KEPT */
    char *map, *p;
    size_t pages;      /* between the guards, from `map` on */
    size_t asked;      /* bytes */
    bool forbidden;    /* KEPT: its pages are given back, and an access to them faults */
    _Atomic int state; /* changed under the lock */
};

static struct tarn__lock lock = TARN__LOCK_INIT(TARN__RANK_HARD);
static struct block *chain[CHAINS], *spare;
static struct tarn__list kept = {&kept, &kept};
static size_t kept_blocks, kept_bytes, live_blocks, live_bytes;

static struct block **chain_of(const void *p)
{
    return &chain[((uintptr_t)p >> TARN__PAGE_BITS) * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}

static char *end_of(const struct block *block) { return block->map + block->pages * TARN__PAGE_SIZE; }

static struct block *find(const void *p)
{
    struct block *block = *chain_of(p);
    while (block && block->p != p)
        block = block->next;
    return block;
}

static void enter(struct block *block)
{
    struct block **head = chain_of(block->p);
    block->next = *head;
    __atomic_store_n(head, block, __ATOMIC_RELEASE);
}

static void leave(struct block *block)
{
    struct block **at = chain_of(block->p);
    while (*at != block)
        at = &(*at)->next;
    *at = block->next;
}

static struct block *new_descriptor(void)
{
    tarn__lock(&lock);
    struct block *block = spare;
    if (block)
        spare = block->next;
    tarn__unlock(&lock);
    return block ? block : tarn__hard_descriptors(sizeof *block);
}

static void drop_descriptor(struct block *block)
{
    tarn__lock(&lock);
    block->next = spare;
    spare = block;
    tarn__unlock(&lock);
}

/* Pages between two that cannot be accessed. False: no memory, or no mappings left. */
static bool map_block(struct block *block, size_t pages, size_t align)
{
    size_t bytes = pages * TARN__PAGE_SIZE, guards = 2 * TARN__PAGE_SIZE;
    size_t more = align > TARN__PAGE_SIZE ? align : 0;
    char *map = tarn__os_map(NULL, bytes + guards + more, TARN__OS_RESERVED);
    if (!map)
        return false;
    if (more) { /* what is too much goes back */
        char *first = (char *)tarn__align_up((uintptr_t)map + TARN__PAGE_SIZE, align) - TARN__PAGE_SIZE;
        if (first > map)
            tarn__os_unmap(map, (size_t)(first - map));
        if (map + more > first)
            tarn__os_unmap(first + bytes + guards, (size_t)(map + more - first));
        map = first;
    }
    if (tarn__os_commit(map + TARN__PAGE_SIZE, bytes)) {
        tarn__os_unmap(map, bytes + guards);
        return false;
    }
    block->map = map + TARN__PAGE_SIZE;
    block->pages = pages;
    return true;
}

static void unmap_block(struct block *block)
{
    tarn__os_unmap(block->map - TARN__PAGE_SIZE, (block->pages + 2) * TARN__PAGE_SIZE);
    drop_descriptor(block);
}

/* Under the lock: a block is kept no more. */
static void take_kept(struct block *block)
{
    tarn__list_remove(&block->kept);
    leave(block);
    kept_blocks--;
    if (block->pages * TARN__PAGE_SIZE <= CLEARED_MOST)
        kept_bytes -= block->pages * TARN__PAGE_SIZE;
    block->state = BUSY;
}

static struct block *reuse(size_t pages, size_t align)
{
    struct block *found = NULL;
    if (align > TARN__PAGE_SIZE)
        return NULL;
    tarn__lock(&lock);
    for (struct tarn__list *at = kept.next; at != &kept && !found; at = at->next) {
        struct block *block = TARN__CONTAINER(at, struct block, kept);
        if (block->pages >= pages && block->pages <= pages + pages / 8)
            found = block;
    }
    if (found)
        take_kept(found);
    tarn__unlock(&lock);
    return found;
}

static size_t block_slack(const struct block *block) { return (size_t)(end_of(block) - block->p) - block->asked; }

static bool intact(const struct block *block)
{
    size_t asked = block->asked, room = asked + block_slack(block);
    return block_slack(block) == 0 || tarn__hard_intact(block->p, asked, room, tarn__hard_canary(block->p));
}

/* What lies between the first page that the object is in, or the one before it, and the object. */
static bool front_intact(const struct block *block)
{
    char *from = (char *)tarn__align_down((uintptr_t)block->p, TARN__PAGE_SIZE);
    return from == block->p || tarn__hard_zero(from, (size_t)(block->p - from));
}

/* Whether a kept block is all zero. */
static bool all_zero(const struct block *block)
{
    return block->forbidden || tarn__hard_zero(block->map, block->pages * TARN__PAGE_SIZE);
}

static void report(enum tarn__crime crime, const char *where, const struct block *block)
{
    struct tarn__suspect suspect = {.pool = "large", .object = block->p, .size = block->asked, .live = block->state == LIVE};
    tarn__report(crime, where, block->p, &suspect);
}

/* Written to while it was kept. */
static void expect_zero(struct block *block, const char *where)
{
    if (all_zero(block))
        return;
    report(TARN__POISONED, where, block);
    memset(block->map, 0, block->pages * TARN__PAGE_SIZE);
}

/* A block that was kept is to be used again. False: the system refuses. */
static bool prepare(struct block *block)
{
    if (block->forbidden && tarn__os_commit(block->map, block->pages * TARN__PAGE_SIZE)) {
        unmap_block(block);
        return false;
    }
    block->forbidden = false;
    expect_zero(block, "malloc");
    return true;
}

/* Clears a block that is freed. */
static void clear(struct block *block)
{
    size_t bytes = block->pages * TARN__PAGE_SIZE;
    block->forbidden = bytes > CLEARED_MOST && tarn__fault_forbid(block->map, bytes) == 0;
    if (!block->forbidden || tarn__os_purge(block->map, bytes)) {
        if (block->forbidden && tarn__os_commit(block->map, bytes))
            return; /* as it is, and out of reach */
        block->forbidden = false;
        memset(block->p, 0, (size_t)(end_of(block) - block->p));
    }
}

void *tarn__hard_large_alloc(size_t size, size_t align)
{
    align = tarn__max(align, ALIGN);
    size_t room = tarn__align_up(tarn__max(size, 1), align), pages = tarn__align_up(room, TARN__PAGE_SIZE) / TARN__PAGE_SIZE;
    if (size > PTRDIFF_MAX || room < size || align > PTRDIFF_MAX / 4 || !tarn__hard_places())
        return NULL;
    struct block *block = reuse(pages, align);
    if (block && !prepare(block))
        return NULL;
    if (!block) {
        block = new_descriptor();
        if (!block)
            return NULL;
        if (!map_block(block, pages, align)) {
            drop_descriptor(block);
            return NULL;
        }
    }
    block->p = end_of(block) - room;
    if (align > TARN__PAGE_SIZE)
        block->p = block->map;
    block->asked = size;
    if (block_slack(block) > 0)
        tarn__hard_fill(block->p, size, size + block_slack(block), tarn__hard_canary(block->p));
    tarn__lock(&lock);
    block->state = LIVE;
    live_blocks++;
    live_bytes += block->pages * TARN__PAGE_SIZE;
    enter(block);
    tarn__unlock(&lock);
    return block->p;
}

/* The live block that begins at `p`, now BUSY if `take`. *known: there is one, live or not. What is not live is reported. */
static struct block *live_at(const void *p, const char *where, bool take, bool *known)
{
    struct block *block, copy;
    tarn__lock(&lock);
    block = find(p);
    *known = block != NULL;
    bool live = block && block->state == LIVE;
    if (block && !live)
        copy = (struct block){.p = block->p, .asked = block->asked, .state = KEPT};
    if (live && take)
        block->state = BUSY;
    tarn__unlock(&lock);
    if (block && !live)
        report(TARN__DOUBLE_FREE, where, &copy);
    return live ? block : NULL;
}

/* Keeps a block that is all zero, and unmaps what is too much then. */
static void keep(struct block *block)
{
    struct block *over[KEPT_BLOCKS];
    size_t count = 0, bytes = block->pages * TARN__PAGE_SIZE;
    tarn__lock(&lock);
    block->state = KEPT;
    live_blocks--;
    live_bytes -= bytes;
    tarn__list_push_back(&kept, &block->kept);
    kept_blocks++;
    kept_bytes += bytes <= CLEARED_MOST ? bytes : 0;
    while (kept_blocks > KEPT_BLOCKS || kept_bytes > KEPT_BYTES) {
        struct block *oldest = TARN__CONTAINER(kept.next, struct block, kept);
        take_kept(oldest);
        over[count++] = oldest;
    }
    tarn__unlock(&lock);
    for (size_t i = 0; i < count; i++) {
        expect_zero(over[i], "free");
        unmap_block(over[i]);
    }
}

bool tarn__hard_large_free(void *p, size_t size, const char *where)
{
    bool known;
    struct block *block = live_at(p, where, true, &known);
    if (!block)
        return known;
    enum tarn__crime crime = size != TARN__HARD_ANY && size != block->asked ? TARN__WRONG_SIZE : TARN__RED_ZONE;
    if (crime == TARN__WRONG_SIZE || !intact(block) || !front_intact(block)) {
        block->state = LIVE;
        report(crime, where, block);
        return true;
    }
    clear(block);
    keep(block);
    return true;
}

bool tarn__hard_large_size(const void *p, const char *where, size_t *size)
{
    bool known;
    struct block *block = live_at(p, where, false, &known);
    *size = block ? block->asked : SIZE_MAX;
    return known;
}

/* Within the pages it has, and not when most of them would be left over. */
bool tarn__hard_large_resize(void *p, size_t size)
{
    bool known;
    struct block *block = live_at(p, "realloc", true, &known);
    if (!block)
        return false;
    size_t room = (size_t)(end_of(block) - block->p), least = tarn__min(block->asked, size);
    bool fits = size <= room && size >= room - room / 8 && intact(block);
    if (fits) {
        memset(block->p + least, 0, room - least);
        block->asked = size;
        if (size < room)
            tarn__hard_fill(block->p, size, room, tarn__hard_canary(block->p));
    }
    atomic_store_explicit(&block->state, LIVE, memory_order_release);
    return fits;
}

/* Under the lock, which whoever frees or takes one needs first: so what is LIVE or KEPT stays so. */
size_t tarn__hard_large_check(void)
{
    struct block wrong = {.p = NULL};
    enum tarn__crime crime = TARN__RED_ZONE;
    size_t found = 0;
    tarn__lock(&lock);
    for (size_t i = 0; i < CHAINS; i++)
        for (struct block *block = chain[i]; block; block = block->next) {
            bool live_wrong = block->state == LIVE && (!intact(block) || !front_intact(block));
            if (!live_wrong && !(block->state == KEPT && !all_zero(block)))
                continue;
            wrong = *block;
            crime = live_wrong ? TARN__RED_ZONE : TARN__POISONED;
            found++;
        }
    tarn__unlock(&lock);
    if (found)
        report(crime, "check", &wrong);
    return found;
}

/* Without the lock: descriptors are never unmapped, and a chain that changes meanwhile may only lead astray, not out. */
bool tarn__hard_large_describe(const void *p, struct tarn__suspect *suspect)
{
    for (size_t i = 0; i < CHAINS; i++) {
        struct block *block = __atomic_load_n(&chain[i], __ATOMIC_ACQUIRE);
        for (int steps = 0; block && steps < CHAINS; steps++, block = block->next) {
            if ((const char *)p < block->map - TARN__PAGE_SIZE || (const char *)p >= end_of(block) + TARN__PAGE_SIZE)
                continue;
            suspect->pool = "large";
            suspect->object = block->p;
            suspect->size = block->asked;
            suspect->live = block->state == LIVE;
            return true;
        }
    }
    return false;
}

void tarn__hard_large_stats(struct tarn__hard_stats *stats)
{
    tarn__lock(&lock);
    stats->large = live_blocks;
    stats->mapped += live_bytes;
    stats->large_kept = kept_bytes;
    tarn__unlock(&lock);
}

void tarn__hard_large_each_lock(void (*act)(struct tarn__lock *)) { act(&lock); }

const struct tarn__hard_large_map tarn__hard_large_map = {
    .at = chain,
    .count = CHAINS,
    .bytes = sizeof(struct block),
    .next = offsetof(struct block, next),
    .object = offsetof(struct block, p),
    .map = offsetof(struct block, map),
    .pages = offsetof(struct block, pages),
    .asked = offsetof(struct block, asked),
    .state = offsetof(struct block, state),
    .live = LIVE,
};
