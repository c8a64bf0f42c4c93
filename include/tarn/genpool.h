/**
 * @file genpool.h
 * Ranges out of memory that is not ordinary, or not memory at all: a bitmap per chunk, chunks added at run time. (The kernel's gen_pool.)
 *
 * The memory managed is never touched, except by the calls with zalloc in their names. Ranges are taken and given back by compare-and-swap alone, so
 * tarn_gen_pool_alloc, _free and the questions may be called anywhere: by any thread, in signal handlers, in the child of a fork. Creating, adding
 * and destroying allocate and free memory: any thread, but no signal handler.
 *
 * Calls that meet may see each other half done, a claim that will be let go of or a range whose bytes are not counted yet: a request may then get 0 though
 * there would have been room a moment later. Counts are exact while no call is under way.
 */
#ifndef TARN_GENPOOL_H
#define TARN_GENPOOL_H

#include "gfp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_gen_pool;

#define TARN_GEN_POOL_NO_PHYSICAL UINT64_MAX /**< a chunk whose physical address is not known; an address that is in no chunk */

/** A chunk, to be looked at only. */
struct tarn_gen_pool_chunk {
    struct tarn_gen_pool_chunk *next; /**< the chunk that was added before */
    long available;                   /**< bytes; changes while others allocate */
    uint64_t physical;                /**< of its first byte; TARN_GEN_POOL_NO_PHYSICAL: not known */
    void *owner;                      /**< what it was added with */
    unsigned long start, end;         /**< addresses of its first and its last byte */
    unsigned long *bits;              /**< one for each unit: taken */
};

/**
 * Finds `count` clear bits of `map`, `size` bits long, from `start` on. It must only read, and may see bits change meanwhile.
 * @param data        what was handed to the allocation, or set with the algorithm
 * @param start_addr  address of the chunk's first unit
 * @return the first of the bits, or something ≥ size: there are none
 */
typedef unsigned long tarn_gen_pool_algo_t(unsigned long *map, unsigned long size, unsigned long start, unsigned count,
                                           void *data, struct tarn_gen_pool *pool, unsigned long start_addr);

/**
 * Makes an empty pool, which allocates first fit.
 * @param min_order  units are of 2^min_order bytes: 0 … 62 (30 where a long has 32 bits)
 * @param nid        accepted, no effect: there is one node
 * @return NULL: no memory, or an order that cannot be
 */
TARN_API struct tarn_gen_pool *tarn_gen_pool_create(int min_order, int nid);

/**
 * Ends a pool. NULL is allowed. Nobody may use it meanwhile.
 * @return 0; -EBUSY when ranges are taken: a warning tells how much (tarn_warn_to), and the pool stays
 */
TARN_API int tarn_gen_pool_destroy(struct tarn_gen_pool *pool);

/**
 * Adds a chunk. It stays until the pool is destroyed; the newest is searched first.
 * @param address   of its first byte; not 0, as an allocation's 0 means none
 * @param physical  what tarn_gen_pool_physical tells of it, or TARN_GEN_POOL_NO_PHYSICAL
 * @param size      bytes; what is left of a unit at the end is never handed out
 * @param owner     what allocation and free tell of ranges in it
 * @return 0; -ENOMEM; -EINVAL: an address or a size of 0, or a range that leaves the address space; -EEXIST: it overlaps a chunk
 */
TARN_API int tarn_gen_pool_add(struct tarn_gen_pool *pool, unsigned long address, uint64_t physical, size_t size, void *owner);

/**
 * Takes a range of `size` bytes, rounded up to units.
 * @param algo   how to search each chunk; NULL: the pool's algorithm with its data, and `data` does not matter
 * @param owner  gets the chunk's owner, NULL when there is no range; may be NULL
 * @return its address, or 0: no room, or a size of 0. Cost: that of the algorithm, O(bits / 64) for those below.
 */
TARN_API unsigned long tarn_gen_pool_alloc(struct tarn_gen_pool *pool, size_t size, tarn_gen_pool_algo_t *algo, void *data,
                                           void **owner);

