/* Floor 4, pools: bump arenas. */
#include "test/unit/check.h"

#include "tarn/bump.h"

#include <string.h>

enum { PAGE = 4096 };

static _Alignas(16) char buffer[1 << 20];
static struct tarn_source_buffer pages;
static struct tarn_source_count counted;
static struct tarn_source_fail failing;

/* A source of 1 MiB, counted, that can be told to fail. */
static struct tarn_source *source(void)
{
    assert_int_equal(tarn_source_buffer_init(&pages, buffer, sizeof buffer), 0);
    tarn_source_fail_init(&failing, &pages.source, UINT64_MAX, 0);
    tarn_source_count_init(&counted, &failing.source);
    return &counted.source;
}

static size_t held(void) { return (size_t)(counted.acquired - counted.released); }

static struct tarn_bump *make(unsigned flags, size_t chunk)
{
    struct tarn_bump_options options = {.flags = flags, .source = source(), .chunk = chunk, .keep = chunk};
    struct tarn_bump *bump = tarn_bump_create(NULL, PAGE, &options);
    assert_non_null(bump);
    return bump;
}

static struct tarn_pool_stats stats_of(struct tarn_bump *bump)
{
    struct tarn_pool_stats stats;
    tarn_bump_stats(bump, &stats);
    return stats;
}

static void end(struct tarn_bump *bump)
{
    assert_int_equal(tarn_bump_check(bump), 0);
    tarn_bump_destroy(bump);
    assert_int_equal(held(), 0);
}

static void arguments_that_cannot_be(void **state)
{
    (void)state;
    static _Alignas(16) char memory[TARN_BUMP_LEAST];
    struct tarn_bump_options options = {.flags = 1u << 20};
    assert_null(tarn_bump_create(memory, sizeof memory, &options));
    options = (struct tarn_bump_options){.chunk = SIZE_MAX};
    assert_null(tarn_bump_create(memory, sizeof memory, &options));
    assert_null(tarn_bump_create(memory, TARN_BUMP_LEAST - 1, NULL));
    assert_null(tarn_bump_create(memory, SIZE_MAX, NULL));
    assert_null(tarn_bump_create(NULL, SIZE_MAX - 100, NULL));
    tarn_bump_destroy(NULL);
    struct tarn_bump *bump = tarn_bump_create(memory, sizeof memory, NULL);
    assert_non_null(bump);
    assert_null(tarn_bump_alloc_aligned(bump, 24, 8));
    assert_null(tarn_bump_alloc_aligned(bump, 0, 8));
    assert_null(tarn_bump_alloc_aligned(bump, SIZE_MAX / 2 + 1, 8));
    assert_null(tarn_bump_alloc(bump, SIZE_MAX));
    assert_null(tarn_bump_alloc(bump, PTRDIFF_MAX));
    assert_int_equal(stats_of(bump).failures, 5);
    assert_int_equal(tarn_bump_each(bump, NULL, NULL), TARN_POOL_INVALID);
    tarn_bump_destroy(bump);
}

/* Whatever the memory's alignment, blocks lie in it, apart, at multiples of 16. */
static void memory_of_the_caller(void **state)
{
    (void)state;
    static _Alignas(16) char memory[4096];
    for (size_t off = 0; off < 17; off++) {
        struct tarn_bump *bump = tarn_bump_create(memory + off, 2000, NULL);
        struct tarn_pool_stats before = stats_of(bump);
        size_t count = 0;
        char *last = NULL;
        for (char *p; (p = tarn_bump_alloc(bump, count % 16)) != NULL; count++, last = p) {
            assert_int_equal((uintptr_t)p % 16, 0);
            assert_true(p >= memory + off && p + 16 <= memory + off + 2000);
            assert_true(!last || p == last + 16);
            memset(p, 1, 16);
        }
        assert_int_equal(before.largest_free, before.capacity);
        assert_int_equal(count, before.capacity / 16);
        assert_int_equal(stats_of(bump).live_bytes, before.capacity);
        assert_int_equal(stats_of(bump).largest_free, 0);
        assert_int_equal(stats_of(bump).failures, 1);
        assert_int_equal(tarn_bump_check(bump), 0);
        tarn_bump_destroy(bump);
    }
}

