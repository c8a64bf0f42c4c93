/*
 * Inside a class pool: its struct, a block's words, and how they are computed.
 *
 *     memory                                  base                                                       base + room
 *     | struct tarn_classpool | starts: a bit for 16 bytes | block | block | block | untouched            |
 *                                                                                  ^ base + carved + 8
 *     block                   p                     p + asked               p + size
 *     | word 4 | check 4 |    what was asked for    | guard 4 | rest ...    | 8, for the guard of a full block |
 *
 * Between two blocks lie 16 bytes: the end of one and the header of the next. So the guard has room directly behind what was asked for,
 * whatever that is, blocks are aligned to 16, and a block costs 16 bytes in all.
 *
 * word: the size that was asked for, and the class. check: word ^ mark ^ state, where the mark is made of the block's address and the pool's
 * secret. So one comparison verifies the word and tells the state, and one byte overwritten is found for certain, any number but once in
 * 2^30. guard: made of the mark too, so that a copy of one block that is too long does not bring the right bytes along; none of its bytes
 * is 0, ASCII, 0xff or a poison, so the common overruns by one byte are found for certain.
 *
 * A queued block holds a link and its seal, link ^ address ^ secret: a link that was written to is never followed.
 *
 * `starts` lies apart from the blocks and tells for certain where blocks begin: a block is never split or merged, so a bit once set stays.
 * That, and the block's own words, is all that a free has to look at; nothing outside of the pool is read.
 *
 * The secret is there against accidents, not against attackers: it is made of addresses.
 */
#ifndef TARN_POOL_CLASSPOOL_H
#define TARN_POOL_CLASSPOOL_H

#include "base/bits.h"
#include "base/scan.h"
#include "pool/passed.h"
#include "pool/peak.h"
#include "pool/watch.h"
#include "tarn/classpool.h"

enum {
    TARN__CLASS_GRAIN = 16, /* classes begin with it, blocks are aligned to it, and it lies between two of them */
    TARN__CLASS_GAP = 8,    /* bytes behind a block, which its guard may need; its header has the other half of the grain */
    TARN__CLASSPOOL_NUMBERS = 16, /* that a header's word can hold: so an index made of it is in bounds whatever it says */
};

_Static_assert(TARN__CLASS_GRAIN == 1 << 4, "tarn__class_begins rotates by that");

/* Each differs from the others in every byte. */
#define TARN__CLASS_LIVE UINT32_C(0)
#define TARN__CLASS_QUEUED UINT32_C(0x96969696)
#define TARN__CLASS_GRANTED UINT32_C(0x69696969) /* live, and the class's whole size was promised: the guard lies behind that */

struct tarn__class_header { /* the 8 bytes in front of a block */
    uint32_t word;          /* asked * 16 + class */
    uint32_t check;
};

struct tarn__class_queued { /* what a queued block holds */
    struct tarn__class_queued *next;
    uintptr_t seal;
};

struct tarn__class {
    struct tarn__class_queued
        *head;             /* latest first: it is the one in the processor's cache; the pool's `none`: there is none */
    uint64_t taken, given; /* ever */
    size_t carved;         /* blocks of it */
};

struct tarn_classpool {
    struct tarn__guard guard; /* the first member: with checks it seals what follows */
    char *base;               /* aligned to TARN__CLASS_GRAIN */
    uintptr_t secret;
    uintptr_t
        plain; /* its own address: there is no lock, and no flag but red zones. So all goes the short way. No accident writes that */
    size_t short_limit;                                  /* sizes up to it are allocated so; 0 in another pool */
    size_t grains;                                       /* of `carved` */
    struct tarn__peak bytes;                             /* of live blocks */
    struct tarn__class_queued none;                      /* ends each queue; its seal is never right */
    struct tarn__class classes[TARN__CLASSPOOL_NUMBERS]; /* of which TARN_CLASSPOOL_CLASSES are used */
    size_t lost
        [TARN__CLASSPOOL_NUMBERS]; /* of them, free but out of use, as their words or what lay before them in the queue were overwritten */
    size_t carved;                 /* bytes from base to where the next block would begin */
    size_t room;                   /* bytes from base to the end */
    unsigned flags;
    unsigned opens;
    uint64_t passed_given, failures;
    void (*notify)(void *context, size_t size);
    void *notify_context;
    void *memory; /* all of it, with this struct */
    size_t size;
    struct tarn_source *source; /* that it came from; NULL: the caller's */
    struct tarn__passed passed;
};

extern const struct tarn__watched tarn__classpool_watched;

/* A guard, at any address. */
typedef uint32_t __attribute__((aligned(1), may_alias)) tarn__class_guard;

/* size > 0 */
static inline unsigned tarn__classpool_class_of(size_t size)
{
    return tarn__scan_high((size - 1) | (TARN__CLASS_GRAIN - 1)) - 3;
}

