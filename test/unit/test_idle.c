/* Floor 5: what is given back of slabs that still hold something, over the fake system: its purged pages read as zero, and it can refuse. */
#include "test/unit/check.h"

#include "base/bits.h"
#include "base/fail.h"
#include "os/fake.h"
#include "os/pressure.h"
#include "page/decay.h"
#include "slab/caches.h"
#include "slab/idle.h"

#include <string.h>

enum { NUMBER = 7, MOST = 40000, PAGE = TARN__PAGE_SIZE };
#define FAILING_PURGE TARN__FAKE_KIND(TARN__OS_PURGE)

static struct tarn_zone zone;
static struct tarn_cache cache;
static struct tarn__magazine depot[TARN__DEPOT_DEPTH];
static char *objects[MOST], *spare[MOST];
static size_t count;
static uint64_t now = 1000000, seed = 2;

static void begin_cache(size_t size)
{
    memset(depot, 0, sizeof depot);
    tarn__cache_init(&cache, "idle", NUMBER, size, &zone, depot);
    assert_int_equal(tarn__cache_enter(&cache, 0, 0), 0);
    count = 0;
}

static int begin(void **state)
{
    (void)state;
    tarn__set_fail_exit(tarn__os_die);
    tarn__fake_set_now(now);
    tarn__fake_file(NULL, NULL);
    tarn__pressure_look_below("");
    tarn__zone_init(&zone, "test", tarn__window_source());
    return 0;
}

static void end_cache(void)
{
    tarn__cache_check(&cache);
    assert_int_equal(cache.slabs, 0);
    assert_int_equal(cache.idle_pages, 0);
    assert_int_equal(cache.absent_pages, 0);
    assert_int_equal(zone.idle_pages, 0);
    assert_int_equal(zone.absent_pages, 0);
    tarn__cache_withdraw(&cache);
    tarn__cache_release(&cache);
}

static int end(void **state)
{
    (void)state;
    tarn__fake_fail(0, 0, 0);
    tarn__fake_set_page_size(PAGE);
    tarn__zone_check(&zone);
    tarn__zone_trim(&zone, 0);
    assert_int_equal(zone.pages, 0);
    return 0;
}

/* Credit is forgotten, and so is what was learned. */
static void forget(void) { tarn__fake_set_now(now += 3600000); }

static void stamp(char *object) { memset(object, (int)((uintptr_t)object / cache.size % 255 + 1), cache.size); }

static bool is_stamped(const char *object)
{
    return check_all_bytes(object, cache.size, (unsigned char)((uintptr_t)object / cache.size % 255 + 1));
}

static bool take(size_t wanted)
{
    void *more[64];
    wanted = tarn__min(wanted, tarn__min(64, MOST - count));
    size_t got = wanted > 0 ? tarn__cache_take(&cache, more, wanted) : 0;
    if (got == 0 && wanted > 0)
        got = tarn__cache_take_new(&cache, more, wanted, TARN_GFP_KERNEL);
    for (size_t i = 0; i < got; i++)
        stamp(objects[count++] = more[i]);
    return got > 0;
}

static void put(size_t i)
{
    assert_true(is_stamped(objects[i]));
    tarn__cache_put(&cache, objects[i]);
    objects[i] = objects[--count];
}

static void check_objects(void)
{
    for (size_t i = 0; i < count; i++)
        assert_true(is_stamped(objects[i]));
    tarn__cache_check(&cache);
}

enum order { RANDOM, UPWARDS, DOWNWARDS, ORDERS };

/* Scattered: one of `share` stays. They are freed in some order of their taking, which is mostly that of their addresses. */
static void free_most(size_t share, enum order order)
{
    size_t all = count, kept = 0;
    for (size_t keep = count / share; order == RANDOM && count > keep;)
        put(check_random(&seed) % count);
    for (size_t i = 0; order != RANDOM && i < all; i++) {
        char *object = objects[order == UPWARDS ? i : all - 1 - i];
        assert_true(is_stamped(object));
        if (check_random(&seed) % share == 0)
            spare[kept++] = object;
        else
            tarn__cache_put(&cache, object);
    }
    if (order != RANDOM)
        memcpy(objects, spare, (count = kept) * sizeof *objects);
}

