/*
 * Pools that are watched: their blocks, in a hash table by address for each pool.
 *
 * Linear probing, as in passed.c; but an entry stays when its block is freed, for the reports of what comes later, until the table has to grow: then those of
 * blocks that are no longer in use go, or stay in a larger one while they are few.
 *
 * One lock guards all of this. It is held together with no other; memory is got from the system under it. A pool is called with no lock held.
 */
#include "pool/watch.h"

#include "base/bits.h"
#include "base/fail.h"
#include "base/modes.h"
#include "base/tools.h"
#include "os/lock.h"
#include "os/os.h"
#include "os/stack.h"
#include "os/thread.h"
#include "pool/bytes.h"
#include "pool/forks.h"

enum {
    WAIT_BLOCKS = 64,        /* that wait, at most */
    WAIT_BYTES = 256 * 1024, /* of them; a block that is larger does not wait */
    TOOL_ZONE = 16,          /* beside a block, where a tool watches */
    FIRST_PLACES = 128,
    ENDED_MOST = 64, /* records of pools that ended */
};

enum state { EMPTY, LIVE, WAITING, FREED };

/* Addresses are kept inverted: leak searches take what looks like one for a reference. */
struct entry {
    uintptr_t hidden;
    size_t size;
    uint32_t front; /* bytes of the pool's block in front of it */
    uint32_t alloc_stack, free_stack, alloc_thread, free_thread;
    uint8_t state;
    bool sized, guarded;
};

static char *start_of(const struct entry *entry) { return (char *)~entry->hidden; }

struct watch {
    const struct tarn__watched *kind;
    void *pool;
    unsigned letters;
    bool zero, ended;
    bool alone;               /* the pool has no lock: one thread at a time */
    _Atomic(uint32_t) inside; /* then, the thread that is */
    uint32_t deeper;          /* its calls within calls: callbacks may use the pool */
    struct entry *table;
    size_t places, used; /* used: not empty */
    char *waiting[WAIT_BLOCKS];
    size_t first, count, bytes; /* of what waits */
    struct watch *next;
};

void *(*tarn__watch_guard_alloc)(size_t size, size_t align, const char *pool);
bool (*tarn__watch_guard_free)(void *p, size_t size, const char *where);
void (*tarn__watch_guard_own)(void *p, void *owner, void (*gone)(void *owner, size_t size));
void *(*tarn__watch_guard_owner)(const void *p, void (*gone)(void *owner, size_t size));

static struct tarn__lock watch_lock = TARN__LOCK_INIT(TARN__RANK_WATCH);
static struct watch *watches;

void tarn__watch_each_lock(void (*act)(struct tarn__lock *)) { act(&watch_lock); }

unsigned tarn__watch_flags(const char *kind)
{
    unsigned letters = tarn__modes_any ? tarn__letters_for(kind) : 0, flags = letters || tarn__tools ? TARN__WATCHED : 0;
    flags |= letters & TARN__LETTER_F ? TARN_POOL_CHECK : 0;
    flags |= letters & TARN__LETTER_Z ? TARN_POOL_RED_ZONE : 0;
    flags |= letters & TARN__LETTER_P ? TARN_POOL_POISON : 0;
    return flags;
}

static struct watch *find(const void *pool)
{
    struct watch *watch = watches;
    while (watch && watch->pool != pool)
        watch = watch->next;
    return watch;
}

static struct watch *find_locked(const void *pool)
{
    tarn__lock(&watch_lock);
    struct watch *watch = find(pool);
    tarn__unlock(&watch_lock);
    return watch;
}

/* A call begins. @return 0, or why it must not go on, which was reported */
static int come(void *pool, const char *where, const void *p, struct watch **found)
{
    struct watch *watch = *found = find_locked(pool);
    uint32_t nobody = 0;
    if (!watch || watch->ended)
        return tarn__watch_wrong(pool, TARN_POOL_DESTROYED, where, p);
    if (!watch->alone || atomic_compare_exchange_strong_explicit(&watch->inside, &nobody, tarn__thread_id(),
                                                                 memory_order_relaxed, memory_order_relaxed))
        return 0;
    if (nobody != tarn__thread_id())
        return tarn__watch_wrong(pool, TARN_POOL_RACE, where, p);
    watch->deeper++;
    return 0;
}

