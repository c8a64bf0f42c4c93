/**
 * @file region.h
 * Region: blocks of any size in given ranges of memory.
 *
 * Three strategies over one block layout. TLSF (the default; Masmano, Ripoll, Crespo, Real 2004, "TLSF: a new dynamic memory allocator for real-time
 * systems") is O(1): two levels of bitmaps lead to a list of free blocks that are large enough. First fit takes the lowest address that will
 * do, from a list in address order. Best fit takes the smallest block that will do, the lowest of those, from a balanced tree.
 *
 * Sizes are rounded up to granules of two pointers (16 bytes; 8 where pointers have 32 bits), and blocks are aligned to that. What is known of a
 * block lies in one byte a granule, at the beginning of each range; so a block of up to 62 granules (30) has no header at all, longer ones have one
 * granule in front, and every free of what is not the start of a live block is found, whatever a program wrote into its blocks.
 *
 *     static char memory[65536];
 *     struct tarn_region *region = tarn_region_create(memory, sizeof memory, NULL);
 *     char *text = tarn_region_alloc(region, 100);
 *     tarn_region_free(region, text);
 *
 * Threads, forks and signal handlers: pool.h.
 */
#ifndef TARN_REGION_H
#define TARN_REGION_H

#include "pool.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_region;

/** Where dist/tarn-pools.c is compiled with TARN_REGION_ONLY_TLSF defined, tarn_region_create refuses the others, and there is no code for them. */
enum tarn_region_strategy {
    TARN_REGION_TLSF,
    TARN_REGION_BEST_FIT,
    TARN_REGION_FIRST_FIT,
};

/** All zeros: TLSF, no lock, no flags, never grows by itself. */
struct tarn_region_options {
    enum tarn_region_strategy strategy;
    unsigned flags; /**< enum tarn_pool_flags */
    const struct tarn_pool_lock *lock;
    struct tarn_source *source; /**< where ranges come from when a request finds no room; NULL: nowhere */
    size_t increment; /**< bytes of such a range at least; 0: 65536. A request that needs more gets a range of its own size. */
};

/**
 * Makes a region in `memory`, whatever its alignment, or, when that is NULL, in a first range of `size` bytes from the options' source.
 * @param size     bytes; at least TARN_REGION_LEAST. The region's own struct takes a few hundred bytes to 8 KiB of it, by strategy and size.
 * @param options  NULL: all zeros
 * @return NULL: too small, an unknown strategy or flag, or no memory. Cost: O(size / 16), for the bytes that tell of granules.
 */
TARN_API struct tarn_region *tarn_region_create(void *memory, size_t size, const struct tarn_region_options *options);
#define TARN_REGION_LEAST ((size_t)1024 * sizeof(void *))

/** Ends a region, and gives its source's ranges back. @return 0; TARN_POOL_BUSY: blocks are live, and nothing has changed */
TARN_API int tarn_region_destroy(struct tarn_region *region);

/** Frees all blocks and handles at once. Ranges stay. O(ranges + size / 16). */
TARN_API void tarn_region_reset(struct tarn_region *region);

/** Adds a range. @return 0; TARN_POOL_INVALID: too small for a block; TARN_POOL_EXISTS: it overlaps another */
TARN_API int tarn_region_add(struct tarn_region *region, void *memory, size_t size);

/**
 * Takes a range out again that was added with this address. The first range stays to the end.
 * @return 0; TARN_POOL_BUSY: blocks are live in it, or the table of handles is; TARN_POOL_FOREIGN: there is no such range
 */
TARN_API int tarn_region_remove(struct tarn_region *region, void *memory);

/** Gives the source all of its ranges that are empty. By itself a region keeps one of them. @return bytes given back */
TARN_API size_t tarn_region_trim(struct tarn_region *region);

/**
 * Allocates `size` bytes. A size of 0 gets a block of one granule.
 * @return NULL: no free block will do. Cost with TLSF: O(1), see tarn_region(3) for the worst case in instructions; best fit O(log n); first fit O(n)
 * in the number of free blocks. Finding an address's range is O(log r) in the number of ranges.
 */
