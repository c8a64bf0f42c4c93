/*
 * Hardened mode's requests of up to TARN__HARD_QUICK bytes when nothing is wrong and nothing is lacking: no call, no lock. What is otherwise is left as it is, for hard.c, which
 * comes to the same slot then.
 */
#ifndef TARN_ALLOC_HARD_FAST_H
#define TARN_ALLOC_HARD_FAST_H

#include "alloc/fast.h"
#include "alloc/hard.h"
#include "alloc/hard_slots.h"

enum { TARN__HARD_QUICK = 256 };

/*
 * Of a thread and class, a cache line: what the class has (hard_slots.h), and a ring of slot numbers:
 *
 *     ripe | waiting        taken: any of the ripe ones. freed: behind the last; if wait_most wait already, the first of them is ripe then
 *     ^ head
 */
struct tarn__hard_ring {
    _Alignas(TARN__CACHE_LINE) char *base;
    uint16_t *state;
    uint64_t inverse;
    uint32_t *slots;
    uint32_t size, known, mask, wait_most, ripe_most;
    uint32_t head, ripe, waiting; /* head: a count, ever */
};

struct tarn__hard_local {
    uint64_t random;
    struct tarn__hard_local *next; /* among those of ended threads */
    struct tarn__hard_ring ring[TARN__CLASSES + 1];
    uint32_t slots[TARN__HARD_RING_ROOM];
};

extern TARN__HIDDEN TARN__TLS struct tarn__hard_local *tarn__hard_self; /* NULL: none yet, or not any more */

/* Where one of the ripe slots is in the ring; the same one until it is pulled. */
static inline uint32_t *tarn__hard_any(const struct tarn__hard_local *local, const struct tarn__hard_ring *ring)
{
    return &ring->slots[(ring->head + (uint32_t)((local->random >> 32) * ring->ripe >> 32)) & ring->mask];
}

/* Takes it out. */
static inline void tarn__hard_pull(struct tarn__hard_local *local, struct tarn__hard_ring *ring, uint32_t *any)
{
    *any = ring->slots[ring->head++ & ring->mask];
    ring->ripe--;
    local->random = local->random * UINT64_C(6364136223846793005) + 1442695040888963407;
}

/* A free slot that is all zero is an object of `size` bytes. */
static inline void tarn__hard_begin(uint16_t *state, char *p, size_t size, size_t slot_size)
{
    tarn__hard_set_busy(state);
    tarn__hard_fill(p, size, slot_size, tarn__hard_canary(p));
    tarn__hard_set(state, TARN__HARD_LIVE + (unsigned)(slot_size - size));
}

/* Whether the canary of a live slot is, and what is in front of it where nobody else looks. */
static inline bool tarn__hard_sound(const uint16_t *state, const char *p, size_t asked, size_t slot_size)
{
    return TARN__LIKELY(tarn__hard_intact(p, asked, slot_size, tarn__hard_canary(p))) &&
           (TARN__LIKELY(TARN__READ(state[-1]) != TARN__HARD_NEVER) || tarn__hard_front_intact(p, slot_size));
}

/* Whether the slot at `p` is as a free slot should be. */
static inline bool tarn__hard_is_clean(unsigned state, char *p, size_t size)
{
    if (TARN__LIKELY(state == TARN__HARD_FREE))
        return tarn__hard_zero_words(p, p + size);
    return state == TARN__HARD_NEVER && tarn__hard_fresh(p, size);
}

/* NULL: not so. */
static inline void *tarn__hard_try_alloc(size_t size)
{
    struct tarn__hard_local *local = tarn__hard_self;
    if (TARN__UNLIKELY(size > TARN__HARD_QUICK - TARN__HARD_CANARY || !local))
        return NULL;
    struct tarn__hard_ring *ring = &local->ring[tarn__class_table[(size + TARN__HARD_CANARY + 15) / 16]];
    if (TARN__UNLIKELY(ring->ripe == 0))
        return NULL;
    uint32_t *any = tarn__hard_any(local, ring), index = *any;
    char *p = ring->base + (size_t)index * ring->size;
    uint16_t *state = &ring->state[index];
    if (TARN__UNLIKELY(!tarn__hard_is_clean(__atomic_load_n(state, __ATOMIC_ACQUIRE), p, ring->size)))
        return NULL;
    tarn__hard_pull(local, ring, any);
    tarn__hard_begin(state, p, size, ring->size);
    return p;
}

/* False: not so. */
static inline bool tarn__hard_try_free(void *p)
{
    size_t number = tarn__hard_number_of(p);
    struct tarn__hard_local *local = tarn__hard_self;
    if (TARN__UNLIKELY(number - 1 >= TARN__CLASSES || !local))
        return false;
    struct tarn__hard_ring *ring = &local->ring[number];
    uint32_t index, size = ring->size, ripe = ring->ripe, waiting = ring->waiting;
    if (TARN__UNLIKELY(!tarn__hard_starts(ring->base, ring->inverse, size, p, &index) || index >= ring->known ||
                       size > TARN__HARD_QUICK))
        return false;
    uint16_t *state = &ring->state[index];
    unsigned is = __atomic_load_n(state, __ATOMIC_ACQUIRE);
    bool full = waiting == ring->wait_most;
    if (TARN__UNLIKELY(is < TARN__HARD_LIVE || (full && ripe + 1 >= ring->ripe_most) ||
                       !tarn__hard_sound(state, p, size + TARN__HARD_LIVE - is, size)))
        return false;
    tarn__hard_set_busy(state);
    tarn__hard_clear_words(p, (char *)p + size);
    tarn__hard_set(state, TARN__HARD_FREE);
    ring->slots[(ring->head + ripe + waiting) & ring->mask] = index;
    if (TARN__LIKELY(full))
        ring->ripe = ripe + 1;
    else
        ring->waiting = waiting + 1;
    return true;
}

#endif
