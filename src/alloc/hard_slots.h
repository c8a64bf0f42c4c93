/*
 * Hardened mode's slots: where they lie, what is known of each, and their canaries. See hard.h.
 */
#ifndef TARN_ALLOC_HARD_SLOTS_H
#define TARN_ALLOC_HARD_SLOTS_H

#include "alloc/classes.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "base/fail.h"
#include "os/lock.h"

#include <string.h>

enum {
    TARN__HARD_CLASS_BITS = TARN__SANITIZE_THREAD ? 30 : 34, /* bytes of a class's slots */
    TARN__HARD_META_BITS = TARN__HARD_CLASS_BITS - 1, /* bytes of what is known of them: states, then the stack of free ones */
    TARN__HARD_PLACES = 128,                          /* classes that the places have room for; 0 is for other descriptors */
    TARN__HARD_CANARY = 8,                            /* bytes, at least */
    TARN__HARD_REST = 24,        /* bytes behind an object of a small class, at most, unless it is aligned or was shrunk */
    TARN__HARD_RIPE_MOST = 64,   /* slots of a class that a thread may choose among */
    TARN__HARD_WAIT_MOST = 128,  /* slots of a class that wait in a thread before they may be chosen */
    TARN__HARD_RING_ROOM = 4608, /* slots in all rings of a thread */
};

/* A slot's state. Others are live: TARN__HARD_LIVE and the bytes behind the object, up to 32768. */
enum {
    TARN__HARD_NEVER, /* not used yet, or not there */
    TARN__HARD_GAP,   /* not there; nor is the byte in front of the next one */
    TARN__HARD_FREE,  /* was used; in a ring or on the class's stack */
    TARN__HARD_BUSY,  /* between two states */
    TARN__HARD_LIVE = 16
};

struct tarn__hard_class {
    char *base; /* of all its slots */
    uint16_t *state;
    uint64_t inverse; /* ceil(2^64 / size) */
    uint32_t size;
    uint32_t ring_at;              /* among a thread's slots: those of its ring */
    uint32_t ripe_most, wait_most; /* slots in its two parts */
    _Atomic uint32_t known;        /* states below this are mapped */

    _Alignas(TARN__CACHE_LINE) struct tarn__lock lock;
    uint32_t next, end; /* slots never used, of the latest extent */
    uint32_t count;     /* on the stack */
    uint32_t *stack;
    uint64_t random;
    size_t mapped, state_mapped, stack_mapped; /* bytes */
    char *at;                                  /* where the next extent begins */
    char *populated;                           /* of the latest extent, pages in front of this were had at once */
};

extern TARN__HIDDEN struct tarn__hard_class tarn__hard_class[TARN__CLASSES + 1];
extern TARN__HIDDEN uintptr_t tarn__hard_base;                     /* of all classes; 0: none, or not yet */
extern TARN__HIDDEN uint64_t tarn__hard_secret, tarn__hard_factor; /* of canaries; the second one is odd */

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

/* 1 … TARN__CLASSES: the class whose part of the place `p` lies in. */
static inline size_t tarn__hard_number_of(const void *p) { return ((uintptr_t)p - tarn__hard_base) >> TARN__HARD_CLASS_BITS; }

/* That class, or NULL. */
static inline struct tarn__hard_class *tarn__hard_class_of(const void *p)
{
    size_t number = tarn__hard_number_of(p);
    return tarn__hard_base && number - 1 < TARN__CLASSES ? &tarn__hard_class[number] : NULL;
}

/*
 * The number of the slot that `p` lies in, of slots from `base` on, and whether it begins there: the low half of the product with the
 * inverse says so, as there are less than 2^30 slots (see slab/mark.h).
 */
static inline bool tarn__hard_starts(const char *base, uint64_t inverse, uint32_t size, const void *p, uint32_t *index)
{
#if UINTPTR_MAX > 0xffffffff
    (void)size;
    unsigned __int128 product = (unsigned __int128)(uintptr_t)((const char *)p - base) * inverse;
    *index = (uint32_t)(product >> 64);
    return (uint64_t)product < inverse;
#else
    (void)inverse;
    *index = (uint32_t)((uintptr_t)((const char *)p - base) / size);
    return *index * size == (uintptr_t)((const char *)p - base);
#endif
}

