/*
 * The malloc family over the heap: what fast.h leaves out, requests of whole pages, and reallocation.
 */
#include "tarn/alloc.h"

#include "alloc/care.h"
#include "alloc/fast.h"
#include "alloc/hard.h"
#include "alloc/hard_fast.h"
#include "alloc/heap.h"
#include "alloc/heaps.h"
#include "alloc/realloc.h"
#include "alloc/sample.h"
#include "base/fail.h"
#include "os/os.h"
#include "page/shelf.h"
#include "slab/debug.h"

#include <string.h>

#define ENTRY_1(i) TARN__CLASS_OF_16(i)
#define ENTRY_4(i) ENTRY_1(i), ENTRY_1((i) + 1), ENTRY_1((i) + 2), ENTRY_1((i) + 3)
#define ENTRY_16(i) ENTRY_4(i), ENTRY_4((i) + 4), ENTRY_4((i) + 8), ENTRY_4((i) + 12)

const uint8_t tarn__class_table[TARN__TABLE_MOST / 16 + 1] = {ENTRY_16(0), ENTRY_16(16), ENTRY_16(32), ENTRY_16(48),
                                                              ENTRY_1(64)};

#define BIN_1(i) offsetof(struct tarn__local, bin) + TARN__CLASS_OF_16(i) * sizeof(struct tarn__bin)
#define BIN_4(i) BIN_1(i), BIN_1((i) + 1), BIN_1((i) + 2), BIN_1((i) + 3)
#define BIN_16(i) BIN_4(i), BIN_4((i) + 4), BIN_4((i) + 8), BIN_4((i) + 12)

/* Read-only once the loader is done. */
#define SEALED __attribute__((section(".data.rel.ro")))

SEALED uint16_t tarn__bin_by_16[TARN__TABLE_MOST / 16 + 1] = {BIN_16(0), BIN_16(16), BIN_16(32), BIN_16(48), BIN_1(64)};

#define FAR_1(i) offsetof(struct tarn__local, bin) + TARN__CLASS_OF_128(i) * sizeof(struct tarn__bin)
#define FAR_4(i) FAR_1(i), FAR_1((i) + 1), FAR_1((i) + 2), FAR_1((i) + 3)
#define FAR_16(i) FAR_4(i), FAR_4((i) + 4), FAR_4((i) + 8), FAR_4((i) + 12)
#define FAR_64(i) FAR_16(i), FAR_16((i) + 16), FAR_16((i) + 32), FAR_16((i) + 48)

SEALED uint16_t tarn__bin_by_128[TARN__SMALL_MOST / 128 + 1] = {FAR_64(0), FAR_64(64), FAR_64(128), FAR_64(192), FAR_1(256)};

/* Lets the pages of a table be written. */
static bool unseal(void *table, size_t size)
{
    size_t page = tarn__os_page_size();
    uintptr_t from = tarn__align_down((uintptr_t)table, page), to = tarn__align_up((uintptr_t)table + size, page);
    return tarn__os_commit((void *)from, to - from) == 0; /* NOLINT: an address */
}

bool tarn__alloc_slowly(unsigned class)
{
    if (!unseal(tarn__bin_by_16, sizeof tarn__bin_by_16) || !unseal(tarn__bin_by_128, sizeof tarn__bin_by_128))
        return false;
    for (size_t i = 0; i <= TARN__TABLE_MOST / 16; i++)
        if (tarn__class_table[i] == class)
            tarn__bin_by_16[i] = 0;
    for (size_t i = TARN__TABLE_MOST / 128; i <= TARN__SMALL_MOST / 128; i++)
        if (tarn__class_of(i * 128) == class)
            tarn__bin_by_128[i] = 0;
    tarn__heap.quick[class] = 0;
    return true;
}

/* Counts a failure. */
static void *no_memory(void)
{
    tarn__atomic_add(&tarn__heap.failures, 1);
    return NULL;
}

static struct tarn__large_tally *my_tally(void) { return &tarn__heap.large[tarn__thread_id() & (TARN__LARGE_TALLIES - 1)]; }

/* Other threads may have the same tally, but seldom have. */
static void tally(_Atomic uint64_t *counter, uint64_t n)
{
    if (tarn__single_threaded())
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
    else
        tarn__atomic_add(counter, n);
}

void *tarn__large_note(struct tarn_page *run, size_t size)
{
    struct tarn__large_tally *mine = my_tally();
    tally(&mine->allocs, 1);
    tally(&mine->pages, run->count);
    tally(&mine->requested, size);
    tally(&mine->rounded, tarn__align_up(tarn__max(size, 1), TARN__PAGE_SIZE));
    tarn__ledger_note((int64_t)(run->count * TARN__PAGE_SIZE));
    if (tarn__slow_path_hook)
        tarn__slow_path_hook();
    return tarn__page_address(run);
}

