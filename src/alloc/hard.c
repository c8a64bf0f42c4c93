/* Hardened mode's threads: their rings, and what hard_fast.h leaves out. See hard.h. */
#include "alloc/hard.h"

#include "alloc/hard_fast.h"
#include "alloc/hard_large.h"
#include "alloc/hard_slots.h"
#include "os/random.h"
#include "os/thread.h"

TARN__TLS struct tarn__hard_local *tarn__hard_self;
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

/* Hands the first `count` slots of a ring to the class. */
static TARN__NOINLINE void hand_over(struct tarn__hard_ring *ring, struct tarn__hard_class *class, uint32_t count)
{
    uint32_t slots[TARN__HARD_RIPE_MOST];
    while (count > 0) {
        uint32_t now = (uint32_t)tarn__min(count, TARN__HARD_RIPE_MOST);
        for (uint32_t i = 0; i < now; i++)
            slots[i] = ring->slots[ring->head++ & ring->mask];
        tarn__hard_give(class, slots, now);
        count -= now;
    }
}

/* Half of what may be ripe is too much. */
static TARN__NOINLINE void shed(struct tarn__hard_ring *ring, struct tarn__hard_class *class)
{
    ring->ripe -= ring->ripe_most / 2;
    hand_over(ring, class, ring->ripe_most / 2);
}

/* A slot that is FREE now is the last of the ring. */
static void put(struct tarn__hard_ring *ring, struct tarn__hard_class *class, uint32_t index)
{
    ring->slots[(ring->head + ring->ripe + ring->waiting) & ring->mask] = index;
    if (ring->waiting < ring->wait_most)
        ring->waiting++;
    else if (++ring->ripe >= ring->ripe_most)
        shed(ring, class);
}

static void detach(struct tarn__thread_exit *exit)
{
    (void)exit;
    struct tarn__hard_local *local = tarn__hard_self;
    for (unsigned number = 1; number <= TARN__CLASSES; number++) {
        struct tarn__hard_ring *ring = &local->ring[number];
        hand_over(ring, &tarn__hard_class[number], ring->ripe + ring->waiting);
        ring->ripe = ring->waiting = 0;
    }
    tarn__hard_self = NULL;
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
        local->ring[number] = (struct tarn__hard_ring){.base = class->base,
                                                       .state = class->state,
                                                       .inverse = class->inverse,
                                                       .slots = &local->slots[class->ring_at],
                                                       .size = class->size,
                                                       .mask = class->ring_mask,
                                                       .wait_most = class->wait_most,
                                                       .ripe_most = class->ripe_most};
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
    return TARN__LIKELY(local != NULL) ? local : attach();
}

/* Requests */

/* Slots of the class go in front of those that wait. False: no memory. */
static bool refill(struct tarn__hard_ring *ring, struct tarn__hard_class *class)
{
    uint32_t slots[TARN__HARD_RIPE_MOST];
    uint32_t got = tarn__hard_take(class, slots, class->ripe_most / 2);
    for (uint32_t i = 0; i < got; i++) {
        ring->slots[--ring->head & ring->mask] = slots[i];
        __builtin_prefetch(tarn__hard_slot(class, slots[i]), 1);
    }
    ring->ripe = got;
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
    tarn__hard_begin(state, p, size, class->size);
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
    while (ring->ripe > 0 || refill(ring, class)) {
        uint32_t *any = tarn__hard_any(local, ring), index = *any;
        tarn__hard_pull(local, ring, any);
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

/* Clears a live slot and says that it is free. False: something is wrong with it, which was reported; it stays as it is. */
static bool end_object(uint16_t *state, size_t slot_size, char *p, size_t size, const char *where)
{
    size_t asked = slot_size + TARN__HARD_LIVE - __atomic_load_n(state, __ATOMIC_RELAXED);
    bool wrong_size = size != TARN__HARD_ANY && size != asked;
    if (wrong_size || !tarn__hard_sound(state, p, asked, slot_size)) {
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
    ring->known = tarn__hard_known(class);
    put(ring, class, index);
}

bool tarn__hard_free(void *p, size_t size, const char *where)
{
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    if (!class)
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
    tarn__hard_set_busy(&class->state[index]);
    memset(p + least, 0, class->size - least);
    tarn__hard_fill(p, size, class->size, tarn__hard_canary(p));
    tarn__hard_set(&class->state[index], TARN__HARD_LIVE + (class->size - (unsigned)size));
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
