/* Hardened mode's threads: their rings, and what hard_fast.h leaves out. See hard.h. */
#include "alloc/hard.h"

#include "alloc/hard_fast.h"
#include "alloc/hard_large.h"
#include "alloc/hard_slots.h"
#include "os/random.h"
#include "os/thread.h"

struct tarn__hard_local tarn__hard_none;
TARN__TLS struct tarn__hard_local *tarn__hard_self = &tarn__hard_none;
static TARN__TLS bool ended;
static struct tarn__lock spare_lock = TARN__LOCK_INIT(TARN__RANK_HARD);
static struct tarn__hard_local *spare_locals;

bool tarn__hard_begun(void) { return tarn__hard_places(); }

static TARN__COLD void report(enum tarn__crime crime, const char *where, const void *address)
{
    struct tarn__suspect suspect = {0};
    tarn__hard_describe(address, &suspect);
    tarn__report(crime, where, address, &suspect);
}

/* Threads' part */

/* Half of what may be ripe is too much. */
static TARN__NOINLINE void shed(struct tarn__hard_ring *ring, struct tarn__hard_class *class)
{
    uint32_t half = ring->ripe_most / 2U;
    ring->count -= half;
    tarn__hard_give(class, &ring->ripe[ring->count], half);
}

/* A slot that is FREE now waits. */
static void put(struct tarn__hard_local *local, struct tarn__hard_ring *ring, struct tarn__hard_class *class, uint32_t index)
{
    uint32_t oldest = tarn__hard_push(ring, index);
    if (oldest == 0)
        return;
    if (ring->count >= ring->ripe_most)
        shed(ring, class);
    tarn__hard_ripen(local, ring, oldest);
}

/* All that a ring has goes to the class. */
static void empty(struct tarn__hard_ring *ring, struct tarn__hard_class *class)
{
    for (uint32_t i = 0; i < ring->wait_most; i++) {
        uint32_t oldest = tarn__hard_push(ring, 0);
        if (ring->count >= ring->ripe_most)
            shed(ring, class);
        ring->ripe[ring->count] = oldest;
        ring->count += oldest != 0;
    }
    tarn__hard_give(class, ring->ripe, ring->count);
    ring->count = 0;
}

static void detach(struct tarn__thread_exit *exit)
{
    (void)exit;
    struct tarn__hard_local *local = tarn__hard_self;
    for (unsigned number = 1; number <= TARN__CLASSES; number++)
        empty(&local->ring[number], &tarn__hard_class[number]);
    tarn__hard_self = &tarn__hard_none;
    ended = true;
    tarn__lock(&spare_lock);
    local->next = spare_locals;
    spare_locals = local;
    tarn__unlock(&spare_lock);
}

static void set_up(struct tarn__hard_local *local)
{
    local->random = tarn__random_seed();
    for (unsigned number = 1; number <= TARN__CLASSES; number++) {
        const struct tarn__hard_class *class = &tarn__hard_class[number];
        uint32_t *slots = &local->slots[class->ring_at];
        local->ring[number] = (struct tarn__hard_ring){.base = class->base,
                                                       .state = class->state,
                                                       .inverse = class->inverse,
                                                       .wait = slots,
                                                       .ripe = slots + class->wait_most,
                                                       .size = class->size,
                                                       .wait_most = (uint16_t) class->wait_most,
                                                       .ripe_most = (uint16_t) class->ripe_most};
    }
}

/* Gives the calling thread rings. NULL: no memory for them, or the thread is at its end; then each request goes to the class. */
static TARN__NOINLINE struct tarn__hard_local *attach(void)
{
    static TARN__TLS struct tarn__thread_exit exit = {detach, NULL};
    if (ended || !tarn__hard_places())
        return NULL;
    tarn__lock(&spare_lock);
    struct tarn__hard_local *local = spare_locals;
    if (local)
        spare_locals = local->next;
    tarn__unlock(&spare_lock);
    if (!local)
        local = tarn__hard_descriptors(sizeof *local);
    if (!local)
        return NULL;
    if (!local->random)
        set_up(local);
    tarn__hard_self = local; /* before the next line, which may allocate */
    if (tarn__thread_at_exit(&exit) == 0)
        return local;
    detach(&exit);
    return NULL;
}