void tarn__large_resize(size_t was, size_t is)
{
    tally(&my_tally()->pages, (uint64_t)is - was);
    tarn__ledger_note(((int64_t)is - (int64_t)was) * (int64_t)TARN__PAGE_SIZE);
}

void *tarn__large_alloc(size_t size, size_t align, size_t room, bool *zeroed)
{
    size_t pages = tarn__align_up(tarn__max(size, 1), TARN__PAGE_SIZE) / TARN__PAGE_SIZE;
    if (size > PTRDIFF_MAX || align > PTRDIFF_MAX)
        return no_memory();
    tarn__heap_ready();
    struct tarn_page *run = align > TARN__PAGE_SIZE ? NULL : tarn__shelf_take(&tarn__heap.zone, pages + room);
    if (run && zeroed)
        *zeroed = false;
    if (!run)
        run = tarn__pages_alloc(&tarn__heap.zone, pages + room, align, zeroed);
    if (!run && room > 0)
        run = tarn__pages_alloc(&tarn__heap.zone, pages, align, zeroed);
    return run ? tarn__large_note(run, size) : no_memory();
}

void tarn__large_free(struct tarn_page *run, bool clean)
{
    size_t pages = run->count;
    if (clean)
        tarn__pages_free_clean(run);
    else
        tarn__shelf_free(run);
    tarn__large_resize(pages, 0);
    tally(&my_tally()->frees, 1);
    if (tarn__slow_path_hook)
        tarn__slow_path_hook();
}

/* With modes, all that is slow; without, what no fast path serves. */
static void *cared_for(size_t size, size_t align, bool *zeroed)
{
    void *p = tarn__care_alloc(size, align, zeroed);
    return p ? p : no_memory();
}

static TARN__NOINLINE void *alloc_cared_for(size_t size)
{
    if (TARN__LIKELY(tarn__only_noted)) {
        void *noted = tarn__noted_alloc(size);
        return noted ? noted : no_memory();
    }
    void *p = tarn__only_hardened && size <= TARN__SMALL_MOST ? tarn__hard_alloc(size, 16) : NULL;
    return p ? p : cared_for(size, 16, NULL);
}

static TARN__NOINLINE void *alloc_hardened(size_t size) { return tarn__hard_alloc_wide_or(size, alloc_cared_for); }

/* Small hardened objects, which hardened programs ask for all the time, go first. */
TARN__NOINLINE void *tarn__alloc_slow(size_t size)
{
    if (TARN__UNLIKELY(tarn__modes_any))
        return tarn__only_hardened ? tarn__hard_alloc_or(size, alloc_hardened) : alloc_cared_for(size);
    if (size > TARN__SMALL_MOST)
        return tarn__large_alloc(size, TARN__PAGE_SIZE, 0, NULL);
    void *object = tarn__local_alloc(tarn__heap_class(tarn__class_of(size)), size, TARN_GFP_KERNEL | TARN_GFP_NOWARN);
    return object ? object : no_memory();
}

/* Of what lies in no slab of malloc's: pages of its own, or an object of a user's heap; false: neither. */
static bool free_page(struct tarn_page *page, void *p)
{
    struct tarn__piece *piece = tarn__page_piece(page);
    if (piece)
        tarn__heap_free(piece, p);
    else if (tarn__page_state(page) == TARN__PAGE_RUN && ((uintptr_t)p & (TARN__PAGE_SIZE - 1)) == 0)
        tarn__large_free(page, false);
    else
        return false;
    return true;
}

/* Of what no mode knows. */
static TARN__NOINLINE void free_ordinary(void *p, const void *caller)
{
    struct tarn_page *page = tarn__page_of(p);
    if (page && free_page(page, p))
        return;
    struct tarn__slab *slab = tarn__slab_of(p);
    if (slab && (slab->cache->flags & TARN__DEBUG_FLAGS)) {
        tarn__debug_free(slab->cache, p, caller);
    } else if (!slab || tarn__object_is_free(slab, p)) {
        tarn__misuse(TARN__INVALID_FREE, "free", p);
    } else {
        tarn__mark_write(tarn__mark_of(slab, p), false);
        tarn__local_free(slab->cache, p);
    }
}

static TARN__NOINLINE void free_cared_for(void *p, const void *caller)
{
    if (!tarn__care_free(p, TARN__HARD_ANY, "free"))
        free_ordinary(p, caller);
    if (tarn__sample_rate)
        tarn__sample_rest();
}

static TARN__NOINLINE void free_sampled(void *p)
{
    if (TARN__UNLIKELY(!tarn__sampled_push(p)))
        free_cared_for(p, __builtin_return_address(0));
}

