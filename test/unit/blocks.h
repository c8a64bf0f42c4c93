/* What the tests of zones and users' pages share: zones over buffers, and blocks whose every byte is accounted for. */
#ifndef TARN_TEST_BLOCKS_H
#define TARN_TEST_BLOCKS_H

#include "test/unit/check.h"

#include "base/bits.h"
#include "base/fail.h"
#include "os/os.h"
#include "page/zones.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE TARN__PAGE_SIZE
#define MIB ((size_t)1 << 20)

static inline int begin_blocks(void **state)
{
    (void)state;
    tarn__set_fail_exit(tarn__os_die);
    return 0;
}

static inline struct tarn_zone_stats stats_of(struct tarn_zone *zone)
{
    struct tarn_zone_stats stats;
    tarn_zone_stats(zone, &stats);
    return stats;
}

static inline struct tarn_zone *new_zone(size_t size, unsigned flags)
{
    struct tarn_zone *zone = tarn_zone_create("test", tarn_source_system(), size, flags);
    assert_non_null(zone);
    tarn_zone_verify(zone);
    assert_int_equal(stats_of(zone).pages, size / PAGE);
    assert_int_equal(stats_of(zone).free, size / PAGE);
    return zone;
}

/* Everything was freed. */
static inline void end_zone_of(struct tarn_zone *zone)
{
    tarn_pages_drain();
    tarn_zone_verify(zone);
    struct tarn_zone_stats stats = stats_of(zone);
    assert_int_equal(stats.free, stats.pages);
    assert_int_equal(tarn_zone_destroy(zone), 0);
}

static inline struct tarn_page *block(struct tarn_zone *zone, unsigned order, tarn_gfp_t flags)
{
    struct tarn_page *page = tarn_pages_alloc(zone, order, flags);
    assert_non_null(page);
    char *p = tarn_page_address(page);
    assert_int_equal((uintptr_t)p % (PAGE << order), 0);
    assert_int_equal(tarn_page_order(page), order);
    assert_int_equal(tarn_page_references(page), 1);
    assert_ptr_equal(tarn_page_of(p), page);
    assert_ptr_equal(tarn_page_zone(page), zone);
    assert_null(tarn__run_at(p));
    if (flags & TARN_GFP_ZERO)
        assert_true(check_all_bytes(p, PAGE << order, 0));
    memset(p, 0xd1, PAGE << order);
    return page;
}

#endif