static inline struct tarn__hard_local *my_local(void)
{
    struct tarn__hard_local *local = tarn__hard_self;
    return TARN__LIKELY(local != &tarn__hard_none) ? local : attach();
}

/* Requests */

/* Slots of the class, in any order, as none is ripe. False: no memory. */
static bool refill(struct tarn__hard_local *local, struct tarn__hard_ring *ring, struct tarn__hard_class *class)
{
    uint32_t slots[TARN__HARD_RIPE_MOST];
    uint32_t got = tarn__hard_take(class, slots, class->ripe_most / 2);
    for (uint32_t i = 0; i < got; i++) {
        tarn__hard_ripen(local, ring, slots[i]);
        __builtin_prefetch(tarn__hard_slot(class, slots[i]), 1);
    }
    return got > 0;
}

/* A free slot is not zero; it is made so. */
static TARN__NOINLINE void not_zero(const struct tarn__hard_class *class, char *p)
{
    report(TARN__POISONED, "malloc", p);
    memset(p, 0, class->size);
}

/* Two threads freed a slot in the same instant: it came back twice. */
static TARN__NOINLINE bool not_free(const char *p)
{
    report(TARN__DOUBLE_FREE, "free", p);
    return false;
}

/* Makes the slot at `p` an object, if it is free. */
static bool begin_object(uint16_t *state, char *p, size_t size, const struct tarn__hard_class *class)
{
    unsigned was = __atomic_load_n(state, __ATOMIC_ACQUIRE);
    if (was > TARN__HARD_FREE)
        return not_free(p);
    if (was == TARN__HARD_FREE ? !tarn__hard_zero(p, class->size) : !tarn__hard_fresh(p, class->size))
        not_zero(class, p);
    tarn__hard_begin(state, p, size, class->size, true);
    return true;
}

/* For a thread without rings. */
static TARN__NOINLINE void *alloc_at_end(struct tarn__hard_class *class, size_t size)
{
    uint32_t index;
    while (tarn__hard_take(class, &index, 1) == 1)
        if (begin_object(&class->state[index], tarn__hard_slot(class, index), size, class))
            return tarn__hard_slot(class, index);
    return NULL;
}

static void *small_alloc(struct tarn__hard_local *local, unsigned number, size_t size)
{
    struct tarn__hard_ring *ring = &local->ring[number];
    struct tarn__hard_class *class = &tarn__hard_class[number];
    while (ring->count > 0 || refill(local, ring, class)) {
        uint32_t index = ring->ripe[--ring->count];
        if (begin_object(&ring->state[index], tarn__hard_slot(class, index), size, class))
            return tarn__hard_slot(class, index);
    }
    return NULL;
}

void *tarn__hard_alloc(size_t size, size_t align)
{
    size_t needed = size + TARN__HARD_CANARY;
    if (align > 16)
        needed = tarn__align_up(needed, align);
    if (needed > TARN__SMALL_MOST || needed < size || align > TARN__SMALL_MOST)
        return tarn__hard_large_alloc(size, align);
    if (!tarn__hard_places())
        return NULL;
    struct tarn__hard_local *local = my_local();
    unsigned number = tarn__class_of(needed);
    return local ? small_alloc(local, number, size) : alloc_at_end(&tarn__hard_class[number], size);
}

/* The live slot that begins at `p`: its state; 0: there is none, which was reported. */
static inline unsigned live_slot(struct tarn__hard_class *class, const void *p, uint32_t index, const char *where)
{
    bool known = index < tarn__hard_known(class) && tarn__hard_slot(class, index) == p;
    unsigned state = known ? tarn__hard_state(class, index) : TARN__HARD_NEVER;
    if (TARN__LIKELY(state >= TARN__HARD_LIVE))
        return state;
    report(state <= TARN__HARD_GAP ? TARN__INVALID_FREE : TARN__DOUBLE_FREE, where, p);
    return 0;
}

/* Whether the canary of a live slot is, and what is in front of it where nobody else looks. */
static bool is_sound(const uint16_t *state, const char *p, size_t rest, size_t slot_size)
{
    return tarn__hard_intact(p, slot_size - rest, slot_size, tarn__hard_canary(p)) &&
           tarn__hard_front_intact(state - 1, p, slot_size);
}

