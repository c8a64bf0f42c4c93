/* What the tests of the kmalloc family share: the last warning, and the heap and all classes found empty at each test's end. */
#ifndef TARN_TEST_KMALLOC_H
#define TARN_TEST_KMALLOC_H

#include "test/unit/heap.h"

#include "kernel/kmalloc.h"
#include "tarn/fail.h"

#include <stdio.h>

static char last_warning[256];
static inline void keep_warning(const char *line) { snprintf(last_warning, sizeof last_warning, "%s", line); }

static inline int begin_kmalloc(void **state)
{
    (void)state;
    last_warning[0] = 0;
    tarn_warn_to(keep_warning);
    return 0;
}

static inline int end_kmalloc(void **state)
{
    tarn_warn_to(NULL);
    for (int kind = 0; kind < TARN__KMALLOC_KINDS; kind++)
        for (int i = 0; i < TARN__KMALLOC_CLASSES; i++)
            if (tarn__kmalloc_cache[kind][i]) {
                struct tarn_cache_stats now;
                tarn__cache_check(tarn__kmalloc_cache[kind][i]);
                tarn_cache_stats(tarn__kmalloc_cache[kind][i], &now);
                assert_int_equal(now.active, 0);
            }
    return end_heap(state);
}

#define KMALLOC_TEST(f) cmocka_unit_test_setup_teardown(f, begin_kmalloc, end_kmalloc)

#endif
