/* Floor 4: the table of sections, and a zone's ordinary runs, over the fake system. Each step ends with tarn__zone_check. */
#include "test/unit/zone.h"

#include "os/fake.h"

#include <errno.h>
#include <pthread.h>

#define MIB ((size_t)1 << 20)

static size_t used(void) { return zone.pages - zone.free_pages; }

static void finds_sections(void **state)
{
    (void)state;
    struct tarn_page *run = take(10, PAGE);
    char *p = tarn__page_address(run);
    struct tarn__section *section = tarn__page_section(run);
    assert_ptr_equal(section->base, (char *)tarn__align_down((uintptr_t)p, SECTION));
    assert_ptr_equal(section->zone, &zone);
    for (size_t offset = 0; offset < SECTION; offset += 1000)
        assert_ptr_equal(tarn__section_of(section->base + offset), section);
    assert_ptr_equal(tarn__section_of(section->base + SECTION - 1), section);
    for (size_t i = 0; i < TARN__SECTION_PAGES; i++) {
        assert_ptr_equal(tarn__page_section(&section->page[i]), section);
        assert_ptr_equal(tarn__page_address(&section->page[i]), section->base + i * PAGE);
        if (&section->page[i] != run)
            assert_null(tarn__run_at(section->base + i * PAGE));
    }
    for (size_t offset = 1; offset < 10 * PAGE; offset += offset < 4100 ? 1 : 511)
        assert_null(tarn__run_at(p + offset));
    assert_null(tarn__section_of(section->base + SECTION));
    give(run);
}

static void knows_foreign_addresses(void **state)
{
    (void)state;
    int on_stack;
    struct tarn_page *run = take(1, PAGE);
    assert_null(tarn__section_of(NULL));
    assert_null(tarn__section_of(&on_stack));
    assert_null(tarn__section_of(&zone));
    assert_null(tarn__section_of((void *)UINTPTR_MAX));
    assert_null(tarn__run_at(NULL));
    assert_null(tarn__run_at((void *)((uintptr_t)&on_stack & ~(PAGE - 1))));
    for (unsigned bit = 0; bit < CHECK_BITS; bit++) {
        uintptr_t address = (uintptr_t)tarn__page_address(run) ^ (uintptr_t)1 << bit;
        assert_true((tarn__section_of((void *)address) == NULL) == (bit >= TARN__SECTION_BITS));
        assert_null(tarn__run_at((void *)address));
    }
    give(run);
}

static void forgets_sections(void **state)
{
    (void)state;
    struct tarn_page *run = take(1024, PAGE);
    char *p = tarn__page_address(run);
    give(run);
    assert_int_equal(tarn__zone_trim(&zone, 0), SECTION);
    assert_null(tarn__section_of(p));
    assert_int_equal(zone.pages, 0);
}

static void takes_exact_runs(void **state)
{
    (void)state;
    struct tarn_page *keep = take(1, PAGE); /* so that the section stays */
    for (size_t count = 1; count < TARN__SECTION_PAGES; count += count < 70 ? 1 : 53) {
        struct tarn_page *run = take(count, PAGE);
        assert_int_equal(used(), count + 1);
        give(run);
        assert_int_equal(used(), 1);
    }
    assert_int_equal(zone.pages, TARN__SECTION_PAGES);
    give(keep);
}

static void aligns(void **state)
{
    (void)state;
    struct tarn_page *keep = take(1, PAGE);
    for (size_t align = PAGE; align <= SECTION; align *= 2)
        for (size_t count = 1; count <= 1024; count = count * 2 + (align / PAGE + count) % 3) {
            struct tarn_page *run = take(count, align);
            assert_int_equal(used(), count + 1);
            give(run);
        }
    give(keep);
}

