/* Floor 4: zones made over buffers and other sources, side by side in one slot, with names, limits and marks; and those that are always there. */
#include "test/unit/blocks.h"

#include "os/fake.h"
#include "page/lists.h"
#include "page/marks.h"

#include <pthread.h>

static char room[12 * 1024 * 1024];

/* The first multiple of 4 MiB in the room, plus an offset. */
static char *place(size_t offset) { return (char *)tarn__align_up((uintptr_t)room, 4 * MIB) + offset; }

/* Takes all pages of a zone one by one, fills them, gives them back. */
static void exhaust(struct tarn_zone *zone, size_t count)
{
    static struct tarn_page *pages[4096];
    for (size_t i = 0; i < count; i++) {
        pages[i] = block(zone, 0, TARN_GFP_KERNEL | (i % 2 ? TARN_GFP_MOVABLE : TARN_GFP_ZERO));
        memset(tarn_page_address(pages[i]), (int)i, PAGE);
    }
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL));
    tarn_zone_verify(zone);
    for (size_t i = 0; i < count; i++) {
        assert_true(check_all_bytes(tarn_page_address(pages[i]), PAGE, (unsigned char)i));
        tarn_pages_free(pages[i], 0);
    }
    tarn_zone_verify(zone);
}

static void over_buffers(void **state)
{
    (void)state;
    static const size_t sizes[] = {PAGE, 2 * PAGE, 17 * PAGE, MIB, 3 * MIB, 4 * MIB, 5 * MIB + PAGE, 7 * MIB};
    static const size_t offsets[] = {0, 1, PAGE, MIB - 3 * PAGE + 5};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof offsets / sizeof *offsets; j++) {
            struct tarn_source_buffer buffer;
            assert_int_equal(tarn_source_buffer_init(&buffer, place(offsets[j]), sizes[i] + 2 * PAGE), 0);
            struct tarn_zone *zone = tarn_zone_create("buffer", &buffer.source, sizes[i], 0);
            assert_non_null(zone);
            assert_int_equal(stats_of(zone).pages, sizes[i] / PAGE);
            exhaust(zone, sizes[i] / PAGE);
            end_zone_of(zone);
            assert_non_null(tarn_source_acquire(&buffer.source, buffer.pages * PAGE, PAGE)); /* all of it was given back */
        }
}

/* Runs, spans and slabs' runs stay within what is there. */
static void runs_in_odd_places(void **state)
{
    (void)state;
    struct tarn_source_buffer buffer;
    assert_int_equal(tarn_source_buffer_init(&buffer, place(3 * MIB + 3 * PAGE), 4 * MIB), 0);
    size_t count = 900;
    struct tarn_zone *zone = tarn_zone_create("odd", &buffer.source, count * PAGE, 0);
    assert_non_null(zone);
    assert_null(tarn_pages_alloc(zone, 10, TARN_GFP_KERNEL));
    struct tarn_page *run = tarn_pages_alloc_run(zone, count, TARN_GFP_KERNEL); /* across two slots, both partial */
    assert_non_null(run);
    assert_ptr_equal(tarn_page_of((char *)tarn_page_address(run) + (count - 1) * PAGE), tarn_page_at(run, count - 1));
    assert_null(tarn_page_of((char *)tarn_page_address(run) - 1));
    tarn_zone_verify(zone);
    tarn_pages_free_run(run, count);
    struct tarn_page *slab = tarn__pages_alloc(zone, 16, 16 * PAGE, NULL), *large = tarn__pages_alloc(zone, 500, PAGE, NULL);
    assert_non_null(slab);
    assert_non_null(large);
    assert_null(tarn__pages_alloc(zone, 500, PAGE, NULL));
    assert_null(tarn__pages_alloc(zone, 20000, PAGE, NULL));
    assert_null(tarn__pages_alloc(zone, 1, 8 * MIB, NULL));
    assert_ptr_equal(tarn__run_at(tarn__page_address(slab)), slab);
    tarn_zone_verify(zone);
    tarn__pages_free(slab);
    tarn__pages_free(large);
    assert_int_equal(tarn__zone_trim(zone, 0), 0); /* a buffer's pages cannot be given back */
    end_zone_of(zone);
}