/* Pages of slabs, and those of them that an object in use reaches into: counted from the objects' addresses alone. */
static struct tarn__slab *slabs_seen[2000];
static size_t slabs_count;

static uint32_t *held_of(const struct tarn__slab *slab)
{
    static uint32_t held[2000];
    for (size_t i = 0; i < slabs_count; i++)
        if (slabs_seen[i] == slab)
            return &held[i];
    assert_true(slabs_count < 2000);
    slabs_seen[slabs_count] = (struct tarn__slab *)(uintptr_t)slab;
    held[slabs_count] = 0;
    return &held[slabs_count++];
}

static size_t held_pages(void)
{
    size_t pages = 0;
    slabs_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct tarn__slab *slab = tarn__slab_of(objects[i]);
        size_t first = (size_t)(objects[i] - slab->base) / PAGE,
               last = (size_t)(objects[i] + cache.size - 1 - slab->base) / PAGE;
        for (size_t page = first; page <= last; page++)
            *held_of(slab) |= 1u << page;
    }
    for (size_t i = 0; i < slabs_count; i++) {
        const struct tarn__slab *slab = slabs_seen[i];
        uint32_t held = *held_of(slab);
        assert_int_equal(slab->idle & held, 0);
        assert_int_equal(~slab->resident & held, 0);
        for (unsigned page = 0; page < TARN__UNIT_PAGES; page++)
            if (!(slab->resident >> page & 1))
                assert_true(check_all_bytes(slab->base + page * PAGE, PAGE, 0));
        pages += (size_t)__builtin_popcount(held);
    }
    assert_int_equal(slabs_count, cache.slabs);
    return pages;
}

static size_t resident_pages(void) { return cache.slabs * TARN__UNIT_PAGES - (size_t)cache.absent_pages; }

static const size_t sizes[] = {8, 48, 112, 512, 1024, 2560, 4096, 10240, 24576, 32768};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Random traffic, purges, and refusals between. */
static void random_traffic(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIZES; s++) {
        begin_cache(sizes[s]);
        size_t most = tarn__min(4000, 12 * ((size_t)1 << 20) / sizes[s]);
        for (int step = 0; step < 400; step++) {
            size_t goal = check_random(&seed) % most;
            if (check_random(&seed) % 3 == 0)
                goal /= 100;
            for (unsigned n = 0; count < goal && n < 40 && take(1 + check_random(&seed) % 64); n++)
                ;
            for (unsigned n = 0; count > goal && n < 2000; n++)
                put(check_random(&seed) % count);
            tarn__fake_fail(FAILING_PURGE, 1 + check_random(&seed) % 3, check_random(&seed) % 4 == 0 ? UINT64_MAX : 0);
            if (check_random(&seed) % 3 == 0)
                tarn__slabs_purge(&zone, 1 + check_random(&seed) % 200);
            tarn__fake_fail(0, 0, 0);
            assert_int_equal(zone.idle_pages, cache.idle_pages);
            assert_int_equal(zone.absent_pages, cache.absent_pages);
            if (step % 10 == 0) {
                check_objects();
                held_pages();
            }
        }
        while (count > 0)
            put(count - 1);
        end_cache();
    }
}

static void give_most_back(size_t size, enum order order)
{
    begin_cache(size);
    while (count * size < ((size_t)24 << 20) && take(64))
        ;
    free_most(100, order);
    size_t held = held_pages(), slabs = cache.slabs;
    assert_in_range(resident_pages() - (size_t)cache.idle_pages, held, held + held / 8 + 2);
    while (tarn__slabs_purge(&zone, 1000) > 0)
        ;
    assert_int_equal(cache.idle_pages, 0);
    assert_int_equal(cache.slabs, slabs);
    assert_int_equal(held_pages(), held);
    check_objects();
    assert_in_range(resident_pages(), held, held + held / 8 + 2);
    while (cache.free_objects > 0 && take(64))
        ;
    assert_int_equal(cache.slabs, slabs);
    check_objects();
    held_pages();
    while (count > 0)
        put(count - 1);
    end_cache();
}