TARN_API void *tarn_region_alloc(struct tarn_region *region, size_t size);

/** The same at a multiple of `align`, a power of two. What is left in front stays free. NULL also if `align` is none. */
TARN_API void *tarn_region_alloc_aligned(struct tarn_region *region, size_t align, size_t size);

/**
 * Changes a block's size: in place when it shrinks, or when what follows is free and large enough; by moving otherwise. NULL is
 * allocated; a size of 0 frees and gets NULL. A block that grows beyond what needs no header moves up by a granule, if it can do so in place.
 * Alignment above that of a granule is kept only in place.
 * @return the block; NULL when there is no room, or `p` is not a live block: nothing has changed then
 */
TARN_API void *tarn_region_realloc(struct tarn_region *region, void *p, size_t size);

/**
 * Frees a block; NULL is allowed. @return 0; TARN_POOL_FOREIGN, TARN_POOL_INSIDE, TARN_POOL_DOUBLE_FREE; TARN_POOL_INVALID: it has a handle;
 * TARN_POOL_WRONG_SIZE: it is a long one of tarn_region_alloc_sized; TARN_POOL_CORRUPT where flags find that, or a header was overwritten: nothing
 * has changed then. Cost as tarn_region_alloc.
 */
TARN_API int tarn_region_free(struct tarn_region *region, void *p);

/** Bytes that may be used of a block, 0 for what is not the start of a live one, or is a long one of tarn_region_alloc_sized. */
TARN_API size_t tarn_region_usable_size(struct tarn_region *region, const void *p);

/**
 * Allocates a block that has no header at any size, for who knows its size when it is freed. Only tarn_region_free_sized takes it back.
 */
TARN_API void *tarn_region_alloc_sized(struct tarn_region *region, size_t size);

/** Frees such a block, with the size it was asked for. @return as tarn_region_free; TARN_POOL_WRONG_SIZE: it has another size */
TARN_API int tarn_region_free_sized(struct tarn_region *region, void *p, size_t size);

/* Movable blocks */

/** Names a movable block. 0 is none. A handle that was freed is not given out again until 2^16 (2^8) others were. */
typedef size_t tarn_region_handle;

/** Allocates a movable block. @return 0: no room. It begins unlocked. */
TARN_API tarn_region_handle tarn_region_handle_alloc(struct tarn_region *region, size_t size);

/** The block's address, which holds until as many tarn_region_handle_unlock; up to 65535 at a time. NULL: no such handle. */
TARN_API void *tarn_region_handle_lock(struct tarn_region *region, tarn_region_handle handle);

/** @return 0; TARN_POOL_INVALID: no such handle, or it is not locked */
TARN_API int tarn_region_handle_unlock(struct tarn_region *region, tarn_region_handle handle);

/** Frees a movable block. @return 0; TARN_POOL_INVALID: no such handle; TARN_POOL_BUSY: it is locked */
TARN_API int tarn_region_handle_free(struct tarn_region *region, tarn_region_handle handle);

/**
 * Slides unlocked movable blocks towards the beginning of their ranges, so that what is free between them comes together. Goes on where it stopped.
 * @param max_bytes  stops after moving that much, or one block that is larger
 * @return bytes moved; 0: there is nothing left to do. Cost: O(max_bytes), and a walk over the blocks that stay up to the first that moves, and at
 * most 256 after it
 */
TARN_API size_t tarn_region_compact(struct tarn_region *region, size_t max_bytes);

/* Looking */

TARN_API void tarn_region_stats(struct tarn_region *region, struct tarn_pool_stats *stats);

/** Calls `visit` for each live block, movable and headerless ones too, range by range in order of address. O(size / 16). */
TARN_API void tarn_region_each(struct tarn_region *region, tarn_pool_visit *visit, void *context);

/** Verifies the whole structure. @return 0; TARN_POOL_CORRUPT. O(size). */
TARN_API int tarn_region_check(struct tarn_region *region);

#ifdef __cplusplus
}
#endif

#endif
