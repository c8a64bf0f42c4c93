/*
 * Inside a level pool: its struct, its segments, and how what is known of an address is found.
 *
 *     memory        | struct tarn_levelpool, a level for each class | segment |        the first piece of memory
 *                                                                   | segment |        further pieces, from the source
 *     segment       | struct | live | starts | class_of | chunk of 24 | chunk of 8 | chunk of 24 | ... untouched ... |
 *                                                       ^ base                                 ^ base + taken         ^ end
 *     chunk         | block | block | block | not prepared yet |                       whole units of 64 bytes, of one class
 *     with zones    | 8, zone 8 | block | zone 8, zone 8 | block | zone 8, 8 |
 *
 * live and starts have a bit for 8 bytes: a live block begins there; a prepared one does. class_of has a byte for a unit. So a block that is ready or
 * live holds nothing of the pool's but the link of a ready one, and a free needs no division: the live bit at the address says that a
 * live block begins there, for certain. That it is clear is looked into by the slow path.
 *
 * A link that leads out of the pool, or to a live block, is never followed; with TARN_POOL_CHECK none that leads to what is not a ready block of
 * the class.
 */
#ifndef TARN_POOL_LEVELPOOL_H
#define TARN_POOL_LEVELPOOL_H

#include "base/bits.h"
#include "pool/passed.h"
#include "pool/peak.h"
#include "pool/spans.h"
#include "pool/watch.h"
#include "tarn/levelpool.h"

enum {
    TARN__LEVEL_UNIT = 64, /* chunks begin at a multiple of it */
    TARN__LEVEL_GRAIN = 8, /* TARN_LEVELPOOL_STEP */
    TARN__LEVEL_ZONE =
        16, /* bytes in front of a block with red zones; the half next to the block is verified, and as much behind it */
    TARN__LEVEL_MOST = 64, /* classes */
};

#define TARN__LEVEL_ZONE_FILL 0xbb

_Static_assert(TARN__LEVEL_GRAIN == 1 << 3, "tarn__level_near_bit rotates by that");

struct tarn__level_segment {
    struct tarn__span span; /* of its units */
    uint64_t *live, *starts;
    uint8_t *class_of; /* by unit, below `taken` */
    size_t taken;      /* bytes of units that chunks have */
    void *memory;      /* all of it */
    size_t size;
    struct tarn__level_segment *next; /* an older one */
};

/* A class of blocks. */
struct tarn__level {
    void *head; /* a ready block, which holds the link to the next: latest first */
    /* Ever made ready; and no longer so, with the reserve added: their difference is how many more than that are ready. Each function writes one, and
     * waits for no store of the other. */
    size_t given, taken;
    size_t prepared, lost;             /* ever; of these, neither live nor ready, as links or poison were overwritten */
    struct tarn__level_segment *chunk; /* that is being prepared from */
    uintptr_t next, end;               /* of what is not prepared of it */
};

struct tarn_levelpool {
    struct tarn__guard guard; /* the first member: with checks it seals what follows, and the first segment's struct */
    uintptr_t plain; /* its own address: there is no lock and no flag. So all goes the short way. No accident writes that */
    /* The short way: the units, live bits and classes of the segment that was found last. */
    uintptr_t near_base;
    size_t near_grains;
    uint64_t *near_live;
    uint8_t *near_class_of;
    size_t short_limit;      /* sizes up to it are allocated so; 0 in another pool */
    size_t reserve;          /* so many blocks of a class are to be ready when one is taken */
    struct tarn__peak bytes; /* of live blocks */

    struct tarn__spans spans; /* of segments */
    unsigned classes, flags;
    size_t largest; /* bytes of a block */
    size_t blocks;
    struct tarn__level_segment *segment; /* the latest; only it has an untouched rest that counts */
    struct tarn_source *source;          /* that refills ask; NULL: nowhere */
    struct tarn__passed passed;
    uint64_t passed_given, failures;
    bool own_memory; /* the first segment is the source's, too */
    struct tarn__level levels[];
};

extern const struct tarn__watched tarn__levelpool_watched;

/* Blocks of the class that wait to be handed out. */
static inline size_t tarn__level_ready(const struct tarn_levelpool *pool, const struct tarn__level *level)
{
    return level->given + pool->reserve - level->taken;
}

static inline unsigned tarn__level_of(size_t size) { return (unsigned)((size - (size != 0)) / TARN__LEVEL_GRAIN); }

/* The grain of the near segment at which `p` lies; too large when it is outside or not aligned. */
static inline size_t tarn__level_near_bit(const struct tarn_levelpool *pool, const void *p)
{
    return tarn__rotate_right((uintptr_t)p - pool->near_base, 3);
}

static inline size_t tarn__level_size(size_t number) { return (number + 1) * TARN__LEVEL_GRAIN; }

static inline size_t tarn__level_zone(unsigned flags) { return flags & TARN_POOL_RED_ZONE ? TARN__LEVEL_ZONE : 0; }

/* From one block to the next. */
static inline size_t tarn__level_stride(const struct tarn_levelpool *pool, unsigned number)
{
    return tarn__level_size(number) + tarn__level_zone(pool->flags);
}

static inline struct tarn__level_segment *tarn__level_segment(struct tarn_levelpool *pool, const void *p)
{
    return (struct tarn__level_segment *)(void *)tarn__spans_find(&pool->spans, p);
}

/* The bit of `p`, which is aligned, in its segment. */
static inline size_t tarn__level_bit(const struct tarn__level_segment *segment, const void *p)
{
    return ((uintptr_t)p - segment->span.base) / TARN__LEVEL_GRAIN;
}

/* The class of the chunk that has the bit. */
static inline unsigned tarn__level_at(const struct tarn__level_segment *segment, size_t bit)
{
    return segment->class_of[bit / (TARN__LEVEL_UNIT / TARN__LEVEL_GRAIN)];
}

/* With TARN_POOL_CHECK: whether the class that is told of a block is one, and the block ends in the segment. */
static inline bool tarn__level_sound(const struct tarn_levelpool *pool, const struct tarn__level_segment *segment, size_t bit)
{
    size_t left = segment->span.end - segment->span.base - bit * TARN__LEVEL_GRAIN;
    unsigned number = tarn__level_at(segment, bit);
    return !(pool->flags & TARN_POOL_CHECK) ||
           (number < pool->classes && tarn__level_size(number) + tarn__level_zone(pool->flags) / 2 <= left);
}

/* From now on the short way leads to this segment. Where there is a lock nothing is written: the short way reads without it. */
static inline void tarn__level_near(struct tarn_levelpool *pool, const struct tarn__level_segment *segment)
{
    if (pool->plain != (uintptr_t)pool)
        return;
    pool->near_base = segment->span.base;
    pool->near_grains = (segment->span.end - segment->span.base) / TARN__LEVEL_GRAIN;
    pool->near_live = segment->live;
    pool->near_class_of = segment->class_of;
}

/* Whether the zones beside a block hold what they should. */
bool tarn__level_zones_sound(const char *p, size_t size);

/*
 * Prepares blocks of a class until `most` are ready, from what the pool has; and when that does not make `least`, with memory of the
 * source. The guard is held, and let go of while the source is asked.
 */
void tarn__level_refill(struct tarn_levelpool *pool, unsigned number, size_t least, size_t most);

/* Whether a class has fewer ready blocks than it should when one is taken. */
static inline bool tarn__level_low(const struct tarn__level *level) { return (ptrdiff_t)(level->given - level->taken) < 0; }

#endif
