/* Floor 7: gen_pool. The memory managed is mostly none at all: addresses that nothing lies at. */
#include "test/unit/heap.h"

#include "tarn/fail.h"
#include "tarn/genpool.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { ORDER = 4, UNIT = 1 << ORDER };
static const unsigned long base = 0x10000;

static char last_warning[256];
static void keep_warning(const char *line) { snprintf(last_warning, sizeof last_warning, "%s", line); }

static int begin(void **state)
{
    last_warning[0] = 0;
    tarn_warn_to(keep_warning);
    struct tarn_gen_pool *pool = tarn_gen_pool_create(ORDER, -1);
    assert_non_null(pool);
    *state = pool;
    return 0;
}

static int end(void **state)
{
    tarn_gen_pool_verify(*state);
    assert_int_equal(tarn_gen_pool_destroy(*state), 0);
    tarn_warn_to(NULL);
    return end_heap(state);
}

#define POOL_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

static unsigned long take(struct tarn_gen_pool *pool, size_t size) { return tarn_gen_pool_alloc(pool, size, NULL, NULL, NULL); }

static void give(struct tarn_gen_pool *pool, unsigned long address, size_t size)
{
    tarn_gen_pool_free(pool, address, size, NULL);
}

static void add(struct tarn_gen_pool *pool, unsigned long address, size_t size)
{
    assert_int_equal(tarn_gen_pool_add(pool, address, TARN_GEN_POOL_NO_PHYSICAL, size, NULL), 0);
}

static void orders_have_bounds(void **state)
{
    (void)state;
    assert_null(tarn_gen_pool_create(-1, 0));
    assert_null(tarn_gen_pool_create(CHECK_BITS - 1, 0));
    static const int good[] = {0, 12, CHECK_BITS - 2};
    for (size_t i = 0; i < 3; i++) {
        struct tarn_gen_pool *pool = tarn_gen_pool_create(good[i], 0);
        assert_non_null(pool);
        assert_int_equal(tarn_gen_pool_order(pool), good[i]);
        assert_int_equal(tarn_gen_pool_destroy(pool), 0);
    }
    assert_int_equal(tarn_gen_pool_destroy(NULL), 0);
}

static void an_empty_pool_has_nothing(void **state)
{
    struct tarn_gen_pool *pool = *state;
    assert_int_equal(take(pool, 1), 0);
    assert_int_equal(tarn_gen_pool_available(pool), 0);
    assert_int_equal(tarn_gen_pool_size(pool), 0);
    assert_false(tarn_gen_pool_has(pool, base, 1));
    assert_true(tarn_gen_pool_physical(pool, base) == UINT64_MAX);
}

static void what_cannot_be_a_chunk(void **state)
{
    struct tarn_gen_pool *pool = *state;
    assert_int_equal(tarn_gen_pool_add(pool, 0, 0, 4096, NULL), -EINVAL);
    assert_int_equal(tarn_gen_pool_add(pool, base, 0, 0, NULL), -EINVAL);
    assert_int_equal(tarn_gen_pool_add(pool, ULONG_MAX - 4094, 0, 4096, NULL), -EINVAL);
    assert_int_equal(tarn_gen_pool_add(pool, ULONG_MAX - 4095, 0, 4096, NULL), 0); /* the very last bytes */
    add(pool, base, 4096);
    assert_int_equal(tarn_gen_pool_add(pool, base, 0, 4096, NULL), -EEXIST);
    assert_int_equal(tarn_gen_pool_add(pool, base + 4095, 0, 1, NULL), -EEXIST);
    assert_int_equal(tarn_gen_pool_add(pool, base - 10, 0, 11, NULL), -EEXIST);
    assert_int_equal(tarn_gen_pool_add(pool, base - 10, 0, 10000, NULL), -EEXIST);
    add(pool, base + 4096, 1);
    add(pool, base - 10, 10);
    assert_int_equal(tarn_gen_pool_size(pool), 4096 + 4096 + 1 + 10);
    give(pool, ULONG_MAX - 4095, 0);
    assert_true(tarn_gen_pool_has(pool, ULONG_MAX - 4095, 4096));
    assert_false(tarn_gen_pool_has(pool, ULONG_MAX - 4095, 4097));
}

