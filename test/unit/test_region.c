/* Regions: each function, its edges, and misuse; for all strategies. */
#include "check.h"

#include "tarn/region.h"

#include <string.h>

enum { GRANULE = 2 * sizeof(void *), LONG = sizeof(void *) == 8 ? 63 : 31, MEMORY = 1 << 16 };

static _Alignas(4096) char memory[MEMORY], other[MEMORY];

static const enum tarn_region_strategy strategies[] = {TARN_REGION_TLSF, TARN_REGION_BEST_FIT, TARN_REGION_FIRST_FIT};

/* Runs a test for all strategies, with one kind of flags. */
static void for_all(unsigned flags, void (*test)(struct tarn_region *))
{
    for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
        struct tarn_region_options options = {.strategy = strategies[i], .flags = flags};
        struct tarn_region *region = tarn_region_create(memory, sizeof memory, &options);
        assert_non_null(region);
        test(region);
        assert_int_equal(tarn_region_check(region), 0);
        tarn_region_reset(region);
        assert_int_equal(tarn_region_check(region), 0);
        assert_int_equal(tarn_region_destroy(region), 0);
    }
}

static struct tarn_pool_stats stats_of(struct tarn_region *region)
{
    struct tarn_pool_stats stats;
    tarn_region_stats(region, &stats);
    return stats;
}

static void arguments_that_cannot_be(void **state)
{
    (void)state;
    struct tarn_region_options options = {.strategy = (enum tarn_region_strategy)3};
    assert_null(tarn_region_create(memory, TARN_REGION_LEAST - 1, NULL));
    assert_null(tarn_region_create(memory, SIZE_MAX, NULL));
    assert_null(tarn_region_create(NULL, MEMORY, NULL));
    assert_null(tarn_region_create(memory, MEMORY, &options));
    options = (struct tarn_region_options){.flags = TARN_POOL_OWN_FLAGS};
    assert_null(tarn_region_create(memory, MEMORY, &options));
    for (size_t offset = 0; offset < 2 * GRANULE; offset++)
        for (size_t i = 0; i < 3; i++) {
            options = (struct tarn_region_options){.strategy = strategies[i]};
            struct tarn_region *region = tarn_region_create(memory + offset, TARN_REGION_LEAST, &options);
            assert_non_null(region);
            assert_int_equal(tarn_region_check(region), 0);
            assert_true(stats_of(region).largest_free > TARN_REGION_LEAST / 3);
            assert_int_equal(tarn_region_destroy(region), 0);
        }
}

static void sizes(struct tarn_region *region)
{
    size_t capacity = stats_of(region).largest_free;
    for (size_t size = 0; size < 2 * LONG * GRANULE; size++) {
        char *p = tarn_region_alloc(region, size), *q = tarn_region_alloc_sized(region, size);
        assert_true(p && q);
        size_t usable = size ? (size + GRANULE - 1) / GRANULE * GRANULE : GRANULE;
        assert_int_equal(tarn_region_usable_size(region, p), usable);
        assert_int_equal(stats_of(region).live_bytes, 2 * usable);
        memset(p, 0xff, usable);
        memset(q, 0xff, usable);
        assert_int_equal(tarn_region_free_sized(region, q, size), 0);
        assert_int_equal(tarn_region_free(region, p), 0);
        assert_int_equal(stats_of(region).largest_free, capacity);
    }
    char *all = tarn_region_alloc(region, capacity);
    assert_non_null(all);
    assert_null(tarn_region_alloc(region, 1 + GRANULE));
    assert_int_equal(tarn_region_free(region, all), 0);
    assert_null(tarn_region_alloc(region, capacity + 1));
    assert_null(tarn_region_alloc(region, SIZE_MAX));
    assert_null(tarn_region_alloc(region, SIZE_MAX / 2));
    assert_null(tarn_region_alloc_sized(region, SIZE_MAX));
    assert_int_equal(stats_of(region).failures, 5);
    assert_int_equal(tarn_region_free(region, NULL), 0);
    assert_int_equal(tarn_region_free_sized(region, NULL, 1), 0);
}

static void all_sizes(void **state)
{
    (void)state;
    for_all(0, sizes);
}

