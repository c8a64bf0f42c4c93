/* Hardened mode's threads: bins, queues, and what is checked at each request. See hard.h. */
#include "alloc/hard.h"

#include "alloc/fast.h"
#include "alloc/hard_large.h"
#include "alloc/hard_slots.h"
#include "os/random.h"
#include "os/thread.h"

enum { QUEUE = 1024, QUEUE_BYTES = 128 << 10 };

/* Of a thread. The queue's entries are a class's number << 32 | a slot's. */
struct hard_local {
    uint64_t random;
    uint32_t oldest, newest; /* of the queue: counts, ever */
    size_t waiting;          /* bytes in the queue */
    struct hard_local *next; /* among those of ended threads */
    uint32_t count[TARN__CLASSES + 1];
    uint32_t bin[TARN__HARD_BIN_ROOM];
    uint64_t queue[QUEUE];
};

static TARN__TLS struct hard_local *self;
static TARN__TLS bool ended;
static struct tarn__lock spare_lock = TARN__LOCK_INIT(TARN__RANK_HARD);
static struct hard_local *spare_locals;

bool tarn__hard_begun(void) { return tarn__hard_places(); }

static unsigned number_of(const struct tarn__hard_class *class) { return (unsigned)(class - tarn__hard_class); }

static TARN__COLD void report(enum tarn__crime crime, const char *where, const void *address)
{
    struct tarn__suspect suspect = {0};
    tarn__hard_describe(address, &suspect);
    tarn__report(crime, where, address, &suspect);
}

/* Threads' part */

static void put(struct hard_local *local, struct tarn__hard_class *class, uint32_t index)
{
    uint32_t *count = &local->count[number_of(class)], *bin = &local->bin[class->bin_at];
    if (*count == class->bin_most) {
        uint32_t half = class->bin_most / 2;
        tarn__hard_give(class, bin, half);
        memmove(bin, bin + half, (*count - half) * sizeof *bin);
        *count -= half;
    }
    uint32_t top = (*count)++;
    bin[top] = index;
    if (top > 0) { /* the one chosen stays the next */
        bin[top] = bin[top - 1];
        bin[top - 1] = index;
    }
}

/* The oldest of the queue is free now. One that is not WAITING was freed by two threads at the same time. */
static void end_wait(struct hard_local *local)
{
    uint64_t entry = local->queue[local->oldest++ % QUEUE];
    struct tarn__hard_class *class = &tarn__hard_class[entry >> 32];
    uint32_t index = (uint32_t)entry;
    local->waiting -= class->size;
    if (TARN__UNLIKELY(tarn__hard_state(class, index) != TARN__HARD_WAITING)) {
        report(TARN__DOUBLE_FREE, "free", tarn__hard_slot(class, index));
        return;
    }
    tarn__hard_set(class, index, TARN__HARD_FREE);
    put(local, class, index);
}

static void wait(struct hard_local *local, struct tarn__hard_class *class, uint32_t index)
{
    local->queue[local->newest++ % QUEUE] = (uint64_t)number_of(class) << 32 | index;
    local->waiting += class->size;
    while (local->waiting > QUEUE_BYTES || local->newest - local->oldest == QUEUE)
        end_wait(local);
}

static void detach(struct tarn__thread_exit *exit)
{
    (void)exit;
    struct hard_local *local = self;
    while (local->oldest != local->newest)
        end_wait(local);
    for (unsigned number = 1; number <= TARN__CLASSES; number++) {
        struct tarn__hard_class *class = &tarn__hard_class[number];
        if (local->count[number] > 0)
            tarn__hard_give(class, &local->bin[class->bin_at], local->count[number]);
        local->count[number] = 0;
    }
    self = NULL;
    ended = true;
    tarn__lock(&spare_lock);
    local->next = spare_locals;
    spare_locals = local;
    tarn__unlock(&spare_lock);
}