static void sizes_are_rounded_to_units(void **state)
{
    struct tarn_gen_pool *pool = *state;
    add(pool, base, 10 * UNIT);
    assert_int_equal(take(pool, 0), 0);
    assert_int_equal(take(pool, 1), base);
    assert_int_equal(tarn_gen_pool_available(pool), 9 * UNIT);
    assert_int_equal(take(pool, UNIT + 1), base + UNIT);
    assert_int_equal(tarn_gen_pool_available(pool), 7 * UNIT);
    assert_int_equal(take(pool, UNIT), base + 3 * UNIT);
    assert_int_equal(take(pool, 7 * UNIT), 0);
    assert_int_equal(take(pool, SIZE_MAX), 0);
    assert_int_equal(take(pool, SIZE_MAX - UNIT + 1), 0);
    give(pool, base, 1);
    give(pool, base + UNIT, UNIT + 1);
    give(pool, base + 3 * UNIT, UNIT);
    give(pool, base, 0);
    assert_int_equal(tarn_gen_pool_available(pool), 10 * UNIT);
}

static void a_tail_is_counted_but_never_given(void **state)
{
    struct tarn_gen_pool *pool = *state;
    add(pool, base, 2 * UNIT + 5);
    assert_int_equal(tarn_gen_pool_available(pool), 2 * UNIT + 5);
    assert_int_equal(take(pool, 2 * UNIT), base);
    assert_int_equal(take(pool, 5), 0);
    assert_true(tarn_gen_pool_has(pool, base + 2 * UNIT + 4, 1));
    assert_false(tarn_gen_pool_has(pool, base + 2 * UNIT + 4, 2));
    give(pool, base, 2 * UNIT);
}

static void a_part_can_be_given_back(void **state)
{
    struct tarn_gen_pool *pool = *state;
    add(pool, base, 300 * UNIT);
    assert_int_equal(take(pool, 300 * UNIT), base);
    give(pool, base + 60 * UNIT, 140 * UNIT);
    assert_int_equal(take(pool, 141 * UNIT), 0);
    assert_int_equal(take(pool, 140 * UNIT), base + 60 * UNIT);
    give(pool, base, 300 * UNIT);
}

static void the_newest_chunk_comes_first(void **state)
{
    struct tarn_gen_pool *pool = *state;
    int old = 0, young = 0;
    void *owner = &old;
    assert_int_equal(tarn_gen_pool_add(pool, base, 0x500000, 4 * UNIT, &old), 0);
    assert_int_equal(tarn_gen_pool_add(pool, 2 * base, 0x700000, 2 * UNIT, &young), 0);
    assert_int_equal(tarn_gen_pool_alloc(pool, 2 * UNIT, NULL, NULL, &owner), 2 * base);
    assert_ptr_equal(owner, &young);
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, NULL, NULL, &owner), base);
    assert_ptr_equal(owner, &old);
    assert_int_equal(tarn_gen_pool_alloc(pool, 4 * UNIT, NULL, NULL, &owner), 0);
    assert_null(owner);
    assert_int_equal(tarn_gen_pool_physical(pool, base + 17), 0x500011);
    assert_int_equal(tarn_gen_pool_physical(pool, 2 * base + 2 * UNIT - 1), 0x700000 + 2 * UNIT - 1);
    assert_true(tarn_gen_pool_physical(pool, 2 * base + 2 * UNIT) == UINT64_MAX);
    tarn_gen_pool_free(pool, 2 * base, 2 * UNIT, &owner);
    assert_ptr_equal(owner, &young);
    tarn_gen_pool_free(pool, base, UNIT, &owner);
    assert_ptr_equal(owner, &old);
}

static void an_unknown_physical_address_stays_unknown(void **state)
{
    add(*state, base, 4096);
    assert_true(tarn_gen_pool_physical(*state, base + 100) == TARN_GEN_POOL_NO_PHYSICAL);
}