static void go(struct watch *watch)
{
    if (watch->deeper)
        watch->deeper--;
    else if (watch->alone)
        atomic_store_explicit(&watch->inside, 0, memory_order_relaxed);
}

/* The table */

static size_t home_of(const struct watch *watch, const void *p)
{
    uint64_t mixed = (uint64_t)((uintptr_t)p >> 3) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (watch->places - 1);
}

static struct entry *place_of(const struct watch *watch, const void *p)
{
    size_t at = home_of(watch, p);
    while (watch->table[at].state != EMPTY && start_of(&watch->table[at]) != p)
        at = (at + 1) & (watch->places - 1);
    return &watch->table[at];
}

static struct entry *entry_of(const struct watch *watch, const void *p)
{
    struct entry *entry = watch->table ? place_of(watch, p) : NULL;
    return entry && entry->state != EMPTY ? entry : NULL;
}

static size_t table_bytes(size_t places) { return tarn__align_up(places * sizeof(struct entry), tarn__os_page_size()); }

static bool make_room(struct watch *watch)
{
    size_t kept = 0, old_places = watch->places;
    struct entry *old = watch->table;
    if (old && watch->used < old_places - old_places / 4)
        return true;
    for (size_t i = 0; i < old_places; i++)
        kept += old[i].state == LIVE || old[i].state == WAITING;
    bool all = kept >= old_places / 4; /* of what was freed the latest are worth as much as what is live */
    size_t places = !old ? FIRST_PLACES : kept >= old_places / 2 ? old_places * 2 : old_places;
    all = all && places > old_places;
    struct entry *table = tarn__os_map(NULL, table_bytes(places), TARN__OS_COMMITTED);
    if (!table)
        return false;
    watch->table = table;
    watch->places = places;
    watch->used = 0;
    for (size_t i = 0; i < old_places; i++)
        if (old[i].state == LIVE || old[i].state == WAITING || (all && old[i].state == FREED)) {
            *place_of(watch, start_of(&old[i])) = old[i];
            watch->used++;
        }
    if (old)
        tarn__os_unmap(old, table_bytes(old_places));
    return true;
}

/* Enters a block. False: there is no memory to know it by; then it is as one of a pool that is not watched. */
static bool enter(struct watch *watch, const struct entry *block)
{
    tarn__lock(&watch_lock);
    bool fits = make_room(watch);
    if (fits) {
        struct entry *entry = place_of(watch, start_of(block));
        watch->used += entry->state == EMPTY;
        *entry = *block;
    }
    tarn__unlock(&watch_lock);
    return fits;
}

/* Reports */

static enum tarn__crime crime_of(int error, bool zones)
{
    switch (error) {
    case TARN_POOL_DOUBLE_FREE:
        return TARN__DOUBLE_FREE;
    case TARN_POOL_WRONG_SIZE:
        return TARN__WRONG_SIZE;
    case TARN_POOL_CORRUPT:
        return zones ? TARN__RED_ZONE : TARN__CORRUPT_POOL;
    case TARN_POOL_BUSY:
        return TARN__LIVE_OBJECTS;
    case TARN_POOL_RACE:
        return TARN__DATA_RACE;
    case TARN_POOL_DESTROYED:
        return TARN__DESTROYED_POOL;
    default:
        return TARN__INVALID_FREE;
    }
}

static void tell(struct tarn__suspect *suspect, const struct entry *entry)
{
    suspect->object = start_of(entry);
    suspect->size = entry->size;
    suspect->live = entry->state == LIVE;
    suspect->alloc_stack = entry->alloc_stack;
    suspect->alloc_thread = entry->alloc_thread;
    suspect->free_stack = entry->free_stack;
    suspect->free_thread = entry->free_thread;
}

