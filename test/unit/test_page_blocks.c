/* Floor 4: users' pages: blocks, references, splitting, exact sizes, runs, bulk; threads' lists; every misuse with its message. */
#include "test/unit/blocks.h"

#include "page/lists.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tarn_zone *zone;

static int begin(void **state)
{
    begin_blocks(state);
    zone = new_zone(48 * MIB, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    end_zone_of(zone);
    return 0;
}

static void all_orders(void **state)
{
    (void)state;
    struct tarn_page *page[TARN_MAX_PAGE_ORDER + 1];
    for (int round = 0; round < 3; round++) {
        for (unsigned order = 0; order <= TARN_MAX_PAGE_ORDER; order++)
            page[order] = block(zone, order, TARN_GFP_KERNEL | (round == 1 ? TARN_GFP_ZERO : 0));
        tarn_zone_verify(zone);
        for (unsigned order = 0; order <= TARN_MAX_PAGE_ORDER; order++) {
            assert_true(check_all_bytes(tarn_page_address(page[order]), PAGE << order, 0xd1));
            tarn_pages_free(page[order], order);
        }
        tarn_zone_verify(zone);
    }
    tarn_pages_free(NULL, 3);
    assert_int_equal(stats_of(zone).allocations, 3 * (TARN_MAX_PAGE_ORDER + 1));
    assert_int_equal(stats_of(zone).frees, 3 * (TARN_MAX_PAGE_ORDER + 1));
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    assert_null(tarn_pages_alloc(zone, TARN_MAX_PAGE_ORDER + 1, TARN_GFP_KERNEL));
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL | TARN_GFP_MOVABLE | TARN_GFP_RECLAIMABLE));
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL | TARN_GFP_DMA | TARN_GFP_MOVABLE | TARN_GFP_RECLAIMABLE));
    assert_null(tarn_pages_alloc_exact(zone, 0, TARN_GFP_KERNEL));
    assert_null(tarn_pages_alloc_run(zone, 0, TARN_GFP_KERNEL));
    assert_null(tarn_pages_alloc_run(zone, SIZE_MAX, TARN_GFP_KERNEL));
    assert_null(tarn_pages_alloc_run(zone, 48 * MIB / PAGE + 1, TARN_GFP_KERNEL));
}

static void zeroes_only_what_is_not_zero(void **state)
{
    (void)state;
    struct tarn_page *page = block(zone, 0, TARN_GFP_KERNEL | TARN_GFP_ZERO);
    for (int i = 0; i < 100; i++) { /* the same page, dirty, from the list */
        tarn_pages_free(page, 0);
        assert_ptr_equal(block(zone, 0, TARN_GFP_KERNEL | TARN_GFP_ZERO), page);
    }
    tarn_pages_free(page, 0);
    tarn_pages_drain();
    page = block(zone, 0, TARN_GFP_KERNEL | TARN_GFP_ZERO); /* and through the zone */
    tarn_pages_free(page, 0);
    for (unsigned order = 0; order < 6; order++) {
        tarn_pages_free(block(zone, order, TARN_GFP_KERNEL), order);
        tarn_pages_free(block(zone, order, TARN_GFP_KERNEL | TARN_GFP_ZERO), order);
    }
}

static void references(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 4; order++) {
        struct tarn_page *page = block(zone, order, TARN_GFP_KERNEL);
        tarn_page_get(page);
        tarn_page_get(page);
        assert_int_equal(tarn_page_references(page), 3);
        tarn_pages_free(page, order);
        tarn_page_put(page);
        assert_int_equal(tarn_page_references(page), 1);
        assert_true(check_all_bytes(tarn_page_address(page), PAGE << order, 0xd1));
        size_t free = stats_of(zone).free;
        tarn_page_put(page);
        assert_int_equal(stats_of(zone).free, free + ((size_t)1 << order));
    }
}