static void several_in_one_slot(void **state)
{
    (void)state;
    enum { ZONES = 5 };
    struct tarn_source_buffer buffer[ZONES];
    struct tarn_zone *zone[ZONES];
    char name[2] = "a";
    for (int i = 0; i < ZONES; i++, name[0]++) {
        assert_int_equal(tarn_source_buffer_init(&buffer[i], place((size_t)i * 700 * 1024 + 512), 700 * 1024), 0);
        zone[i] = tarn_zone_create(name, &buffer[i].source, 600 * 1024, 0);
        assert_non_null(zone[i]);
    }
    for (int i = 0; i < ZONES; i++) {
        struct tarn_page *page = block(zone[i], 3, TARN_GFP_KERNEL);
        assert_ptr_equal(tarn_page_zone(tarn_page_of((char *)tarn_page_address(page) + PAGE)), zone[i]);
        tarn_pages_free(page, 3);
    }
    for (int i = 0; i < ZONES; i++) {
        assert_ptr_equal(tarn__section_of(zone[i]->memory)->zone, zone[i]);
        assert_ptr_equal(tarn__section_of(zone[i]->memory + 600 * 1024 - 1)->zone, zone[i]);
        assert_null(tarn__section_of(zone[i]->memory + 600 * 1024));
        assert_null(tarn__section_of(zone[i]->memory - 1));
    }
    assert_null(tarn_page_of(buffer[1].base - 1));
    assert_null(tarn__section_of(buffer[1].base - 1)); /* between two of them */
    for (int i = 0; i < ZONES; i++) {                  /* from the middle, out: those that remain are still found */
        int gone = (i + 2) % ZONES;
        end_zone_of(zone[gone]);
        assert_true(i == ZONES - 1 || tarn__section_of(buffer[gone].base) == NULL || i == ZONES - 2);
        zone[gone] = NULL;
        for (int j = 0; j < ZONES; j++)
            if (zone[j])
                exhaust(zone[j], 150);
    }
    assert_null(tarn__section_of(place(0)));
}

/* A zone over memory that another zone gave: `run` of it. From 64 MiB on that is one block of several slots. */
static void lay_within(struct tarn_zone *outer, struct tarn_page *run, size_t offset)
{
    char *p = tarn__page_address(run), *end = p + run->count * PAGE;
    size_t size = run->count * PAGE - offset - PAGE;
    struct tarn_source_buffer buffer;
    assert_int_equal(tarn_source_buffer_init(&buffer, p + offset, size + PAGE), 0);
    struct tarn_zone *inner = tarn_zone_create("inner", &buffer.source, size, 0);
    assert_non_null(inner);
    for (const char *at = inner->memory; at < inner->memory + size; at += MIB)
        assert_ptr_equal(tarn__section_of(at)->zone, inner);
    assert_ptr_equal(tarn__section_of(end - PAGE)->zone, outer);
    if (outer->fixed) { /* lives on beside it, where it begins with what the other lies over, too */
        exhaust(outer, stats_of(outer).free);
        struct tarn_page *taken[4]; /* all of a section that is partly lain over; then searches begin there */
        for (size_t i = 0; i < 4; i++)
            assert_non_null(taken[i] = tarn__pages_alloc(outer, i == 0 ? 3 * 1024 - 2500 : i, PAGE, NULL));
        tarn_zone_verify(outer);
        for (size_t i = 0; i < 4; i++)
            tarn__pages_free(taken[i]);
        tarn_zone_verify(outer);
    }
    exhaust(inner, tarn__min(size / PAGE, 4096));
    end_zone_of(inner);
    for (const char *at = p; at < end; at += MIB)
        assert_ptr_equal(tarn__section_of(at)->zone, outer);
    assert_ptr_equal(tarn__run_at(p), run);
}