static void merges_all(void **state)
{
    (void)state;
    enum { RUNS = 1024 };
    struct tarn_page *run[RUNS];
    for (size_t i = 0; i < RUNS; i++) {
        bool zeroed;
        run[i] = tarn__pages_alloc(&zone, 1, PAGE, &zeroed);
        assert_non_null(run[i]);
    }
    assert_int_equal(zone.free_pages, 0);
    for (size_t i = 0; i < RUNS; i++) /* 389 has no factor in common with 1024: each once, far apart */
        tarn__pages_free(run[i * 389 % RUNS]);
    tarn__zone_check(&zone);
    assert_int_equal(zone.blocks[TARN__MAX_ORDER], 1);
    for (unsigned order = 0; order < TARN__MAX_ORDER; order++)
        assert_int_equal(zone.blocks[order], 0);
}

/* Free pages side by side that no single block holds are found all the same. */
static void finds_spans(void **state)
{
    (void)state;
    struct tarn_page *first = take(1024, PAGE);
    tarn__pages_shrink(first, 100);
    struct tarn_page *second = take(200, PAGE), *third = take(700, PAGE);
    size_t pages = zone.pages;
    assert_int_equal(pages, TARN__SECTION_PAGES);
    char *p = tarn__page_address(second);
    give(second);
    for (size_t count = 17; count <= 200; count += 61) {
        struct tarn_page *span = take(count, PAGE);
        assert_ptr_equal(tarn__page_address(span), p);
        give(span);
    }
    struct tarn_page *span = take(200, PAGE);
    assert_int_equal(zone.pages, pages);
    give(first);
    give(span);
    struct tarn_page *both = take(300, PAGE);
    assert_int_equal(zone.pages, pages);
    give(both);
    give(third);
}

static void spans_cross_sections(void **state)
{
    (void)state;
    struct tarn_page *all = take(3 * TARN__SECTION_PAGES, PAGE);
    char *base = tarn__page_address(all);
    for (size_t offset = 0; offset < 3 * SECTION; offset += SECTION)
        assert_ptr_equal(tarn__section_of(base + offset)->base, base + offset);
    give(all);
    size_t pages = zone.pages;
    struct tarn_page *low = take(1000, PAGE);
    assert_ptr_equal(tarn__page_address(low), base);
    struct tarn_page *span = take(1500, PAGE); /* 24 pages of the first section, 1024, 452 */
    assert_ptr_equal(tarn__page_address(span), base + 1000 * PAGE);
    struct tarn_page *rest = take(3 * TARN__SECTION_PAGES - 2500, PAGE);
    assert_ptr_equal(tarn__page_address(rest), base + 2500 * PAGE);
    assert_int_equal(zone.pages, pages);
    assert_int_equal(zone.free_pages, 0);
    give(low);
    give(rest);
    give(span);
}

static void shrinks(void **state)
{
    (void)state;
    struct tarn_page *run = take(2000, PAGE);
    char *p = tarn__page_address(run);
    static const size_t counts[] = {1999, 1030, 1024, 1023, 512, 7, 1};
    size_t pages = zone.pages;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        tarn__pages_shrink(run, counts[i]);
        tarn__zone_check(&zone);
        assert_int_equal(run->count, counts[i]);
        assert_int_equal(used(), counts[i]);
        assert_ptr_equal(tarn__run_at(p), run);
        assert_true(check_all_bytes(p, counts[i] * PAGE, 0xd1));
    }
    tarn__pages_shrink(run, 1);
    tarn__pages_shrink(run, 0);
    tarn__pages_shrink(run, 5);
    assert_int_equal(run->count, 1);
    assert_int_equal(zone.pages, pages);
    give(run);
}