static void the_links_are_the_users(void **state)
{
    (void)state;
    struct tarn_page *page[3];
    for (unsigned i = 0; i < 3; i++) {
        page[i] = block(zone, i, TARN_GFP_KERNEL);
        page[i]->user.index = 17 + i;
        page[i]->user.private_data = ~(uintptr_t)i;
    }
    tarn_pages_free(block(zone, 3, TARN_GFP_KERNEL), 3);
    tarn_pages_drain();
    tarn_zone_verify(zone);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(page[i]->user.index, 17 + i);
        assert_int_equal(page[i]->user.private_data, ~(uintptr_t)i);
        tarn_pages_free(page[i], i);
    }
}

static void splits(void **state)
{
    (void)state;
    struct tarn_page *page = block(zone, 5, TARN_GFP_KERNEL | TARN_GFP_MOVABLE);
    tarn_page_split(page, 5);
    for (size_t i = 0; i < 32; i++) {
        struct tarn_page *single = tarn_page_at(page, i);
        assert_int_equal(tarn_page_order(single), 0);
        assert_int_equal(tarn_page_references(single), 1);
        assert_true(check_all_bytes(tarn_page_address(single), PAGE, 0xd1));
        assert_ptr_equal(tarn_page_of((char *)tarn_page_address(single) + 99), single);
    }
    for (size_t i = 0; i < 32; i++)
        tarn_pages_free(tarn_page_at(page, i * 7 % 32), 0);
}

static void exact_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,          PAGE,        PAGE + 1,    5 * PAGE,   9 * PAGE, 300 * PAGE - 7,
                                   513 * PAGE, 1024 * PAGE, 1025 * PAGE, 9 * MIB + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t count = (sizes[i] + PAGE - 1) / PAGE;
        tarn_pages_drain();
        size_t free = stats_of(zone).free;
        char *p = tarn_pages_alloc_exact(zone, sizes[i], TARN_GFP_KERNEL | TARN_GFP_ZERO);
        assert_non_null(p);
        assert_int_equal(stats_of(zone).free, free - count);
        assert_true(check_all_bytes(p, count * PAGE, 0));
        memset(p, 0xd1, count * PAGE);
        tarn_zone_verify(zone);
        tarn_pages_free_exact(p, sizes[i]);
        assert_int_equal(stats_of(zone).free, free);
    }
    tarn_pages_free_exact(NULL, 5);
    char *p = tarn_pages_alloc_exact(zone, 3 * PAGE, TARN_GFP_KERNEL); /* they are single pages */
    for (size_t i = 0; i < 3; i++)
        tarn_pages_free(tarn_page_of(p + i * PAGE), 0);
}

static void runs(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 100, 1024, 1025, 3000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct tarn_page *run = tarn_pages_alloc_run(zone, counts[i], TARN_GFP_KERNEL);
        assert_non_null(run);
        char *p = tarn_page_address(run);
        assert_null(tarn__run_at(p));
        memset(p, 0xd1, counts[i] * PAGE);
        tarn_zone_verify(zone);
        for (size_t n = 0; n < counts[i]; n += n % 1024 == 1023 ? 1 : 341) {
            assert_ptr_equal(tarn_page_address(tarn_page_at(run, n)), p + n * PAGE);
            assert_ptr_equal(tarn_page_of(p + n * PAGE + 5), tarn_page_at(run, n));
        }
        assert_ptr_equal(tarn_page_of(p + counts[i] * PAGE - 1), tarn_page_at(run, counts[i] - 1));
        assert_null(tarn_page_of(p + counts[i] * PAGE));
        tarn_pages_free_run(run, counts[i]);
        assert_null(tarn_page_of(p));
    }
    tarn_pages_free_run(NULL, 1);
}

static void finds_pages_of_addresses(void **state)
{
    (void)state;
    int on_stack;
    struct tarn_page *page = block(zone, 4, TARN_GFP_KERNEL), *head = block(zone, 10, TARN_GFP_KERNEL);
    char *p = tarn_page_address(page), *q = tarn_page_address(head);
    for (size_t i = 0; i < 16; i++)
        assert_ptr_equal(tarn_page_of(p + i * PAGE + 1), page + i);
    for (size_t i = 0; i < 1024; i += 93)
        assert_ptr_equal(tarn_page_of(q + i * PAGE), head + i);
    assert_null(tarn_page_of(&on_stack));
    assert_null(tarn_page_of(NULL));
    tarn_pages_free(page, 4);
    assert_null(tarn_page_of(p));
    assert_null(tarn_page_of(p + 5 * PAGE));
    tarn_pages_free(head, 10);
    page = block(zone, 0, TARN_GFP_KERNEL);
    p = tarn_page_address(page);
    tarn_pages_free(page, 0);
    assert_null(tarn_page_of(p)); /* it lies in a list */
}

