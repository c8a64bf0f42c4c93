/* What the tests of the page floor share: a zone of their own, and runs whose every byte is accounted for. */
#ifndef TARN_TEST_ZONE_H
#define TARN_TEST_ZONE_H

#include "test/unit/check.h"

#include "base/bits.h"
#include "base/fail.h"
#include "os/os.h"
#include "page/meta.h"
#include "page/zone.h"

#include <string.h>

#define PAGE TARN__PAGE_SIZE
#define SECTION TARN__SECTION_SIZE

static struct tarn_zone zone;
static struct tarn_source_count counted;

static inline int begin_zone(void **state)
{
    (void)state;
    tarn__set_fail_exit(tarn__os_die);
    tarn_source_count_init(&counted, tarn_source_system());
    tarn__zone_init(&zone, "test", &counted.source);
    return 0;
}

/* Everything was freed: all of it can be given back. */
static inline int end_zone(void **state)
{
    (void)state;
    tarn__zone_check(&zone);
    assert_int_equal(zone.free_pages, zone.pages);
    tarn__zone_trim(&zone, 0);
    tarn__zone_check(&zone);
    assert_int_equal(zone.pages, 0);
    assert_int_equal(zone.dirty_pages, 0);
    assert_int_equal(counted.acquired, counted.released);
    return 0;
}

/* Requires that a run is what was asked for, that `zeroed` is true of it, and fills it. */
static inline struct tarn_page *checked_run(struct tarn_page *run, size_t count, size_t align, bool zeroed)
{
    assert_non_null(run);
    char *p = tarn__page_address(run);
    assert_int_equal((uintptr_t)p % align, 0);
    assert_int_equal(run->count, count);
    assert_int_equal(run->state, TARN__PAGE_RUN);
    assert_ptr_equal(tarn__run_at(p), run);
    if (zeroed)
        assert_true(check_all_bytes(p, count * PAGE, 0));
    memset(p, 0xd1, count * PAGE);
    tarn__zone_check(&zone);
    return run;
}

static inline struct tarn_page *take(size_t count, size_t align)
{
    bool zeroed;
    struct tarn_page *run = tarn__pages_alloc(&zone, count, align, &zeroed);
    return checked_run(run, count, align, zeroed);
}

static inline void give(struct tarn_page *run)
{
    char *p = tarn__page_address(run);
    tarn__pages_free(run);
    assert_null(tarn__run_at(p));
    tarn__zone_check(&zone);
}

#define ZONE_TEST(f) cmocka_unit_test_setup_teardown(f, begin_zone, end_zone)

#endif
