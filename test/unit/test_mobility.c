/* Floor 4: groups by mobility: who takes from whom, what converts, and that pages of a kind stay together. */
#include "test/unit/blocks.h"

#define KERNEL(group) (TARN_GFP_KERNEL | (group)*TARN_GFP_MOVABLE)

static struct tarn_zone *zone;

static int begin(void **state)
{
    begin_blocks(state);
    zone = new_zone(32 * MIB, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    end_zone_of(zone);
    return 0;
}

/* The group of the pageblock that a page lies in. */
static unsigned home(struct tarn_page *page)
{
    struct tarn__section *section = tarn__page_section(page);
    return section->group[(size_t)(page - section->page) >> TARN_PAGEBLOCK_ORDER];
}

static void all_begin_movable(void **state)
{
    (void)state;
    struct tarn_zone_stats stats = stats_of(zone);
    assert_int_equal(stats.pageblocks[TARN_MOVABLE], 16);
    assert_int_equal(stats.group_blocks[TARN_MOVABLE][10], 8);
    assert_int_equal(stats.blocks[10], 8);
    struct tarn_page *page = block(zone, 0, KERNEL(TARN_MOVABLE));
    assert_int_equal(stats_of(zone).fallbacks, 0);
    assert_int_equal(home(page), TARN_MOVABLE);
    tarn_pages_free(page, 0);
}

/* The first unmovable page takes a whole block; those that follow find room there. */
static void takes_the_largest_and_converts_it(void **state)
{
    (void)state;
    struct tarn_page *page[300];
    for (unsigned i = 0; i < 300; i++) {
        page[i] = block(zone, 0, KERNEL(i % 2 ? TARN_UNMOVABLE : TARN_RECLAIMABLE));
        assert_int_equal(home(page[i]), i % 2 ? TARN_UNMOVABLE : TARN_RECLAIMABLE);
    }
    struct tarn_zone_stats stats = stats_of(zone);
    assert_int_equal(stats.fallbacks, 2);
    assert_int_equal(stats.conversions, 4); /* two blocks of two pageblocks */
    assert_int_equal(stats.pageblocks[TARN_MOVABLE], 12);
    assert_int_equal(stats.blocks[10], 6);
    for (unsigned i = 0; i < 300; i++)
        tarn_pages_free(page[i], 0);
}

/* The zone's blocks, each split into single pages: only what is freed again can be had. */
static struct tarn_page *whole[8];

static void give_back(struct tarn_page *page, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        tarn_pages_free(&page[i], 0);
}

static void pageblock_of(int i, unsigned group)
{
    whole[i] = block(zone, 10, KERNEL(group));
    tarn_page_split(whole[i], 10);
}

static void falls_back_in_order(void **state)
{
    (void)state;
    static const unsigned order_of[TARN_MOBILITIES][3] = {
        [TARN_UNMOVABLE] = {TARN_UNMOVABLE, TARN_RECLAIMABLE, TARN_MOVABLE},
        [TARN_RECLAIMABLE] = {TARN_RECLAIMABLE, TARN_UNMOVABLE, TARN_MOVABLE},
        [TARN_MOVABLE] = {TARN_MOVABLE, TARN_RECLAIMABLE, TARN_UNMOVABLE},
    };
    for (unsigned group = 0; group < TARN_MOBILITIES; group++) {
        for (int i = 0; i < 8; i++)
            pageblock_of(i, (unsigned)i % TARN_MOBILITIES);
        for (int i = 0; i < TARN_MOBILITIES; i++) /* one free page of each, and no more */
            give_back(whole[i], 7, 8);
        tarn_pages_drain();
        for (int i = 0; i < 3; i++) {
            struct tarn_page *page = block(zone, 0, KERNEL(group));
            assert_int_equal(home(page), order_of[group][i]);
            assert_int_equal(page - whole[order_of[group][i]], 7);
        }
        assert_null(tarn_pages_alloc(zone, 0, KERNEL(group)));
        tarn_zone_verify(zone);
        for (int i = 0; i < 8; i++)
            give_back(whole[i], 0, 1024);
        tarn_pages_drain();
    }
}

/* A request takes the largest foreign block; a movable one, when all are small, the smallest. */
static void largest_or_smallest(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        pageblock_of(i, TARN_RECLAIMABLE);
    give_back(whole[0], 0, 1);
    give_back(whole[1], 0, 8);
    give_back(whole[2], 0, 4);
    tarn_pages_drain();
    struct tarn_page *page = block(zone, 0, KERNEL(TARN_MOVABLE));
    assert_ptr_equal(page, whole[0]);
    assert_int_equal(home(page), TARN_RECLAIMABLE);
    page = block(zone, 1, KERNEL(TARN_MOVABLE));
    assert_ptr_equal(page, whole[2]);
    tarn_pages_free(page, 1);
    page = block(zone, 0, KERNEL(TARN_UNMOVABLE));
    assert_ptr_equal(page, whole[1]);
    tarn_pages_free(page, 0);
    tarn_pages_drain();
    tarn_pages_free(whole[0], 0);
    give_back(whole[0], 1, 1024);
    give_back(whole[1], 8, 1024);
    give_back(whole[2], 4, 1024);
    for (int i = 3; i < 8; i++)
        give_back(whole[i], 0, 1024);
}

/* Half of the pageblock must be free or of the request's kind. */
static void converts_when_half_is_its_own(void **state)
{
    (void)state;
    static const struct {
        unsigned from, by;
        size_t free;
        bool converts;
    } cases[] = {
        {TARN_MOVABLE, TARN_UNMOVABLE, 255, false},    {TARN_MOVABLE, TARN_UNMOVABLE, 256, true},
        {TARN_MOVABLE, TARN_RECLAIMABLE, 256, true},   {TARN_RECLAIMABLE, TARN_UNMOVABLE, 255, false},
        {TARN_RECLAIMABLE, TARN_UNMOVABLE, 256, true}, {TARN_UNMOVABLE, TARN_MOVABLE, 255, false},
        {TARN_UNMOVABLE, TARN_MOVABLE, 256, true},     {TARN_UNMOVABLE, TARN_RECLAIMABLE, 256, true},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        for (int i = 0; i < 8; i++)
            pageblock_of(i, cases[c].from);
        give_back(whole[3], 512, 512 + cases[c].free);
        tarn_pages_drain();
        uint64_t conversions = stats_of(zone).conversions;
        struct tarn_page *page = block(zone, 1, KERNEL(cases[c].by));
        assert_int_equal(home(page), cases[c].converts ? cases[c].by : cases[c].from);
        assert_int_equal(stats_of(zone).conversions, conversions + cases[c].converts);
        assert_int_equal(tarn__page_section(page)->group[0], cases[c].from); /* the other half of the block stays */
        tarn_zone_verify(zone);
        tarn_pages_free(page, 1);
        give_back(whole[3], 0, 512);
        give_back(whole[3], 512 + cases[c].free, 1024);
        for (int i = 0; i < 8; i++)
            if (i != 3)
                give_back(whole[i], 0, 1024);
        tarn_pages_drain();
        assert_int_equal(stats_of(zone).blocks[10], 8);
    }
}

/* Pages that were put among movable ones for want of room count for their kind. */
static void counts_what_is_alike(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        pageblock_of(i, TARN_MOVABLE);
    for (size_t i = 0; i < 200; i++) { /* one by one, so that nothing converts */
        give_back(whole[3], i, i + 1);
        tarn_pages_drain();
        struct tarn_page *page = block(zone, 0, KERNEL(TARN_UNMOVABLE));
        assert_ptr_equal(page, &whole[3][i]);
    }
    assert_int_equal(home(whole[3]), TARN_MOVABLE);
    give_back(whole[3], 256, 256 + 64);
    tarn_pages_drain();
    struct tarn_page *page = block(zone, 0, KERNEL(TARN_UNMOVABLE)); /* 200 + 64 of 512 */
    assert_int_equal(home(page), TARN_UNMOVABLE);
    tarn_pages_free(page, 0);
    give_back(whole[3], 0, 256);
    give_back(whole[3], 256 + 64, 1024);
    for (int i = 0; i < 8; i++)
        if (i != 3)
            give_back(whole[i], 0, 1024);
}

static void merges_across_groups(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        pageblock_of(i, TARN_MOVABLE);
    give_back(whole[0], 0, 300);
    tarn_pages_drain();
    struct tarn_page *page = block(zone, 3, KERNEL(TARN_UNMOVABLE));
    assert_int_equal(tarn__page_section(page)->group[0], TARN_UNMOVABLE);
    assert_int_equal(tarn__page_section(page)->group[1], TARN_MOVABLE);
    give_back(whole[0], 300, 1024);
    tarn_pages_drain();
    tarn_zone_verify(zone);
    tarn_pages_free(page, 3);
    tarn_zone_verify(zone);
    assert_int_equal(tarn__page_section(page)->group[0], tarn__page_section(page)->group[1]);
    assert_int_equal(stats_of(zone).blocks[10], 1);
    for (int i = 1; i < 8; i++)
        give_back(whole[i], 0, 1024);
}

static void off_and_on(void **state)
{
    (void)state;
    struct tarn_page *keep = block(zone, 0, KERNEL(TARN_RECLAIMABLE));
    tarn_zone_set_grouping(zone, false);
    tarn_zone_verify(zone);
    struct tarn_zone_stats stats = stats_of(zone);
    assert_int_equal(stats.pageblocks[TARN_UNMOVABLE], 16);
    struct tarn_page *page[3];
    for (unsigned group = 0; group < 3; group++) {
        page[group] = block(zone, 0, KERNEL(group));
        assert_int_equal(home(page[group]), TARN_UNMOVABLE);
    }
    assert_int_equal(stats_of(zone).fallbacks, stats.fallbacks);
    assert_int_equal(tarn__page_section(page[0])->base == tarn__page_section(page[1])->base, 1); /* side by side */
    tarn_zone_set_grouping(zone, true);
    tarn_zone_verify(zone);
    assert_int_equal(stats_of(zone).pageblocks[TARN_MOVABLE], 15);
    struct tarn_page *movable = block(zone, 0, KERNEL(TARN_MOVABLE));
    assert_int_equal(home(movable), TARN_MOVABLE);
    tarn_pages_free(movable, 0);
    tarn_pages_free(keep, 0);
    for (unsigned group = 0; group < 3; group++)
        tarn_pages_free(page[group], 0);
}

static void small_zones_do_not_group(void **state)
{
    (void)state;
    struct tarn_zone *small = tarn_zone_create("small", tarn_source_system(), 32 * MIB - PAGE, 0);
    struct tarn_zone *asked = tarn_zone_create("asked", tarn_source_system(), 32 * MIB, TARN_ZONE_NO_GROUPING);
    tarn_zone_set_grouping(small, true);
    struct tarn_zone *both[2] = {small, asked};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stats_of(both[i]).pageblocks[TARN_UNMOVABLE], 16);
        tarn_pages_free(block(both[i], 0, KERNEL(TARN_MOVABLE)), 0);
        assert_int_equal(stats_of(both[i]).fallbacks, 0);
        end_zone_of(both[i]);
    }
}

#define MOBILITY_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MOBILITY_TEST(all_begin_movable),
        MOBILITY_TEST(takes_the_largest_and_converts_it),
        MOBILITY_TEST(falls_back_in_order),
        MOBILITY_TEST(largest_or_smallest),
        MOBILITY_TEST(converts_when_half_is_its_own),
        MOBILITY_TEST(counts_what_is_alike),
        MOBILITY_TEST(merges_across_groups),
        MOBILITY_TEST(off_and_on),
        MOBILITY_TEST(small_zones_do_not_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