static void without_options(void **state)
{
    (void)state;
    struct tarn_bump *bump = tarn_bump_create(NULL, 0, NULL);
    assert_non_null(bump);
    assert_int_equal(stats_of(bump).size, 65536);
    for (int i = 0; i < 10000; i++)
        memset(tarn_bump_alloc(bump, 100), i, 100);
    assert_int_equal(stats_of(bump).live_bytes, 10000 * 112);
    assert_int_equal(tarn_bump_check(bump), 0);
    tarn_bump_destroy(bump);
}

static void alignments(void **state)
{
    (void)state;
    static const unsigned flags[] = {0, TARN_BUMP_RECORD, TARN_POOL_RED_ZONE | TARN_POOL_POISON};
    for (size_t f = 0; f < 3; f++) {
        struct tarn_bump *bump = make(flags[f], 0);
        for (size_t align = 1; align <= 65536; align *= 2) {
            char *p = tarn_bump_alloc_aligned(bump, align, 10);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % (align < 16 ? 16 : align), 0);
            memset(p, 7, 10);
            assert_int_equal(tarn_bump_check(bump), 0);
        }
        end(bump);
    }
}

/* What does not fit in an ordinary chunk gets its own, and the rest of the chunk before is used on. */
static void large_requests(void **state)
{
    (void)state;
    struct tarn_bump *bump = make(0, PAGE);
    char *first = tarn_bump_alloc(bump, 16);
    char *large = tarn_bump_alloc(bump, 5 * PAGE - 200);
    assert_non_null(large);
    memset(large, 1, 5 * PAGE - 200);
    char *second = tarn_bump_alloc(bump, 16);
    assert_true(second > first && second < first + PAGE);
    assert_int_equal(held(), 6 * PAGE);
    assert_int_equal(stats_of(bump).segments, 2);
    /* With a rest that is smaller than what the large one has left, that is used. */
    assert_non_null(tarn_bump_alloc(bump, stats_of(bump).largest_free - 32));
    char *larger = tarn_bump_alloc(bump, 2 * PAGE);
    assert_non_null(larger);
    assert_ptr_equal(tarn_bump_alloc(bump, 16), larger + 2 * PAGE);
    assert_int_equal(tarn_bump_check(bump), 0);
    tarn_bump_reset(bump);
    assert_int_equal(held(), PAGE);
    end(bump);
}

static void rewinds(void **state)
{
    (void)state;
    static const unsigned flags[] = {0, TARN_BUMP_RECORD | TARN_POOL_CHECK, TARN_POOL_POISON,
                                     TARN_POOL_RED_ZONE | TARN_POOL_POISON};
    for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
        struct tarn_bump *bump = make(flags[f], 2 * PAGE);
        struct tarn_bump_mark mark[40];
        char *next[40];
        for (int i = 0; i < 40; i++) {
            mark[i] = tarn_bump_mark(bump);
            next[i] = tarn_bump_alloc(bump, i % 7 == 3 ? 20000 : 700);
            memset(next[i], i, 700);
        }
        size_t peak = stats_of(bump).live_bytes;
        for (int i = 39; i >= 0; i -= 3) {
            assert_int_equal(tarn_bump_rewind(bump, mark[i]), 0);
            assert_int_equal(stats_of(bump).live_bytes, mark[i].live);
            assert_int_equal(tarn_bump_check(bump), 0);
            if (next[i] < mark[i].at + 64) /* in the same chunk: what comes next comes where it came before */
                assert_ptr_equal(tarn_bump_alloc(bump, 700), next[i]);
            assert_int_equal(tarn_bump_rewind(bump, mark[i]), 0);
        }
        assert_int_equal(stats_of(bump).peak_bytes, peak);
        assert_int_equal(held(), 3 * PAGE); /* the first, and the spare one */
        end(bump);
    }
}