static void in_bulk(void **state)
{
    (void)state;
    struct tarn_page *pages[300] = {NULL}, *mine = block(zone, 0, TARN_GFP_KERNEL);
    pages[7] = mine;
    assert_int_equal(tarn_pages_alloc_bulk(zone, TARN_GFP_KERNEL | TARN_GFP_ZERO, 300, pages), 300);
    assert_ptr_equal(pages[7], mine);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(tarn_page_references(pages[i]), 1);
        if (i != 7)
            assert_true(check_all_bytes(tarn_page_address(pages[i]), PAGE, 0));
        memset(tarn_page_address(pages[i]), (int)i, PAGE);
    }
    for (size_t i = 0; i < 300; i++)
        assert_true(check_all_bytes(tarn_page_address(pages[i]), PAGE, (unsigned char)i));
    assert_int_equal(tarn_pages_alloc_bulk(zone, TARN_GFP_KERNEL, 300, pages), 300);
    tarn_zone_verify(zone);
    for (int round = 0; round < 2; round++) { /* what others wrote to is zero when it is asked to be, and left alone when not */
        for (size_t i = 0; i < 300; i++)
            tarn_pages_free(pages[i], 0);
        tarn_pages_drain();
        memset(pages, 0, sizeof pages);
        size_t written = 0;
        assert_int_equal(tarn_pages_alloc_bulk(zone, TARN_GFP_KERNEL | (round ? TARN_GFP_ZERO : 0), 300, pages), 300);
        for (size_t i = 0; i < 300; i++)
            written += !check_all_bytes(tarn_page_address(pages[i]), PAGE, 0);
        assert_true(round ? written == 0 : written > 200);
    }
    for (size_t i = 0; i < 300; i++)
        tarn_pages_free(pages[i], 0);
}

/* All there is can be had, and in bulk as much as there is. */
static void to_the_last_page(void **state)
{
    (void)state;
    enum { MOST = 48 * 256 + 10 };
    static struct tarn_page *pages[MOST];
    memset(pages, 0, sizeof pages);
    for (size_t i = 0; i < 1000; i++)
        pages[i] = block(zone, 0, TARN_GFP_KERNEL);
    assert_int_equal(tarn_pages_alloc_bulk(zone, TARN_GFP_KERNEL, MOST, pages), 48 * 256);
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL));
    assert_int_equal(stats_of(zone).free, 0);
    assert_true(stats_of(zone).failures > 0);
    tarn_zone_verify(zone);
    for (size_t i = 0; i < 48 * 256; i++)
        tarn_pages_free(pages[i * 5 % (48 * 256)], 0);
}

/* Lists */

static void counts_what_lists_hold(void **state)
{
    (void)state;
    tarn_pages_drain();
    assert_int_equal(stats_of(zone).cached, 0);
    struct tarn_page *page = block(zone, 0, TARN_GFP_KERNEL);
    size_t after_refill = stats_of(zone).cached;
    assert_int_equal(after_refill, TARN__LIST_BATCH - 1);
    assert_int_equal(stats_of(zone).free, stats_of(zone).pages - 1);
    tarn_pages_free(page, 0);
    assert_int_equal(stats_of(zone).cached, after_refill + 1);
    tarn_pages_drain();
    assert_int_equal(stats_of(zone).cached, 0);
    tarn_zone_verify(zone);
    assert_int_equal(zone->free_pages, zone->pages);
}

static void lists_have_an_end(void **state)
{
    (void)state;
    struct tarn_page *pages[1000];
    for (size_t i = 0; i < 1000; i++)
        pages[i] = block(zone, 0, TARN_GFP_KERNEL);
    for (size_t i = 0; i < 1000; i++) {
        tarn_pages_free(pages[i], 0);
        assert_true(stats_of(zone).cached <= 2 * TARN__LIST_MOST);
        assert_int_equal(zone->free_pages + stats_of(zone).cached, zone->pages - 999 + i);
    }
    tarn_zone_verify(zone);
}