static void has_asks_for_all_of_a_range(void **state)
{
    struct tarn_gen_pool *pool = *state;
    add(pool, base, 100);
    add(pool, base + 100, 100);
    assert_true(tarn_gen_pool_has(pool, base, 100));
    assert_true(tarn_gen_pool_has(pool, base + 99, 1));
    assert_false(tarn_gen_pool_has(pool, base, 101)); /* two chunks */
    assert_false(tarn_gen_pool_has(pool, base - 1, 2));
    assert_false(tarn_gen_pool_has(pool, base, 0));
    assert_false(tarn_gen_pool_has(pool, base + 50, SIZE_MAX));
}

struct seen {
    size_t count;
    unsigned long start[4];
    long available;
};

static void see(struct tarn_gen_pool *pool, struct tarn_gen_pool_chunk *chunk, void *context)
{
    struct seen *seen = context;
    assert_non_null(pool);
    seen->start[seen->count++] = chunk->start;
    seen->available += chunk->available;
    assert_int_equal(chunk->end, chunk->start + 10 * UNIT - 1);
}

static void chunks_can_be_looked_at(void **state)
{
    struct tarn_gen_pool *pool = *state;
    struct seen seen = {0};
    add(pool, base, 10 * UNIT);
    add(pool, 3 * base, 10 * UNIT);
    add(pool, 2 * base, 10 * UNIT);
    assert_int_equal(take(pool, UNIT), 2 * base);
    tarn_gen_pool_each_chunk(pool, see, &seen);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.start[0], 2 * base);
    assert_int_equal(seen.start[1], 3 * base);
    assert_int_equal(seen.start[2], base);
    assert_int_equal(seen.available, 29 * UNIT);
    give(pool, 2 * base, UNIT);
}

/* Algorithms */

static void first_fit_takes_the_lowest_gap(void **state)
{
    struct tarn_gen_pool *pool = *state;
    add(pool, base, 100 * UNIT);
    assert_int_equal(take(pool, 100 * UNIT), base);
    give(pool, base + 10 * UNIT, 3 * UNIT);
    give(pool, base + 20 * UNIT, 6 * UNIT);
    give(pool, base + 90 * UNIT, 5 * UNIT);
    assert_int_equal(take(pool, 4 * UNIT), base + 20 * UNIT);
    assert_int_equal(take(pool, 3 * UNIT), base + 10 * UNIT);
    assert_int_equal(take(pool, 3 * UNIT), base + 90 * UNIT);
    give(pool, base, 24 * UNIT);
    give(pool, base + 26 * UNIT, 67 * UNIT);
    give(pool, base + 95 * UNIT, 5 * UNIT);
}

static void best_fit_takes_the_smallest_gap(void **state)
{
    struct tarn_gen_pool *pool = *state;
    tarn_gen_pool_set_algo(pool, tarn_gen_pool_best_fit, NULL);
    add(pool, base, 100 * UNIT);
    assert_int_equal(take(pool, 100 * UNIT), base);
    give(pool, base + 10 * UNIT, 6 * UNIT);
    give(pool, base + 20 * UNIT, 4 * UNIT);
    give(pool, base + 30 * UNIT, 4 * UNIT);
    give(pool, base + 96 * UNIT, 4 * UNIT);
    assert_int_equal(take(pool, 3 * UNIT), base + 20 * UNIT); /* the lowest of equals */
    assert_int_equal(take(pool, 5 * UNIT), base + 10 * UNIT);
    assert_int_equal(take(pool, UNIT), base + 15 * UNIT);
    assert_int_equal(take(pool, 4 * UNIT), base + 30 * UNIT);
    assert_int_equal(take(pool, 4 * UNIT), base + 96 * UNIT); /* up to the end */
    assert_int_equal(take(pool, 2 * UNIT), 0);
    give(pool, base, 23 * UNIT);
    give(pool, base + 24 * UNIT, 76 * UNIT);
}