/* What a cycle needed is there for the next one, as far as the options say, and no further. */
static void keeps_what_it_is_told(void **state)
{
    (void)state;
    static const struct {
        size_t keep, kept;
    } cases[] = {{0, 16}, {1, 0}, {PAGE, 1}, {5 * PAGE, 5}, {SIZE_MAX, 40}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tarn_bump_options options = {.source = source(), .chunk = PAGE, .keep = cases[i].keep};
        struct tarn_bump *bump = tarn_bump_create(NULL, PAGE, &options);
        size_t acquired = 0;
        for (int round = 0; round < 3; round++) {
            acquired = counted.acquired;
            for (int chunk = 0; chunk < 40; chunk++)
                assert_non_null(tarn_bump_alloc(bump, PAGE - 128));
            tarn_bump_reset(bump);
            assert_int_equal(held(), (1 + cases[i].kept) * PAGE);
            assert_int_equal(stats_of(bump).segments, 1 + cases[i].kept);
        }
        assert_int_equal(counted.acquired - acquired, (40 - cases[i].kept) * PAGE);
        end(bump);
    }
}

/* At the end of a chunk, back and forth costs no call of the source. */
static void the_boundary_costs_nothing(void **state)
{
    (void)state;
    struct tarn_bump *bump = make(0, PAGE);
    while (stats_of(bump).largest_free >= 100)
        tarn_bump_alloc(bump, 100);
    struct tarn_bump_mark mark = tarn_bump_mark(bump);
    for (int i = 0; i < 100; i++) {
        assert_non_null(tarn_bump_alloc(bump, 1000));
        assert_int_equal(tarn_bump_rewind(bump, mark), 0);
    }
    assert_int_equal(counted.acquired, 2 * PAGE);
    for (int i = 0; i < 100; i++) {
        tarn_bump_reset(bump);
        for (int j = 0; j < 6; j++)
            assert_non_null(tarn_bump_alloc(bump, 1000));
    }
    assert_int_equal(counted.acquired, 2 * PAGE);
    end(bump);
}

static void marks_that_are_none(void **state)
{
    (void)state;
    struct tarn_bump *bump = make(0, PAGE);
    struct tarn_bump_mark mark[20], bad;
    for (int i = 0; i < 20; i++) {
        mark[i] = tarn_bump_mark(bump);
        assert_non_null(tarn_bump_alloc(bump, 1000));
    }
    size_t live = stats_of(bump).live_bytes;
    bad = mark[1], bad.at += 8000, bad.live += 8000; /* behind its chunk */
    assert_int_equal(tarn_bump_rewind(bump, bad), TARN_POOL_INVALID);
    bad = mark[3], bad.chunk = buffer;
    assert_int_equal(tarn_bump_rewind(bump, bad), TARN_POOL_INVALID);
    bad = mark[3], bad.at += 16;
    assert_int_equal(tarn_bump_rewind(bump, bad), TARN_POOL_INVALID);
    bad = mark[3], bad.at += 100000, bad.live += 100000;
    assert_int_equal(tarn_bump_rewind(bump, bad), TARN_POOL_INVALID);
    bad = mark[3], bad.serial += 1;
    assert_int_equal(tarn_bump_rewind(bump, bad), TARN_POOL_INVALID);
    bad = mark[10], bad.live -= 16;
    assert_int_equal(tarn_bump_rewind(bump, bad), TARN_POOL_INVALID);
    assert_int_equal(stats_of(bump).live_bytes, live);

    /* Rewound past, and grown above it again. */
    assert_int_equal(tarn_bump_rewind(bump, mark[5]), 0);
    assert_int_equal(tarn_bump_rewind(bump, mark[6]), TARN_POOL_INVALID);
    for (int i = 5; i < 20; i++)
        assert_non_null(tarn_bump_alloc(bump, 1000));
    struct tarn_bump_mark later = tarn_bump_mark(bump);
    assert_int_equal(tarn_bump_rewind(bump, mark[6]), TARN_POOL_INVALID);
    assert_int_equal(tarn_bump_rewind(bump, mark[19]), TARN_POOL_INVALID);
    for (int i = 0; i < 20; i++) { /* of one mark: they count as one */
        assert_non_null(tarn_bump_alloc(bump, 50));
        assert_int_equal(tarn_bump_rewind(bump, later), 0);
    }
    assert_int_equal(tarn_bump_rewind(bump, mark[6]), TARN_POOL_INVALID);
    assert_int_equal(tarn_bump_rewind(bump, later), 0);
    assert_int_equal(tarn_bump_rewind(bump, mark[5]), 0);
    assert_int_equal(tarn_bump_rewind(bump, mark[2]), 0);

    tarn_bump_reset(bump);
    assert_int_equal(tarn_bump_rewind(bump, mark[0]), TARN_POOL_INVALID);
    assert_int_equal(tarn_bump_rewind(bump, mark[1]), TARN_POOL_INVALID);
    mark[0] = tarn_bump_mark(bump);
    assert_int_equal(tarn_bump_rewind(bump, mark[0]), 0);
    end(bump);
}

