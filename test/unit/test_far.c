/* Floor 4: alignments that only a real address space has room for. */
#include "test/unit/zone.h"

static void *touch_ends(struct tarn_page *run)
{
    char *p = tarn__page_address(run);
    p[0] = p[(size_t)run->count * PAGE - 1] = 1;
    return p;
}

static void aligns(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 9, 1023, 1024, 1025, 5000, TARN__MAPPED_LEAST, TARN__MAPPED_LEAST + 3};
    struct tarn_page *runs[sizeof counts / sizeof *counts];
    const size_t largest = (size_t)1 << (CHECK_BITS > 32 ? 30 : 26); /* all of them have room */
    for (size_t align = PAGE; align <= largest; align *= 2) {
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            bool zeroed;
            runs[i] = tarn__pages_alloc(&zone, counts[i], align, &zeroed);
            assert_non_null(runs[i]);
            assert_int_equal(runs[i]->count, counts[i]);
            char *p = tarn__page_address(runs[i]);
            assert_int_equal((uintptr_t)p % align, 0);
            assert_ptr_equal(tarn__run_at(p), runs[i]);
            if (zeroed)
                assert_true(p[0] == 0 && p[counts[i] * PAGE - 1] == 0);
            touch_ends(runs[i]);
            tarn__zone_check(&zone);
        }
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            give(runs[i]);
    }
}

static void refuses_the_impossible(void **state)
{
    (void)state;
    if (CHECK_BITS > 32)
        assert_null(tarn__pages_alloc(&zone, 1, CHECK_HUGE(62), NULL));
    assert_null(tarn__pages_alloc(&zone, SIZE_MAX / PAGE, PAGE, NULL));
    assert_null(tarn__pages_alloc(&zone, SIZE_MAX / PAGE, (size_t)1 << 30, NULL));
    tarn__zone_check(&zone);
}

/* A program that takes and frees the same again and again lives in what it freed. */
static void does_not_grow(void **state)
{
    static const struct {
        size_t count, align;
    } requests[] = {{100, 8 * SECTION}, {1024, 2 * SECTION}, {1280, 16 * PAGE}, {3000, SECTION / 2}};
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        for (int turn = 0; turn < 100; turn++) {
            struct tarn_page *run = tarn__pages_alloc(&zone, requests[i].count, requests[i].align, NULL);
            assert_non_null(run);
            tarn__pages_free(run);
        }
        assert_true(zone.pages * PAGE <= 64 * SECTION);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {ZONE_TEST(aligns), ZONE_TEST(refuses_the_impossible), ZONE_TEST(does_not_grow)};
    return cmocka_run_group_tests_name("far", tests, NULL, NULL);
}