static void extends(void **state)
{
    (void)state;
    struct tarn_page *run = take(3000, PAGE), *after;
    char *p = tarn__page_address(run);
    tarn__pages_shrink(run, 10);
    static const size_t counts[] = {11, 500, 1024, 1025, 2990, 3000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        assert_true(tarn__pages_extend(run, counts[i]));
        tarn__zone_check(&zone);
        assert_int_equal(run->count, counts[i]);
        assert_int_equal(used(), counts[i]);
        assert_true(check_all_bytes(p, 10 * PAGE, 0xd1));
        memset(p + 10 * PAGE, 0xd1, (counts[i] - 10) * PAGE);
    }
    tarn__pages_shrink(run, 1500);
    after = take(100, PAGE);
    assert_ptr_equal(tarn__page_address(after), p + 1500 * PAGE);
    assert_false(tarn__pages_extend(run, 1501));
    tarn__zone_check(&zone);
    give(after);
    assert_true(tarn__pages_extend(run, 1600));
    assert_false(tarn__pages_extend(run, 3 * TARN__SECTION_PAGES + 1)); /* nothing there */
    assert_false(tarn__pages_extend(run, TARN__MAPPED_LEAST));
    assert_int_equal(run->count, 1600);
    tarn__zone_check(&zone);
    give(run);
}

static void extends_into_clean_pages(void **state)
{
    (void)state;
    struct tarn_page *run = take(1, PAGE);
    assert_true(tarn__pages_extend(run, 700));
    tarn__zone_check(&zone);
    memset(tarn__page_address(run), 1, 700 * PAGE);
    tarn__pages_shrink(run, 1);
    assert_int_equal(zone.dirty_pages, 699);
    give(run);
}

/* Clean and dirty */

static void tells_what_is_zero(void **state)
{
    (void)state;
    bool zeroed = false;
    struct tarn_page *run = tarn__pages_alloc(&zone, 300, PAGE, &zeroed);
    assert_true(zeroed);
    run = checked_run(run, 300, PAGE, zeroed);
    assert_int_equal(zone.dirty_pages, 0);
    give(run);
    assert_int_equal(zone.dirty_pages, 300);
    run = tarn__pages_alloc(&zone, 300, PAGE, &zeroed);
    assert_false(zeroed);
    assert_int_equal(zone.dirty_pages, 0);
    tarn__pages_free(run);
    tarn__zone_check(&zone);
    run = tarn__pages_alloc(&zone, 301, PAGE, &zeroed); /* one clean page among them changes nothing */
    assert_false(zeroed);
    memset(tarn__page_address(run), 0, 301 * PAGE);
    tarn__pages_free_clean(run);
    tarn__zone_check(&zone);
    assert_int_equal(zone.dirty_pages, 0);
    run = tarn__pages_alloc(&zone, 301, PAGE, &zeroed);
    assert_true(zeroed);
    give(checked_run(run, 301, PAGE, zeroed));
}

static void prefers_dirty_pages(void **state)
{
    (void)state;
    struct tarn_page *keep = take(1, PAGE), *run = take(64, PAGE);
    char *p = tarn__page_address(run);
    give(run);
    for (size_t count = 1; count <= 64; count += 9) {
        run = take(count, PAGE);
        assert_true(tarn__page_address(run) >= p && tarn__page_address(run) < p + 64 * PAGE);
        give(run);
    }
    give(keep);
}

static void trims_to_what_is_kept(void **state)
{
    (void)state;
    struct tarn_page *keep = take(1, PAGE), *run = take(900, PAGE);
    give(run);
    assert_int_equal(zone.dirty_pages, 900);
    size_t freed = tarn__zone_trim(&zone, 500);
    tarn__zone_check(&zone);
    assert_true(zone.dirty_pages <= 500);
    assert_int_equal(freed, (900 - zone.dirty_pages) * PAGE);
    assert_int_equal(counted.purged, freed);
    assert_int_equal(tarn__zone_trim(&zone, 500), 0);
    assert_int_equal(tarn__zone_trim(&zone, 0), 900 * PAGE - freed);
    assert_int_equal(zone.dirty_pages, 0);
    bool zeroed;
    run = tarn__pages_alloc(&zone, 900, PAGE, &zeroed);
    assert_true(zeroed);
    give(checked_run(run, 900, PAGE, zeroed));
    give(keep);
}