static inline uint32_t tarn__hard_index(const struct tarn__hard_class *class, const void *p)
{
    uint32_t index;
    tarn__hard_starts(class->base, class->inverse, class->size, p, &index);
    return index;
}

static inline char *tarn__hard_slot(const struct tarn__hard_class *class, uint32_t index)
{
    return class->base + (size_t)index * class->size;
}

static inline uint16_t tarn__hard_state(const struct tarn__hard_class *class, uint32_t index)
{
    return __atomic_load_n(&class->state[index], __ATOMIC_ACQUIRE);
}

static inline uint32_t tarn__hard_known(const struct tarn__hard_class *class)
{
    return atomic_load_explicit(&class->known, memory_order_acquire);
}

static inline void tarn__hard_set(uint16_t *state, unsigned to) { __atomic_store_n(state, (uint16_t)to, __ATOMIC_RELEASE); }

/* BUSY, before anything in the slot changes: the fence pairs with the acquire of who looks at a slot and at its state afterwards. */
static inline void tarn__hard_set_busy(uint16_t *state)
{
    __atomic_store_n(state, (uint16_t)TARN__HARD_BUSY, __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_release);
}

/* Which bits of a canary differ, and which are set. As loads they are an instruction less than as constants. */
extern TARN__HIDDEN const uint64_t tarn__hard_canary_bits[2];

/*
 * What fills the rest of the slot at `p`. Its bytes are 0x80 … 0xbf: a string's end, text, small numbers and -1 always differ from them; of arbitrary
 * bytes one in 256 does not.
 */
static inline uint64_t tarn__hard_canary(const void *p)
{
    uint64_t x = ((uintptr_t)p ^ tarn__hard_secret) * tarn__hard_factor;
    return (x & tarn__hard_canary_bits[0]) | tarn__hard_canary_bits[1];
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
    TARN__WRITE(*word, (*word & ~mask) | (canary & mask));
    while (++word < end) {
        TARN__WRITE(*word, canary);
        __asm__("" : "+r"(word)); /* mostly once, or never: not to be made wider */
    }
}

/* Whether it is still so. */
static inline bool tarn__hard_intact(const char *p, size_t asked, size_t size, uint64_t canary)
{
    const tarn__hard_word *word = (const tarn__hard_word *)(p + asked / 8 * 8), *end = (const tarn__hard_word *)(p + size);
    uint64_t wrong = (*word ^ canary) & tarn__hard_tail(asked % 8);
    while (++word < end) {
        wrong |= *word ^ canary;
        __asm__("" : "+r"(word));
    }
    return wrong == 0;
}

/* Words at any address. */
typedef uint64_t tarn__hard_loose __attribute__((may_alias, aligned(1)));

/* A canary as it is read by a word that begins `from` bytes behind a multiple of 8. */
static inline uint64_t tarn__hard_turned(uint64_t canary, size_t from)
{
    unsigned by = 8 * (unsigned)from;
    __asm__("" : "+r"(by)); /* that only its lowest bits count is the instruction's business */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return canary >> (by & 63) | canary << (-by & 63);
#else
    return canary << (by & 63) | canary >> (-by & 63);
#endif
}

/*
 * The same as the two above, where the rest of the slot is 8 … TARN__HARD_REST bytes: three words that overlap, from the first byte on, from the
 * next multiple of 8 on, and the last one. The second one is told the slot's end.
 */
static inline void tarn__hard_fill_quick(char *p, size_t asked, size_t size, uint64_t canary)
{
    TARN__WRITE(*(tarn__hard_loose *)(p + asked), tarn__hard_turned(canary, asked));
    TARN__WRITE(*(tarn__hard_word *)(p + ((asked + 7) & ~(size_t)7)), canary);
    TARN__WRITE(*(tarn__hard_word *)(p + size - 8), canary);
}

static inline bool tarn__hard_intact_quick(const char *end, size_t rest, uint64_t canary)
{
    ptrdiff_t from = -(ptrdiff_t)rest;
    __asm__("" : "+r"(from));
    return TARN__LIKELY(*(const tarn__hard_loose *)(end + from) == tarn__hard_turned(canary, (size_t)from)) &&
           TARN__LIKELY(*(const tarn__hard_word *)(end + ((from + 7) & ~(ptrdiff_t)7)) == canary) &&
           TARN__LIKELY(((const tarn__hard_word *)end)[-1] == canary);
}