static void the_peak_is_seen(void **state)
{
    (void)state;
    struct tarn_bump *bump = make(0, PAGE);
    struct tarn_bump_mark mark = tarn_bump_mark(bump);
    tarn_bump_alloc(bump, 9000);
    assert_int_equal(tarn_bump_rewind(bump, mark), 0);
    tarn_bump_alloc(bump, 100);
    assert_int_equal(stats_of(bump).peak_bytes, 9008);
    tarn_bump_alloc(bump, 10000);
    tarn_bump_reset(bump);
    assert_int_equal(stats_of(bump).peak_bytes, 112 + 10000);
    end(bump);
}

/* However many rewinds there were, a mark that is good stays so. */
static void good_marks_stay_good(void **state)
{
    (void)state;
    struct tarn_bump *bump = make(0, PAGE);
    struct tarn_bump_mark old = tarn_bump_mark(bump), mark;
    for (int i = 0; i < 100; i++) {
        mark = tarn_bump_mark(bump);
        tarn_bump_alloc(bump, 100);
        assert_int_equal(tarn_bump_rewind(bump, mark), 0);
        tarn_bump_alloc(bump, 30);
    }
    assert_int_equal(tarn_bump_rewind(bump, mark), 0);
    assert_int_equal(tarn_bump_rewind(bump, old), 0);
    assert_int_equal(stats_of(bump).live_bytes, 0);
    end(bump);
}

/* Cleanups */

static struct tarn_bump *cleaned;
static int ran[64], runs;

static void note(void *argument) { ran[runs++] = (int)(intptr_t)argument; }

static void note_and_allocate(void *argument)
{
    note(argument);
    memset(tarn_bump_alloc(cleaned, 3000), 1, 3000);
    if ((intptr_t)argument == 5)
        assert_int_equal(tarn_bump_cleanup(cleaned, note, (void *)(intptr_t)50), 0);
}

static void assert_ran(const int *expected, int count)
{
    assert_int_equal(runs, count);
    assert_memory_equal(ran, expected, (size_t)count * sizeof *expected);
    runs = 0;
}

static void cleanups(void **state)
{
    (void)state;
    static const unsigned flags[] = {0, TARN_BUMP_RECORD, TARN_POOL_RED_ZONE | TARN_POOL_POISON | TARN_POOL_CHECK};
    for (size_t f = 0; f < 3; f++) {
        struct tarn_bump *bump = cleaned = make(flags[f], PAGE);
        struct tarn_bump_mark mark[8];
        for (intptr_t i = 0; i < 8; i++) {
            mark[i] = tarn_bump_mark(bump);
            assert_int_equal(tarn_bump_cleanup(bump, i == 5 || i == 2 ? note_and_allocate : note, (void *)i), 0);
            assert_non_null(tarn_bump_alloc(bump, 900));
        }
        assert_int_equal(tarn_bump_check(bump), 0);
        assert_int_equal(tarn_bump_rewind(bump, mark[6]), 0);
        assert_ran((int[]){7, 6}, 2);
        assert_int_equal(tarn_bump_rewind(bump, mark[6]), 0);
        assert_ran(NULL, 0);
        assert_int_equal(tarn_bump_rewind(bump, mark[4]), 0); /* the one that a cleanup registers runs, too */
        assert_ran((int[]){5, 50, 4}, 3);
        assert_int_equal(stats_of(bump).live_bytes, mark[4].live);
        assert_int_equal(tarn_bump_cleanup_cancel(bump, note, (void *)1), 0);
        assert_int_equal(tarn_bump_cleanup_cancel(bump, note, (void *)1), TARN_POOL_INVALID);
        assert_int_equal(tarn_bump_check(bump), 0);
        tarn_bump_reset(bump);
        assert_ran((int[]){3, 2, 0}, 3);
        assert_int_equal(tarn_bump_cleanup(bump, note, (void *)9), 0);
        assert_int_equal(tarn_bump_cleanup_cancel(bump, note, (void *)9), 0);
        assert_int_equal(tarn_bump_cleanup(bump, note, (void *)10), 0);
        end(bump);
        assert_ran((int[]){10}, 1);
    }
}

