/*
 * The contract of os.h inside one static array, failing on demand. No system call is made for memory.
 *
 *     arena     | page | page | page | …      384 MiB; the loader gives pages that were never written for nothing
 *     mapped      1 bit a page
 *     committed   1 bit a page; a committed page is mapped
 *     used        1 bit a page; it was committed at some time
 *
 * Invariant: a page that is not committed holds zeros. It is verified when a used page is mapped again, so a write to memory that
 * was given back is found; under AddressSanitizer such a write ends the process at once.
 */
#include "os/fake.h"

#include "base/bits.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)0)
#endif

enum { PAGE = 4096 };
#define ALIGNMENT ((size_t)4 << 20)
#define PAGES (TARN__FAKE_SIZE / PAGE)

static char arena_room[TARN__FAKE_SIZE + ALIGNMENT];
static uint64_t mapped[PAGES / 64], committed[PAGES / 64], used[PAGES / 64];
static const char zeros[PAGE];

static atomic_flag busy = ATOMIC_FLAG_INIT;
static size_t page_size = PAGE;
static _Atomic uint64_t clock_ms;
static _Atomic uint64_t calls[TARN__OS_CALLS];
static struct {
    unsigned kinds;
    uint64_t first, times, seen, failed;
} plan;

char *tarn__fake_arena(void) { return (char *)tarn__align_up((uintptr_t)arena_room, ALIGNMENT); }

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        sched_yield();
}

static void unlock(void) { atomic_flag_clear_explicit(&busy, memory_order_release); }

/* Counts a call; true: it is to fail. The lock is held. */
static bool fails_now(enum tarn__os_call call)
{
    atomic_fetch_add_explicit(&calls[call], 1, memory_order_relaxed);
    if (!(plan.kinds >> call & 1))
        return false;
    plan.seen++;
    bool fails = plan.seen >= plan.first && plan.seen - plan.first < plan.times;
    plan.failed += fails;
    return fails;
}

static _Noreturn void violated(const char *sentence)
{
    static const char before[] = "fake os: violated: ";
    if (write(STDERR_FILENO, before, sizeof before - 1) > 0 && write(STDERR_FILENO, sentence, strlen(sentence)) > 0)
        (void)!write(STDERR_FILENO, "\n", 1);
    abort();
}

static void require(bool condition, const char *sentence)
{
    if (!condition)
        violated(sentence);
}

struct range {
    size_t first, count; /* pages */
};

static struct range range_of(const void *p, size_t size)
{
    size_t offset = (uintptr_t)p - (uintptr_t)tarn__fake_arena();
    require(size > 0 && size % page_size == 0, "a size is a multiple of the system's page, and not 0");
    require((uintptr_t)p % page_size == 0, "an address is a multiple of the system's page");
    require(offset < TARN__FAKE_SIZE && size <= TARN__FAKE_SIZE - offset, "a range is one that was mapped");
    return (struct range){offset / PAGE, size / PAGE};
}

static bool all(const uint64_t *map, struct range r) { return tarn__bits_count(map, r.first, r.count) == r.count; }

static char *page_at(size_t index) { return tarn__fake_arena() + index * PAGE; }

static void clear_pages(struct range r)
{
    for (size_t i = r.first; i < r.first + r.count; i++)
        if (memcmp(page_at(i), zeros, PAGE) != 0)
            memset(page_at(i), 0, PAGE);
}

static void commit_pages(struct range r)
{
    ASAN_UNPOISON_MEMORY_REGION(page_at(r.first), r.count * PAGE);
    for (size_t i = r.first; i < r.first + r.count; i++)
        require(!tarn__bit_test(used, i) || memcmp(page_at(i), zeros, PAGE) == 0, "nobody writes to memory that is not mapped");
    tarn__bits_set(committed, r.first, r.count);
    tarn__bits_set(used, r.first, r.count);
}

/* Where `count` pages are free; PAGES: nowhere. */
static size_t find_place(const void *at, size_t count)
{
    size_t step = page_size / PAGE, offset = (uintptr_t)at - (uintptr_t)tarn__fake_arena();
    if (count > PAGES)
        return PAGES;
    if (!at)
        return tarn__bits_find_clear_run(mapped, PAGES, count, step, 0);
    if (offset >= TARN__FAKE_SIZE || count > PAGES - offset / PAGE)
        return PAGES;
    return tarn__bits_count(mapped, offset / PAGE, count) == 0 ? offset / PAGE : PAGES;
}

void *tarn__os_map(void *at, size_t size, enum tarn__os_use use)
{
    require(size > 0 && size % page_size == 0, "a size is a multiple of the system's page, and not 0");
    require((uintptr_t)at % page_size == 0, "an address is a multiple of the system's page");
    lock();
    size_t first = fails_now(TARN__OS_MAP) ? PAGES : find_place(at, size / PAGE);
    if (first < PAGES) {
        struct range r = {first, size / PAGE};
        tarn__bits_set(mapped, r.first, r.count);
        if (use == TARN__OS_COMMITTED)
            commit_pages(r);
        else
            ASAN_POISON_MEMORY_REGION(page_at(r.first), size);
    }
    unlock();
    return first < PAGES ? page_at(first) : NULL;
}

int tarn__os_commit(void *p, size_t size)
{
    struct range r = range_of(p, size);
    lock();
    require(all(mapped, r), "what is committed is mapped");
    require(tarn__bits_count(committed, r.first, r.count) == 0, "what is committed was reserved");
    bool fails = fails_now(TARN__OS_COMMIT);
    if (!fails)
        commit_pages(r);
    unlock();
    return fails ? -ENOMEM : 0;
}