static void alignment_is_of_addresses(void **state)
{
    struct tarn_gen_pool *pool = *state;
    unsigned long start = base + 3 * UNIT;
    add(pool, start, 200 * UNIT);
    for (int align = 0; align <= 1024; align = align ? align * 2 : 1) {
        struct tarn_gen_pool_align wish = {align};
        unsigned long p = tarn_gen_pool_alloc(pool, UNIT, tarn_gen_pool_first_fit_align, &wish, NULL);
        size_t step = align > UNIT ? (size_t)align : UNIT;
        assert_int_equal(p, (start + step - 1) / step * step);
        give(pool, p, UNIT);
    }
    struct tarn_gen_pool_align too_far = {1 << 20}, odd = {48}, negative = {-16};
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, tarn_gen_pool_first_fit_align, &too_far, NULL), 0);
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, tarn_gen_pool_first_fit_align, &odd, NULL), 0);
    assert_string_equal(last_warning, "gen_pool: an alignment of 48 is no power of two");
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, tarn_gen_pool_first_fit_align, &negative, NULL), 0);
}

static void a_chunk_that_begins_within_a_unit(void **state)
{
    struct tarn_gen_pool *pool = *state;
    struct tarn_gen_pool_align eight = {8}, unit = {UNIT}, large = {4 * UNIT};
    add(pool, base + 8, 100 * UNIT);
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, tarn_gen_pool_first_fit_align, &eight, NULL), base + 8);
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, tarn_gen_pool_first_fit_align, &unit, NULL), 0);
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, tarn_gen_pool_first_fit_align, &large, NULL), 0);
    give(pool, base + 8, UNIT);
}

static void order_alignment_is_of_the_size(void **state)
{
    struct tarn_gen_pool *pool = *state;
    tarn_gen_pool_set_algo(pool, tarn_gen_pool_first_fit_order_align, NULL);
    add(pool, base + 8 * UNIT, 64 * UNIT); /* counted from the chunk's beginning, not from address 0 */
    unsigned long start = base + 8 * UNIT;
    assert_int_equal(take(pool, UNIT), start);
    assert_int_equal(take(pool, 3 * UNIT), start + 4 * UNIT);
    assert_int_equal(take(pool, 2 * UNIT), start + 2 * UNIT);
    assert_int_equal(take(pool, 16 * UNIT), start + 16 * UNIT);
    assert_int_equal(take(pool, 5 * UNIT), start + 8 * UNIT);
    assert_int_equal(take(pool, 33 * UNIT), 0); /* to a multiple of 64 */
    assert_int_equal(take(pool, 17 * UNIT), start + 32 * UNIT);
    give(pool, start, UNIT);
    give(pool, start + 2 * UNIT, 5 * UNIT);
    give(pool, start + 8 * UNIT, 5 * UNIT);
    give(pool, start + 16 * UNIT, 33 * UNIT);
}

static void fixed_takes_one_place_or_none(void **state)
{
    struct tarn_gen_pool *pool = *state;
    struct tarn_gen_pool_fixed at = {5 * UNIT}, odd = {5 * UNIT + 1}, last = {99 * UNIT}, outside = {100 * UNIT};
    tarn_gen_pool_algo_t *fixed = tarn_gen_pool_fixed_alloc;
    add(pool, base, 100 * UNIT);
    assert_int_equal(tarn_gen_pool_alloc(pool, 2 * UNIT, fixed, &at, NULL), base + 5 * UNIT);
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, fixed, &at, NULL), 0);
    give(pool, base + 5 * UNIT, UNIT);
    assert_int_equal(tarn_gen_pool_alloc(pool, 2 * UNIT, fixed, &at, NULL), 0); /* its second unit is taken */
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, fixed, &at, NULL), base + 5 * UNIT);
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, fixed, &last, NULL), base + 99 * UNIT);
    give(pool, base + 99 * UNIT, UNIT);
    assert_int_equal(tarn_gen_pool_alloc(pool, 2 * UNIT, fixed, &last, NULL), 0);
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, fixed, &outside, NULL), 0);
    assert_string_equal(last_warning, "");
    assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, fixed, &odd, NULL), 0);
    assert_string_equal(last_warning, "gen_pool: an offset of 81 is no multiple of 16");
    give(pool, base + 5 * UNIT, 2 * UNIT);
}

