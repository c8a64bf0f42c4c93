/* What the tests in the kernel's words share: cmocka, deaths, and a place where warnings are kept. */
#ifndef TARN_TEST_LINUX_CHECK_H
#define TARN_TEST_LINUX_CHECK_H

#include "../unit/check.h"

#include <tarn/fail.h>

#include <stdio.h>
#include <string.h>

static char warned[16384]; /* all warnings since the last silence(), a line each */

static void keep_warning(const char *line)
{
    size_t used = strlen(warned);

    (void)snprintf(warned + used, sizeof warned - used, "%s\n", line);
}

/* Forgets what was warned of, and listens. For cmocka's setup too. */
static inline int silence(void **state)
{
    (void)state;
    warned[0] = 0;
    tarn_warn_to(keep_warning);
    return 0;
}

/* Lets nothing fail any more. For cmocka's teardown too. */
static inline int heal(void **state)
{
    (void)state;
    for (int point = 0; point < TARN_FAIL_POINTS; point++)
        tarn_fail_set((enum tarn_fail_point)point, NULL);
    return 0;
}

/* Lets each request at a point fail, from this thread only: `times` of them, -1 for all, after `space` that succeed. */
static inline void fail_at(enum tarn_fail_point point, long times, unsigned long space)
{
    struct tarn_fail_attributes attributes = {.probability = 100, .times = times, .space = space, .this_thread = true};

    assert_int_equal(tarn_fail_set(point, &attributes), 0);
}

#define kernel_test(f) cmocka_unit_test_setup_teardown(f, silence, heal)

#endif