static TARN__NOINLINE void free_hardened_wide(void *p)
{
    if (TARN__UNLIKELY(!tarn__hard_try_free(p, true)))
        free_cared_for(p, __builtin_return_address(0));
}

static TARN__NOINLINE void free_hardened(void *p)
{
    if (TARN__UNLIKELY(!tarn__hard_try_free(p, false)))
        free_hardened_wide(p);
}

TARN__NOINLINE void tarn__free_slow(void *p)
{
    if (!p)
        return;
    if (TARN__UNLIKELY(tarn__only_hardened))
        free_hardened(p);
    else if (TARN__UNLIKELY(tarn__only_sampled))
        free_sampled(p);
    else if (TARN__UNLIKELY(tarn__modes_any))
        free_cared_for(p, __builtin_return_address(0));
    else
        free_ordinary(p, __builtin_return_address(0));
}

TARN__NOINLINE void tarn__free_sized_slow(void *p, size_t size)
{
    if (p && (TARN__LIKELY(!tarn__modes_any) || !tarn__care_free(p, size, "delete")))
        tarn__free_slow(p);
}

void *tarn_malloc(size_t size) { return tarn__alloc(size); }

void tarn_free(void *p) { tarn__free(p); }

void *tarn_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return no_memory();
    if (bytes > TARN__SMALL_MOST) {
        bool zeroed;
        void *p = TARN__UNLIKELY(tarn__modes_any) ? cared_for(bytes, 16, &zeroed)
                                                  : tarn__large_alloc(bytes, TARN__PAGE_SIZE, 0, &zeroed);
        return !p || zeroed ? p : memset(p, 0, bytes);
    }
    void *p = tarn__alloc(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

/* In place of a slow path. */
static inline void *no_object(size_t size)
{
    (void)size;
    return NULL;
}

/* See classes.h for why the class of the rounded size is aligned. */
void *tarn_aligned_alloc(size_t align, size_t size)
{
    if (!tarn__is_pow2(align) || size > PTRDIFF_MAX)
        return no_memory();
    size_t rounded = tarn__align_up(tarn__max(size, 1), align);
    if (rounded <= TARN__SMALL_MOST) {
        void *p = tarn__alloc_or(rounded, no_object);
        if (TARN__LIKELY(p != NULL))
            return p;
        return TARN__UNLIKELY(tarn__modes_any) ? cared_for(size, align, NULL) : tarn__alloc_slow(rounded);
    }
    if (TARN__UNLIKELY(tarn__modes_any))
        return cared_for(size, align, NULL);
    return tarn__large_alloc(size, tarn__max(align, TARN__PAGE_SIZE), 0, NULL);
}

/* Of what is no ordinary object of a size class. 0: NULL, or what was reported. */
static TARN__NOINLINE size_t usable_slow(const void *p, const char *where)
{
    if (!p)
        return 0;
    size_t cared;
    if (TARN__UNLIKELY(tarn__modes_any) && tarn__care_size(p, where, &cared))
        return cared == SIZE_MAX ? 0 : cared;
    struct tarn_page *run = tarn__run_at(p);
    if (run)
        return run->count * TARN__PAGE_SIZE;
    bool free;
    struct tarn__piece *piece = tarn__piece_of(p);
    if (piece && tarn__piece_size(piece, p, &free) > 0) {
        size_t asked = tarn__heap_asked(piece, p, where);
        return asked == SIZE_MAX ? 0 : asked;
    }
    const struct tarn__slab *slab = piece ? NULL : tarn__slab_of(p);
    if (slab && !tarn__object_is_free(slab, p))
        return tarn__object_size(slab->cache);
    tarn__misuse(piece && free ? TARN__DOUBLE_FREE : TARN__INVALID_FREE, where, p);
    return 0;
}

static inline size_t usable_size(const void *p, const char *where)
{
    unsigned number = tarn__class_at(p);
    return number ? tarn__class_size(number) : usable_slow(p, where);
}

size_t tarn_usable_size(const void *p) { return usable_size(p, "usable_size"); }

void tarn_free_sized(void *p, size_t size)
{
    if (TARN__UNLIKELY(tarn__modes_any) && p && tarn__care_free(p, size, "free_sized"))
        return;
    size_t usable = usable_size(p, "free_sized");
    if (usable == 0 && !(size == 0 && p && tarn__modes_any)) /* with red zones an object may have been asked for with 0 bytes */
        return;
    if (size > usable)
        tarn__report(TARN__WRONG_SIZE, "free_sized", p, NULL);
    else
        tarn__free(p);
}

size_t tarn_trim(size_t keep) { return tarn__heap_trim(keep); }