static void trims_scattered_pages(void **state)
{
    (void)state;
    enum { RUNS = 512 };
    struct tarn_page *run[RUNS];
    for (size_t i = 0; i < RUNS; i++)
        run[i] = take(2, PAGE);
    for (size_t i = 0; i < RUNS; i += 2)
        tarn__pages_free(run[i]);
    assert_int_equal(zone.dirty_pages, RUNS);
    assert_int_equal(tarn__zone_trim(&zone, 0), RUNS * PAGE);
    tarn__zone_check(&zone);
    for (size_t i = 0; i < RUNS; i += 2) {
        bool zeroed;
        run[i] = tarn__pages_alloc(&zone, 2, PAGE, &zeroed);
        assert_true(zeroed);
        checked_run(run[i], 2, PAGE, zeroed);
    }
    for (size_t i = 1; i < RUNS; i += 2)
        assert_true(check_all_bytes(tarn__page_address(run[i]), 2 * PAGE, 0xd1));
    for (size_t i = 0; i < RUNS; i++)
        tarn__pages_free(run[i]);
}

static void keeps_a_budget(void **state)
{
    (void)state;
    enum { RUNS = 20 };
    struct tarn_page *run[RUNS], *keep[RUNS];
    for (size_t i = 0; i < RUNS; i++) {
        run[i] = take(1000, PAGE);
        keep[i] = take(24, PAGE); /* so that no section is wholly free */
    }
    for (size_t i = 0; i < RUNS; i++) { /* a minute between: the recent peak is forgotten */
        tarn__fake_set_now(60000 * (i + 1));
        tarn__pages_free(run[i]);
        tarn__zone_check(&zone);
        assert_true(zone.dirty_pages * PAGE <= MIB || zone.dirty_pages <= used() / 8); /* what was learned is forgotten, too */
    }
    assert_true(counted.purged > 0);
    assert_true(zone.dirty_pages > 0); /* nor does it give everything back */
    for (size_t i = 0; i < RUNS; i++)
        give(keep[i]);
}

static void swing(void)
{
    struct tarn_page *run[20];
    for (size_t i = 0; i < 20; i++)
        run[i] = take(1000, PAGE);
    for (size_t i = 0; i < 20; i++)
        tarn__pages_free(run[i]);
    tarn__zone_check(&zone);
}

static void keeps_what_a_swing_needs(void **state)
{
    (void)state;
    tarn__fake_set_now(10000000);
    swing();
    uint64_t purged = counted.purged;
    for (int i = 0; i < 5; i++)
        swing();
    assert_int_equal(counted.purged, purged);
}

/* A new zone has credit: what it frees at first may be wanted again. */
static void begins_with_credit(void **state)
{
    (void)state;
    struct tarn_page *run = take(1000, PAGE);
    tarn__pages_free(run);
    assert_int_equal(counted.purged, 0);
    assert_true(zone.dirty_pages >= 1000);
}

/* What is given back and wanted again at once is a mistake that is not repeated for long; nor is the lesson remembered for ever. */
static void learns_from_mistakes(void **state)
{
    (void)state;
    uint64_t purged = 0, rounds;
    tarn__fake_set_now(20000000);
    swing(); /* the credit is gone, so it gives back */
    assert_true(counted.purged > 0);
    for (rounds = 0; rounds < 20 && purged != counted.purged; rounds++, swing())
        purged = counted.purged;
    assert_in_range(rounds, 1, 10);
    for (int i = 0; i < 20; i++)
        swing();
    assert_int_equal(counted.purged, purged);
    assert_true(zone.dirty_pages >= 20 * 1000);
    tarn__fake_set_now(20000000 + 3600000);
    tarn__pages_free(take(1, PAGE));
    assert_true(counted.purged > purged);
    assert_true(zone.dirty_pages * PAGE <= MIB);
    tarn__zone_check(&zone);
}