static struct tarn_bump_mark beginning;

static void rewind_further(void *argument)
{
    note(argument);
    assert_int_equal(tarn_bump_rewind(cleaned, beginning), 0);
    assert_non_null(tarn_bump_alloc(cleaned, 3000));
}

static void a_cleanup_may_rewind(void **state)
{
    (void)state;
    cleaned = make(0, PAGE);
    beginning = tarn_bump_mark(cleaned);
    assert_int_equal(tarn_bump_cleanup(cleaned, note, (void *)1), 0);
    struct tarn_bump_mark mark = tarn_bump_mark(cleaned);
    assert_int_equal(tarn_bump_cleanup(cleaned, note, (void *)2), 0);
    assert_int_equal(tarn_bump_cleanup(cleaned, rewind_further, (void *)3), 0);
    assert_int_equal(tarn_bump_rewind(cleaned, mark), 0);
    assert_ran((int[]){3, 2, 1}, 3);
    assert_int_equal(stats_of(cleaned).live_bytes, 3008); /* allocated at an earlier moment than the mark */
    end(cleaned);
}

/* Flags */

static void zero_and_poison(void **state)
{
    (void)state;
    struct tarn_bump *bump = make(TARN_POOL_ZERO, PAGE);
    struct tarn_bump_mark mark = tarn_bump_mark(bump);
    memset(tarn_bump_alloc(bump, 3000), 1, 3000);
    assert_int_equal(tarn_bump_rewind(bump, mark), 0);
    assert_true(check_all_bytes(tarn_bump_alloc(bump, 3000), 3000, 0));
    end(bump);

    bump = make(TARN_POOL_POISON, PAGE);
    mark = tarn_bump_mark(bump);
    char *p = tarn_bump_alloc(bump, 3000);
    assert_true(check_all_bytes(p, 3000, 0x5a));
    assert_int_equal(tarn_bump_rewind(bump, mark), 0);
    assert_true(check_all_bytes(p, 3000, 0x6b));
    p[100] = 1;
    assert_int_equal(tarn_bump_check(bump), TARN_POOL_CORRUPT);
    assert_null(tarn_bump_alloc(bump, 200));
    assert_non_null(tarn_bump_alloc(bump, 96)); /* in front of it */
    p[100] = 0x6b;
    assert_non_null(tarn_bump_alloc(bump, 200));
    end(bump);
}

static void red_zones(void **state)
{
    (void)state;
    for (int where = 0; where < 3; where++) {
        struct tarn_bump *bump = make(TARN_POOL_RED_ZONE, PAGE);
        tarn_bump_alloc(bump, 20);
        struct tarn_bump_mark mark = tarn_bump_mark(bump);
        char *p = tarn_bump_alloc(bump, 21), *spot = (char *[]){p - 1, p + 21, p + 28}[where];
        tarn_bump_alloc(bump, 5000);
        size_t live = stats_of(bump).live_bytes;
        char was = *spot;
        *spot ^= 1;
        assert_int_equal(tarn_bump_check(bump), TARN_POOL_CORRUPT);
        assert_int_equal(tarn_bump_rewind(bump, mark), TARN_POOL_CORRUPT);
        assert_int_equal(stats_of(bump).live_bytes, live);
        *spot = was;
        assert_int_equal(tarn_bump_rewind(bump, mark), 0);
        end(bump);
    }
}