int tarn__os_populate(void *p, size_t size)
{
    struct range r = range_of(p, size);
    lock();
    require(all(committed, r), "what is populated is committed");
    bool fails = fails_now(TARN__OS_POPULATE);
    unlock();
    return fails ? -ENOMEM : 0;
}

int tarn__os_purge(void *p, size_t size)
{
    struct range r = range_of(p, size);
    lock();
    require(all(committed, r), "what is purged is committed");
    bool fails = fails_now(TARN__OS_PURGE);
    if (!fails)
        clear_pages(r);
    unlock();
    return fails ? -ENOMEM : 0;
}

int tarn__os_unmap(void *p, size_t size)
{
    struct range r = range_of(p, size);
    lock();
    require(all(mapped, r), "what is unmapped is mapped");
    bool fails = fails_now(TARN__OS_UNMAP);
    if (!fails) {
        ASAN_UNPOISON_MEMORY_REGION(p, size);
        clear_pages(r);
        tarn__bits_clear(mapped, r.first, r.count);
        tarn__bits_clear(committed, r.first, r.count);
        ASAN_POISON_MEMORY_REGION(p, size);
    }
    unlock();
    return fails ? -ENOMEM : 0;
}

int tarn__os_move(void *from, void *to, size_t size)
{
    struct range source = range_of(from, size), target = range_of(to, size);
    lock();
    require(all(committed, source) && all(committed, target), "what is moved, and where to, is committed");
    require(source.first + source.count <= target.first || target.first + target.count <= source.first,
            "the two ranges of a move do not overlap");
    bool fails = fails_now(TARN__OS_MOVE);
    if (!fails) {
        memcpy(to, from, size);
        clear_pages(source);
    }
    unlock();
    return fails ? -ENOMEM : 0;
}

void tarn__os_wait(_Atomic uint32_t *word, uint32_t value)
{
    atomic_fetch_add_explicit(&calls[TARN__OS_WAIT], 1, memory_order_relaxed);
    if (atomic_load_explicit(word, memory_order_relaxed) == value)
        sched_yield();
}

void tarn__os_wait_for(_Atomic uint32_t *word, uint32_t value, uint32_t milliseconds)
{
    (void)milliseconds;
    tarn__os_wait(word, value);
}

void tarn__os_wake(_Atomic uint32_t *word)
{
    (void)word;
    atomic_fetch_add_explicit(&calls[TARN__OS_WAKE], 1, memory_order_relaxed);
}

uint64_t tarn__os_now(void) { return atomic_load_explicit(&clock_ms, memory_order_relaxed); }

static struct {
    const char *path, *text;
} files[64];
static _Atomic bool filtered;
static void (*_Atomic on_read)(void);

void tarn__fake_on_read(void (*act)(void)) { on_read = act; }

static const char *text_of(const char *path)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i].path && strcmp(files[i].path, path) == 0)
            return files[i].text;
    return NULL;
}

/* In pieces that end anywhere, as those of the kernel's may. */
int tarn__os_read(const char *path, bool (*take)(void *to, const char *bytes, size_t count), void *to)
{
    enum { PIECE = 37 };
    lock();
    bool fails = fails_now(TARN__OS_READ);
    const char *text = fails ? NULL : text_of(path);
    unlock();
    if (on_read)
        on_read();
    if (!text)
        return fails ? -EIO : -ENOENT;
    for (size_t length = strlen(text), at = 0; at < length; at += PIECE)
        if (!take(to, text + at, length - at < PIECE ? length - at : PIECE))
            break;
    return 0;
}

bool tarn__os_filtered(void) { return filtered; }

void tarn__fake_set_filtered(bool value) { filtered = value; }

void tarn__fake_file(const char *path, const char *text)
{
    size_t at = 0, free_one = sizeof files / sizeof *files;
    lock();
    for (; at < sizeof files / sizeof *files; at++) {
        if (!path)
            files[at].path = NULL;
        else if (files[at].path && strcmp(files[at].path, path) == 0)
            break;
        else if (!files[at].path)
            free_one = at;
    }
    if (path) {
        at = at < sizeof files / sizeof *files ? at : free_one;
        require(at < sizeof files / sizeof *files, "there are at most 64 files");
        files[at].path = text ? path : NULL;
        files[at].text = text;
    }
    unlock();
}

size_t tarn__os_page_size(void) { return page_size; }

uint64_t tarn__os_calls(enum tarn__os_call call) { return atomic_load_explicit(&calls[call], memory_order_relaxed); }

void tarn__os_die(const char *message, size_t length)
{
    (void)!write(STDERR_FILENO, message, length);
    abort();
}

void tarn__fake_fail(unsigned kinds, uint64_t first, uint64_t times)
{
    lock();
    plan.kinds = kinds;
    plan.first = first;
    plan.times = times;
    plan.seen = plan.failed = 0;
    unlock();
}

uint64_t tarn__fake_seen(void)
{
    lock();
    uint64_t seen = plan.seen;
    unlock();
    return seen;
}

uint64_t tarn__fake_failed(void)
{
    lock();
    uint64_t failed = plan.failed;
    unlock();
    return failed;
}

size_t tarn__fake_mapped(void)
{
    lock();
    size_t pages = tarn__bits_count(mapped, 0, PAGES);
    unlock();
    return pages * PAGE;
}

bool tarn__fake_is_committed(const void *p, size_t size)
{
    struct range r = range_of(p, size);
    lock();
    bool is = all(committed, r);
    unlock();
    return is;
}

void tarn__fake_set_now(uint64_t ms) { atomic_store_explicit(&clock_ms, ms, memory_order_relaxed); }

void tarn__fake_set_page_size(size_t size) { page_size = size; }