struct wish {
    struct tarn_gen_pool *pool;
    unsigned long answer, size, start_addr;
    unsigned count;
};

static unsigned long own_algo(unsigned long *map, unsigned long size, unsigned long start, unsigned count, void *data,
                              struct tarn_gen_pool *pool, unsigned long start_addr)
{
    struct wish *wish = data;
    assert_int_equal(map[0], 0);
    assert_int_equal(start, 0);
    assert_int_equal(size, wish->size);
    assert_int_equal(count, wish->count);
    assert_ptr_equal(pool, wish->pool);
    assert_int_equal(start_addr, wish->start_addr);
    return wish->answer;
}

static void an_own_algorithm(void **state)
{
    struct tarn_gen_pool *pool = *state;
    struct wish wish = {pool, 7, 20, base, 2};
    add(pool, base, 20 * UNIT);
    tarn_gen_pool_set_algo(pool, own_algo, &wish);
    assert_int_equal(take(pool, 2 * UNIT), base + 7 * UNIT);
    give(pool, base + 7 * UNIT, 2 * UNIT);
    wish.answer = 19; /* two units from the last one on: no answer */
    assert_int_equal(take(pool, 2 * UNIT), 0);
    wish.answer = ULONG_MAX;
    assert_int_equal(take(pool, 2 * UNIT), 0);
    tarn_gen_pool_set_algo(pool, NULL, NULL);
    assert_int_equal(take(pool, 2 * UNIT), base);
    give(pool, base, 2 * UNIT);
}

/* Proposes units 60 … 70 each time, and lets somebody be faster at unit 66 the first time. */
static unsigned long overtaken(unsigned long *map, unsigned long size, unsigned long start, unsigned count, void *data,
                               struct tarn_gen_pool *pool, unsigned long start_addr)
{
    struct tarn_gen_pool_fixed at = {66 * UNIT};
    int *calls = data;
    (void)map, (void)size, (void)start, (void)count, (void)start_addr;
    if (++*calls == 1)
        assert_int_equal(tarn_gen_pool_alloc(pool, UNIT, tarn_gen_pool_fixed_alloc, &at, NULL), base + 66 * UNIT);
    else
        give(pool, base + 66 * UNIT, UNIT);
    if (*calls == 2)
        assert_int_equal(map[0], 0); /* what was claimed of the first word was let go of */
    return 60;
}

static void who_is_overtaken_tries_again(void **state)
{
    struct tarn_gen_pool *pool = *state;
    int calls = 0;
    add(pool, base, 100 * UNIT);
    assert_int_equal(tarn_gen_pool_alloc(pool, 11 * UNIT, overtaken, &calls, NULL), base + 60 * UNIT);
    assert_int_equal(calls, 2);
    assert_int_equal(tarn_gen_pool_available(pool), 89 * UNIT);
    give(pool, base + 60 * UNIT, 11 * UNIT);
}

static void algorithms_keep_to_start_and_size(void **state)
{
    struct tarn_gen_pool *pool = *state;
    unsigned long map[4] = {0};
    struct tarn_gen_pool_fixed fixed = {70 * UNIT};
    struct tarn_gen_pool_align align = {8 * UNIT};
    assert_int_equal(tarn_gen_pool_first_fit(map, 100, 3, 97, NULL, pool, base), 3);
    assert_true(tarn_gen_pool_first_fit(map, 100, 3, 98, NULL, pool, base) >= 100);
    assert_int_equal(tarn_gen_pool_first_fit_align(map, 100, 3, 92, &align, pool, base), 8);
    assert_true(tarn_gen_pool_first_fit_align(map, 100, 3, 93, &align, pool, base) >= 100);
    assert_int_equal(tarn_gen_pool_first_fit_order_align(map, 100, 3, 7, NULL, pool, base), 8);
    assert_true(tarn_gen_pool_first_fit_order_align(map, 100, 3, 65, NULL, pool, base) >= 100);
    assert_int_equal(tarn_gen_pool_best_fit(map, 100, 3, 97, NULL, pool, base), 3);
    assert_true(tarn_gen_pool_best_fit(map, 100, 3, 98, NULL, pool, base) >= 100);
    assert_int_equal(tarn_gen_pool_fixed_alloc(map, 100, 70, 30, &fixed, pool, base), 70);
    assert_true(tarn_gen_pool_fixed_alloc(map, 100, 70, 31, &fixed, pool, base) >= 100);
    assert_true(tarn_gen_pool_fixed_alloc(map, 100, 71, 30, &fixed, pool, base) >= 100);
    map[64 / CHECK_BITS] = 1; /* what begins right behind a taken unit */
    assert_int_equal(tarn_gen_pool_first_fit(map, 100, 60, 5, NULL, pool, base), 65);
}