/* What is known of an address: the block that has it, and the one in front of that. Under the lock. */
static void describe(const struct watch *watch, const char *p, struct tarn__suspect *suspect)
{
    const struct entry *has = NULL, *front = NULL;
    for (size_t i = 0; i < watch->places; i++) {
        const struct entry *entry = &watch->table[i];
        if (entry->state == EMPTY || start_of(entry) > p)
            continue;
        if ((size_t)(p - start_of(entry)) < tarn__max(entry->size, 1) && (!has || entry->state < has->state))
            has = entry;
    }
    const char *begin = has ? start_of(has) : p;
    for (size_t i = 0; i < watch->places; i++) {
        const struct entry *entry = &watch->table[i];
        if (entry->state != EMPTY && start_of(entry) < begin && (!front || start_of(entry) > start_of(front)))
            front = entry;
    }
    if (has)
        tell(suspect, has);
    if (front) {
        suspect->neighbour = start_of(front);
        suspect->neighbour_size = front->size;
        suspect->neighbour_live = front->state == LIVE;
        suspect->neighbour_stack = front->alloc_stack;
    }
}

static void report(struct watch *watch, enum tarn__crime crime, const char *where, const void *p, const void *bad)
{
    struct tarn__suspect suspect = {.pool = watch->kind->kind, .bad = bad};
    tarn__lock(&watch_lock);
    describe(watch, p, &suspect);
    tarn__unlock(&watch_lock);
    tarn__report(crime, where, p, &suspect);
}

int tarn__watch_wrong(void *pool, int error, const char *where, const void *p)
{
    struct watch *watch = error && error != TARN_POOL_NO_MEMORY ? find_locked(pool) : NULL;
    if (!watch || !watch->letters)
        return error;
    tarn__lock(&watch_lock);
    bool zones = entry_of(watch, p) && (watch->letters & TARN__LETTER_Z || watch->kind->guards);
    tarn__unlock(&watch_lock);
    report(watch, crime_of(error, zones), where, p, NULL);
    return error;
}

/* What waits */

/* Takes the one that waits longest out, if there are too many, or, with `all`, any. */
static bool take_waiting(struct watch *watch, bool all, struct entry *oldest)
{
    bool took = false;
    tarn__lock(&watch_lock);
    if (watch->count && (all || watch->count == WAIT_BLOCKS || watch->bytes > WAIT_BYTES)) {
        struct entry *entry = place_of(watch, watch->waiting[watch->first]);
        watch->first = (watch->first + 1) % WAIT_BLOCKS;
        watch->count--;
        watch->bytes -= entry->size;
        entry->state = FREED;
        *oldest = *entry;
        took = true;
    }
    tarn__unlock(&watch_lock);
    return took;
}

/* The pool gets a block back. What was written to after its free is reported first. */
static int give_back(struct watch *watch, const struct entry *block)
{
    if (tarn__tools)
        tarn__tools_allow(start_of(block) - block->front, block->front + block->size + (block->front ? TOOL_ZONE : 0));
    size_t bad = 0;
    while (watch->letters & TARN__LETTER_P && bad < block->size && (unsigned char)start_of(block)[bad] == TARN__FREED)
        bad++;
    if (watch->letters & TARN__LETTER_P && bad < block->size)
        report(watch, TARN__POISONED, "quarantine", start_of(block), start_of(block) + bad);
    size_t size = !block->sized ? TARN__ANY_SIZE : block->size + (block->front ? block->front + TOOL_ZONE : 0);
    return watch->kind->free(watch->pool, start_of(block) - block->front, size);
}

static void empty(struct watch *watch, bool all)
{
    struct entry oldest;
    while (take_waiting(watch, all, &oldest))
        give_back(watch, &oldest);
}

void tarn__watch_empty(void *pool)
{
    struct watch *watch = find_locked(pool);
    if (watch)
        empty(watch, true);
}

/* Allocation and free */

static void *alloc_entry(struct watch *watch, struct entry *block, size_t align)
{
    size_t own = watch->kind->align ? watch->kind->align(watch->pool) : 0;
    if (tarn__tools)
        block->front = (uint32_t)tarn__min(tarn__max(tarn__max(own, align), TOOL_ZONE), (size_t)1 << 16);
    if (block->size > SIZE_MAX / 2)
        return NULL;
    if (watch->letters & TARN__LETTER_G && tarn__watch_guard_alloc && !tarn__tools) {
        char *guarded = tarn__watch_guard_alloc(block->size, tarn__max(align, 16), watch->kind->kind);
        block->guarded = guarded != NULL;
        if (guarded)
            return guarded;
    }
    size_t size = block->size + (block->front ? block->front + TOOL_ZONE : 0);
    char *p = watch->kind->alloc(watch->pool, align, size);
    if (!p && watch->count) {
        empty(watch, true);
        p = watch->kind->alloc(watch->pool, align, size);
    }
    return p ? p + block->front : NULL;
}