static void zones_within_zones(void **state)
{
    (void)state;
    static const size_t offsets[] = {0, 5 * PAGE, 4 * MIB, 5 * MIB};
    struct tarn_zone *outer = new_zone(16 * MIB, 0);
    static struct tarn_zone growing;
    tarn__zone_init(&growing, "growing", tarn_source_system());
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        struct tarn_page *run = tarn__pages_alloc(outer, 2500, PAGE, NULL);
        struct tarn_page *mapped = tarn__pages_alloc(&growing, TARN__MAPPED_LEAST, PAGE, NULL);
        lay_within(outer, run, offsets[i]);
        lay_within(&growing, mapped, offsets[i] + 48 * MIB);
        tarn__pages_free(run);
        tarn__pages_free(mapped);
        tarn_zone_verify(outer);
    }
    tarn__zone_trim(&growing, 0);
    assert_int_equal(growing.pages, 0);
    end_zone_of(outer);
}

static void names_are_unique(void **state)
{
    (void)state;
    struct tarn_source_limit limited;
    tarn_source_limit_init(&limited, tarn_source_system(), 64 * MIB);
    struct tarn_zone *zone = tarn_zone_create("one", &limited.source, MIB, 0);
    assert_non_null(zone);
    assert_null(tarn_zone_create("one", &limited.source, MIB, 0));
    assert_int_equal(limited.held, MIB);
    assert_null(tarn_zone_create("NORMAL", &limited.source, MIB, 0));
    assert_null(tarn_zone_create("DMA", &limited.source, MIB, 0));
    assert_null(tarn_zone_create("", &limited.source, MIB, 0));
    assert_null(tarn_zone_create("a name of thirty-two characters.", &limited.source, MIB, 0));
    assert_null(tarn_zone_create("two", &limited.source, 0, 0));
    assert_null(tarn_zone_create("two", &limited.source, PAGE + 1, 0));
    assert_null(tarn_zone_create("two", &limited.source, 64 * MIB, 0));
    struct tarn_zone *other = tarn_zone_create("a name of thirty-one characters", &limited.source, PAGE, 0);
    assert_non_null(other);
    assert_ptr_equal(tarn_zone_next(NULL), zone);
    assert_ptr_equal(tarn_zone_next(zone), other);
    assert_null(tarn_zone_next(other));
    assert_string_equal(stats_of(other).name, "a name of thirty-one characters");
    end_zone_of(zone);
    zone = tarn_zone_create("one", &limited.source, MIB, 0);
    assert_non_null(zone);
    end_zone_of(zone);
    end_zone_of(other);
    assert_int_equal(limited.held, 0);
}

static void keeps_what_is_in_use(void **state)
{
    (void)state;
    struct tarn_zone *zone = new_zone(16 * MIB, 0);
    for (unsigned order = 0; order < 4; order++) {
        struct tarn_page *page = block(zone, order, TARN_GFP_KERNEL);
        assert_int_equal(tarn_zone_destroy(zone), -EBUSY);
        tarn_zone_verify(zone);
        assert_true(check_all_bytes(tarn_page_address(page), PAGE << order, 0xd1));
        tarn_pages_free(page, order);
    }
    assert_int_equal(tarn_zone_destroy(zone), 0);
}

/* What an idle thread's lists hold does not keep a zone. */
static void *idle(void *zone)
{
    static pthread_barrier_t *barrier;
    if (!barrier) {
        barrier = zone;
        return NULL;
    }
    tarn_pages_free(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL), 0);
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    struct tarn_zone *next = tarn_zone_create("next", tarn_source_system(), 32 * MIB, 0); /* the number is used again */
    tarn_pages_free(tarn_pages_alloc(next, 0, TARN_GFP_KERNEL), 0);
    assert_true(stats_of(next).cached > 0);
    assert_int_equal(stats_of(next).allocations, 1);
    assert_int_equal(tarn_zone_destroy(next), 0);
    return NULL;
}

