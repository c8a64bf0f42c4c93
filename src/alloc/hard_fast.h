/*
 * Hardened mode's requests of up to TARN__HARD_WIDE bytes when nothing is wrong and nothing is lacking: no call, no lock. What is otherwise is left as it is, for hard.c, which
 * comes to the same slot then.
 */
#ifndef TARN_ALLOC_HARD_FAST_H
#define TARN_ALLOC_HARD_FAST_H

#include "alloc/fast.h"
#include "alloc/hard.h"
#include "alloc/hard_slots.h"

enum { TARN__HARD_QUICK = 256, TARN__HARD_WIDE = 1024 };

/*
 * Of a thread and class, a cache line: what the class has (hard_slots.h), and slots by number:
 *
 *     freed ──> wait: a ring; the one that waited for longest makes room ──> ripe: takes the place of any, which becomes the last ──> the last is taken
 */
struct tarn__hard_ring {
    _Alignas(TARN__CACHE_LINE) char *base;
    uint16_t *state;
    uint64_t inverse;
    uint32_t *wait, *ripe;
    uint32_t size,
        known[2];       /* slots below that number are known: up to TARN__HARD_QUICK bytes, and above; the other one is 0 */
    uint32_t at, count; /* the next place of `wait`, where 0 is nothing; how many are ripe */
    uint16_t wait_most, ripe_most;
};

struct tarn__hard_local {
    struct tarn__hard_ring ring[TARN__CLASSES + 1]; /* first: as nothing is to be added then */
    uint64_t random;
    struct tarn__hard_local *next; /* among those of ended threads */
    uint32_t slots[TARN__HARD_RING_ROOM];
};

/* The calling thread's; with rings that have nothing, and know nothing, if it has none yet, or not any more. */
extern TARN__HIDDEN TARN__TLS struct tarn__hard_local *tarn__hard_self;
extern TARN__HIDDEN struct tarn__hard_local tarn__hard_none;

/* A number below `most`, by chance. The multiplier: Steele and Vigna 2022, "Computationally easy, spectrally good multipliers". */
static inline uint32_t tarn__hard_below(struct tarn__hard_local *local, uint32_t most)
{
    uint64_t random = local->random * 0x915f77f5 + 1442695041;
    local->random = random;
    return (uint32_t)((random >> 32) * most >> 32);
}

/* A slot that waited long enough takes the place of any ripe one, which becomes the last. There is room. */
static inline void tarn__hard_ripen(struct tarn__hard_local *local, struct tarn__hard_ring *ring, uint32_t index)
{
    uint32_t last = ring->count, *ripe = ring->ripe, *any = &ripe[tarn__hard_below(local, last + 1)];
    ripe[last] = *any;
    *any = index;
    ring->count = last + 1;
}

/* Lets a slot wait. Returns the one that has waited for longest; 0: there is still room for others. */
static inline uint32_t tarn__hard_push(struct tarn__hard_ring *ring, uint32_t index)
{
    uint32_t at = ring->at, *place = &ring->wait[at], oldest = *place;
    *place = index;
    if (TARN__UNLIKELY(at == 0))
        at = ring->wait_most;
    ring->at = at - 1;
    return oldest;
}

/* What is done to a slot: in few instructions up to TARN__HARD_QUICK bytes, and quickly if it is `wide`. */

static inline __attribute__((always_inline)) bool tarn__hard_is_zero(const char *p, size_t size, bool wide)
{
    return wide ? tarn__hard_zero(p, size) : tarn__hard_zero_words(p, size);
}

static inline __attribute__((always_inline)) bool tarn__hard_is_clean(unsigned state, char *p, size_t size, bool wide)
{
    if (TARN__LIKELY(state == TARN__HARD_FREE))
        return tarn__hard_is_zero(p, size, wide);
    return state == TARN__HARD_NEVER && tarn__hard_fresh(p, size);
}

/* A free slot that is all zero is an object of `size` bytes. */
static inline __attribute__((always_inline)) void tarn__hard_begin(uint16_t *state, char *p, size_t size, size_t slot_size,
                                                                   bool wide)
{
    tarn__hard_set_busy(state);
    if (wide)
        tarn__hard_fill(p, size, slot_size, tarn__hard_canary(p));
    else
        tarn__hard_fill_quick(p, size, slot_size, tarn__hard_canary(p));
    tarn__hard_set(state, TARN__HARD_LIVE + (unsigned)(slot_size - size));
}