static void *allocate(struct watch *watch, size_t align, size_t size)
{
    bool sized = align == 0;
    struct entry block = {.size = size, .state = LIVE, .sized = sized};
    char *p = alloc_entry(watch, &block, align);
    if (!p)
        return NULL;
    block.hidden = ~(uintptr_t)p;
    block.alloc_stack = watch->letters & TARN__LETTER_U ? tarn__stack_here(2) : 0;
    block.alloc_thread = tarn__thread_id();
    enter(watch, &block);
    if (tarn__tools) {
        tarn__tools_deny(p - block.front, block.front);
        tarn__tools_deny(p + size, TOOL_ZONE);
        tarn__tools_hand_out(watch, p, size, watch->zero);
    }
    return p;
}

/* Makes a block that is live wait, or be freed. @return 0, or why it may not be freed; *block: as it was */
static int retire(struct watch *watch, void *p, size_t size, struct entry *block)
{
    uint32_t stack = watch->letters & TARN__LETTER_U ? tarn__stack_here(3) : 0;
    int error = 0;
    tarn__lock(&watch_lock);
    struct entry *entry = entry_of(watch, p);
    *block = entry ? *entry : (struct entry){.state = EMPTY};
    if (!entry || entry->state != LIVE) {
        error = entry ? TARN_POOL_DOUBLE_FREE : TARN_POOL_FOREIGN;
    } else if (size != TARN__ANY_SIZE && size != entry->size) {
        error = TARN_POOL_WRONG_SIZE;
    } else {
        entry->state = FREED;
        entry->free_stack = stack;
        entry->free_thread = tarn__thread_id();
    }
    tarn__unlock(&watch_lock);
    return error;
}

static void revive(struct watch *watch, void *p)
{
    tarn__lock(&watch_lock);
    struct entry *entry = entry_of(watch, p);
    if (entry)
        entry->state = LIVE;
    tarn__unlock(&watch_lock);
}

/* A freed block waits, or goes back at once. */
static int wait_or_go(struct watch *watch, const struct entry *block)
{
    bool waits = (tarn__tools || watch->letters & TARN__LETTER_Q) && block->size <= WAIT_BYTES;
    if (!waits) {
        if (tarn__tools)
            tarn__tools_take_back(watch, start_of(block), block->size);
        if (watch->letters & TARN__LETTER_P)
            tarn__bytes_fill(start_of(block), TARN__FREED, block->size);
        return give_back(watch, block);
    }
    if (watch->letters & TARN__LETTER_P)
        tarn__bytes_fill(start_of(block), TARN__FREED, block->size);
    if (tarn__tools)
        tarn__tools_take_back(watch, start_of(block), block->size);
    empty(watch, false);
    tarn__lock(&watch_lock);
    struct entry *entry = entry_of(watch, start_of(block));
    bool room = entry && watch->count < WAIT_BLOCKS;
    if (room) {
        entry->state = WAITING;
        watch->waiting[(watch->first + watch->count++) % WAIT_BLOCKS] = start_of(block);
        watch->bytes += block->size;
    }
    tarn__unlock(&watch_lock);
    return room ? 0 : give_back(watch, block);
}

/* What the pool itself says of a block that is not known here, or no longer. */
static int free_unknown(struct watch *watch, void *p, size_t size, int error, const char *where)
{
    int its = watch->kind->look(watch->pool, p);
    if (!its && error == TARN_POOL_FOREIGN) /* there was no memory to know it by */
        its = watch->kind->free(watch->pool, p, size);
    else if (!its || its == TARN_POOL_FOREIGN)
        its = error;
    return tarn__watch_wrong(watch->pool, its, where, p);
}