static void overwritten_words_are_not_followed(void **state)
{
    (void)state;
    struct tarn_bump *bump = make(TARN_POOL_CHECK, PAGE);
    struct tarn_bump_mark mark = tarn_bump_mark(bump);
    char *before = tarn_bump_alloc(bump, 32);
    assert_int_equal(tarn_bump_cleanup(bump, note, (void *)1), 0);
    before[32] ^= 1; /* of the cleanup */
    assert_int_equal(tarn_bump_check(bump), TARN_POOL_CORRUPT);
    assert_int_equal(tarn_bump_rewind(bump, mark), TARN_POOL_CORRUPT);
    assert_ran(NULL, 0);
    before[32] ^= 1;
    assert_int_equal(tarn_bump_rewind(bump, mark), 0);
    assert_ran((int[]){1}, 1);

    /* The header of a chunk, from its first block. */
    while (stats_of(bump).segments == 1)
        before = tarn_bump_alloc(bump, 512);
    char *header = (char *)((uintptr_t)before & ~(uintptr_t)(PAGE - 1));
    header[1] ^= 1;
    assert_int_equal(tarn_bump_check(bump), TARN_POOL_CORRUPT);
    assert_null(tarn_bump_alloc(bump, 16));
    assert_int_equal(tarn_bump_rewind(bump, mark), TARN_POOL_CORRUPT);
    header[1] ^= 1;
    assert_int_equal(tarn_bump_rewind(bump, mark), 0);
    end(bump);
}

struct seen {
    char *block[3];
    size_t size[3], count;
};

static void see(void *context, void *block, size_t size)
{
    struct seen *seen = context;
    assert_true(seen->count < 3);
    seen->block[seen->count] = block;
    seen->size[seen->count++] = size;
}

static void recorded_blocks(void **state)
{
    (void)state;
    struct tarn_bump *bump = make(TARN_BUMP_RECORD, PAGE);
    struct seen seen = {.count = 0};
    char *a = tarn_bump_alloc(bump, 100), *b = tarn_bump_alloc(bump, 9000);
    assert_int_equal(tarn_bump_cleanup(bump, note, NULL), 0);
    char *c = tarn_bump_alloc_aligned(bump, 256, 1);
    assert_int_equal(tarn_bump_each(bump, see, &seen), 0);
    assert_int_equal(seen.count, 3);
    assert_true(seen.block[0] == a && seen.block[1] == b && seen.block[2] == c);
    assert_true(seen.size[0] == 100 && seen.size[1] == 9000 && seen.size[2] == 1);
    assert_int_equal(stats_of(bump).live_blocks, 3);
    assert_int_equal(stats_of(bump).allocations, 3);
    c[-16] ^= 1; /* its record */
    assert_int_equal(tarn_bump_each(bump, see, &(struct seen){.count = 0}), TARN_POOL_CORRUPT);
    c[-16] ^= 1;
    end(bump);
    runs = 0;
}

/* A source that fails */

static void no_memory(void **state)
{
    (void)state;
    struct tarn_bump_options options = {.source = source(), .chunk = PAGE, .keep = PAGE};
    failing.first = 1, failing.times = 1;
    assert_null(tarn_bump_create(NULL, 0, &options));
    struct tarn_bump *bump = tarn_bump_create(NULL, 0, &options);
    failing.times = UINT64_MAX;
    size_t count = 0;
    while (tarn_bump_alloc(bump, 100))
        count++;
    assert_true(count > 25);
    assert_null(tarn_bump_alloc(bump, 10000));
    while (tarn_bump_cleanup(bump, note, NULL) == 0)
        ;
    assert_int_equal(tarn_bump_cleanup(bump, note, NULL), TARN_POOL_NO_MEMORY);
    assert_int_equal(stats_of(bump).failures, 4);
    assert_int_equal(tarn_bump_check(bump), 0);
    failing.times = 0;
    assert_non_null(tarn_bump_alloc(bump, 10000));
    /* What the source does not take back is offered again. */
    failing.times = UINT64_MAX;
    size_t was = held();
    runs = 0;
    tarn_bump_reset(bump);
    runs = 0;
    assert_int_equal(held(), was);
    assert_int_equal(tarn_bump_check(bump), 0);
    failing.times = 0;
    tarn_bump_reset(bump);
    assert_int_equal(held(), PAGE);
    assert_int_equal(stats_of(bump).size, PAGE);
    end(bump);
}

/* Locks */