/* A zone that grows takes half as much again as it has, so there are few calls, and holds little that it does not need. */
static void grows_in_large_steps(void **state)
{
    (void)state;
    enum { RUNS = 30 };
    struct tarn_page *run[RUNS];
    size_t steps = 0;
    for (size_t i = 0; i < RUNS; i++) {
        size_t before = zone.pages;
        run[i] = tarn__pages_alloc(&zone, 1020, PAGE, NULL);
        assert_non_null(run[i]);
        steps += zone.pages != before;
        assert_true(zone.pages <= tarn__max(4096, tarn__zone_used(&zone) / 2 * 3 + 1024));
    }
    assert_in_range(steps, 5, 10);
    for (size_t i = 0; i < RUNS; i++)
        tarn__pages_free(run[i]);
}

/* Failures of the system */

static void survives_no_memory(void **state)
{
    (void)state;
    struct tarn_page *run = take(1000, PAGE);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MAP), 1, UINT64_MAX);
    assert_null(tarn__pages_alloc(&zone, 25, PAGE, NULL));
    assert_null(tarn__pages_alloc(&zone, 2000, PAGE, NULL));
    assert_null(tarn__pages_alloc(&zone, 1, 2 * SECTION, NULL));
    assert_null(tarn__pages_alloc(&zone, TARN__MAPPED_LEAST, PAGE, NULL));
    tarn__zone_check(&zone);
    struct tarn_page *small = take(24, PAGE); /* of what it has */
    tarn__fake_fail(0, 0, 0);
    give(small);
    give(run);
    assert_null(tarn__pages_alloc(&zone, 0, PAGE, NULL));
    assert_null(tarn__pages_alloc(&zone, TARN__FAKE_SIZE / PAGE, PAGE, NULL));
    assert_null(tarn__pages_alloc(&zone, SIZE_MAX / PAGE, PAGE, NULL));
    tarn__zone_check(&zone);
}

/* A request that the source cannot serve gets what all wholly free sections give back. */
static void exhausts_its_source(void **state)
{
    (void)state;
    struct tarn_source_limit limited;
    tarn_source_limit_init(&limited, tarn_source_system(), 5 * SECTION);
    counted.source.parent = &limited.source;
    struct tarn_page *run[5], *keep;
    for (int i = 0; i < 5; i++)
        run[i] = take(1024, PAGE);
    assert_null(tarn__pages_alloc(&zone, 1, PAGE, NULL));
    for (int i = 0; i < 5; i++)
        give(run[i]);
    keep = take(1, PAGE);
    struct tarn_page *far = take(1024, 2 * SECTION); /* only fresh sections are aligned so */
    give(far);
    give(keep);
    tarn__zone_trim(&zone, 0);
    assert_int_equal(limited.held, 0);
    counted.source.parent = tarn_source_system();
}

static void survives_refused_unmap(void **state)
{
    (void)state;
    give(take(3000, PAGE));
    size_t pages = zone.pages, dirty = zone.dirty_pages;
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_UNMAP), 1, UINT64_MAX);
    assert_int_equal(tarn__zone_trim(&zone, SIZE_MAX), 0);
    tarn__zone_check(&zone);
    assert_int_equal(zone.pages, pages);
    assert_int_equal(zone.dirty_pages, dirty);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_UNMAP) | TARN__FAKE_KIND(TARN__OS_PURGE), 1, UINT64_MAX);
    assert_int_equal(tarn__zone_trim(&zone, 0), 0);
    tarn__zone_check(&zone);
    assert_int_equal(zone.dirty_pages, dirty);
    tarn__fake_fail(0, 0, 0);
    give(take(3000, PAGE));
}

static void moves_pages(void **state)
{
    (void)state;
    struct tarn_page *from = take(100, PAGE), *to = take(120, PAGE);
    char *p = tarn__page_address(from), *q = tarn__page_address(to);
    memset(p, 0x11, 100 * PAGE);
    assert_int_equal(tarn__pages_move(from, to, 100), 0);
    assert_true(check_all_bytes(q, 100 * PAGE, 0x11) && check_all_bytes(q + 100 * PAGE, 20 * PAGE, 0xd1));
    assert_true(check_all_bytes(p, 100 * PAGE, 0));
    tarn__pages_free_clean(from);
    tarn__zone_check(&zone);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MOVE), 1, 1);
    from = take(10, PAGE);
    assert_int_equal(tarn__pages_move(to, from, 10), -ENOMEM);
    assert_true(check_all_bytes(q, 100 * PAGE, 0x11));
    tarn__fake_fail(0, 0, 0);
    give(from);
    give(to);
}

