/*
 * Hardened mode's slots: where they lie, what is known of each, and their canaries. See hard.h.
 */
#ifndef TARN_ALLOC_HARD_SLOTS_H
#define TARN_ALLOC_HARD_SLOTS_H

#include "alloc/classes.h"
#include "base/atomic.h"
#include "base/fail.h"
#include "os/lock.h"

#include <string.h>

enum {
    TARN__HARD_CLASS_BITS = 34, /* bytes of a class's slots */
    TARN__HARD_META_BITS = 33,  /* bytes of what is known of them: half for states, half for the stack of free ones */
    TARN__HARD_PLACES = 128,    /* classes that the places have room for; 0 is for other descriptors */
    TARN__HARD_CANARY = 8,      /* bytes, at least */
    TARN__HARD_BIN_MOST = 64,
    TARN__HARD_BIN_ROOM = 2048, /* slots in all bins of a thread */
};

/* A slot's state. Others are live: TARN__HARD_LIVE and the bytes behind the object, up to 32768. */
enum {
    TARN__HARD_NEVER,   /* not used yet, or not there */
    TARN__HARD_GAP,     /* not there; nor is the byte in front of the next one */
    TARN__HARD_FREE,    /* was used; in a bin or on the class's stack */
    TARN__HARD_WAITING, /* freed; in a queue */
    TARN__HARD_BUSY,    /* between two states */
    TARN__HARD_LIVE = 16
};

struct tarn__hard_class {
    char *base; /* of all its slots */
    uint16_t *state;
    uint64_t inverse; /* ceil(2^64 / size) */
    uint32_t size, bin_at;
    uint32_t bin_most;      /* slots in a bin */
    _Atomic uint32_t known; /* states below this are mapped */

    _Alignas(TARN__CACHE_LINE) struct tarn__lock lock;
    uint32_t next, end; /* slots never used, of the latest extent */
    uint32_t count;     /* on the stack */
    uint32_t *stack;
    uint64_t random;
    size_t mapped, state_mapped, stack_mapped; /* bytes */
    char *at;                                  /* where the next extent begins */
};

extern struct tarn__hard_class tarn__hard_class[TARN__CLASSES + 1];
extern uintptr_t tarn__hard_base; /* of all classes; 0: none, or not yet */
extern uint64_t tarn__hard_secret;

/* Whether there is a place; finds one at the first call. */
bool tarn__hard_places(void);

/* Up to `wanted` slots, free or never used, any of them. 0: no memory. Cost: a lock; a mapping when the class grows. */
uint32_t tarn__hard_take(struct tarn__hard_class *class, uint32_t *slots, uint32_t wanted);

/* Slots whose state is FREE. Those that there is no room for on the stack are lost. */
void tarn__hard_give(struct tarn__hard_class *class, const uint32_t *slots, uint32_t count);

/* Zeroed memory for descriptors, apart from all else; never given back. NULL: none. */
void *tarn__hard_descriptors(size_t size);

size_t tarn__hard_descriptors_mapped(void);

void tarn__hard_slots_each_lock(void (*act)(struct tarn__lock *));

/* The class whose part of the place `p` lies in, or NULL. */
static inline struct tarn__hard_class *tarn__hard_class_of(const void *p)
{
    size_t offset = (uintptr_t)p - tarn__hard_base;
    size_t number = offset >> TARN__HARD_CLASS_BITS;
    return tarn__hard_base && number - 1 < TARN__CLASSES ? &tarn__hard_class[number] : NULL;
}

/* The number of the slot that `p` lies in. */
static inline uint32_t tarn__hard_index(const struct tarn__hard_class *class, const void *p)
{
#if UINTPTR_MAX > 0xffffffff
    return (uint32_t)((unsigned __int128)(uintptr_t)((const char *)p - class->base) * class->inverse >> 64);
#else
    return (uint32_t)((uintptr_t)((const char *)p - class->base) / class->size);
#endif
}