/* Of what is free nearly everything is found, and only that is given back; what was given back is used again. */
static void most_is_given_back(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIZES; s++)
        for (enum order order = RANDOM; order < ORDERS; order++)
            give_most_back(sizes[s], order);
}

/* What is away for purging is given to nobody, and comes back. */
static void away_is_out_of_reach(void **state)
{
    (void)state;
    begin_cache(512);
    while (count < 128 * 4)
        take(64);
    for (size_t i = count; i-- > 0;)
        if (objects[i] - tarn__slab_of(objects[i])->base >= 2 * PAGE)
            put(i);
    size_t free_objects = cache.free_objects;
    uint16_t pages;
    struct tarn__slab *slab = tarn__cache_idle_take(&cache, &pages);
    assert_non_null(slab);
    assert_int_equal(pages, 0xfffc);
    assert_int_equal(cache.free_objects, free_objects - 14 * 8);
    tarn__cache_check(&cache);
    while (cache.free_objects > 0 && take(64))
        ;
    for (size_t i = 0; i < count; i++)
        assert_true(tarn__slab_of(objects[i]) != slab || objects[i] < slab->base + 2 * PAGE);
    tarn__cache_idle_return(slab, pages, 0x0f0c);
    assert_int_equal(cache.free_objects, 14 * 8);
    assert_int_equal(slab->idle, 0xf0f0);
    assert_int_equal(slab->resident, (uint16_t)~0x0f0c);
    tarn__cache_check(&cache);
    while (count > 0)
        put(count - 1);
    end_cache();
}

/*
 * While only the tail behind all objects is away, the objects may all be freed: the slab stays until the tail is back, or what is
 * purged would be another's.
 */
static void tail_keeps_its_slab(void **state)
{
    (void)state;
    struct tarn_page *run = tarn__pages_alloc(&zone, TARN__UNIT_PAGES, TARN__UNIT_SIZE, NULL);
    tarn__pages_free(run); /* dirty, so all pages of the slab are resident */
    begin_cache(24576);
    take(2);
    assert_int_equal(count, cache.objects);
    uint16_t pages, none;
    for (int refused = 0; refused < 2; refused++) {
        struct tarn__slab *slab = tarn__cache_idle_take(&cache, &pages);
        assert_non_null(slab);
        assert_int_equal(pages, 0xf000);
        while (count > 0)
            put(0);
        assert_int_equal(cache.slabs, 1);
        tarn__cache_check(&cache);
        struct tarn__slab *again = tarn__cache_idle_take(&cache, &none);
        assert_ptr_equal(again, slab);
        assert_int_equal(none, 0x0fff); /* the tail is not away twice */
        tarn__cache_idle_return(slab, none, 0);
        assert_int_equal(cache.slabs, 1);
        if (refused)
            take(2);
        tarn__cache_idle_return(slab, pages, refused ? 0 : pages);
        assert_int_equal(cache.slabs, refused);
        tarn__cache_check(&cache);
        if (!refused) {
            assert_int_equal(zone.free_pages, zone.pages);
            assert_int_equal(zone.dirty_pages, 12);
            tarn__zone_trim(&zone, 0);
            tarn__pages_free(tarn__pages_alloc(&zone, TARN__UNIT_PAGES, TARN__UNIT_SIZE, NULL));
            take(2);
        }
    }
    while (count > 0)
        put(0);
    end_cache();
}

/* The system refuses all that is to be given back: nothing is lost, and it is not asked again and again by one free. */
static void refusals_keep_everything(void **state)
{
    (void)state;
    begin_cache(112);
    while (count < 30000)
        take(64);
    forget();
    tarn__fake_fail(FAILING_PURGE, 1, UINT64_MAX);
    size_t keep = count / 200;
    for (uint64_t failed = 0; count > keep; failed = tarn__fake_failed()) {
        put(check_random(&seed) % count);
        assert_true(tarn__fake_failed() - failed <= 4);
    }
    assert_true(tarn__fake_failed() > 0);
    assert_int_equal(cache.absent_pages, zone.absent_pages);
    check_objects();
    held_pages();
    tarn__fake_fail(0, 0, 0);
    forget();
    put(0);
    while (tarn__idle_excess(&zone))
        tarn__purge_excess(&zone);
    assert_true(cache.absent_pages > 0);
    check_objects();
    while (count > 0)
        put(count - 1);
    end_cache();
}