static void ends_under_idle_threads(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    pthread_t thread;
    struct tarn_zone *zone = new_zone(16 * MIB, 0);
    pthread_barrier_init(&barrier, NULL, 2);
    idle(&barrier);
    pthread_create(&thread, NULL, idle, zone);
    pthread_barrier_wait(&barrier);
    assert_true(stats_of(zone).cached > 0);
    assert_int_equal(tarn_zone_destroy(zone), 0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}

static void survives_a_failing_source(void **state)
{
    (void)state;
    struct tarn_source_fail failing;
    for (uint64_t first = 1; first < 16; first += check_emulated() ? 4 : 1) {
        tarn_source_fail_init(&failing, tarn_source_system(), first, UINT64_MAX);
        struct tarn_zone *zone = tarn_zone_create("failing", &failing.source, 9 * MIB, 0);
        if (zone) {
            assert_true(first > 1);
            exhaust(zone, 9 * 256);
            tarn_pages_drain();
            assert_int_equal(tarn_zone_destroy(zone), 0);
        }
    }
    for (uint64_t first = 1; first < 5; first++) { /* no memory for descriptors either */
        tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MAP), first, UINT64_MAX);
        struct tarn_zone *zone = tarn_zone_create("failing", tarn_source_system(), 200 * MIB, 0);
        tarn__fake_fail(0, 0, 0);
        if (zone)
            assert_int_equal(tarn_zone_destroy(zone), 0);
    }
}

/* Marks */

static void marks(void **state)
{
    (void)state;
    static const struct {
        tarn_gfp_t flags;
        size_t left; /* of min = 80 */
    } cases[] = {
        {TARN_GFP_NOWAIT, 80},
        {TARN_GFP_NOWARN | TARN_GFP_HIGH | TARN_GFP_DIRECT_RECLAIM, 40},
        {TARN_GFP_ATOMIC | TARN_GFP_NOWARN, 30},
        {TARN_GFP_MEMALLOC, 0},
        {TARN_GFP_MEMALLOC | TARN_GFP_NOMEMALLOC, 80},
        {TARN_GFP_KERNEL, 80},
        {TARN_GFP_KERNEL | TARN_GFP_NORETRY, 80},
    };
    struct tarn_zone *zone = new_zone(4 * MIB, 0);
    assert_int_equal(tarn_zone_set_watermarks(zone, 80, 79, 100), -EINVAL);
    assert_int_equal(tarn_zone_set_watermarks(zone, 80, 100, 99), -EINVAL);
    assert_int_equal(tarn_zone_set_watermarks(zone, 80, 100, 1025), -EINVAL);
    assert_int_equal(tarn_zone_set_watermarks(zone, 80, 100, 200), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct tarn_page *pages[1025];
        size_t taken = 0;
        while ((pages[taken] = tarn_pages_alloc(zone, 0, cases[i].flags)))
            taken++;
        assert_int_equal(1024 - taken, cases[i].left);
        assert_int_equal(stats_of(zone).cached, 0); /* near the marks nothing is kept */
        tarn_zone_verify(zone);
        /* of a larger block all pages but one count: 2^2 pages fail when no more than mark + 3 are free */
        for (size_t more = 0; more < 4 && taken > 3; more++) {
            struct tarn_page *four = tarn_pages_alloc(zone, 2, cases[i].flags);
            assert_null(four);
            tarn_pages_free(pages[--taken], 0);
        }
        while (taken > 0)
            tarn_pages_free(pages[--taken], 0);
    }
    assert_int_equal(tarn_zone_set_watermarks(zone, 0, 0, 0), 0);
    end_zone_of(zone);
}

/* KERNEL.md's words: a request fails when free <= mark. */
static void fails_when_free_is_the_mark(void **state)
{
    (void)state;
    struct tarn_zone *zone = new_zone(4 * MIB, 0);
    struct tarn_page *large = tarn_pages_alloc_run(zone, 1000, TARN_GFP_KERNEL);
    assert_int_equal(tarn_zone_set_watermarks(zone, 24, 24, 24), 0);
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL)); /* 24 free */
    assert_int_equal(tarn_zone_set_watermarks(zone, 23, 23, 23), 0);
    struct tarn_page *page = tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL);
    assert_non_null(page);
    tarn_pages_free(page, 0);
    assert_null(tarn_pages_alloc(zone, 1, TARN_GFP_KERNEL)); /* 24 - 1 <= 23 */
    assert_int_equal(tarn_zone_set_watermarks(zone, 22, 22, 22), 0);
    page = tarn_pages_alloc(zone, 1, TARN_GFP_KERNEL);
    assert_non_null(page);
    tarn_pages_free(page, 1);
    tarn_pages_free_run(large, 1000);
    end_zone_of(zone);
}