/* Memory */

static void memory_is_touched_by_zalloc_only(void **state)
{
    struct tarn_gen_pool *pool = *state;
    static _Alignas(4096) unsigned char memory[4096];
    uint64_t dma = 1;
    memset(memory, 0xee, sizeof memory);
    assert_int_equal(tarn_gen_pool_add(pool, (unsigned long)memory, 0x9000, sizeof memory, NULL), 0);
    unsigned char *p = (unsigned char *)take(pool, 100);
    give(pool, (unsigned long)p, 100);
    assert_true(check_all_bytes(memory, sizeof memory, 0xee));
    assert_ptr_equal(tarn_gen_pool_zalloc(pool, 100, NULL, NULL, NULL), memory);
    assert_true(check_all_bytes(memory, 100, 0));
    assert_true(check_all_bytes(memory + 100, sizeof memory - 100, 0xee));
    assert_ptr_equal(tarn_gen_pool_dma_alloc(pool, 50, &dma, NULL, NULL), memory + 112);
    assert_int_equal(dma, 0x9000 + 112);
    assert_true(check_all_bytes(memory + 112, 50, 0xee));
    assert_ptr_equal(tarn_gen_pool_dma_zalloc(pool, 50, NULL, NULL, NULL), memory + 176);
    assert_true(check_all_bytes(memory + 176, 50, 0));
    assert_ptr_equal(tarn_gen_pool_dma_alloc_align(pool, 50, &dma, 512), memory + 512);
    assert_int_equal(dma, 0x9000 + 512);
    assert_ptr_equal(tarn_gen_pool_dma_zalloc_align(pool, 50, &dma, 1024), memory + 1024);
    assert_true(check_all_bytes(memory + 1024, 50, 0));
    assert_int_equal(memory[1024 + 50], 0xee);
    dma = 77;
    assert_null(tarn_gen_pool_dma_alloc(pool, 4096, &dma, NULL, NULL));
    assert_null(tarn_gen_pool_dma_zalloc(pool, 4096, &dma, NULL, NULL));
    assert_null(tarn_gen_pool_dma_alloc(NULL, 16, &dma, NULL, NULL));
    assert_int_equal(dma, 77);
    give(pool, (unsigned long)memory, 176 + 50);
    give(pool, (unsigned long)memory + 512, 50);
    give(pool, (unsigned long)memory + 1024, 50);
}

static void a_busy_pool_stays(void **state)
{
    struct tarn_gen_pool *pool = *state;
    add(pool, base, 100 * UNIT);
    assert_int_equal(take(pool, 3 * UNIT), base);
    assert_int_equal(tarn_gen_pool_destroy(pool), -EBUSY);
    assert_string_equal(last_warning, "gen_pool: destroyed while 48 bytes are in use: it stays");
    assert_int_equal(take(pool, UNIT), base + 3 * UNIT);
    give(pool, base, 4 * UNIT);
}