/* Gives the calling thread bins. NULL: no memory for them, or the thread is at its end; then each request goes to the class. */
static TARN__NOINLINE struct hard_local *attach(void)
{
    static TARN__TLS struct tarn__thread_exit exit = {detach, NULL};
    if (ended || !tarn__hard_places())
        return NULL;
    tarn__lock(&spare_lock);
    struct hard_local *local = spare_locals;
    if (local)
        spare_locals = local->next;
    tarn__unlock(&spare_lock);
    if (!local)
        local = tarn__hard_descriptors(sizeof *local);
    if (!local)
        return NULL;
    if (!local->random)
        local->random = tarn__random_seed();
    self = local; /* before the next line, which may allocate */
    if (tarn__thread_at_exit(&exit) == 0)
        return local;
    detach(&exit);
    return NULL;
}

static inline struct hard_local *my_local(void)
{
    struct hard_local *local = self;
    return TARN__LIKELY(local != NULL) ? local : attach();
}

/* Requests */

/* Any of those below the top takes its place, and is brought to the processor's caches, as the next request takes it. */
static inline void choose(struct hard_local *local, struct tarn__hard_class *class, uint32_t count)
{
    uint32_t *bin = &local->bin[class->bin_at], *any = &bin[(tarn__random_next(&local->random) >> 32) * count >> 32];
    uint32_t chosen = *any;
    *any = bin[count - 1];
    bin[count - 1] = chosen;
    __builtin_prefetch(tarn__hard_slot(class, chosen), 1);
}

static TARN__NOINLINE bool refill(struct hard_local *local, struct tarn__hard_class *class)
{
    uint32_t got = tarn__hard_take(class, &local->bin[class->bin_at], class->bin_most / 2);
    local->count[number_of(class)] = got;
    if (got > 0)
        choose(local, class, got);
    return got > 0;
}

/* Any slot of the bin. False: no memory. */
static inline bool pick(struct tarn__hard_class *class, uint32_t *index)
{
    struct hard_local *local = my_local();
    if (TARN__UNLIKELY(!local))
        return tarn__hard_take(class, index, 1) == 1;
    uint32_t *count = &local->count[number_of(class)];
    if (TARN__UNLIKELY(*count == 0) && !refill(local, class))
        return false;
    *index = local->bin[class->bin_at + --*count];
    if (TARN__LIKELY(*count > 0))
        choose(local, class, *count);
    return true;
}

/* A slot that was used before is still zero; if not, it is made so. */
static TARN__NOINLINE void not_zero(struct tarn__hard_class *class, uint32_t index)
{
    char *p = tarn__hard_slot(class, index);
    report(TARN__POISONED, "malloc", p);
    memset(p, 0, class->size);
}

static void *small_alloc(struct tarn__hard_class *class, size_t size)
{
    uint32_t index;
    if (TARN__UNLIKELY(!pick(class, &index)))
        return NULL;
    char *p = tarn__hard_slot(class, index);
    unsigned state = tarn__hard_state(class, index);
    TARN__ASSERT(state <= TARN__HARD_FREE, "a slot in a bin is free");
    if (state == TARN__HARD_FREE && TARN__UNLIKELY(!tarn__hard_zero(p, class->size)))
        not_zero(class, index);
    tarn__hard_set_busy(class, index);
    tarn__hard_fill(p, size, class->size, tarn__hard_canary(p));
    tarn__hard_set(class, index, TARN__HARD_LIVE + (class->size - (unsigned)size));
    return p;
}

void *tarn__hard_alloc(size_t size, size_t align)
{
    size_t needed = size + TARN__HARD_CANARY;
    if (TARN__UNLIKELY(align > 16))
        needed = tarn__align_up(needed, align);
    if (TARN__UNLIKELY(needed > TARN__SMALL_MOST || needed < size || align > TARN__SMALL_MOST))
        return tarn__hard_large_alloc(size, align);
    if (TARN__UNLIKELY(!self) && !tarn__hard_places())
        return NULL;
    unsigned number = needed <= TARN__TABLE_MOST ? tarn__class_table[(needed + 15) / 16] : tarn__class_of(needed);
    return small_alloc(&tarn__hard_class[number], size);
}