static int release(struct watch *watch, void *p, size_t size, const char *where)
{
    struct entry block;
    void *pool = watch->pool;
    int error = retire(watch, p, size, &block);
    if (error == TARN_POOL_WRONG_SIZE || (error == TARN_POOL_DOUBLE_FREE && (block.state == WAITING || block.guarded)))
        return tarn__watch_wrong(pool, error, where, p);
    if (error)
        return free_unknown(watch, p, size, error, where);
    if (block.guarded)
        return tarn__watch_guard_free && tarn__watch_guard_free(p, TARN__ANY_SIZE, where) ? 0 : TARN_POOL_CORRUPT;
    error = watch->kind->look(pool, start_of(&block) - block.front);
    if (error == TARN_POOL_WRONG_SIZE && block.sized && size != TARN__ANY_SIZE)
        error = 0; /* that was asked without naming the size */
    if (error) {
        revive(watch, p);
        return tarn__watch_wrong(pool, error, where, p);
    }
    return wait_or_go(watch, &block);
}

/* A block as it is known here; EMPTY: it is not. */
static struct entry known(struct watch *watch, const void *p)
{
    tarn__lock(&watch_lock);
    const struct entry *entry = entry_of(watch, p);
    struct entry block = entry ? *entry : (struct entry){.state = EMPTY};
    tarn__unlock(&watch_lock);
    return block;
}

/* A block that changes its size moves, so that who keeps the old address is found out. */
static void *reallocate(struct watch *watch, void *p, size_t size, const char *where)
{
    void *pool = watch->pool;
    struct entry block = known(watch, p);
    int error = block.state == LIVE && block.guarded          ? 0
                : block.state == LIVE || block.state == EMPTY ? watch->kind->look(pool, (char *)p - block.front)
                                                              : TARN_POOL_DOUBLE_FREE;
    if (error) {
        tarn__watch_wrong(pool, error, where, p);
        return NULL;
    }
    size_t had = block.state == LIVE ? block.size : watch->kind->usable(pool, p);
    void *moved = allocate(watch, 1, size);
    if (!moved)
        return NULL;
    tarn__bytes_copy(moved, p, tarn__min(had, size));
    release(watch, p, TARN__ANY_SIZE, where);
    return moved;
}

void *tarn__watch_alloc(void *pool, size_t align, size_t size)
{
    struct watch *watch;
    if (come(pool, "alloc", pool, &watch))
        return NULL;
    void *p = allocate(watch, align, size);
    go(watch);
    return p;
}

int tarn__watch_free(void *pool, void *p, size_t size, const char *where)
{
    struct watch *watch;
    int error = come(pool, where, p, &watch);
    if (error)
        return error;
    error = release(watch, p, size, where);
    go(watch);
    return error;
}

void *tarn__watch_realloc(void *pool, void *p, size_t size, const char *where)
{
    struct watch *watch;
    if (come(pool, where, p, &watch))
        return NULL;
    void *moved = reallocate(watch, p, size, where);
    go(watch);
    return moved;
}

size_t tarn__watch_usable(void *pool, const void *p)
{
    struct watch *watch;
    if (!p || come(pool, "usable_size", p, &watch))
        return 0;
    struct entry block = known(watch, p);
    size_t size = block.state == LIVE ? block.size : block.state == EMPTY ? watch->kind->usable(pool, p) : 0;
    go(watch);
    return size;
}

/* Pools whose blocks are freed together */

int tarn__watch_come(void *pool, const char *where, const void *p)
{
    struct watch *watch;
    return come(pool, where, p, &watch);
}

void tarn__watch_go(void *pool)
{
    struct watch *watch = find_locked(pool);
    if (watch)
        go(watch);
}

void tarn__watch_note(void *pool, char *p, size_t size)
{
    struct watch *watch = find_locked(pool);
    if (!watch)
        return;
    struct entry block = {.hidden = ~(uintptr_t)p, .size = size, .state = LIVE};
    block.alloc_stack = watch->letters & TARN__LETTER_U ? tarn__stack_here(2) : 0;
    block.alloc_thread = tarn__thread_id();
    enter(watch, &block);
    if (tarn__tools)
        tarn__tools_hand_out(watch, p, size, watch->zero);
}