static inline char *tarn__hard_slot(const struct tarn__hard_class *class, uint32_t index)
{
    return class->base + (size_t)index * class->size;
}

static inline uint16_t tarn__hard_state(const struct tarn__hard_class *class, uint32_t index)
{
    return __atomic_load_n(&class->state[index], __ATOMIC_ACQUIRE);
}

static inline void tarn__hard_set(struct tarn__hard_class *class, uint32_t index, unsigned state)
{
    __atomic_store_n(&class->state[index], (uint16_t)state, __ATOMIC_RELEASE);
}

/* BUSY, before anything in the slot changes: the fence pairs with the acquire of who looks at a slot and at its state afterwards. */
static inline void tarn__hard_set_busy(struct tarn__hard_class *class, uint32_t index)
{
    __atomic_store_n(&class->state[index], (uint16_t)TARN__HARD_BUSY, __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_release);
}

/*
 * What fills the rest of the slot at `p`. Its bytes are 0x80 … 0xbf: a string's end, text, small numbers and -1 always differ from them; of arbitrary
 * bytes one in 256 does not.
 */
static inline uint64_t tarn__hard_canary(const void *p)
{
    uint64_t x = ((uintptr_t)p ^ tarn__hard_secret) * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return ((x ^ x >> 29) | UINT64_C(0x8080808080808080)) & UINT64_C(0xbfbfbfbfbfbfbfbf);
}

/* The bits of a word's bytes from `byte` on, in order of address. */
static inline uint64_t tarn__hard_tail(size_t byte)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return ~UINT64_C(0) << 8 * byte;
#else
    return ~UINT64_C(0) >> 8 * byte;
#endif
}

/* Words of memory that may hold anything of any type. */
typedef uint64_t tarn__hard_word __attribute__((may_alias));

/* Fills [p + asked, p + size); the bytes of the first word that are the object's stay. `asked` < size, multiples of 8 both `p` and `size`. */
static inline void tarn__hard_fill(char *p, size_t asked, size_t size, uint64_t canary)
{
    tarn__hard_word *word = (tarn__hard_word *)(p + asked / 8 * 8), *end = (tarn__hard_word *)(p + size);
    uint64_t mask = tarn__hard_tail(asked % 8);
    *word = (*word & ~mask) | (canary & mask);
    while (++word < end)
        *word = canary;
}

/* Whether it is still so. */
static inline bool tarn__hard_intact(const char *p, size_t asked, size_t size, uint64_t canary)
{
    const tarn__hard_word *word = (const tarn__hard_word *)(p + asked / 8 * 8), *end = (const tarn__hard_word *)(p + size);
    uint64_t wrong = (*word ^ canary) & tarn__hard_tail(asked % 8);
    while (++word < end)
        wrong |= *word ^ canary;
    return wrong == 0;
}

/* Whether `size` bytes, a multiple of 16, are all zero. */
static inline bool tarn__hard_zero(const char *p, size_t size)
{
    const tarn__hard_word *word = (const tarn__hard_word *)p, *end = (const tarn__hard_word *)(p + size);
    uint64_t any = 0;
    if (size & 16) {
        any = word[0] | word[1];
        word += 2;
    }
    for (; word < end && !any; word += 4)
        any = (word[0] | word[1]) | (word[2] | word[3]);
    return any == 0;
}

/*
 * Whether the word in front of a slot is as it should be. Others may be changing it from the canary to zero or back. Where it would be another line of the
 * processor's caches, it is left to the looks at the slot in front, if that was ever used.
 */
static inline bool tarn__hard_front_intact(const struct tarn__hard_class *class, const char *p, uint32_t index)
{
    if (((uintptr_t)p & (TARN__CACHE_LINE - 1)) == 0 && tarn__hard_state(class, index - 1) != TARN__HARD_NEVER)
        return true;
    uint64_t word = __atomic_load_n((const tarn__hard_word *)(p - 8), __ATOMIC_RELAXED);
    return word == 0 || word == tarn__hard_canary(tarn__hard_slot(class, index - 1));
}

#endif