/* The live slot that begins at `p`: its state; 0: there is none, which was reported. */
static inline unsigned live_slot(struct tarn__hard_class *class, const void *p, uint32_t index, const char *where)
{
    bool known = index < atomic_load_explicit(&class->known, memory_order_acquire) && tarn__hard_slot(class, index) == p;
    unsigned state = known ? tarn__hard_state(class, index) : TARN__HARD_NEVER;
    if (TARN__LIKELY(state >= TARN__HARD_LIVE))
        return state;
    report(state <= TARN__HARD_GAP ? TARN__INVALID_FREE : TARN__DOUBLE_FREE, where, p);
    return 0;
}

/* Without bins: straight to the class. */
static TARN__NOINLINE void free_at_end(struct tarn__hard_class *class, uint32_t index)
{
    tarn__hard_set(class, index, TARN__HARD_FREE);
    tarn__hard_give(class, &index, 1);
}

static void small_free(struct tarn__hard_class *class, char *p, size_t size, const char *where)
{
    uint32_t index = tarn__hard_index(class, p);
    unsigned state = live_slot(class, p, index, where);
    if (TARN__UNLIKELY(state == 0))
        return;
    size_t asked = class->size - (state - TARN__HARD_LIVE);
    bool wrong_size = size != TARN__HARD_ANY && size != asked;
    if (TARN__UNLIKELY(wrong_size || !tarn__hard_intact(p, asked, class->size, tarn__hard_canary(p)) ||
                       !tarn__hard_front_intact(class, p, index))) {
        report(wrong_size ? TARN__WRONG_SIZE : TARN__RED_ZONE, where, p);
        return;
    }
    tarn__hard_set_busy(class, index);
    memset(p, 0, class->size);
    tarn__hard_set(class, index, TARN__HARD_WAITING);
    struct hard_local *local = my_local();
    if (TARN__LIKELY(local != NULL))
        wait(local, class, index);
    else
        free_at_end(class, index);
}

bool tarn__hard_free(void *p, size_t size, const char *where)
{
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    if (TARN__UNLIKELY(!class))
        return tarn__hard_base && tarn__hard_large_free(p, size, where);
    small_free(class, p, size, where);
    return true;
}

bool tarn__hard_size(const void *p, const char *where, size_t *size)
{
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    if (!class)
        return tarn__hard_base && tarn__hard_large_size(p, where, size);
    unsigned state = live_slot(class, p, tarn__hard_index(class, p), where);
    *size = state ? class->size - (state - TARN__HARD_LIVE) : 0;
    return true;
}

/* In its slot, if it fills at least half of it. The canary is intact. */
static bool small_resize(struct tarn__hard_class *class, char *p, size_t had, size_t size)
{
    uint32_t index = tarn__hard_index(class, p);
    if (size + TARN__HARD_CANARY > class->size || size < class->size / 2)
        return false;
    size_t least = tarn__min(had, size);
    tarn__hard_set_busy(class, index);
    memset(p + least, 0, class->size - least);
    tarn__hard_fill(p, size, class->size, tarn__hard_canary(p));
    tarn__hard_set(class, index, TARN__HARD_LIVE + (class->size - (unsigned)size));
    return true;
}

static bool resize(struct tarn__hard_class *class, char *p, size_t had, size_t size)
{
    if (!class)
        return tarn__hard_large_resize(p, size);
    return tarn__hard_intact(p, had, class->size, tarn__hard_canary(p)) && small_resize(class, p, had, size);
}

bool tarn__hard_realloc(void *p, size_t size, void **moved)
{
    size_t had;
    *moved = NULL;
    if (!tarn__hard_size(p, "realloc", &had))
        return false;
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    bool bad = had == 0 && class && tarn__hard_state(class, tarn__hard_index(class, p)) < TARN__HARD_LIVE;
    if (bad)
        return true;
    if (resize(class, p, had, size)) {
        *moved = p;
        return true;
    }
    *moved = tarn__hard_alloc(size, 16);
    if (*moved) {
        memcpy(*moved, p, tarn__min(had, size));
        tarn__hard_free(p, TARN__HARD_ANY, "realloc");
    }
    return true;
}

void tarn__hard_each_lock(void (*act)(struct tarn__lock *))
{
    act(&spare_lock);
    tarn__hard_slots_each_lock(act);
    tarn__hard_large_each_lock(act);
}
