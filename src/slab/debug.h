/*
 * Debugged caches: red zones, poison, who allocated and freed, quarantine. Their objects pass by the magazines, so each step is checked against the slab.
 * The layout of a slot is drawn in cache.h; at its end is the tail:
 *
 *     asked     what was asked for, up to the cache's size; the right red zone begins there. With a bit that says that it is not live, for those
 *               who look from outside
 *     seal      the object's state, mixed with its address and with `asked`, so that one that was overwritten or copied is known as that
 *     tracks    who allocated, who freed: with STORE_USER
 *
 * An object is free, live, in quarantine, or busy: between two of these. Whoever allocates or frees makes it busy first, by one exchange: of two threads that
 * free it at once one finds that it is no longer live; and who looks at all objects while others use them (tarn__debug_look) ends with another look at the seal: where
 * that changed, what was seen means nothing.
 */
#ifndef TARN_SLAB_DEBUG_H
#define TARN_SLAB_DEBUG_H

#include "base/fail.h"
#include "base/modes.h"
#include "slab/cache.h"

enum {
    TARN__RED_FREE = 0xbb,     /* around a free object */
    TARN__RED_USED = 0xcc,     /* around one in use */
    TARN__POISON_FRESH = 0x5a, /* one of malloc's that was just allocated */
    TARN__POISON_FREE = 0x6b,
    TARN__POISON_END = 0xa5, /* its last byte */
};

struct tarn__track {
    uint32_t stack; /* os/stack.h */
    uint32_t thread;
    uint32_t when; /* milliseconds, cut */
};

struct tarn__tail {
    uint32_t asked;
    _Atomic uint32_t seal;
    struct tarn__track track[2]; /* of the allocation, of the free */
};

#define TARN__ASKED_NOT_LIVE UINT32_C(0x80000000)

enum { TARN__TAIL_SMALL = offsetof(struct tarn__tail, track) };

/* Gives a new slab's slots their colours. */
void tarn__debug_prepare(const struct tarn_cache *cache, char *base);

/* Looks at all objects of a slab that is given back, each of them free. Reports when what was written to one shows. */
void tarn__debug_leave(const struct tarn_cache *cache, const char *base);

/* `caller` is where the user's call returns to, or NULL. Reports when what was written between shows. NULL: no memory. */
void *tarn__debug_alloc(struct tarn_cache *cache, tarn_gfp_t flags, const void *caller);
void tarn__debug_free(struct tarn_cache *cache, void *object, const void *caller);

/* Of an exact cache: an object of `size` bytes, up to the cache's. */
void *tarn__debug_alloc_exact(struct tarn_cache *cache, size_t size, tarn_gfp_t flags, const void *caller);

/* Frees an object that lies in no slab, but before a guard page; `cache` NULL: of any. False: it is none; what is wrong with it was reported. */
bool tarn__debug_free_guarded(struct tarn_cache *cache, void *object);

/* Bytes of a live object that its user may use. SIZE_MAX, and a report: none begins there, or it was overwritten. */
size_t tarn__debug_size(const struct tarn_cache *cache, const void *object, const char *where);

/* Whether a live object was asked for with this size; if not, that was reported. One that is not live may have any. */
bool tarn__debug_has_size(const struct tarn_cache *cache, const void *object, size_t size, const char *where);

/* Gives a live object of an exact cache another size, where it is. False, and a report: it is not live, or overwritten. */
bool tarn__debug_resize(struct tarn_cache *cache, void *object, size_t size);

/* Puts an object that has been in quarantine back to its slab, after a look at it. */
void tarn__debug_release(void *object);

/* Among a cache's flags, where the letter P asks for it: the last object of a slab waits in quarantine, as the slab would go, and nobody find what is written to it. */
#define TARN__LAST_WAITS (1u << 30)

/* The flags of a cache that has these letters. */
static inline unsigned tarn__debug_flags(unsigned letters)
{
    return (letters & (TARN__LETTER_F | TARN__LETTER_G) ? TARN_CACHE_CONSISTENCY_CHECKS : 0) |
           (letters & TARN__LETTER_Z ? TARN_CACHE_RED_ZONE : 0) |
           (letters & TARN__LETTER_P ? TARN_CACHE_POISON | TARN__LAST_WAITS : 0) |
           (letters & TARN__LETTER_U ? TARN_CACHE_STORE_USER : 0) | (letters & TARN__LETTER_Q ? TARN_CACHE_QUARANTINE : 0);
}

/* Warns of a live object: its address, and who allocated it, where that is known. */
void tarn__debug_describe(const struct tarn_cache *cache, const void *object);

/* Whether a slot's object is live, as its tail says; it may have been overwritten. */
bool tarn__debug_is_live(const struct tarn_cache *cache, const void *object);

/* Verifies the red zones of an object in use. */
void tarn__debug_check(const struct tarn_cache *cache, const void *object);

/* Looks at all objects of a cache, free, live and in quarantine, while others use it. Returns how many reports there were. */
size_t tarn__debug_look(struct tarn_cache *cache, const char *where);

/*
 * For reports: what is known of the debugged object in whose slot `address` lies, and of the one in front of it. False: it lies in none. Takes no lock and trusts
 * nothing that users can have overwritten.
 */
bool tarn__debug_suspect(const void *address, struct tarn__suspect *suspect);

#endif
