/*
 * Bump arenas, inside: what bump.c makes and bump_look.c looks at. (Layout: bump.c.)
 */
#ifndef TARN_POOL_ARENA_H
#define TARN_POOL_ARENA_H

#include "base/bits.h"
#include "pool/bytes.h"
#include "pool/host.h"
#include "pool/watch.h"
#include "tarn/bump.h"

enum {
    TARN__BUMP_ALIGN = TARN_BUMP_ALIGN,
    TARN__BUMP_ZONE = 0xcc,
    TARN__BUMP_ZONE_LEAST = 8,
    TARN__BUMP_VOIDS = 6,
    TARN__BUMP_RECORDED = TARN_BUMP_RECORD | TARN_POOL_RED_ZONE,
};

enum tarn__record_kind { TARN__BUMP_A_BLOCK, TARN__BUMP_A_CLEANUP, TARN__BUMP_A_GAP };

struct tarn__bump_record {
    uint64_t size, tag;
};

struct tarn__chunk {
    struct tarn__chunk *previous, *next; /* older, newer */
    char *end;                           /* of its room */
    char *top;                           /* where its blocks end, once there is a newer one */
    size_t before;                       /* bytes live in older ones */
    size_t size; /* bytes that the source gets back; 0: it lies in another's memory, or it is the first */
    uintptr_t seal;
};

struct tarn__cleanup {
    struct tarn__cleanup *previous;
    void (*run)(void *argument);
    void *argument;
    size_t born; /* bytes live before it */
    uintptr_t seal;
};

/* A rewind: it left `live` bytes; marks that were made before it, of later moments, are void. */
struct tarn__rewound {
    uint64_t serial;
    size_t live;
};

struct tarn__arena {
    struct tarn_bump fast; /* the first member */
    struct tarn__guard guard;
    struct tarn_source *source; /* NULL: none */
    unsigned flags;
    unsigned rewinds; /* entries in use */
    bool slow;        /* `at` is the place, not fast.at */
    bool tools;       /* AddressSanitizer or memcheck is told */
    const char *bad;  /* a block that tarn__bump_walk found overwritten; NULL: a record */
    char *at;
    struct tarn__chunk *now, *first;
    struct tarn__chunk *spare;   /* of the ordinary size, linked by previous; so many at most */
    struct tarn__chunk *leaving; /* to be released as soon as nobody holds the guard; linked by previous */
    struct tarn__cleanup *cleanups;
    size_t spares, spares_most;
    size_t ordinary; /* bytes of a chunk */
    size_t size;     /* bytes of all chunks */
    size_t own;      /* bytes of the first that the source gets back */
    size_t peak;
    uint64_t serial; /* of the latest rewind */
    uint64_t born;   /* of the latest reset */
    uint64_t allocations, failures;
    struct tarn__rewound rewound[TARN__BUMP_VOIDS]; /* rising in both */
};

enum {
    TARN__BUMP_ARENA_ROOM = (sizeof(struct tarn__arena) + TARN__BUMP_ALIGN - 1) & ~(TARN__BUMP_ALIGN - 1),
    TARN__BUMP_CHUNK_ROOM = (sizeof(struct tarn__chunk) + TARN__BUMP_ALIGN - 1) & ~(TARN__BUMP_ALIGN - 1)
};

static inline struct tarn__arena *tarn__arena_of(struct tarn_bump *bump) { return (struct tarn__arena *)(void *)bump; }

static inline char *tarn__chunk_start(const struct tarn__chunk *chunk)
{
    return (char *)(uintptr_t)chunk + TARN__BUMP_CHUNK_ROOM;
}

static inline char *tarn__arena_here(const struct tarn__arena *arena) { return arena->slow ? arena->at : arena->fast.at; }

static inline char *tarn__chunk_top(const struct tarn__arena *arena, const struct tarn__chunk *chunk)
{
    return chunk == arena->now ? tarn__arena_here(arena) : chunk->top;
}

static inline size_t tarn__arena_live(const struct tarn__arena *arena)
{
    return arena->now->before + (size_t)(tarn__arena_here(arena) - tarn__chunk_start(arena->now));
}

/* Seals: a mix of words that must stay as they are, and of where they are. */

static inline uintptr_t tarn__bump_mix(uintptr_t so_far, uintptr_t word)
{
    so_far ^= word;
    so_far *= (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
    return so_far ^ so_far >> (sizeof so_far * 4 - 3);
}

static inline uintptr_t tarn__chunk_seal(const struct tarn__chunk *chunk)
{
    uintptr_t sum = tarn__bump_mix(tarn__bump_mix((uintptr_t)chunk, (uintptr_t)chunk->previous), (uintptr_t)chunk->end);
    return tarn__bump_mix(tarn__bump_mix(sum, chunk->before), chunk->size);
}

static inline uintptr_t tarn__cleanup_seal(const struct tarn__cleanup *cleanup)
{
    uintptr_t sum = tarn__bump_mix(tarn__bump_mix((uintptr_t)cleanup, (uintptr_t)cleanup->previous), (uintptr_t)cleanup->run);
    return tarn__bump_mix(tarn__bump_mix(sum, (uintptr_t)cleanup->argument), cleanup->born);
}

static inline bool tarn__chunk_sealed(const struct tarn__chunk *chunk) { return chunk->seal == tarn__chunk_seal(chunk); }

static inline bool tarn__cleanup_sealed(const struct tarn__cleanup *cleanup)
{
    return cleanup->seal == tarn__cleanup_seal(cleanup);
}

static inline uint64_t tarn__record_tag(const struct tarn__bump_record *record, uint64_t size, enum tarn__record_kind kind)
{
    return tarn__bump_mix(tarn__bump_mix((uintptr_t)record, (uintptr_t)size), (uintptr_t)kind) | 1; /* zeros are no tag */
}

static inline bool tarn__record_is(const struct tarn__bump_record *record, enum tarn__record_kind kind)
{
    return record->tag == tarn__record_tag(record, record->size, kind);
}

/* With the flag, what is about to be followed is verified. */
static inline bool tarn__chunk_sound(const struct tarn__arena *arena, const struct tarn__chunk *chunk)
{
    return !(arena->flags & TARN_POOL_CHECK) || tarn__chunk_sealed(chunk);
}

/* Bytes of a block, with what comes behind it. */
static inline size_t tarn__bump_room(const struct tarn__arena *arena, size_t size)
{
    size += arena->flags & TARN_POOL_RED_ZONE ? TARN__BUMP_ZONE_LEAST : 0;
    return tarn__align_up(size + (arena->tools ? TARN__BUMP_ALIGN : 0), TARN__BUMP_ALIGN);
}

static inline size_t tarn__bump_lead(const struct tarn__arena *arena)
{
    return arena->flags & TARN__BUMP_RECORDED ? sizeof(struct tarn__bump_record) : 0;
}

/* A call begins: the guard is taken, unless it answers an error. And it ends. */
int tarn__bump_enter(struct tarn__arena *arena, const char *where);
void tarn__bump_leave(struct tarn__arena *arena);

/* What a walk found: the block behind its record. */
typedef void tarn__bump_found(void *context, char *block, const struct tarn__bump_record *record);

/* Walks the records from `at` in `chunk` to the latest, and verifies them. The block that is not as it should be, if it is one, gets to arena->bad. */
int tarn__bump_walk(struct tarn__arena *arena, const struct tarn__chunk *chunk, char *at, tarn__bump_found *visit,
                    void *context);

#endif