void tarn__watch_forget(void *pool, const char *from, const char *to)
{
    struct watch *watch = find_locked(pool);
    if (!watch)
        return;
    uint32_t stack = watch->letters & TARN__LETTER_U ? tarn__stack_here(2) : 0;
    tarn__lock(&watch_lock);
    for (size_t i = 0; i < watch->places; i++) {
        struct entry *entry = &watch->table[i];
        if (entry->state != LIVE || start_of(entry) < from || start_of(entry) >= to)
            continue;
        entry->state = FREED;
        entry->free_stack = stack;
        entry->free_thread = tarn__thread_id();
        if (tarn__tools)
            tarn__tools_take_back(watch, start_of(entry), entry->size);
    }
    tarn__unlock(&watch_lock);
}

bool tarn__watch_tools(void) { return tarn__tools != 0; }

void tarn__watch_allow(const void *p, size_t size) { tarn__tools_allow(p, size); }

void tarn__watch_deny(const void *p, size_t size) { tarn__tools_deny(p, size); }

/* Beginning and end */

/* The record of a pool that ended, when there are many: the one that was made first. */
static struct watch *one_that_ended(void)
{
    struct watch *first = NULL;
    size_t ended = 0;
    for (struct watch *watch = watches; watch; watch = watch->next)
        if (watch->ended) {
            first = watch;
            ended++;
        }
    return ended >= ENDED_MOST ? first : NULL;
}

void tarn__watch_begin(const struct tarn__watched *kind, void *pool, unsigned flags)
{
    size_t size = tarn__align_up(sizeof(struct watch), tarn__os_page_size());
    tarn__lock(&watch_lock);
    struct watch *watch = find(pool);
    if (!watch)
        watch = one_that_ended();
    if (!watch && (watch = tarn__os_map(NULL, size, TARN__OS_COMMITTED))) {
        watch->next = watches;
        watches = watch;
    }
    if (watch) {
        struct watch *next = watch->next;
        if (tarn__tools && watch->kind && !watch->ended) /* its memory became another's */
            tarn__tools_pool_end(watch);
        if (watch->table)
            tarn__os_unmap(watch->table, table_bytes(watch->places));
        *watch = (struct watch){.kind = kind, .pool = pool, .next = next, .zero = flags & TARN_POOL_ZERO};
        watch->alone = flags & TARN__WATCH_ALONE;
        watch->letters = tarn__modes_any ? tarn__letters_for(kind->kind) : 0;
    }
    tarn__unlock(&watch_lock);
    if (watch && tarn__tools)
        tarn__tools_pool(watch);
}

void tarn__watch_reset(void *pool)
{
    struct watch *watch = find_locked(pool);
    if (!watch)
        return;
    empty(watch, true);
    tarn__lock(&watch_lock);
    for (size_t i = 0; i < watch->places; i++) {
        struct entry *entry = &watch->table[i];
        if (entry->state != LIVE || entry->guarded)
            continue;
        entry->state = FREED;
        if (tarn__tools) {
            tarn__tools_take_back(watch, start_of(entry), entry->size);
            tarn__tools_allow(start_of(entry) - entry->front, entry->front + entry->size + TOOL_ZONE);
        }
    }
    tarn__unlock(&watch_lock);
}

/* Guarded blocks are not the pool's own, so it does not know that they are live. */
static const void *first_guarded(const struct watch *watch)
{
    const void *first = NULL;
    tarn__lock(&watch_lock);
    for (size_t i = 0; i < watch->places && !first; i++)
        if (watch->table[i].state == LIVE && watch->table[i].guarded)
            first = start_of(&watch->table[i]);
    tarn__unlock(&watch_lock);
    return first;
}

/* The record stays for a while: who uses the pool nevertheless is told. */
void tarn__watch_end(void *pool)
{
    struct watch *watch = find_locked(pool);
    if (!watch)
        return;
    const void *guarded = first_guarded(watch);
    if (guarded)
        report(watch, TARN__LIVE_OBJECTS, "pool_end", guarded, NULL);
    tarn__watch_reset(pool);
    if (tarn__tools)
        tarn__tools_pool_end(watch);
    tarn__lock(&watch_lock);
    if (watch->table)
        tarn__os_unmap(watch->table, table_bytes(watch->places));
    watch->table = NULL;
    watch->places = watch->used = 0;
    watch->ended = true;
    tarn__unlock(&watch_lock);
}
