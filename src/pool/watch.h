/*
 * Pools that are watched, because letters in the environment name them (base/modes.h), or because a tool watches the process (base/tools.h).
 *
 * What is known of their blocks lies here, apart from the pools: which are live, as large as they were asked for; which were freed, and wait until they
 * are given back to their pool; with stacks and threads. So a pool's fast paths know nothing of this: a watched pool has a flag, with which each call takes the slow
 * one, and there comes here first. What is found is reported (base/fail.h); if the report lets the program go on, the call answers with the error, as it would
 * without.
 *
 *     alloc     a block of the pool, larger than asked for where a tool wants room beside it         live
 *     free      it must be live here, and whole to the pool                                          freed, or with Q and tools: waits
 *     later     its fill is verified, and the pool gets it                                           freed
 *
 * Pools that are alone in dist/tarn-pools.c know of no environment: no pool is watched there, and there is no code for it.
 */
#ifndef TARN_POOL_WATCH_H
#define TARN_POOL_WATCH_H

#include "tarn/pool.h"

/* What is asked of a pool, by the functions beneath its public ones. */
struct tarn__watched {
    const char *kind;
    void *(*alloc)(void *pool, size_t align, size_t size);
    int (*free)(void *pool, void *p, size_t size);
    int (*look)(void *pool, const void *p); /* what a free would answer to a block: 0, or what is wrong */
    size_t (*usable)(void *pool, const void *p);
    size_t (*align)(const void *pool); /* of blocks; NULL: 16, or less */
    bool guards;                       /* it has bytes behind blocks that it verifies, also without red zones */
};

#define TARN__ANY_SIZE SIZE_MAX

#ifdef TARN__POOLS_ALONE

enum { TARN__WATCHED = 0, TARN__WATCH_ALONE = 0 };
static inline unsigned tarn__watch_flags(const char *kind) { return (void)kind, 0; }
static inline void tarn__watch_begin(const struct tarn__watched *kind, void *pool, unsigned flags)
{
    (void)kind, (void)pool, (void)flags;
}
static inline void tarn__watch_empty(void *pool) { (void)pool; }
static inline void tarn__watch_end(void *pool) { (void)pool; }
static inline void tarn__watch_reset(void *pool) { (void)pool; }
static inline void *tarn__watch_alloc(void *pool, size_t align, size_t size)
{
    return (void)pool, (void)align, (void)size, NULL;
}
static inline int tarn__watch_free(void *pool, void *p, size_t size, const char *where)
{
    return (void)pool, (void)p, (void)size, (void)where, 0;
}
static inline void *tarn__watch_realloc(void *pool, void *p, size_t size, const char *where)
{
    return (void)pool, (void)p, (void)size, (void)where, NULL;
}
static inline size_t tarn__watch_usable(void *pool, const void *p) { return (void)pool, (void)p, 0; }
static inline int tarn__watch_come(void *pool, const char *where, const void *p) { return (void)pool, (void)where, (void)p, 0; }
static inline void tarn__watch_go(void *pool) { (void)pool; }
static inline void tarn__watch_note(void *pool, char *p, size_t size) { (void)pool, (void)p, (void)size; }
static inline void tarn__watch_forget(void *pool, const char *from, const char *to) { (void)pool, (void)from, (void)to; }
static inline bool tarn__watch_tools(void) { return false; }
static inline void tarn__watch_allow(const void *p, size_t size) { (void)p, (void)size; }
static inline void tarn__watch_deny(const void *p, size_t size) { (void)p, (void)size; }
static inline int tarn__watch_wrong(void *pool, int error, const char *where, const void *p)
{
    return (void)pool, (void)where, (void)p, error;
}

#else

enum {
    TARN__WATCHED = 1 << 30,     /* among a pool's flags */
    TARN__WATCH_ALONE = 1 << 29, /* for tarn__watch_begin: it has no lock, and two calls at once are a misuse */
};

/* Guard pages: set by the floor that has them. Until then the letter G adds nothing. */
extern void *(*tarn__watch_guard_alloc)(size_t size, size_t align, const char *pool);
extern bool (*tarn__watch_guard_free)(void *p, size_t size, const char *where); /* size: TARN__ANY_SIZE */
extern void (*tarn__watch_guard_own)(void *p, void *owner, void (*gone)(void *owner, size_t size));
extern void *(*tarn__watch_guard_owner)(const void *p, void (*gone)(void *owner, size_t size));

/* What a pool of that kind gets in addition to its user's flags; with TARN__WATCHED tarn__watch_begin is to be called when it is made. */
unsigned tarn__watch_flags(const char *kind);
void tarn__watch_begin(const struct tarn__watched *kind, void *pool, unsigned flags);

/* What waits goes back to the pool. Before it ends, or is asked what is live. */
void tarn__watch_empty(void *pool);

/* The pool has ended; or all of its blocks have been freed at once. */
void tarn__watch_end(void *pool);
void tarn__watch_reset(void *pool);

/*
 * What the public functions do with a watched pool; with no lock of it held. `align` 0: who frees will name the size. `size` of a free: TARN__ANY_SIZE, or
 * what it must be.
 */
void *tarn__watch_alloc(void *pool, size_t align, size_t size);
int tarn__watch_free(void *pool, void *p, size_t size, const char *where);
void *tarn__watch_realloc(void *pool, void *p, size_t size, const char *where);
size_t tarn__watch_usable(void *pool, const void *p);

/*
 * For a pool whose blocks are not freed one by one: a call of it begins, unless that answers an error, which was reported; and ends. A block is handed out; all that
 * begin in [from, to) are no longer in use.
 */
int tarn__watch_come(void *pool, const char *where, const void *p);
void tarn__watch_go(void *pool);
void tarn__watch_note(void *pool, char *p, size_t size);
void tarn__watch_forget(void *pool, const char *from, const char *to);

/* Whether a tool watches (base/tools.h); and what it is told of bytes. */
bool tarn__watch_tools(void);
void tarn__watch_allow(const void *p, size_t size);
void tarn__watch_deny(const void *p, size_t size);

/* Reports what a pool found; 0 and TARN_POOL_NO_MEMORY are nothing. @return the error */
int tarn__watch_wrong(void *pool, int error, const char *where, const void *p);

#endif
#endif