static void *use_and_end(void *order)
{
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    tarn_pages_free(page, 0);
    return order;
}

static void ends_of_threads(void **state)
{
    (void)state;
    tarn_pages_drain();
    uint64_t allocations = stats_of(zone).allocations, frees = stats_of(zone).frees;
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, use_and_end, NULL);
        pthread_join(thread, NULL);
    }
    assert_int_equal(stats_of(zone).cached, 0);
    assert_int_equal(stats_of(zone).allocations, allocations + 5);
    assert_int_equal(stats_of(zone).frees, frees + 5);
    assert_int_equal(zone->free_pages, zone->pages);
}

static pthread_barrier_t barrier;

static void *hold_and_wait(void *unused)
{
    use_and_end(unused);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* others asked */
    struct tarn_page *pages[100];
    for (int i = 0; i < 100; i++)
        pages[i] = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    for (int i = 0; i < 100; i++)
        tarn_pages_free(pages[i], 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void in_the_child(void *unused)
{
    (void)unused;
    tarn__lists_adopt_orphans();
    tarn_pages_drain();
    assert_int_equal(stats_of(zone).cached, 0);
    assert_int_equal(zone->free_pages, zone->pages);
    tarn_zone_verify(zone);
}

static void other_threads_give_theirs(void **state)
{
    (void)state;
    pthread_t thread;
    tarn_pages_drain();
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, hold_and_wait, NULL);
    pthread_barrier_wait(&barrier);
    assert_int_equal(stats_of(zone).cached, TARN__LIST_BATCH);
    check_lives(in_the_child, NULL);
    tarn_pages_drain();
    assert_int_equal(stats_of(zone).cached, TARN__LIST_BATCH); /* it has not exchanged since */
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    assert_true(stats_of(zone).cached <= TARN__LIST_MOST);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}

/* Misuse */

/* The thread's list is there: the shortest path of free is taken. */
static void warm(void) { tarn_pages_free(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL), 0); }