/* After a scattered free little more than what is needed stays, without another call; after the last, nearly nothing. */
static void frees_give_back(void **state)
{
    (void)state;
    for (size_t s = 1; s < SIZES; s++) {
        begin_cache(sizes[s]);
        while (count * sizes[s] < ((size_t)32 << 20) && take(64))
            ;
        forget();
        free_most(200, RANDOM);
        size_t held = held_pages();
        assert_true(resident_pages() + zone.dirty_pages <= held + held / 4 + 512);
        while (count > 0)
            put(count - 1);
        assert_true(zone.dirty_pages * PAGE <= (size_t)1 << 20);
        end_cache();
    }
}

static size_t idle(void) { return (size_t)zone.idle_pages + zone.dirty_pages; }

/* Where memory is short, less is kept, and at last nothing: what a zone's credit would keep otherwise. */
static void shortage_keeps_less(void **state)
{
    (void)state;
    size_t kept[3];
    static const char *const found[] = {
        NULL, "some avg10=50.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        "some avg10=50.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=50.00 avg60=0.00 avg300=0.00 total=0\n"};
    begin_cache(4096);
    for (int level = 0; level < 3; level++) {
        tarn__zone_trim(&zone, 0);
        tarn__fake_file("/proc/pressure/memory", NULL);
        tarn__pressure_look_below("");
        tarn__idle_begin(&zone);
        zone.given_back = 0;
        while (count < 5000)
            take(64);
        if (found[level])
            tarn__fake_file("/proc/pressure/memory", found[level]);
        tarn__fake_set_now(now += 100); /* the next tick asks */
        while (count > 16)
            put(count - 1);
        kept[level] = idle();
        while (count > 0)
            put(count - 1);
    }
    assert_true(kept[0] > 4000);
    assert_in_range(kept[1], 200, kept[0] * 3 / 4);
    assert_true(kept[2] <= 128); /* the least that is worth a look */
    end_cache();
}

/* What nobody could give back is not counted as idle: it would be looked for at each free. */
static void counts_only_what_can_be_purged(void **state)
{
    (void)state;
    tarn__fake_set_page_size(4 * (size_t)PAGE);
    begin_cache(512);
    assert_false(cache.purges);
    while (count < 10000)
        take(64);
    forget();
    uint64_t calls = tarn__os_calls(TARN__OS_PURGE);
    free_most(200, RANDOM);
    assert_int_equal(zone.idle_pages, 0);
    assert_true(tarn__os_calls(TARN__OS_PURGE) - calls < 1000);
    check_objects();
    while (count > 0)
        put(count - 1);
    end_cache();
}

static void gives_back_no_other_zones(void **state)
{
    (void)state;
    static struct tarn_zone other;
    begin_cache(1024);
    while (count < 5000)
        take(64);
    free_most(200, RANDOM);
    assert_true(cache.idle_pages > 0);
    assert_int_equal(tarn__slabs_purge(&other, 1000), 0);
    assert_true(tarn__slabs_purge(&zone, 1000) > 0);
    while (count > 0)
        put(count - 1);
    end_cache();
}

#define IDLE_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IDLE_TEST(random_traffic),
        IDLE_TEST(most_is_given_back),
        IDLE_TEST(away_is_out_of_reach),
        IDLE_TEST(tail_keeps_its_slab),
        IDLE_TEST(refusals_keep_everything),
        IDLE_TEST(frees_give_back),
        IDLE_TEST(shortage_keeps_less),
        IDLE_TEST(counts_only_what_can_be_purged),
        IDLE_TEST(gives_back_no_other_zones),
    };
    return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