static void no_memory_for_pools_and_chunks(void **state)
{
    struct tarn_gen_pool *pool = *state;
    tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
    assert_int_equal(tarn_gen_pool_add(pool, base, 0, CHECK_BITS > 32 ? CHECK_HUGE(40) : SIZE_MAX / 4, NULL), -ENOMEM);
    tarn__fake_fail(0, 0, 0);
    if (CHECK_BITS > 32) /* more than there is */
        assert_int_equal(tarn_gen_pool_add(pool, base, 0, (size_t)LONG_MAX / 2, NULL), -ENOMEM);
    assert_int_equal(tarn_gen_pool_size(pool), 0);
    add(pool, base, UNIT);
}

/* Misuse */

static void free_twice(void *pool)
{
    unsigned long p = take(pool, UNIT);
    give(pool, p, UNIT);
    give(pool, p, UNIT);
}
static void free_more_than_taken(void *pool) { give(pool, take(pool, 2 * UNIT), 3 * UNIT); }
static void free_beyond_the_chunk(void *pool) { give(pool, take(pool, 100 * UNIT), 101 * UNIT); }
static void free_the_largest_size(void *pool) { give(pool, take(pool, 2 * UNIT), SIZE_MAX); }
static void free_foreign(void *pool) { give(pool, base - UNIT, UNIT); }
static void free_within_a_unit(void *pool) { give(pool, take(pool, UNIT) + 1, UNIT); }

static void misuse_is_reported(void **state)
{
    add(*state, base, 100 * UNIT);
    check_dies(free_twice, *state, "tarn: double free: the object is free already (gen_pool_free of 0x10000, thread ");
    check_dies(free_more_than_taken, *state,
               "tarn: double free: the object is free already (gen_pool_free of 0x10000, thread ");
    check_dies(free_beyond_the_chunk, *state,
               "tarn: wrong size: the object given to a sized free has another size "
               "(gen_pool_free of 0x10000, thread ");
    check_dies(free_the_largest_size, *state,
               "tarn: wrong size: the object given to a sized free has another size "
               "(gen_pool_free of 0x10000, thread ");
    check_dies(free_foreign, *state, "tarn: invalid free: not the start of a live object (gen_pool_free of 0xfff0, thread ");
    check_dies(free_within_a_unit, *state,
               "tarn: invalid free: not the start of a live object (gen_pool_free of 0x10001, thread ");
}

static void clear_a_bit(struct tarn_gen_pool *pool, struct tarn_gen_pool_chunk *chunk, void *context)
{
    (void)pool, (void)context;
    chunk->bits[0] ^= 1;
}
static void verify_broken(void *pool)
{
    tarn_gen_pool_each_chunk(pool, clear_a_bit, NULL);
    tarn_gen_pool_verify(pool);
}
static void set_beyond(struct tarn_gen_pool *pool, struct tarn_gen_pool_chunk *chunk, void *context)
{
    (void)pool, (void)context;
    chunk->bits[100 / CHECK_BITS] |= 1ul << 100 % CHECK_BITS;
}
static void verify_broken_beyond(void *pool)
{
    tarn_gen_pool_each_chunk(pool, set_beyond, NULL);
    tarn_gen_pool_verify(pool);
}

static void verify_finds(void **state)
{
    add(*state, base, 100 * UNIT);
    check_dies(verify_broken, *state, "a chunk's available bytes are right");
    check_dies(verify_broken_beyond, *state, "a chunk has no bit set beyond its units");
}

/* Threads and signals */

enum { THREADS = 4, ROUNDS = 20000, RANGES = 150 };
static struct tarn_gen_pool *shared;
static _Atomic unsigned char owners[RANGES];
static _Atomic long claims;

/* Ranges that do not begin at words, so that claims meet in the middle. */
static void *claimer(void *value)
{
    uint64_t seed = (uintptr_t)value;
    for (int i = 0; i < ROUNDS; i++) {
        size_t units = 1 + check_random(&seed) % 90;
        unsigned long p = tarn_gen_pool_alloc(shared, units * UNIT, i % 2 ? tarn_gen_pool_best_fit : NULL, NULL, NULL);
        if (!p)
            continue;
        size_t first = (p - base) / UNIT;
        for (size_t u = first; u < first + units; u++)
            if (atomic_exchange(&owners[u], 1) != 0)
                return (void *)1;
        for (size_t u = first; u < first + units; u++)
            atomic_store(&owners[u], 0);
        atomic_fetch_add(&claims, 1);
        give(shared, p, units * UNIT);
    }
    return NULL;
}