/* Where the system's pages are larger, only whole ones are purged, and what is said to be zero is zero. */
static void lives_with_larger_system_pages(void **state)
{
    (void)state;
    tarn__fake_set_page_size(16 * PAGE);
    struct tarn_page *run[40];
    uint64_t seed = 9;
    for (size_t i = 0; i < 40; i++)
        run[i] = take(1 + check_random(&seed) % 50, PAGE);
    for (size_t i = 0; i < 40; i += 2)
        give(run[i]);
    tarn__zone_trim(&zone, 0);
    tarn__zone_check(&zone);
    assert_true(counted.purged > 0);
    for (size_t i = 0; i < 40; i += 2)
        run[i] = take(1 + check_random(&seed) % 50, PAGE);
    for (size_t i = 1; i < 40; i += 2)
        assert_true(check_all_bytes(tarn__page_address(run[i]), run[i]->count * PAGE, 0xd1));
    for (size_t i = 0; i < 40; i++)
        give(run[i]);
    tarn__zone_trim(&zone, 0);
    tarn__fake_set_page_size(PAGE);
}

static void purges_no_neighbours_in_a_system_page(void **state)
{
    (void)state;
    tarn__fake_set_page_size(16 * PAGE);
    struct tarn_page *low = take(8, 8 * PAGE), *high = take(8, 8 * PAGE), *next = take(16, 16 * PAGE);
    assert_ptr_equal(tarn__page_address(high), tarn__page_address(low) + 8 * PAGE);
    give(high);
    tarn__zone_trim(&zone, 0);
    assert_true(check_all_bytes(tarn__page_address(low), 8 * PAGE, 0xd1));
    assert_true(check_all_bytes(tarn__page_address(next), 16 * PAGE, 0xd1));
    give(low);
    give(next);
    tarn__zone_trim(&zone, 0);
    tarn__fake_set_page_size(PAGE);
}

/* A range is taken out of the middle of larger blocks: what lies before and behind it stays free. */
static void claims_from_the_middle(void **state)
{
    (void)state;
    struct tarn_page *all = take(1024, PAGE);
    char *p = tarn__page_address(all);
    tarn__pages_shrink(all, 1);
    assert_int_equal(zone.free_pages, 1023);
    struct tarn_page *run = take(600, PAGE);
    char *q = tarn__page_address(run);
    assert_int_equal(zone.free_pages, 423);
    tarn__pages_shrink(run, 300);
    struct tarn_page *between = take(100, PAGE), *rest[1024];
    give(run);
    size_t taken = 0;
    for (bool zeroed; zone.free_pages > 0; taken++)
        assert_non_null(rest[taken] = tarn__pages_alloc(&zone, 1, PAGE, &zeroed));
    assert_int_equal(taken, 923);
    assert_int_equal(zone.pages, TARN__SECTION_PAGES);
    assert_true(q > p);
    while (taken > 0)
        tarn__pages_free(rest[--taken]);
    give(between);
    give(all);
}

/* The checker finds what is wrong. Each of these spoils one thing, in a child process. */

static void check_zone(void *value)
{
    (void)value;
    tarn__zone_check(&zone);
}

static void spoil_free_count(void *v)
{
    zone.free_pages++;
    check_zone(v);
}
static void spoil_dirty_count(void *v)
{
    zone.dirty_pages--;
    check_zone(v);
}
static void spoil_blocks(void *v)
{
    zone.blocks[3]++;
    check_zone(v);
}
static void spoil_mask(void *v)
{
    zone.filled[TARN_UNMOVABLE][TARN__CLEAN] ^= 1;
    check_zone(v);
}
static void spoil_pages(void *v)
{
    zone.pages = 1;
    check_zone(v);
}