/* 16 bytes of memory that may hold anything of any type. */
typedef uint64_t tarn__hard_pair __attribute__((vector_size(16), may_alias));

static inline bool tarn__hard_no_bits(tarn__hard_pair any) { return (any[0] | any[1]) == 0; }

/* Whether a slot of `size` bytes, a multiple of 16, is all zero. Pairs overlap so that nothing is left over. */
static inline bool tarn__hard_zero_words(const char *p, size_t size)
{
    const char *last = p + size - sizeof(tarn__hard_pair);
    tarn__hard_pair any = *(const tarn__hard_pair *)p | *(const tarn__hard_pair *)last;
    for (p += sizeof any; p < last; p += 2 * sizeof any)
        any |= ((const tarn__hard_pair *)p)[0] | ((const tarn__hard_pair *)p)[1];
    return tarn__hard_no_bits(any);
}

/* The same; beyond the first words by the library's way to compare, which is quicker for large ones. */
static inline bool tarn__hard_zero(const char *p, size_t size)
{
    enum { HEAD = 128, LARGE = 1024, STEP = 8 };
    if (size < HEAD)
        return tarn__hard_zero_words(p, size);
    if (size > LARGE)
        return tarn__hard_zero_words(p, HEAD) && memcmp(p, p + HEAD, size - HEAD) == 0;
    const tarn__hard_pair *at = (const tarn__hard_pair *)p, *last = (const tarn__hard_pair *)(p + size) - STEP;
    tarn__hard_pair any = {0, 0};
    for (; at < last; at += STEP)
        any = any | at[0] | at[1] | at[2] | at[3] | at[4] | at[5] | at[6] | at[7];
    any = any | last[0] | last[1] | last[2] | last[3] | last[4] | last[5] | last[6] | last[7];
    return tarn__hard_no_bits(any);
}

/*
 * Of a slot never used, whether an underflow of the next one reached it. By an exchange, as the page may not be there yet, and a write after a
 * read would be a fault more.
 */
static inline bool tarn__hard_fresh(char *p, size_t size)
{
    tarn__hard_word *last = (tarn__hard_word *)(p + size) - 1;
    uint64_t is = __atomic_exchange_n(last, 0, __ATOMIC_RELAXED);
    if (TARN__LIKELY(is == 0))
        return true;
    *last = is;
    return false;
}

/* Makes a slot of `size` bytes, a multiple of 16, all zero. */
static inline void tarn__hard_clear_words(char *p, size_t size)
{
    const tarn__hard_pair zero = {0, 0};
    char *last = p + size - sizeof zero;
    *(tarn__hard_pair *)p = *(tarn__hard_pair *)last = zero;
    for (p += sizeof zero; p < last; p += 2 * sizeof zero) {
        ((tarn__hard_pair *)p)[0] = ((tarn__hard_pair *)p)[1] = zero;
        __asm__("" : "+r"(p)); /* else the compiler makes a call of it */
    }
}

/* The same for sizes from 128 bytes on; large ones by the library's way. */
static inline void tarn__hard_clear(char *p, size_t size)
{
    enum { LARGE = 1024, STEP = 8 };
    if (size > LARGE) {
        memset(p, 0, size);
        return;
    }
    const tarn__hard_pair zero = {0, 0};
    tarn__hard_pair *at = (tarn__hard_pair *)p, *last = (tarn__hard_pair *)(p + size) - STEP;
    for (; at < last; at += STEP) {
        at[0] = at[1] = at[2] = at[3] = at[4] = at[5] = at[6] = at[7] = zero;
        __asm__("" : "+r"(at));
    }
    last[0] = last[1] = last[2] = last[3] = last[4] = last[5] = last[6] = last[7] = zero;
}

/*
 * Whether the word in front of the slot at `p` is as it should be where no object was ever there, by the state of the slot in front. Another thread
 * may be making one now, word by word: then that state is another afterwards. Where there was one, that slot's own checks find what is wrong with it.
 */
bool tarn__hard_front_intact(const uint16_t *front, const char *p, size_t slot_size);

#endif
