/* Floor 4: blocks from 64 MiB on, over the fake system, where their unmapping can be refused. */
#include "test/unit/zone.h"

#include "os/fake.h"

#define LEAST TARN__MAPPED_LEAST

static struct tarn_page *take_mapped(size_t count, size_t align)
{
    bool zeroed = false;
    struct tarn_page *run = tarn__pages_alloc(&zone, count, align, &zeroed);
    assert_non_null(run);
    char *p = tarn__page_address(run);
    assert_true(zeroed);
    assert_int_equal(run->count, count);
    assert_int_equal((uintptr_t)p % align, 0);
    assert_ptr_equal(tarn__run_at(p), run);
    assert_true(p[0] == 0 && p[count * PAGE - 1] == 0);
    p[0] = p[count * PAGE - 1] = 1;
    tarn__zone_check(&zone);
    return run;
}

static void leads_from_all_slots(void **state)
{
    (void)state;
    struct tarn_page *run = take_mapped(LEAST + 5, PAGE);
    char *p = tarn__page_address(run);
    struct tarn__section *section = tarn__page_section(run);
    assert_int_equal(section->slots, 17);
    for (size_t offset = 0; offset < 17 * SECTION; offset += SECTION / 4 + 8) {
        assert_ptr_equal(tarn__section_of(p + offset), section);
        if (offset)
            assert_null(tarn__run_at(p + offset));
        assert_null(tarn__run_at(p + tarn__align_down(offset, PAGE) + PAGE));
    }
    assert_null(tarn__section_of(p + 17 * SECTION));
    give(run);
    for (size_t offset = 0; offset < 17 * SECTION; offset += SECTION)
        assert_null(tarn__section_of(p + offset));
    assert_int_equal(zone.pages, 0);
}

static void aligns(void **state)
{
    (void)state;
    for (size_t align = PAGE; align <= 64 << 20; align *= 64)
        give(take_mapped(LEAST, align));
    give(take_mapped(LEAST, 64 << 20));
}

/* Descriptors serve again, so no memory is mapped for those of blocks that come and go. */
static void descriptors_serve_again(void **state)
{
    (void)state;
    size_t most = 0;
    for (int round = 0; round < 50; round++) {
        give(take_mapped(LEAST, PAGE));
        assert_int_equal(zone.pages, 0);
        if (round == 0)
            most = tarn__meta_bytes();
    }
    assert_int_equal(tarn__meta_bytes(), most);
}

static void shrinks_and_extends(void **state)
{
    (void)state;
    struct tarn_page *run = take_mapped(LEAST + 1000, PAGE);
    char *p = tarn__page_address(run);
    memset(p, 0x31, run->count * PAGE);
    tarn__pages_shrink(run, LEAST - 10);
    tarn__zone_check(&zone);
    assert_int_equal(run->count, LEAST - 10);
    assert_true(check_all_bytes(p, (LEAST - 10) * PAGE, 0x31));
    assert_true(tarn__pages_extend(run, LEAST + 1024));
    assert_int_equal(run->count, LEAST + 1024);
    assert_true(check_all_bytes(p, (LEAST - 10) * PAGE, 0x31));
    memset(p, 0x32, run->count * PAGE);
    assert_false(tarn__pages_extend(run, LEAST + 1025));
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_PURGE), 1, 1);
    tarn__pages_shrink(run, 5);
    assert_true(run->count == 5 || run->count == LEAST + 1024);
    assert_true(check_all_bytes(p, 5 * PAGE, 0x32));
    tarn__pages_shrink(run, 1);
    assert_int_equal(run->count, 1);
    assert_ptr_equal(tarn__run_at(p), run);
    give(run);
}