static void spoil_free_bit(void *v)
{
    struct tarn__section *section = v;
    section->free[0] ^= 1;
    check_zone(v);
}

static void spoil_dirty_bit(void *v)
{
    struct tarn__section *section = v;
    section->dirty[15] ^= UINT64_C(1) << 63;
    check_zone(v);
}

static void spoil_state(void *v)
{
    struct tarn__section *section = v;
    section->page[1023].state = TARN__PAGE_RUN;
    check_zone(v);
}

static void checker_can_fail(void **state)
{
    (void)state;
    struct tarn_page *run = take(9, PAGE);
    struct tarn__section *section = tarn__page_section(run);
    give(take(1, PAGE));
    check_lives(check_zone, NULL);
    check_dies(spoil_free_count, NULL, "the count of free pages is right");
    check_dies(spoil_dirty_count, NULL, "the count of dirty pages is right");
    check_dies(spoil_blocks, NULL, "the count of blocks of an order is right");
    check_dies(spoil_mask, NULL, "the mask tells which lists have blocks");
    check_dies(spoil_pages, NULL, "no more pages are free than there are");
    check_dies(spoil_free_bit, section, "does not hold");
    check_dies(spoil_dirty_bit, section, "does not hold");
    check_dies(spoil_state, section, "nothing begins inside a free block");
    give(run);
}

/* Threads: runs of different lengths taken, filled and freed at once, while another thread trims. */

enum { THREADS = 4 };
static _Atomic int lies;

static void *churn(void *value)
{
    uint64_t seed = (uint64_t)(uintptr_t)value + 7;
    for (int i = 0; i < 1500; i++) {
        bool zeroed;
        size_t count = 1 + check_random(&seed) % (i % 8 ? 12 : 200);
        struct tarn_page *run = tarn__pages_alloc(&zone, count, PAGE, &zeroed);
        if (!run)
            continue;
        char *p = tarn__page_address(run);
        if (zeroed && !check_all_bytes(p, count * PAGE, 0))
            atomic_fetch_add(&lies, 1);
        memset(p, (int)(uintptr_t)value + 1, count * PAGE);
        if (!check_all_bytes(p, count * PAGE, (unsigned char)((uintptr_t)value + 1)))
            atomic_fetch_add(&lies, 1);
        tarn__pages_free(run);
        if (value == NULL && i % 8 == 0)
            tarn__zone_trim(&zone, check_random(&seed) % 16);
    }
    return NULL;
}

static void threads_share_a_zone(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct tarn_page *keep = take(1, PAGE);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&lies), 0);
    tarn__zone_check(&zone);
    give(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ZONE_TEST(finds_sections),
        ZONE_TEST(knows_foreign_addresses),
        ZONE_TEST(forgets_sections),
        ZONE_TEST(takes_exact_runs),
        ZONE_TEST(aligns),
        ZONE_TEST(merges_all),
        ZONE_TEST(finds_spans),
        ZONE_TEST(spans_cross_sections),
        ZONE_TEST(shrinks),
        ZONE_TEST(extends),
        ZONE_TEST(extends_into_clean_pages),
        ZONE_TEST(tells_what_is_zero),
        ZONE_TEST(prefers_dirty_pages),
        ZONE_TEST(trims_to_what_is_kept),
        ZONE_TEST(trims_scattered_pages),
        ZONE_TEST(keeps_a_budget),
        ZONE_TEST(keeps_what_a_swing_needs),
        ZONE_TEST(begins_with_credit),
        ZONE_TEST(learns_from_mistakes),
        ZONE_TEST(grows_in_large_steps),
        ZONE_TEST(survives_no_memory),
        ZONE_TEST(exhausts_its_source),
        ZONE_TEST(survives_refused_unmap),
        ZONE_TEST(moves_pages),
        ZONE_TEST(lives_with_larger_system_pages),
        ZONE_TEST(purges_no_neighbours_in_a_system_page),
        ZONE_TEST(claims_from_the_middle),
        ZONE_TEST(checker_can_fail),
        ZONE_TEST(threads_share_a_zone),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