static void free_twice_in_list(void *unused)
{
    (void)unused;
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    tarn_pages_free(page, 0);
    tarn_pages_free(page, 0);
}
static void free_twice_in_zone(void *unused)
{
    (void)unused;
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    tarn_pages_free(page, 0);
    tarn_pages_drain();
    tarn_pages_free(page, 0);
}
static void free_block_twice(void *order)
{
    struct tarn_page *page = tarn_pages_alloc(zone, *(unsigned *)order, TARN_GFP_KERNEL);
    tarn_pages_free(page, *(unsigned *)order);
    tarn_pages_free(page, *(unsigned *)order);
}
static void free_larger(void *order)
{
    tarn_pages_free(tarn_pages_alloc(zone, *(unsigned *)order, TARN_GFP_KERNEL), *(unsigned *)order + 1);
}
static void free_smaller(void *order)
{
    warm();
    tarn_pages_free(tarn_pages_alloc(zone, *(unsigned *)order + 1, TARN_GFP_KERNEL), *(unsigned *)order);
}
static void free_inner(void *order)
{
    warm();
    tarn_pages_free(tarn_page_at(tarn_pages_alloc(zone, *(unsigned *)order + 1, TARN_GFP_KERNEL), 1), *(unsigned *)order);
}
static void free_between(void *unused)
{
    (void)unused;
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    tarn_pages_free((struct tarn_page *)(void *)((char *)page + 8), 0);
}
static void free_run_as_block(void *unused)
{
    (void)unused;
    warm();
    tarn_pages_free(tarn_pages_alloc_run(zone, 4, TARN_GFP_KERNEL), 2);
}
static void free_malloc_run(void *unused)
{
    (void)unused;
    tarn_pages_free(tarn__pages_alloc(zone, 4, PAGE, NULL), 2);
}
static void free_run_twice(void *unused)
{
    (void)unused;
    struct tarn_page *run = tarn_pages_alloc_run(zone, 40, TARN_GFP_KERNEL);
    tarn_pages_free_run(run, 40);
    tarn_pages_free_run(run, 40);
}
static void free_block_as_run(void *unused)
{
    (void)unused;
    tarn_pages_free_run(tarn_pages_alloc(zone, 2, TARN_GFP_KERNEL), 4);
}
static void free_short_run(void *unused)
{
    (void)unused;
    tarn_pages_free_run(tarn_pages_alloc_run(zone, 40, TARN_GFP_KERNEL), 39);
}
static void exact_foreign(void *unused)
{
    (void)unused;
    tarn_pages_free_exact((void *)((uintptr_t)&barrier & ~(PAGE - 1)), PAGE);
}
static void exact_inner(void *unused)
{
    (void)unused;
    tarn_pages_free_exact((char *)tarn_pages_alloc_exact(zone, PAGE, TARN_GFP_KERNEL) + 1, PAGE);
}
static void exact_twice(void *unused)
{
    (void)unused;
    void *p = tarn_pages_alloc_exact(zone, 3 * PAGE, TARN_GFP_KERNEL);
    tarn_pages_free_exact(p, 3 * PAGE);
    tarn_pages_free_exact(p, 3 * PAGE);
}
static void get_freed(void *unused)
{
    (void)unused;
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    tarn_pages_free(page, 0);
    tarn_page_get(page);
}
static void put_too_often(void *unused)
{
    (void)unused;
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    tarn_page_get(page);
    for (int i = 0; i < 3; i++)
        tarn_page_put(page);
}
static void split_wrongly(void *unused)
{
    (void)unused;
    tarn_page_split(tarn_pages_alloc(zone, 2, TARN_GFP_KERNEL), 3);
}
static void after_the_zone(void *unused)
{
    (void)unused;
    struct tarn_zone *other = tarn_zone_create("other", tarn_source_system(), MIB, 0);
    struct tarn_page *page = tarn_pages_alloc(other, 0, TARN_GFP_KERNEL);
    tarn_pages_free(page, 0);
    assert_int_equal(tarn_zone_destroy(other), 0);
    tarn_pages_free(page, 0);
}

static void misuse_is_found(void **state)
{
    (void)state;
    static const char twice[] = "tarn: double free", order_text[] = "tarn: wrong order", invalid[] = "tarn: invalid free";
    static const struct {
        void (*act)(void *);
        const char *message;
    } crimes[] = {
        {free_twice_in_list, twice},
        {free_twice_in_zone, twice},
        {free_run_as_block, order_text},
        {free_malloc_run, invalid},
        {free_run_twice, twice},
        {free_block_as_run, order_text},
        {free_short_run, "tarn: wrong size"},
        {exact_foreign, invalid},
        {exact_inner, invalid},
        {exact_twice, twice},
        {get_freed, twice},
        {put_too_often, twice},
        {split_wrongly, order_text},
        {after_the_zone, invalid},
        {free_between, invalid},
    };
    for (size_t i = 0; i < sizeof crimes / sizeof *crimes; i++)
        check_dies(crimes[i].act, NULL, crimes[i].message);
    for (unsigned order = 0; order < 9; order += 4) {
        check_dies(free_block_twice, &order, twice);
        check_dies(free_larger, &order, order_text);
        check_dies(free_smaller, &order, order_text);
        check_dies(free_inner, &order, invalid);
    }
}

#define BLOCK_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLOCK_TEST(all_orders),
        BLOCK_TEST(refuses_what_cannot_be),
        BLOCK_TEST(zeroes_only_what_is_not_zero),
        BLOCK_TEST(references),
        BLOCK_TEST(the_links_are_the_users),
        BLOCK_TEST(splits),
        BLOCK_TEST(exact_sizes),
        BLOCK_TEST(runs),
        BLOCK_TEST(finds_pages_of_addresses),
        BLOCK_TEST(in_bulk),
        BLOCK_TEST(to_the_last_page),
        BLOCK_TEST(counts_what_lists_hold),
        BLOCK_TEST(lists_have_an_end),
        BLOCK_TEST(ends_of_threads),
        BLOCK_TEST(other_threads_give_theirs),
        BLOCK_TEST(misuse_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
