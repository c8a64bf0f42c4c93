/*
 * What the floors above need of mempools beside tarn/mempool.h: the fork hooks, the check, and a place to say what back ends
 * are like.
 */
#ifndef TARN_MEMPOOL_MEMPOOL_H
#define TARN_MEMPOOL_MEMPOOL_H

#include "tarn/mempool.h"

enum tarn__mempool_kept {
    TARN__MEMPOOL_NOTED,
    TARN__MEMPOOL_UNKNOWN,  /* nothing can be noted of this one */
    TARN__MEMPOOL_WAS_FREE, /* it is free, below or in a reserve; nothing was noted */
};

/* What is known of the elements of an allocator below. */
struct tarn__mempool_backend {
    tarn_mempool_alloc_t *alloc;             /* by which its pools are known; NULL ends an array of these */
    size_t (*element_size)(void *pool_data); /* bytes, greater than 0; SIZE_MAX: not fit for a pool */
    void *(*memory)(void *element);          /* where an element's bytes are; NULL: at the element */

    /*
     * A back end may look into its allocator itself, which saves two calls; both or neither. What they cannot do at once they leave to
     * tarn__mempool_alloc, having asked nobody, and to tarn__mempool_free, which must have all that comes while the reserve is short.
     */
    void *(*quick_alloc)(struct tarn_mempool *pool, tarn_gfp_t flags);
    void (*quick_free)(void *element, struct tarn_mempool *pool);

    /*
     * Notes that an element goes into a reserve, or out of it again, so that it counts as free meanwhile: under the pool's lock, in constant time. NULL:
     * nothing can be noted.
     */
    enum tarn__mempool_kept (*keep)(void *element, bool kept);
};

/* What tarn_mempool_alloc and free do, over any allocator. */
void *tarn__mempool_alloc(struct tarn_mempool *pool, tarn_gfp_t flags);
void tarn__mempool_free(void *element, struct tarn_mempool *pool);

/* Set once, before any pool that stands on one of them is made. */
extern const struct tarn__mempool_backend *tarn__mempool_backends;

/* What is known of the allocator under a pool; NULL: nothing. */
const struct tarn__mempool_backend *tarn__mempool_backend_of(const struct tarn_mempool *pool);

/* Asks the allocator below, unless a failure is injected. */
void *tarn__mempool_ask(struct tarn_mempool *pool, tarn_gfp_t flags);

/*
 * Gives elements to the reserve, as long as it is short, and to those who wait. Returns how many, from the first on; 0: it is
 * full.
 */
unsigned tarn__mempool_give(struct tarn_mempool *pool, void **elements, unsigned count);

/* Whether flags do not go with mempools; warns. */
bool tarn__mempool_refuses(tarn_gfp_t flags);

/* What is kept of pools that have ended goes back to the system. */
void tarn__mempool_trim(void);

/* For the fork hooks, in the order of their names: between `prepare` and one of the others no pool changes. */
void tarn__mempool_fork_prepare(void);
void tarn__mempool_fork_parent(void);
void tarn__mempool_fork_child(void);

/* Verifies a pool's whole structure, taking its lock. */
void tarn__mempool_check(struct tarn_mempool *pool);

#endif
