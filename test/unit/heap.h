/* What the tests of the malloc family share: the whole heap checked, and found empty at each test's end. */
#ifndef TARN_TEST_HEAP_H
#define TARN_TEST_HEAP_H

#include "test/unit/check.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "os/fake.h"
#include "page/shelf.h"
#include "tarn/alloc.h"
#include "tarn/stats.h"

#include <string.h>

#define MIB ((size_t)1 << 20)

static inline void check_heap(void)
{
    tarn__zone_check(&tarn__heap.zone);
    tarn__shelves_check(&tarn__heap.zone);
    for (unsigned i = 1; i <= TARN__CLASSES; i++)
        if (tarn__heap_class_made(i))
            tarn__cache_check(&tarn__heap.cache[i]);
}

static inline struct tarn_stats stats(void)
{
    struct tarn_stats now;
    tarn_stats(&now);
    return now;
}

/* After a test: no object lives, and every page of the heap can be given back. */
static inline int end_heap(void **state)
{
    (void)state;
    check_heap();
    assert_int_equal(stats().live_objects, 0);
    assert_int_equal(stats().live_bytes, 0);
    tarn_trim(0);
    check_heap();
    for (unsigned i = 1; i <= TARN__CLASSES; i++)
        assert_int_equal(tarn__heap.cache[i].slabs, 0);
    assert_int_equal(tarn__heap.zone.pages, 0);
    assert_int_equal(stats().system_bytes, stats().returned_bytes);
    return 0;
}

#define HEAP_TEST(f) cmocka_unit_test_teardown(f, end_heap)

#endif