static void threads_never_share_a_unit(void **state)
{
    pthread_t thread[THREADS];
    shared = *state;
    add(shared, base, RANGES * UNIT);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, claimer, (void *)(i + 1)), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        assert_null(wrong);
    }
    assert_true(claims > ROUNDS / 2);
    assert_int_equal(tarn_gen_pool_available(shared), RANGES * UNIT);
}

static void *adder(void *value)
{
    size_t added = 0;
    for (size_t i = 0; i < 200; i++) /* all threads add the same chunks: of each, one succeeds */
        added += tarn_gen_pool_add(shared, base + i * 4096, 0, 4096, value) == 0;
    return (void *)added;
}

static void of_chunks_that_overlap_one_is_added(void **state)
{
    pthread_t thread[THREADS];
    size_t sum = 0;
    shared = *state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, adder, NULL), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *added;
        pthread_join(thread[i], &added);
        sum += (size_t)added;
    }
    assert_int_equal(sum, 200);
    assert_int_equal(tarn_gen_pool_size(shared), 200 * 4096);
}

static _Atomic int handled;

static void on_signal(int number)
{
    (void)number;
    unsigned long p = take(shared, 3 * UNIT);
    if (p)
        give(shared, p, 3 * UNIT);
    handled++;
}

static void *signaller(void *value)
{
    pthread_t *target = value;
    for (int i = 0; i < 2000 && handled >= 0; i++)
        pthread_kill(*target, SIGUSR1);
    return NULL;
}

static void a_signal_handler_may_allocate(void **state)
{
    pthread_t self = pthread_self(), other;
    shared = *state;
    handled = 0;
    signal(SIGUSR1, on_signal);
    add(shared, base, RANGES * UNIT);
    assert_int_equal(pthread_create(&other, NULL, signaller, &self), 0);
    for (int i = 0; i < 200000 && handled < 100; i++) {
        unsigned long p = take(shared, 70 * UNIT);
        assert_true(p);
        give(shared, p, 70 * UNIT);
    }
    pthread_join(other, NULL);
    signal(SIGUSR1, SIG_DFL);
    assert_true(handled > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEAP_TEST(orders_have_bounds),
        POOL_TEST(an_empty_pool_has_nothing),
        POOL_TEST(what_cannot_be_a_chunk),
        POOL_TEST(sizes_are_rounded_to_units),
        POOL_TEST(a_tail_is_counted_but_never_given),
        POOL_TEST(a_part_can_be_given_back),
        POOL_TEST(the_newest_chunk_comes_first),
        POOL_TEST(an_unknown_physical_address_stays_unknown),
        POOL_TEST(has_asks_for_all_of_a_range),
        POOL_TEST(chunks_can_be_looked_at),
        POOL_TEST(first_fit_takes_the_lowest_gap),
        POOL_TEST(best_fit_takes_the_smallest_gap),
        POOL_TEST(alignment_is_of_addresses),
        POOL_TEST(a_chunk_that_begins_within_a_unit),
        POOL_TEST(order_alignment_is_of_the_size),
        POOL_TEST(fixed_takes_one_place_or_none),
        POOL_TEST(an_own_algorithm),
        POOL_TEST(who_is_overtaken_tries_again),
        POOL_TEST(algorithms_keep_to_start_and_size),
        POOL_TEST(memory_is_touched_by_zalloc_only),
        POOL_TEST(a_busy_pool_stays),
        POOL_TEST(no_memory_for_pools_and_chunks),
        POOL_TEST(misuse_is_reported),
        POOL_TEST(verify_finds),
        POOL_TEST(threads_never_share_a_unit),
        POOL_TEST(of_chunks_that_overlap_one_is_added),
        POOL_TEST(a_signal_handler_may_allocate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