/* Every address of the memory, with blocks of all kinds in it: only beginnings of live ones are freed. */
static void frees(struct tarn_region *region)
{
    char *live[] = {tarn_region_alloc(region, 1), tarn_region_alloc(region, 100), tarn_region_alloc(region, 3000),
                    tarn_region_alloc(region, 5000), tarn_region_alloc_sized(region, 2000)};
    char *hole = tarn_region_alloc(region, 200), *end = tarn_region_alloc(region, 20);
    assert_int_equal(tarn_region_free(region, hole), 0);
    assert_int_equal(tarn_region_free(region, hole), TARN_POOL_DOUBLE_FREE);
    for (char *p = memory; p < memory + MEMORY; p++) {
        bool begins = p == end;
        for (size_t i = 0; i < 5; i++)
            begins |= p == live[i];
        if (begins)
            continue;
        int error = tarn_region_free(region, p);
        if (p > live[0] && p < hole && (p < live[4] || p >= live[4] + 2000))
            assert_int_equal(error, TARN_POOL_INSIDE);
        else
            assert_true(error == TARN_POOL_INSIDE || error == TARN_POOL_FOREIGN || error == TARN_POOL_DOUBLE_FREE);
        assert_int_not_equal(tarn_region_free_sized(region, p, 300), 0);
        assert_int_equal(tarn_region_usable_size(region, p), 0);
    }
    assert_int_equal(tarn_region_free(region, (char *)((uintptr_t)memory - 1)), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_region_free(region, memory + MEMORY), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_region_free(region, live[4]), TARN_POOL_WRONG_SIZE);
    assert_int_equal(tarn_region_free_sized(region, live[4], 1000), TARN_POOL_WRONG_SIZE);
    assert_int_equal(tarn_region_free_sized(region, live[4], 2000), 0);
    assert_int_equal(tarn_region_free_sized(region, live[1], 1), TARN_POOL_WRONG_SIZE);
    assert_int_equal(tarn_region_free_sized(region, live[2], 1), TARN_POOL_WRONG_SIZE);
    assert_int_equal(tarn_region_free_sized(region, live[2], 3000), 0);
    assert_int_equal(tarn_region_check(region), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(tarn_region_free(region, live[i]), i == 2 ? TARN_POOL_DOUBLE_FREE : 0);
    assert_int_equal(stats_of(region).live_blocks, 1);
}

static void invalid_frees(void **state)
{
    (void)state;
    for_all(0, frees);
    for_all(TARN_POOL_CHECK, frees);
}

static void aligned(struct tarn_region *region)
{
    for (size_t align = 1; align <= 8192; align *= 2)
        for (size_t size = 0; size < 3000; size += 333) {
            char *p = tarn_region_alloc_aligned(region, align, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            memset(p, 0xff, size);
            assert_int_equal(tarn_region_check(region), 0);
            assert_int_equal(tarn_region_free(region, p), 0);
        }
    assert_null(tarn_region_alloc_aligned(region, 0, 1));
    assert_null(tarn_region_alloc_aligned(region, 48, 1));
    assert_null(tarn_region_alloc_aligned(region, ~(SIZE_MAX >> 1), SIZE_MAX));
}

static void alignments(void **state)
{
    (void)state;
    for_all(0, aligned);
    for_all(TARN_POOL_RED_ZONE | TARN_POOL_POISON, aligned);
}

static void reallocs(struct tarn_region *region)
{
    char *p = tarn_region_realloc(region, NULL, 40), *q;
    memset(p, 'x', 40);
    for (size_t size = 40; size < 5000;
         size += 40, p = q) { /* nothing is behind it: it grows in place, by a granule where a header comes */
        q = tarn_region_realloc(region, p, size);
        assert_true(q == p || (q == p + GRANULE && size > (LONG - 1) * GRANULE));
        assert_true(check_all_bytes(q, 40, 'x'));
    }
    char *fence = tarn_region_alloc(region, 1);
    for (size_t size = 4000; size > 0; size -= 40)
        assert_ptr_equal(tarn_region_realloc(region, p, size), p);
    assert_int_equal(tarn_region_check(region), 0);
    q = tarn_region_realloc(region, p, 8000);
    assert_true(q && q != p && check_all_bytes(q, 40, 'x'));
    assert_int_equal(tarn_region_free(region, p), TARN_POOL_DOUBLE_FREE);
    assert_null(tarn_region_realloc(region, q, MEMORY));
    assert_null(tarn_region_realloc(region, q + GRANULE, 100));
    assert_null(tarn_region_realloc(region, memory, 100));
    assert_true(check_all_bytes(q, 40, 'x'));
    assert_null(tarn_region_realloc(region, q, 0));
    assert_int_equal(tarn_region_free(region, fence), 0);
    assert_int_equal(stats_of(region).live_blocks, 0);
}

static void sizes_change(void **state)
{
    (void)state;
    for_all(0, reallocs);
    for_all(TARN_POOL_CHECK | TARN_POOL_POISON | TARN_POOL_ZERO, reallocs);
}

static void ranges(struct tarn_region *region)
{
    assert_int_equal(tarn_region_add(region, memory + 100, 10000), TARN_POOL_EXISTS);
    assert_int_equal(tarn_region_add(region, other, 64), TARN_POOL_INVALID);
    assert_int_equal(tarn_region_add(region, NULL, MEMORY), TARN_POOL_INVALID);
    assert_int_equal(tarn_region_add(region, other, SIZE_MAX), TARN_POOL_INVALID);
    while (tarn_region_alloc(region, 500))
        ;
    assert_int_equal(tarn_region_add(region, other + 1, MEMORY - 1), 0);
    assert_int_equal(stats_of(region).segments, 2);
    assert_int_equal(stats_of(region).size, 2 * MEMORY - 1);
    char *p = tarn_region_alloc(region, 500);
    assert_true(p > other && p < other + MEMORY);
    assert_int_equal(tarn_region_check(region), 0);
    assert_int_equal(tarn_region_remove(region, other + 1), TARN_POOL_BUSY);
    assert_int_equal(tarn_region_remove(region, other), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_region_remove(region, memory), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_region_free(region, p), 0);
    assert_int_equal(tarn_region_remove(region, other + 1), 0);
    assert_int_equal(tarn_region_free(region, p), TARN_POOL_FOREIGN);
}

static void ranges_come_and_go(void **state)
{
    (void)state;
    for_all(0, ranges);
}

/* Each call of the source fails once: what was asked fails, and nothing is lost. */
static void growth(void **state)
{
    (void)state;
    struct tarn_source_count count;
    struct tarn_source_fail fail;
    for (size_t i = 0; i < 3; i++)
        for (uint64_t first = 1; first < 12; first++) {
            void *p[8];
            tarn_source_fail_init(&fail, tarn_source_system(), first, 1);
            tarn_source_count_init(&count, &fail.source);
            struct tarn_region_options options = {.strategy = strategies[i], .source = &count.source, .increment = 1};
            struct tarn_region *region = tarn_region_create(NULL, 10000, &options);
            assert_int_equal(region == NULL, first == 1);
            if (!region)
                continue;
            for (size_t k = 0; k < 8; k++)
                p[k] = tarn_region_alloc(region, 9000 * (k + 1));
            assert_int_equal(tarn_region_check(region), 0);
            for (size_t k = 0; k < 8; k++)
                assert_int_equal(tarn_region_free(region, p[k]), 0);
            assert_int_equal(tarn_region_check(region), 0);
            assert_true(stats_of(region).segments <= 3); /* one is kept, and one that the source did not take */
            tarn_region_trim(region);
            tarn_region_trim(region);
            assert_int_equal(stats_of(region).segments, 1);
            assert_null(tarn_region_alloc(region, SIZE_MAX / 4));
            assert_int_equal(tarn_region_destroy(region), 0);
            assert_int_equal(count.acquired, count.released);
        }
}

static void zones(struct tarn_region *region)
{
    char *p = tarn_region_alloc(region, 21), *q = tarn_region_alloc_sized(region, 30);
    assert_int_equal(tarn_region_usable_size(region, p), 21);
    p[21] ^= 1;
    assert_int_equal(tarn_region_check(region), TARN_POOL_CORRUPT);
    assert_int_equal(tarn_region_free(region, p), TARN_POOL_CORRUPT);
    assert_null(tarn_region_realloc(region, p, 10));
    p[21] ^= 1;
    for (char *byte = p - (int)(2 * sizeof(size_t)); byte < p; byte++)
        for (int bit = 0; bit < 8; bit++) {
            *byte ^= (char)(1 << bit);
            assert_int_equal(tarn_region_free(region, p), TARN_POOL_CORRUPT);
            *byte ^= (char)(1 << bit);
        }
    assert_int_equal(tarn_region_free(region, p), 0);
    assert_int_equal(tarn_region_free_sized(region, q, 29), TARN_POOL_WRONG_SIZE);
    assert_int_equal(tarn_region_free_sized(region, q, 30), 0);
}

static void poison(struct tarn_region *region)
{
    char *p = tarn_region_alloc(region, 100), *fence = tarn_region_alloc(region, 1);
    assert_true(check_all_bytes(p, 100, 0x5a));
    assert_int_equal(tarn_region_free(region, p), 0);
    assert_true(check_all_bytes(p + 2 * GRANULE, 60, 0x6b));
    p[50] ^= 1;
    assert_int_equal(tarn_region_check(region), TARN_POOL_CORRUPT);
    if (tarn_region_alloc(region, 100) != NULL)
        fail_msg("a block that was written to is handed out");
    p[50] ^= 1;
    assert_ptr_equal(tarn_region_alloc(region, 100), p);
    assert_non_null(fence);
}

/* A link of a free block is overwritten: nothing is done with it. */
static void links(struct tarn_region *region)
{
    char *p = tarn_region_alloc(region, 100), *middle = tarn_region_alloc(region, 100), *q = tarn_region_alloc(region, 100);
    assert_non_null(tarn_region_alloc(region, 1));
    assert_int_equal(tarn_region_free(region, p), 0);
    assert_int_equal(tarn_region_free(region, q), 0);
    for (size_t word = 0; word < 2; word++) {
        size_t was, wrong = (uintptr_t)other + 8 * GRANULE;
        memcpy(&was, p + word * sizeof was, sizeof was);
        memcpy(p + word * sizeof was, &wrong, sizeof was);
        assert_int_equal(tarn_region_check(region), TARN_POOL_CORRUPT);
        assert_int_equal(tarn_region_free(region, middle), TARN_POOL_CORRUPT);
        memcpy(p + word * sizeof was, &was, sizeof was);
    }
    assert_int_equal(tarn_region_free(region, middle), 0);
}

static void flags_find_it(void **state)
{
    (void)state;
    for_all(TARN_POOL_RED_ZONE, zones);
    for_all(TARN_POOL_RED_ZONE | TARN_POOL_CHECK | TARN_POOL_POISON, zones);
    for_all(TARN_POOL_POISON, poison);
    for_all(TARN_POOL_CHECK, links);
}

static void handles(struct tarn_region *region)
{
    enum { COUNT = 40 };
    tarn_region_handle handle[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        handle[i] = tarn_region_handle_alloc(region, 900);
        assert_int_not_equal(handle[i], 0);
        memset(tarn_region_handle_lock(region, handle[i]), (int)i, 900);
        assert_int_equal(tarn_region_handle_unlock(region, handle[i]), 0);
        assert_int_equal(tarn_region_handle_unlock(region, handle[i]), TARN_POOL_INVALID);
    }
    assert_int_equal(stats_of(region).live_blocks, COUNT);
    for (size_t i = 0; i < COUNT; i += 2)
        assert_int_equal(tarn_region_handle_free(region, handle[i]), 0);
    assert_null(tarn_region_handle_lock(region, handle[0]));
    assert_null(tarn_region_handle_lock(region, 0));
    char *stays = tarn_region_handle_lock(region, handle[COUNT - 1]);
    assert_int_equal(tarn_region_handle_free(region, handle[COUNT - 1]), TARN_POOL_BUSY);
    size_t largest = stats_of(region).largest_free, moved;
    assert_int_equal(tarn_region_compact(region, 0), 0);
    while ((moved = tarn_region_compact(region, 2000)))
        assert_true(moved <= 3000);
    assert_int_equal(tarn_region_check(region), 0);
    assert_ptr_equal(tarn_region_handle_lock(region, handle[COUNT - 1]), stays);
    assert_int_equal(tarn_region_handle_unlock(region, handle[COUNT - 1]), 0);
    assert_int_equal(tarn_region_compact(region, 2000), 0);
    assert_int_equal(tarn_region_handle_unlock(region, handle[COUNT - 1]), 0);
    assert_true(tarn_region_compact(region, 2000) >= 900);
    assert_true(stats_of(region).largest_free > largest + COUNT / 2 * 900);
    assert_ptr_not_equal(tarn_region_handle_lock(region, handle[COUNT - 1]), stays);
    for (size_t i = 1; i < COUNT; i += 2)
        assert_true(check_all_bytes(tarn_region_handle_lock(region, handle[i]), 900, (unsigned char)i));
}

static void movable_blocks(void **state)
{
    (void)state;
    for_all(0, handles);
    for_all(TARN_POOL_CHECK | TARN_POOL_POISON | TARN_POOL_RED_ZONE, handles);
}

static void count_visit(void *context, void *block, size_t size)
{
    size_t *seen = context;
    assert_true((uintptr_t)block > seen[2]);
    *seen += 1;
    seen[1] += size;
    seen[2] = (uintptr_t)block;
}

static void looking(struct tarn_region *region)
{
    size_t seen[3] = {0, 0, 0};
    assert_non_null(tarn_region_alloc(region, 10));
    assert_non_null(tarn_region_alloc_sized(region, 3000));
    assert_non_null(tarn_region_alloc(region, 3000));
    assert_int_not_equal(tarn_region_handle_alloc(region, 70), 0);
    struct tarn_pool_stats stats = stats_of(region);
    tarn_region_each(region, count_visit, seen);
    assert_int_equal(seen[0], 4);
    assert_int_equal(seen[1], stats.live_bytes);
    assert_int_equal(stats.allocations - stats.frees, 4);
    assert_int_equal(tarn_region_destroy(region), TARN_POOL_BUSY);
}

static void what_is_live_is_shown(void **state)
{
    (void)state;
    for_all(0, looking);
}

/* Best fit takes the smallest hole that will do, first fit the lowest. */
static void strategies_differ(void **state)
{
    (void)state;
    for (size_t i = 1; i < 3; i++) {
        struct tarn_region_options options = {.strategy = strategies[i]};
        struct tarn_region *region = tarn_region_create(memory, sizeof memory, &options);
        char *hole[3];
        static const size_t size[3] = {4000, 2000, 2000};
        for (size_t k = 0; k < 3; k++) {
            hole[k] = tarn_region_alloc(region, size[k]);
            assert_non_null(tarn_region_alloc(region, 1));
        }
        for (size_t k = 3; k-- > 0;)
            assert_int_equal(tarn_region_free(region, hole[k]), 0);
        assert_ptr_equal(tarn_region_alloc(region, 2000), hole[strategies[i] == TARN_REGION_BEST_FIT ? 1 : 0]);
        assert_int_equal(tarn_region_check(region), 0);
    }
}

/* The table of handles goes with the last one, without a count: what lies beside it may be overwritten as what lies beside others. */
static void beside_the_table(struct tarn_region *region)
{
    char *p = tarn_region_alloc(region, 64);
    tarn_region_handle handle = tarn_region_handle_alloc(region, 64);
    void *behind = tarn_region_alloc(region, 64);
    assert_true(p && handle && behind);
    assert_int_equal(tarn_region_free(region, p), 0);
    memset(p, 0x71, 16);
    assert_int_equal(tarn_region_check(region), TARN_POOL_CORRUPT);
    tarn_region_handle_free(region, handle);
    assert_int_equal(tarn_region_check(region), TARN_POOL_CORRUPT);
    memset(memory, 0, sizeof memory);
}

/* What the table says of a block's address is not believed. */
static void a_table_that_lies(void **state)
{
    (void)state;
    struct tarn_region_options options = {.flags = TARN_POOL_CHECK};
    struct tarn_region *region = tarn_region_create(memory, sizeof memory, &options);
    tarn_region_handle handle = tarn_region_handle_alloc(region, 64);
    char *p = tarn_region_handle_lock(region, handle);
    assert_non_null(p);
    for (char *at = memory; at < memory + sizeof memory; at += sizeof p)
        if (memcmp(at, &p, sizeof p) == 0)
            memset(at, 0x71, sizeof(void *));
    assert_null(tarn_region_handle_lock(region, handle));
}

static void the_table_beside_what_was_overwritten(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
        struct tarn_region_options options = {.strategy = strategies[i], .flags = TARN_POOL_CHECK};
        beside_the_table(tarn_region_create(memory, sizeof memory, &options));
    }
}

/* A free that is refused lets go of the lock. */
static void refused_with_a_lock(void **state)
{
    (void)state;
    struct tarn_region_options options = {.lock = TARN_POOL_LOCK_BUILTIN};
    struct tarn_region *region = tarn_region_create(memory, sizeof memory, &options);
    char *p = tarn_region_alloc(region, 100);
    assert_non_null(p);
    assert_int_equal(tarn_region_free(region, p + GRANULE), TARN_POOL_INSIDE);
    assert_int_equal(tarn_region_free(region, other), TARN_POOL_FOREIGN);
    assert_int_equal(tarn_region_free(region, p), 0);
    assert_int_equal(tarn_region_free(region, p), TARN_POOL_DOUBLE_FREE);
    assert_int_equal(tarn_region_destroy(region), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_that_cannot_be),
        cmocka_unit_test(all_sizes),
        cmocka_unit_test(invalid_frees),
        cmocka_unit_test(alignments),
        cmocka_unit_test(sizes_change),
        cmocka_unit_test(ranges_come_and_go),
        cmocka_unit_test(growth),
        cmocka_unit_test(flags_find_it),
        cmocka_unit_test(movable_blocks),
        cmocka_unit_test(the_table_beside_what_was_overwritten),
        cmocka_unit_test(a_table_that_lies),
        cmocka_unit_test(what_is_live_is_shown),
        cmocka_unit_test(strategies_differ),
        cmocka_unit_test(refused_with_a_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