static void limits(void **state)
{
    (void)state;
    struct tarn_zone *zone = new_zone(16 * MIB, 0);
    struct tarn_page *page[11];
    assert_int_equal(tarn_zone_limit(zone, 10), 0);
    for (int i = 0; i < 10; i++)
        page[i] = block(zone, 0, TARN_GFP_KERNEL);
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_KERNEL));
    assert_null(tarn_pages_alloc(zone, 0, TARN_GFP_MEMALLOC)); /* reserves are not beyond the limit */
    assert_null(tarn__pages_alloc(zone, 1, PAGE, NULL));
    assert_int_equal(tarn_zone_limit(zone, 11), 0);
    page[10] = block(zone, 0, TARN_GFP_KERNEL);
    assert_int_equal(tarn_zone_limit(zone, 5), 0); /* takes nothing away */
    tarn_zone_verify(zone);
    for (int i = 0; i < 11; i++) {
        assert_null(i < 6 ? tarn_pages_alloc(zone, 0, TARN_GFP_NOWAIT) : NULL);
        tarn_pages_free(page[i], 0);
    }
    assert_int_equal(tarn_zone_limit(zone, 0), 0);
    assert_int_equal(stats_of(zone).peak_used, 11);
    exhaust(zone, 4096);
    end_zone_of(zone);
}

/* A zone that grows is limited in all its ways of growing. */
static void limits_growth(void **state)
{
    (void)state;
    static struct tarn_zone growing;
    tarn__zone_init(&growing, "growing", tarn_source_system());
    assert_int_equal(tarn_zone_limit(&growing, 16384 + 3050), 0);
    struct tarn_page *mapped = tarn__pages_alloc(&growing, TARN__MAPPED_LEAST, PAGE, NULL);
    assert_non_null(mapped);
    assert_null(tarn__pages_alloc(&growing, TARN__MAPPED_LEAST, PAGE, NULL));
    assert_null(tarn__pages_alloc(&growing, 4000, PAGE, NULL));
    assert_null(tarn__pages_alloc(&growing, 4000, 8 * MIB, NULL));
    struct tarn_page *far = tarn__pages_alloc(&growing, 3000, 8 * MIB, NULL);
    assert_non_null(far);
    assert_false(tarn__pages_extend(far, 3000 + 51));
    assert_true(tarn__pages_extend(far, 3000 + 50));
    tarn__zone_check(&growing);
    assert_int_equal(growing.pages - growing.free_pages, 16384 + 3050);
    tarn__pages_free(mapped);
    tarn__pages_free(far);
    tarn__zone_check(&growing);
    tarn__zone_trim(&growing, 0);
    assert_int_equal(growing.pages, 0);
}

static struct tarn_zone contended;
static struct tarn_page *others;

/* While one thread is given memory by the source, another takes what the limit still allows. */
static void *acquire_slowly(struct tarn_source *source, size_t size, size_t align)
{
    static bool within;
    if (!within && size > TARN__SECTION_SIZE) {
        within = true;
        others = tarn__pages_alloc(&contended, 200, PAGE, NULL);
        within = false;
    }
    return tarn_source_acquire(source->parent, size, align);
}

static int release(struct tarn_source *source, void *p, size_t size) { return tarn_source_release(source->parent, p, size); }

