/**
 * @file source.h
 * Page sources: where memory comes from.
 *
 * A source is a small struct of operations. Some sources stand on the system or on a buffer; the others
 * stand on a parent and add one duty each: counting, limiting, failing on demand. So any chain can be built, and every
 * pool of tarn can stand on any of them:
 *
 *     struct tarn_source_limit limited;
 *     tarn_source_limit_init(&limited, tarn_source_system(), 64 << 20);
 *     void *p = tarn_source_acquire(&limited.source, 1 << 20, 4096);
 *
 * The structs belong to the caller and must outlive what stands on them. All operations may be called from any
 * thread at any time; none is async-signal-safe. No operation changes errno.
 */
#ifndef TARN_SOURCE_H
#define TARN_SOURCE_H

#include "api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_source;

/** The operations of a source. A null `purge`, `populate` or `move` means: the source cannot do that. */
struct tarn_source_ops {
    void *(*acquire)(struct tarn_source *source, size_t size, size_t align);
    int (*release)(struct tarn_source *source, void *p, size_t size);
    int (*purge)(struct tarn_source *source, void *p, size_t size);
    int (*populate)(struct tarn_source *source, void *p, size_t size);
    int (*move)(struct tarn_source *source, void *from, void *to, size_t size);
};

struct tarn_source {
    const struct tarn_source_ops *ops;
    struct tarn_source *parent; /**< NULL at the end of a chain */
};

/**
 * Takes memory from a source.
 *
 * @param size   bytes, a multiple of 4096, greater than 0
 * @param align  a power of two, at least 4096
 * @return memory that reads as zero (a buffer's is cleared for that), or NULL when there is none.
 * Cost: that of the source; for the system one mmap, and two munmap where alignment above a page is asked; for a buffer the clearing.
 */
TARN_API void *tarn_source_acquire(struct tarn_source *source, size_t size, size_t align);

/**
 * Gives memory back: a range that was acquired, or a part of one.
 * @return 0; -ENOMEM when the system cannot split a mapping (the memory is then still the caller's)
 */
TARN_API int tarn_source_release(struct tarn_source *source, void *p, size_t size);

/**
 * Gives the pages of a range back to the system while the range stays the caller's; it then reads as zero.
 * @return 0; -ENOTSUP from a source that cannot; another -errno of the system. On failure the contents are unchanged or zero.
 */
TARN_API int tarn_source_purge(struct tarn_source *source, void *p, size_t size);

/** Takes the pages of a range at once instead of at first touch. @return 0 or -errno; a failure costs nothing but time. */
TARN_API int tarn_source_populate(struct tarn_source *source, void *p, size_t size);

/**
 * Moves the pages of `from` to `to` without copying; both are ranges of this source, of equal length, apart. Afterwards `from` reads as zero.
 * @return 0; -ENOTSUP or another -errno when it cannot be done: nothing has changed then
 */
TARN_API int tarn_source_move(struct tarn_source *source, void *from, void *to, size_t size);

/** The system's anonymous memory, by mmap. One for the process; never destroyed. */
TARN_API struct tarn_source *tarn_source_system(void);

/** A caller's buffer. Released ranges are handed out again; pages cannot be purged. Without a lock, so safe beside a fork. */
struct tarn_source_buffer {
    struct tarn_source source;
    char *base;      /**< first whole page of the buffer */
    size_t pages;    /**< whole pages of 4096 bytes in it */
    uint64_t *taken; /**< one bit a page, at the end of the buffer; changed atomically */
};

/**
 * Makes a source of a buffer. Its bookkeeping (one bit for 4096 bytes) lies at the buffer's end.
 * @param size  bytes; at least 8192 + 4096 so that one page remains wherever the buffer begins
 * @return 0; -EINVAL when the buffer is too small for one page
 */
TARN_API int tarn_source_buffer_init(struct tarn_source_buffer *buffer, void *memory, size_t size);

/** Counts what passes through. Counters are changed atomically and may be read at any time. */
struct tarn_source_count {
    struct tarn_source source;
    uint64_t acquired TARN_ALIGNED(8); /**< bytes, ever */
    uint64_t released TARN_ALIGNED(8); /**< bytes, ever */
    uint64_t purged TARN_ALIGNED(8);   /**< bytes, ever */
    uint64_t failures TARN_ALIGNED(8); /**< acquisitions that got NULL */
};

TARN_API void tarn_source_count_init(struct tarn_source_count *count, struct tarn_source *parent);

/** Lets at most `limit` bytes be held at a time. `limit` may be changed at any time; lowering it takes nothing away. */
struct tarn_source_limit {
    struct tarn_source source;
    uint64_t limit TARN_ALIGNED(8); /**< bytes */
    uint64_t held TARN_ALIGNED(8);  /**< bytes */
};

TARN_API void tarn_source_limit_init(struct tarn_source_limit *limited, struct tarn_source *parent, uint64_t limit);

/** Fails on demand, for tests: calls from number `first` on fail, `times` of them (UINT64_MAX: all). Calls of all kinds count, from 1. */
struct tarn_source_fail {
    struct tarn_source source;
    uint64_t calls TARN_ALIGNED(8); /**< made so far */
    uint64_t first, times;
};

TARN_API void tarn_source_fail_init(struct tarn_source_fail *failing, struct tarn_source *parent, uint64_t first,
                                    uint64_t times);

#ifdef __cplusplus
}
#endif

#endif