/* Clears a live slot and says that it is free. False: something is wrong with it, which was reported; it stays as it is. */
static bool end_object(uint16_t *state, size_t slot_size, char *p, size_t size, const char *where)
{
    size_t rest = (size_t)__atomic_load_n(state, __ATOMIC_RELAXED) - TARN__HARD_LIVE;
    bool wrong_size = size != TARN__HARD_ANY && size != slot_size - rest;
    if (wrong_size || !is_sound(state, p, rest, slot_size)) {
        report(wrong_size ? TARN__WRONG_SIZE : TARN__RED_ZONE, where, p);
        return false;
    }
    tarn__hard_set_busy(state);
    memset(p, 0, slot_size);
    tarn__hard_set(state, TARN__HARD_FREE);
    return true;
}

static void small_free(struct tarn__hard_class *class, char *p, size_t size, const char *where)
{
    uint32_t index = tarn__hard_index(class, p);
    struct tarn__hard_local *local = my_local();
    if (!live_slot(class, p, index, where) || !end_object(&class->state[index], class->size, p, size, where))
        return;
    if (!local) {
        tarn__hard_give(class, &index, 1);
        return;
    }
    struct tarn__hard_ring *ring = &local->ring[class - tarn__hard_class];
    if (class->size <= TARN__HARD_WIDE)
        ring->known[class->size > TARN__HARD_QUICK] = tarn__hard_known(class);
    put(local, ring, class, index);
}

bool tarn__hard_free(void *p, size_t size, const char *where)
{
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    if (!class)
        return tarn__hard_base && tarn__hard_large_free(p, size, where);
    small_free(class, p, size, where);
    return true;
}

static bool large_size(const void *p, const char *where, size_t *size)
{
    bool known = tarn__hard_large_size(p, where, size);
    if (known && *size == SIZE_MAX)
        *size = 0;
    return known;
}

bool tarn__hard_size(const void *p, const char *where, size_t *size)
{
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    if (!class)
        return tarn__hard_base && large_size(p, where, size);
    unsigned state = live_slot(class, p, tarn__hard_index(class, p), where);
    *size = state ? class->size - (state - TARN__HARD_LIVE) : 0;
    return true;
}

/*
 * In its slot, if it fills at least half of it. What is canary before and after stays as it is, to be looked at by the free; here, what
 * becomes part of the object, or is next to it.
 */
static bool small_resize(struct tarn__hard_class *class, uint16_t *state, char *p, size_t had, size_t size)
{
    size_t slot = class->size;
    if (size > slot - TARN__HARD_CANARY || size < slot / 2)
        return false;
    if (!tarn__hard_intact(p, had, tarn__align_up(tarn__max(had, size) + 1, 8), tarn__hard_canary(p)))
        return false;
    tarn__hard_set_busy(state);
    if (size > had)
        memset(p + had, 0, size - had);
    else if (size < had)
        tarn__hard_fill(p, size, tarn__align_up(had, 8), tarn__hard_canary(p));
    tarn__hard_set(state, TARN__HARD_LIVE + (unsigned)(slot - size));
    return true;
}

static void *alloc_16(size_t size) { return tarn__hard_alloc(size, 16); }

static void *move(void *p, size_t had, size_t size)
{
    void *to = tarn__hard_alloc_or(size, alloc_16);
    if (!to)
        return NULL;
    memcpy(to, p, tarn__min(had, size));
    if (!tarn__hard_try_free(p, false))
        tarn__hard_free(p, TARN__HARD_ANY, "realloc");
    return to;
}

static bool large_realloc(void *p, size_t size, void **moved)
{
    size_t had;
    if (!tarn__hard_large_size(p, "realloc", &had))
        return false;
    if (had != SIZE_MAX)
        *moved = tarn__hard_large_resize(p, size) ? p : move(p, had, size);
    return true;
}

bool tarn__hard_realloc(void *p, size_t size, void **moved)
{
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    *moved = NULL;
    if (!class)
        return tarn__hard_base && large_realloc(p, size, moved);
    uint32_t index = tarn__hard_index(class, p);
    unsigned state = live_slot(class, p, index, "realloc");
    size_t had = class->size - (state - TARN__HARD_LIVE);
    if (state)
        *moved = small_resize(class, &class->state[index], p, had, size) ? p : move(p, had, size);
    return true;
}

void tarn__hard_each_lock(void (*act)(struct tarn__lock *))
{
    act(&spare_lock);
    tarn__hard_slots_each_lock(act);
    tarn__hard_large_each_lock(act);
}
