/*
 * Slots of guarded objects: their addresses, and what is known of each. See guard.h.
 */
#ifndef TARN_ALLOC_GUARD_SLOTS_H
#define TARN_ALLOC_GUARD_SLOTS_H

#include "base/atomic.h"
#include "os/lock.h"
#include "page/section.h"

enum {
    TARN__GUARD_GROUP_BITS = TARN__SANITIZE_THREAD ? 31 : 38, /* addresses of a group: that sanitizer admits few */
    TARN__GUARD_GROUPS = 32, /* group k: slots of 2^k pages; the last one is for sampling: 1 page */
    TARN__GUARD_SAMPLE = TARN__GUARD_GROUPS - 1,
    TARN__GUARD_LARGEST = 25, /* the largest k */
    TARN__GUARD_SLOTS = 65536,
    TARN__SAMPLE_SLOTS = 16,
    TARN__GUARD_META_BITS = 23, /* bytes of a group's descriptors; the groups' lie side by side */
    TARN__GUARD_NAME = 24,
    TARN__GUARD_FILL = 0xbb, /* what lies on the object's pages around it */
};

enum tarn__guard_state { TARN__GUARD_EMPTY, TARN__GUARD_LIVE, TARN__GUARD_BUSY, TARN__GUARD_FREED };

struct tarn__guard_slot {
    char *p;           /* the object */
    size_t size;       /* as asked for */
    char *mapped;      /* its first page */
    size_t pages;      /* mapped while it is live */
    _Atomic int state; /* to and from LIVE under the lock */
    uint32_t next;     /* of those that may be used again: number + 1 */
    uint32_t alloc_stack, free_stack, alloc_thread, free_thread;
    _Atomic bool opened; /* a page that faulted was mapped, to go on */
    void *owner;         /* guard.h */
    void (*gone)(void *owner, size_t size);
    char pool[TARN__GUARD_NAME];
};

struct tarn__guard_group {
    struct tarn__guard_slot *slot;
    size_t stride;           /* bytes from one to the next, with the page that is never mapped */
    uint32_t slots, used;    /* there are; ever used */
    uint32_t oldest, newest; /* freed ones: number + 1 */
    size_t mapped;           /* bytes of `slot` */
};

extern struct tarn__guard_group tarn__guard_group[TARN__GUARD_GROUPS];
extern uintptr_t tarn__guard_base; /* 0: none, or not yet */
extern struct tarn__lock tarn__guard_lock;

/* Whether there is a place; finds one at the first call, and calls `begin` then. */
bool tarn__guard_places(void (*begin)(void));

/* A slot whose object is BUSY: never used, or else the one freed first. NULL: there is none. */
struct tarn__guard_slot *tarn__guard_slot_take(struct tarn__guard_group *group);

/* It may be used again, after all others; FREED, or EMPTY if it never held an object. */
void tarn__guard_give(struct tarn__guard_group *group, struct tarn__guard_slot *slot, enum tarn__guard_state state);

static inline char *tarn__guard_address(const struct tarn__guard_group *group, size_t number)
{
    return (char *)(tarn__guard_base + ((uintptr_t)(group - tarn__guard_group) << TARN__GUARD_GROUP_BITS) + TARN__PAGE_SIZE +
                    number * group->stride);
}

/* The group of an address, and the number of the slot that it lies in or behind. NULL: none of the guarded place, or of nothing used. */
struct tarn__guard_group *tarn__guard_group_of(const void *p, size_t *number);

/* The slot nearest to an address, of those ever used; NULL: none. Takes no lock. */
struct tarn__guard_slot *tarn__guard_nearest(const void *p);

/* For the signal handler: what the access of this address was. True: it is to be tried again. */
bool tarn__guard_seen(void *address);

struct tarn__suspect;
void tarn__guard_tell(const struct tarn__guard_slot *slot, struct tarn__suspect *suspect);

#endif