/** The same, with `size` bytes zeroed: the chunk is ordinary memory at the address it was added with. */
TARN_API unsigned long tarn_gen_pool_zalloc(struct tarn_gen_pool *pool, size_t size, tarn_gen_pool_algo_t *algo, void *data,
                                            void **owner);

/**
 * Gives a range back, or a part of one that begins and ends at units. What is not taken, or lies in no chunk, is reported (report.h).
 * A size of 0 does nothing.
 */
TARN_API void tarn_gen_pool_free(struct tarn_gen_pool *pool, unsigned long address, size_t size, void **owner);

/**
 * As tarn_gen_pool_alloc, for drivers: *dma gets the range's physical address. `dma` may be NULL, and so may `pool`: NULL then. The forms with align
 * search by tarn_gen_pool_first_fit_align.
 */
TARN_API void *tarn_gen_pool_dma_alloc(struct tarn_gen_pool *pool, size_t size, uint64_t *dma, tarn_gen_pool_algo_t *algo,
                                       void *data);
TARN_API void *tarn_gen_pool_dma_alloc_align(struct tarn_gen_pool *pool, size_t size, uint64_t *dma, int align);
TARN_API void *tarn_gen_pool_dma_zalloc(struct tarn_gen_pool *pool, size_t size, uint64_t *dma, tarn_gen_pool_algo_t *algo,
                                        void *data);
TARN_API void *tarn_gen_pool_dma_zalloc_align(struct tarn_gen_pool *pool, size_t size, uint64_t *dma, int align);

/** Sets how the pool is searched; NULL: first fit. Not while others allocate: they might see the one with the other's data. */
TARN_API void tarn_gen_pool_set_algo(struct tarn_gen_pool *pool, tarn_gen_pool_algo_t *algo, void *data);

/** The order it was made with. */
TARN_API int tarn_gen_pool_order(const struct tarn_gen_pool *pool);

/** The physical address of an address of the pool; TARN_GEN_POOL_NO_PHYSICAL: not in it, or not known. */
TARN_API uint64_t tarn_gen_pool_physical(struct tarn_gen_pool *pool, unsigned long address);

/** Whether all of the range, of at least one byte, lies in one chunk. */
TARN_API bool tarn_gen_pool_has(struct tarn_gen_pool *pool, unsigned long address, size_t size);

/** Bytes that are not taken, and all bytes, of all chunks. */
TARN_API size_t tarn_gen_pool_available(struct tarn_gen_pool *pool);
TARN_API size_t tarn_gen_pool_size(struct tarn_gen_pool *pool);

/** Calls `visit` for each chunk, the newest first. Chunks may be added meanwhile; those are not visited. */
TARN_API void tarn_gen_pool_each_chunk(struct tarn_gen_pool *pool,
                                       void (*visit)(struct tarn_gen_pool *pool, struct tarn_gen_pool_chunk *chunk,
                                                     void *context),
                                       void *context);

/** Verifies the whole structure; ends the process with the sentence that does not hold. The pool must be at rest. */
TARN_API void tarn_gen_pool_verify(struct tarn_gen_pool *pool);

/** What the algorithms below take as their data. */
struct tarn_gen_pool_align {
    int align; /**< bytes, a power of two; 0: 1 */
};
struct tarn_gen_pool_fixed {
    unsigned long offset; /**< bytes from the chunk's beginning, a multiple of a unit */
};

/**
 * The lowest place; the lowest at an address that is a multiple of tarn_gen_pool_align; the lowest whose distance from the chunk's beginning is a multiple
 * of the size rounded up to a power of two; the place at tarn_gen_pool_fixed or none; the lowest of the smallest gaps that are large enough.
 */
TARN_API tarn_gen_pool_algo_t tarn_gen_pool_first_fit, tarn_gen_pool_first_fit_align, tarn_gen_pool_first_fit_order_align,
    tarn_gen_pool_fixed_alloc, tarn_gen_pool_best_fit;

#ifdef __cplusplus
}
#endif

#endif
