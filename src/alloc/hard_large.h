/*
 * Hardened mode's whole pages.
 *
 *     unmapped or no access | zeros | object, at a multiple of 64 or its alignment | canary | no access
 *
 * So an overflow meets the canary, of less than the alignment, and then the guard page. What is freed is all zero and stays mapped for the next request of such a length, oldest first:
 * up to 1 MiB it is cleared by writing; above that its pages are given back, and an access faults. What is kept is bounded, by 8 MiB of the former and 64 blocks in all.
 */
#ifndef TARN_ALLOC_HARD_LARGE_H
#define TARN_ALLOC_HARD_LARGE_H

#include "os/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tarn__hard_stats;
struct tarn__suspect;

/* `size` zero bytes; NULL: no memory. */
void *tarn__hard_large_alloc(size_t size, size_t align);

/* False: there is no such block, live or kept. As tarn__hard_free. */
bool tarn__hard_large_free(void *p, size_t size, const char *where);

/* False as above. *size: bytes of the live one; SIZE_MAX: what is there was reported. */
bool tarn__hard_large_size(const void *p, const char *where, size_t *size);

/* Another size in the same place; false: it has no room there. *size is that of a live one. */
bool tarn__hard_large_resize(void *p, size_t size);

/* Where blocks are, for readers outside of the process: format/live.h has the same structure. */
struct tarn__hard_large_map {
    void *at;
    uint32_t count, bytes, next, object, map, pages, asked, state, live, unused;
};
extern const struct tarn__hard_large_map tarn__hard_large_map;

size_t tarn__hard_large_check(void);
bool tarn__hard_large_describe(const void *p, struct tarn__suspect *suspect);
void tarn__hard_large_stats(struct tarn__hard_stats *stats);
void tarn__hard_large_each_lock(void (*act)(struct tarn__lock *));

#endif
