/**
 * @file bump.h
 * Bump arena: allocate forward, give back all at once or down to a checkpoint.
 *
 * Memory comes in chunks, chained; an allocation moves a pointer. Nothing is freed singly. Cleanups run when what they stand for goes: at a rewind
 * past them, at a reset, at the end; the latest first.
 *
 *     struct tarn_bump *bump = tarn_bump_create(NULL, 0, NULL);
 *     struct tarn_bump_mark mark = tarn_bump_mark(bump);
 *     char *line = tarn_bump_alloc(bump, 80);
 *     tarn_bump_rewind(bump, mark);
 *     tarn_bump_destroy(bump);
 *
 * Threads, forks and signal handlers: pool.h.
 */
#ifndef TARN_BUMP_H
#define TARN_BUMP_H

#include "pool.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_BUMP_ALIGN ((size_t)16)

/** The part of an arena that the fast path works on. Not to be touched. */
struct tarn_bump {
    char *at;  /**< the next block begins here; a multiple of 16 */
    char *end; /**< of the chunk; NULL, as `at`, where each request must take the slow path */
};

/** All zeros: chunks of 65536 bytes from the system where there is one, no lock. */
struct tarn_bump_options {
    unsigned flags; /**< enum tarn_pool_flags, enum tarn_bump_flags */
    const struct tarn_pool_lock *lock;
    struct tarn_source *source; /**< of chunks; NULL: the system where `memory` was NULL, else none */
    size_t chunk; /**< bytes of a further chunk, rounded up to 4096; 0: 65536. Larger requests get a chunk of their own size. */
    size_t
        keep; /**< bytes of such chunks that are kept when what they held is given back; 0: sixteen chunks; less than one: none */
};

enum tarn_bump_flags {
    TARN_BUMP_RECORD = 1 << 8, /**< blocks are recorded, 16 bytes each, so that tarn_bump_each finds them */
};

/**
 * Makes an arena in `memory`, or, when that is NULL, in a first chunk of `size` bytes (0: the options' chunk) from a source.
 * @param size  bytes; at least TARN_BUMP_LEAST where memory is given. The arena's own words take about half of that.
 * @return NULL: no memory, too little of it, or a flag that is none
 */
TARN_API struct tarn_bump *tarn_bump_create(void *memory, size_t size, const struct tarn_bump_options *options);
#define TARN_BUMP_LEAST ((size_t)96 * sizeof(void *))

/** Runs all cleanups and ends the arena. NULL is allowed. */
TARN_API void tarn_bump_destroy(struct tarn_bump *bump);

/**
 * What tarn_bump_alloc does when the chunk is used up, and always where there is a lock, or flags.
 * @param align  a power of two; below 16 it is 16
 * @return NULL: no memory, `align` is none, or, with TARN_POOL_POISON, free memory was written to
 */
TARN_API void *tarn_bump_alloc_aligned(struct tarn_bump *bump, size_t align, size_t size);

/** Allocates `size` bytes at a multiple of 16. 0 gets an address of its own. @return NULL: no memory. A dozen instructions while the chunk lasts. */
static inline void *tarn_bump_alloc(struct tarn_bump *bump, size_t size)
{
    char *at = bump->at;
    if (__builtin_expect(size - 1 >= (size_t)(bump->end - at), 0))
        return tarn_bump_alloc_aligned(bump, TARN_BUMP_ALIGN, size);
    bump->at = at + ((size + (TARN_BUMP_ALIGN - 1)) & ~(TARN_BUMP_ALIGN - 1));
    return at;
}

/** A moment of an arena. Copies are alike. Not to be touched. */
struct tarn_bump_mark {
    void *chunk;
    char *at;
    size_t live;     /**< bytes live then */
    uint64_t serial; /**< of the latest rewind or reset then */
};

/** Takes no memory. O(1). */
TARN_API struct tarn_bump_mark tarn_bump_mark(struct tarn_bump *bump);

/**
 * Gives back all that was allocated since the mark, and runs the cleanups since then. The mark stays good; those made later are void then.
 * @return 0; TARN_POOL_INVALID: the mark is no moment of this arena that is still to be had (one that was rewound past, or before a reset);
 * TARN_POOL_CORRUPT: a cleanup's words, or a red zone, were overwritten: nothing has changed in both cases.
 *
 * A mark that was made before a reset is always found; one that was rewound past, if its place is not there, or one of the latest six rewinds
 * that left different amounts was the one that did so. O(chunks + cleanups) of what is given back; chunks are kept as the options say.
 */
TARN_API int tarn_bump_rewind(struct tarn_bump *bump, struct tarn_bump_mark mark);

/** Runs all cleanups and gives everything back; the first chunk stays, and one of the size in the options. O(chunks + cleanups). */
TARN_API void tarn_bump_reset(struct tarn_bump *bump);

/**
 * Has `run(argument)` called when this moment is rewound past, without a lock held: it may allocate, and rewind. Takes 48 bytes.
 * @return 0; TARN_POOL_NO_MEMORY: it is not registered
 */
TARN_API int tarn_bump_cleanup(struct tarn_bump *bump, void (*run)(void *argument), void *argument);

/** Unregisters the latest such cleanup, without running it. @return 0; TARN_POOL_INVALID: there is none */
TARN_API int tarn_bump_cleanup_cancel(struct tarn_bump *bump, void (*run)(void *argument), void *argument);

/**
 * live_bytes includes what alignment skipped, records, red zones and cleanups. live_blocks is counted where blocks are recorded, by walking them all;
 * allocations where there is a lock or a flag: else 0, as the fast path counts nothing. Nothing is freed singly: frees is 0.
 */
TARN_API void tarn_bump_stats(struct tarn_bump *bump, struct tarn_pool_stats *stats);

/** Each live block, the oldest first. @return 0; TARN_POOL_INVALID: the arena does not record blocks */
TARN_API int tarn_bump_each(struct tarn_bump *bump, tarn_pool_visit *visit, void *context);

/** Walks all of the arena. @return 0; TARN_POOL_CORRUPT */
TARN_API int tarn_bump_check(struct tarn_bump *bump);

#ifdef __cplusplus
}
#endif

#endif