static inline size_t tarn__classpool_class_size(unsigned number) { return (size_t)TARN__CLASS_GRAIN << number; }

static inline struct tarn__class_header *tarn__class_header(const void *p)
{
    return (struct tarn__class_header *)(uintptr_t)p - 1;
}

static inline uint32_t tarn__class_mark(const struct tarn_classpool *pool, const void *p)
{
    return (uint32_t)((uintptr_t)p / TARN__CLASS_GRAIN) * UINT32_C(0x9e3779b1) ^ (uint32_t)pool->secret;
}

static inline uint32_t tarn__class_guard_of(uint32_t mark) { return (mark & UINT32_C(0x3f3f3f3f)) | UINT32_C(0x80808080); }

static inline uint32_t tarn__class_word(unsigned number, size_t asked)
{
    return (uint32_t)asked * TARN__CLASSPOOL_NUMBERS + number;
}

static inline unsigned tarn__class_number(uint32_t word) { return word % TARN__CLASSPOOL_NUMBERS; }

static inline size_t tarn__class_asked(uint32_t word) { return word / TARN__CLASSPOOL_NUMBERS; }

/* Of a block; none of the states: its header was overwritten. */
static inline uint32_t tarn__class_state(const struct tarn_classpool *pool, const void *p)
{
    const struct tarn__class_header *header = tarn__class_header(p);
    return header->word ^ header->check ^ tarn__class_mark(pool, p);
}

static inline uintptr_t tarn__class_seal(const struct tarn_classpool *pool, const struct tarn__class_queued *block)
{
    return (uintptr_t)block->next ^ (uintptr_t)block ^ pool->secret;
}

/* Bit i: a block begins at base + 16 i; read below `carved` only. They lie behind the struct. */
static inline uint64_t *tarn__class_starts(const struct tarn_classpool *pool)
{
    return (uint64_t *)((uintptr_t)pool + (sizeof *pool + TARN__CLASS_GRAIN - 1) / TARN__CLASS_GRAIN * TARN__CLASS_GRAIN);
}

/* Whether a block begins at `p`. What is no multiple of a grain away from the base becomes too large. */
static inline bool tarn__class_begins(const struct tarn_classpool *pool, const void *p)
{
    size_t grain = tarn__rotate_right((uintptr_t)p - (uintptr_t)pool->base, 4);
    return grain < pool->grains && tarn__bit_test(tarn__class_starts(pool), grain);
}

/* Bytes in front of a live block's guard. */
static inline size_t tarn__class_extent(uint32_t state, uint32_t word)
{
    return state == TARN__CLASS_GRANTED ? tarn__classpool_class_size(tarn__class_number(word)) : tarn__class_asked(word);
}

/* Whether the header of the block that begins at `p` is as it was written, and could be. */
static inline bool tarn__class_header_sound(const struct tarn_classpool *pool, const void *p)
{
    uint32_t word = tarn__class_header(p)->word, state = tarn__class_state(pool, p);
    size_t size = tarn__classpool_class_size(tarn__class_number(word)), offset = (size_t)((const char *)p - pool->base);
    return (state == TARN__CLASS_LIVE || state == TARN__CLASS_QUEUED || state == TARN__CLASS_GRANTED) &&
           tarn__class_number(word) < TARN_CLASSPOOL_CLASSES && tarn__class_asked(word) <= size &&
           size + TARN__CLASS_GAP <= pool->room - offset;
}

/* The same, and it waits in the queue of that class. */
static inline bool tarn__class_queued_sound(const struct tarn_classpool *pool, unsigned number, const void *p)
{
    return tarn__class_header_sound(pool, p) && tarn__class_state(pool, p) == TARN__CLASS_QUEUED &&
           tarn__class_number(tarn__class_header(p)->word) == number;
}

/* The same of a live block's guard. */
static inline bool tarn__class_guard_sound(const struct tarn_classpool *pool, const char *p)
{
    size_t extent = tarn__class_extent(tarn__class_state(pool, p), tarn__class_header(p)->word);
    return *(const tarn__class_guard *)(p + extent) == tarn__class_guard_of(tarn__class_mark(pool, p));
}

static inline size_t tarn__class_live(const struct tarn__class *class) { return (size_t)(class->taken - class->given); }

/* How many are in its queue. */
static inline size_t tarn__class_waiting(const struct tarn_classpool *pool, unsigned number)
{
    return pool->classes[number].carved - tarn__class_live(&pool->classes[number]) - pool->lost[number];
}

/* Whether the untouched rest has room for a block of `size`. */
static inline bool tarn__class_fits(size_t carved, size_t room, size_t size)
{
    return carved <= room && size + TARN__CLASS_GAP <= room - carved;
}

#endif