static void refused_unmap_is_tried_again(void **state)
{
    (void)state;
    struct tarn_page *run = take_mapped(LEAST, PAGE);
    memset(tarn__page_address(run), 1, LEAST * PAGE);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_UNMAP), 1, 2);
    give(run);
    assert_int_equal(zone.pages, LEAST);
    assert_int_equal(zone.free_pages, LEAST);
    assert_int_equal(tarn__zone_trim(&zone, 0), 0);
    tarn__zone_check(&zone);
    assert_int_equal(tarn__zone_trim(&zone, 0), LEAST * PAGE);
    assert_int_equal(zone.pages, 0);
    tarn__zone_check(&zone);
    tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
    assert_null(tarn__pages_alloc(&zone, LEAST, PAGE, NULL));
    tarn__fake_fail(0, 0, 0);
}

static void no_memory_takes_back_stuck_blocks(void **state)
{
    (void)state;
    struct tarn_page *a = take_mapped(2 * LEAST, PAGE), *b;
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_UNMAP), 1, 1);
    give(a);
    b = take_mapped(3 * LEAST - 8 * TARN__SECTION_PAGES, PAGE); /* only where the stuck block is */
    give(b);
}

static void refuses_the_impossible(void **state)
{
    (void)state;
    assert_null(tarn__pages_alloc(&zone, (size_t)UINT32_MAX + 1, PAGE, NULL));
    assert_null(tarn__pages_alloc(&zone, TARN__FAKE_SIZE / PAGE + 1, PAGE, NULL));
    assert_null(tarn__pages_alloc(&zone, LEAST, CHECK_HUGE(46), NULL));
}

/*
 * Descriptors run out in the middle of a request. Where that is depends on how many sections there are, so it is tried with every number
 * of them, each in a process of its own; the table then leads to the zone's sections only, and nothing else stays mapped.
 */

static void require_sound(void)
{
    size_t found = 0;
    for (size_t offset = 0; offset < TARN__FAKE_SIZE; offset += SECTION)
        found += tarn__section_of(tarn__fake_arena() + offset) != NULL;
    tarn__zone_check(&zone);
    TARN__ASSERT(found * TARN__SECTION_PAGES == zone.pages, "test: the table leads to what there is");
    TARN__ASSERT(tarn__fake_mapped() == zone.pages * PAGE + tarn__meta_bytes(), "test: nothing else stays mapped");
}

struct shortage {
    size_t sections, count, align, failing;
};

static void run_short_of_descriptors(void *value)
{
    const struct shortage *s = value;
    struct tarn_page *runs[32];
    for (size_t i = 0; i < s->sections; i++)
        runs[i] = tarn__pages_alloc(&zone, TARN__SECTION_PAGES, PAGE, NULL);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MAP), s->failing, UINT64_MAX);
    struct tarn_page *run = tarn__pages_alloc(&zone, s->count, s->align, NULL);
    tarn__fake_fail(0, 0, 0);
    require_sound();
    if (run)
        tarn__pages_free(run);
    for (size_t i = 0; i < s->sections; i++)
        tarn__pages_free(runs[i]);
    tarn__zone_trim(&zone, 0);
    require_sound();
    TARN__ASSERT(zone.pages == 0, "test: all is given back");
}

static void runs_short_of_descriptors(void **state)
{
    static const size_t requests[][2] = {{3000, PAGE}, {3000, 2 * SECTION}, {LEAST, PAGE}, {LEAST, 4 * SECTION}};
    const size_t step = TARN__SANITIZE_THREAD ? 5 : 1; /* a fork takes that sanitizer a second */
    (void)state;
    for (size_t r = 0; r < 4; r++)
        for (size_t sections = 0; sections < 18; sections += sections ? step : 8)
            for (size_t failing = 1; failing <= 3; failing++)
                check_lives(run_short_of_descriptors, &(struct shortage){sections, requests[r][0], requests[r][1], failing});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ZONE_TEST(runs_short_of_descriptors), /* first: descriptors are kept */
        ZONE_TEST(leads_from_all_slots),         ZONE_TEST(aligns),
        ZONE_TEST(descriptors_serve_again),      ZONE_TEST(shrinks_and_extends),
        ZONE_TEST(refused_unmap_is_tried_again), ZONE_TEST(no_memory_takes_back_stuck_blocks),
        ZONE_TEST(refuses_the_impossible),
    };
    return cmocka_run_group_tests_name("mapped", tests, NULL, NULL);
}