static struct tarn_bump *shared;
static int depth, taken;
static void take(void *context) { assert_ptr_equal(context, &depth), assert_int_equal(depth++, 0), taken++; }
static void drop(void *context) { assert_ptr_equal(context, &depth), assert_int_equal(--depth, 0); }
static void outside(void *argument) { (void)argument, assert_int_equal(depth, 0); }

static void *acquire_outside(struct tarn_source *own, size_t size, size_t align)
{
    assert_int_equal(depth, 0);
    return tarn_source_acquire(own->parent, size, align);
}

static int release_outside(struct tarn_source *own, void *p, size_t size)
{
    assert_int_equal(depth, 0);
    return tarn_source_release(own->parent, p, size);
}

static void locks(void **state)
{
    (void)state;
    static const struct tarn_source_ops ops = {.acquire = acquire_outside, .release = release_outside};
    struct tarn_source strict = {&ops, source()};
    struct tarn_pool_lock lock = {take, drop, &depth};
    struct tarn_bump_options options = {.lock = &lock, .source = &strict, .chunk = PAGE, .keep = PAGE};
    struct tarn_bump *bump = tarn_bump_create(NULL, PAGE, &options);
    memset(&lock, 0, sizeof lock); /* it was copied */
    struct tarn_bump_mark mark = tarn_bump_mark(bump);
    for (int i = 0; i < 20; i++) {
        int before = taken;
        assert_non_null(tarn_bump_alloc(bump, 1000));
        assert_true(taken > before);
        assert_int_equal(tarn_bump_cleanup(bump, outside, NULL), 0);
    }
    assert_int_equal(stats_of(bump).allocations, 20);
    assert_int_equal(tarn_bump_rewind(bump, mark), 0);
    assert_non_null(tarn_bump_alloc(bump, 10000));
    tarn_bump_reset(bump);
    end(bump);
    assert_int_equal(depth, 0);
}

static char *faster;

/* As another thread might while the arena waits for the source. */
static void *acquire_slowly(struct tarn_source *own, size_t size, size_t align)
{
    static bool within;
    if (shared && !within) {
        within = true;
        faster = tarn_bump_alloc(shared, 1000);
        within = false;
    }
    return tarn_source_acquire(own->parent, size, align);
}

static void another_thread_was_faster(void **state)
{
    (void)state;
    static const struct tarn_source_ops ops = {.acquire = acquire_slowly, .release = release_outside};
    struct tarn_source slow = {&ops, source()};
    struct tarn_bump_options options = {.lock = TARN_POOL_LOCK_BUILTIN, .source = &slow, .chunk = PAGE, .keep = PAGE};
    struct tarn_bump *bump = tarn_bump_create(NULL, PAGE, &options);
    while (stats_of(bump).largest_free >= 1000)
        tarn_bump_alloc(bump, 1000);
    shared = bump;
    char *p = tarn_bump_alloc(bump, 1000);
    assert_ptr_equal(p, faster + 1008); /* behind it, in the chunk that was got for that */
    assert_int_equal(held(), 3 * PAGE);
    assert_int_equal(stats_of(bump).segments, 3);
    faster = NULL;
    assert_non_null(tarn_bump_alloc(bump, 3 * PAGE));
    assert_non_null(faster);
    shared = NULL;
    end(bump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_that_cannot_be),
        cmocka_unit_test(memory_of_the_caller),
        cmocka_unit_test(without_options),
        cmocka_unit_test(alignments),
        cmocka_unit_test(large_requests),
        cmocka_unit_test(rewinds),
        cmocka_unit_test(keeps_what_it_is_told),
        cmocka_unit_test(the_boundary_costs_nothing),
        cmocka_unit_test(marks_that_are_none),
        cmocka_unit_test(the_peak_is_seen),
        cmocka_unit_test(good_marks_stay_good),
        cmocka_unit_test(cleanups),
        cmocka_unit_test(a_cleanup_may_rewind),
        cmocka_unit_test(zero_and_poison),
        cmocka_unit_test(red_zones),
        cmocka_unit_test(overwritten_words_are_not_followed),
        cmocka_unit_test(recorded_blocks),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(locks),
        cmocka_unit_test(another_thread_was_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