/* Whether the canary of a live slot is, and somebody else looks at what is in front of it; if not, hard.c does. */
static inline __attribute__((always_inline)) bool tarn__hard_sound(const uint16_t *state, const char *p, size_t rest,
                                                                   size_t slot_size, bool wide)
{
    uint64_t canary = tarn__hard_canary(p);
    return TARN__LIKELY(wide ? tarn__hard_intact(p, slot_size - rest, slot_size, canary)
                             : tarn__hard_intact_quick(p + slot_size, rest, canary)) &&
           TARN__LIKELY(TARN__READ(state[-1]) != TARN__HARD_NEVER);
}

/* Takes the last of a ring's ripe slots, of a size up to TARN__HARD_WIDE; calls `slow` last if that cannot be. */
static inline __attribute__((always_inline)) void *tarn__hard_alloc_in(struct tarn__hard_ring *ring, size_t slot_size,
                                                                       size_t size, void *(*slow)(size_t), bool wide)
{
    __asm__("" : "+r"(ring)); /* in a register, not to be found anew */
    uint32_t count = ring->count;
    if (TARN__UNLIKELY(count == 0))
        return slow(size);
    uint32_t index = ring->ripe[--count];
    char *p = ring->base + index * slot_size;
    uint16_t *state = &ring->state[index];
    if (TARN__UNLIKELY(!tarn__hard_is_clean(__atomic_load_n(state, __ATOMIC_ACQUIRE), p, slot_size, wide)))
        return slow(size);
    ring->count = count;
    tarn__hard_begin(state, p, size, slot_size, wide);
    return p;
}

/* For the slow halves of malloc in hardened mode. */
static inline __attribute__((always_inline)) void *tarn__hard_alloc_or(size_t size, void *(*slow)(size_t))
{
    if (TARN__UNLIKELY(size > TARN__HARD_QUICK - TARN__HARD_CANARY))
        return slow(size);
    size_t slot_size = (size + TARN__HARD_CANARY + 15) & ~(size_t)15;
    return tarn__hard_alloc_in(&tarn__hard_self->ring[slot_size / 16], slot_size, size, slow, false);
}

/* The same for larger ones. */
static inline __attribute__((always_inline)) void *tarn__hard_alloc_wide_or(size_t size, void *(*slow)(size_t))
{
    if (TARN__UNLIKELY(size > TARN__HARD_WIDE - TARN__HARD_CANARY || size <= TARN__HARD_QUICK - TARN__HARD_CANARY))
        return slow(size);
    struct tarn__hard_ring *ring = &tarn__hard_self->ring[tarn__class_table[(size + TARN__HARD_CANARY + 15) / 16]];
    return tarn__hard_alloc_in(ring, ring->size, size, slow, true);
}

/* Frees a live slot of a size up to TARN__HARD_WIDE. False: it is none, or not sound, or too many are ripe. */
static inline __attribute__((always_inline)) bool
tarn__hard_free_in(struct tarn__hard_local *local, struct tarn__hard_ring *ring, char *p, uint32_t index, bool wide)
{
    uint16_t *state = &ring->state[index];
    uint32_t size = ring->size, rest = (uint32_t)__atomic_load_n(state, __ATOMIC_ACQUIRE) - TARN__HARD_LIVE;
    uint32_t rest_most = wide ? size : TARN__HARD_REST, ripe_most = wide ? ring->ripe_most : TARN__HARD_RIPE_MOST;
    if (TARN__UNLIKELY(rest > rest_most || ring->count >= ripe_most || !tarn__hard_sound(state, p, rest, size, wide)))
        return false;
    tarn__hard_set_busy(state);
    if (wide)
        tarn__hard_clear(p, size);
    else
        tarn__hard_clear_words(p, size);
    tarn__hard_set(state, TARN__HARD_FREE);
    uint32_t oldest = tarn__hard_push(ring, index);
    if (TARN__LIKELY(oldest != 0))
        tarn__hard_ripen(local, ring, oldest);
    return true;
}

/*
 * Frees an object of up to TARN__HARD_QUICK bytes, or above, up to TARN__HARD_WIDE; false: it is none, or something is to be said or done.
 */
static inline __attribute__((always_inline)) bool tarn__hard_try_free(void *p, bool wide)
{
    struct tarn__hard_local *local = tarn__hard_self;
    uint32_t index;
    size_t number = tarn__hard_number_of(p);
    if (TARN__UNLIKELY(number > TARN__CLASSES))
        return false;
    struct tarn__hard_ring *ring = &local->ring[number];
    __asm__("" : "+r"(ring));
    return TARN__LIKELY(tarn__hard_starts(ring->base, ring->inverse, ring->size, p, &index)) &&
           TARN__LIKELY(index < ring->known[wide]) && tarn__hard_free_in(local, ring, p, index, wide);
}

#endif