static void limits_growth_of_two_at_once(void **state)
{
    (void)state;
    static const struct tarn_source_ops ops = {.acquire = acquire_slowly, .release = release};
    struct tarn_source slow = {.ops = &ops, .parent = tarn_source_system()};
    tarn__zone_init(&contended, "contended", &slow);
    assert_int_equal(tarn_zone_limit(&contended, 3100), 0);
    assert_null(tarn__pages_alloc(&contended, 3000, 8 * MIB, NULL));
    assert_non_null(others);
    assert_int_equal(contended.pages - contended.free_pages, 200);
    tarn__zone_check(&contended);
    tarn__pages_free(others);
    tarn__zone_trim(&contended, 0);
    assert_int_equal(contended.pages, 0);
}

/* Where the source has no more, all that is free goes back to it before a large request fails: the last free section, too. */
static void the_last_free_section_makes_room(void **state)
{
    (void)state;
    static struct tarn_zone growing;
    struct tarn_source_limit limited;
    tarn_source_limit_init(&limited, tarn_source_system(), 3 * TARN__SECTION_SIZE);
    tarn__zone_init(&growing, "growing", &limited.source);
    struct tarn_page *page = tarn__pages_alloc(&growing, 1, PAGE, NULL);
    assert_non_null(page);
    tarn__pages_free(page);
    assert_int_equal(growing.pages, TARN__SECTION_PAGES);
    assert_int_equal(growing.free_pages, TARN__SECTION_PAGES);
    struct tarn_page *run = tarn__pages_alloc(&growing, 3 * TARN__SECTION_PAGES, PAGE, NULL);
    assert_non_null(run);
    tarn__pages_free(run);
    tarn__zone_trim(&growing, 0);
    assert_int_equal(growing.pages, 0);
    assert_int_equal(limited.held, 0);
}

/* Those that are always there */

static struct tarn_zone heap;
static int made;
static void make_heap(void)
{
    made++;
    tarn__zone_init(&heap, "NORMAL", tarn_source_system());
    tarn__zone_set_normal(&heap);
}

static void always_there(void **state)
{
    (void)state;
    assert_null(tarn_zone_normal());
    assert_null(tarn_pages_alloc(NULL, 0, TARN_GFP_KERNEL));
    tarn__zone_on_normal(make_heap);
    struct tarn_page *page = tarn_pages_alloc(NULL, 0, TARN_GFP_KERNEL | TARN_GFP_HIGHMEM);
    assert_ptr_equal(tarn_page_zone(page), &heap);
    assert_ptr_equal(tarn_zone_normal(), &heap);
    assert_int_equal(made, 1);
    tarn_pages_free(page, 0);
    assert_int_equal(tarn_zone_destroy(&heap), -EINVAL);
    if (CHECK_BITS > 32) { /* this system has no low addresses; elsewhere all are */
        assert_null(tarn_zone_dma());
        assert_null(tarn_pages_alloc(NULL, 0, TARN_GFP_KERNEL | TARN_GFP_DMA));
    }
    page = block(&heap, 10, TARN_GFP_KERNEL | TARN_GFP_MOVABLE);
    assert_int_equal(stats_of(&heap).pageblocks[TARN_MOVABLE], 2);
    tarn_pages_free(page, 10);
    tarn_pages_drain();
    tarn_zone_verify(&heap);
    tarn__zone_trim(&heap, 0);
    assert_int_equal(heap.pages, 0);
}

#define ZONES_TEST(f) cmocka_unit_test_setup(f, begin_blocks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ZONES_TEST(over_buffers),
        ZONES_TEST(runs_in_odd_places),
        ZONES_TEST(several_in_one_slot),
        ZONES_TEST(zones_within_zones),
        ZONES_TEST(names_are_unique),
        ZONES_TEST(keeps_what_is_in_use),
        ZONES_TEST(ends_under_idle_threads),
        ZONES_TEST(survives_a_failing_source),
        ZONES_TEST(marks),
        ZONES_TEST(fails_when_free_is_the_mark),
        ZONES_TEST(limits),
        ZONES_TEST(limits_growth),
        ZONES_TEST(limits_growth_of_two_at_once),
        ZONES_TEST(the_last_free_section_makes_room),
        ZONES_TEST(always_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
