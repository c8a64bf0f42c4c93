/* Floor 3: the window over the real system, where it chooses its addresses. Each test starts where the last one left the window. */
#include "test/unit/check.h"

#include "os/os.h"
#include "source/window.h"

#include <string.h>

#define SLOT TARN__SLOT_SIZE

static struct tarn_source *window;
static bool chosen; /* the window chose its place; a sanitizer or a small address space may not let it */

static char *acquire(size_t slots)
{
    char *p = tarn_source_acquire(window, slots * SLOT, 4096);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % SLOT, 0);
    assert_true((uintptr_t)p >= tarn__window_base);
    assert_true(((uintptr_t)p - tarn__window_base) / SLOT + slots <= TARN__WINDOW_SLOTS);
    return p;
}

static void release(char *p, size_t slots) { assert_int_equal(tarn_source_release(window, p, slots * SLOT), 0); }

static void grows_upwards(void **state)
{
    (void)state;
    char *p[6];
    for (int i = 0; i < 6; i++) {
        p[i] = acquire((size_t)i % 3 + 1);
        assert_true(check_all_bytes(p[i], 8192, 0));
        memset(p[i], 1, 8192);
    }
    if (chosen) {
        assert_ptr_equal(p[0], (char *)tarn__window_base);
        for (int i = 1; i < 6; i++)
            assert_ptr_equal(p[i], p[i - 1] + ((size_t)(i - 1) % 3 + 1) * SLOT);
    }
    for (int i = 0; i < 6; i++)
        release(p[i], (size_t)i % 3 + 1);
}

static void reuses_the_lowest(void **state)
{
    (void)state;
    char *a = acquire(1), *b = acquire(1), *c = acquire(2), *d = acquire(1);
    release(b, 1);
    release(c, 2);
    char *e = acquire(2);
    if (chosen)
        assert_ptr_equal(e, b);
    assert_true(check_all_bytes(e, 8192, 0));
    char *f = acquire(1), *g = acquire(1);
    if (chosen) {
        assert_ptr_equal(f, b + 2 * SLOT);
        assert_ptr_equal(g, d + SLOT);
    }
    release(a, 1);
    release(d, 1);
    release(e, 2);
    release(f, 1);
    release(g, 1);
}

static void aligns(void **state)
{
    (void)state;
    char *before = acquire(1);
    for (size_t align = 4096; align <= (size_t)1 << (CHECK_BITS > 32 ? 30 : 28); align *= 4) {
        char *p = tarn_source_acquire(window, SLOT, align);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        release(p, 1);
    }
    release(before, 1);
}

static void rounds_sizes(void **state)
{
    (void)state;
    char *p = tarn_source_acquire(window, 4096, 4096), *q = acquire(1);
    assert_non_null(p);
    p[SLOT - 1] = 1;
    if (chosen)
        assert_ptr_equal(q, p + SLOT);
    release(p, 1);
    release(q, 1);
}

static void steps_over_others(void **state)
{
    (void)state;
    if (!chosen) {
        print_message("# not tested: here the system places the window\n");
        return;
    }
    char *first = acquire(1), *others = first + SLOT;
    assert_ptr_equal(tarn__os_map(others, SLOT, TARN__OS_COMMITTED), others);
    memset(others, 0x5a, 4096);
    char *next = acquire(1);
    assert_ptr_equal(next, others + SLOT);
    assert_true(check_all_bytes(others, 4096, 0x5a));
    release(first, 1);
    release(next, 1);
    assert_int_equal(tarn__os_unmap(others, SLOT), 0);
}

/* Someone else's mapping in the middle of what a large request would get: there is memory behind it. */
static void steps_over_others_with_large_blocks(void **state)
{
    (void)state;
    if (!chosen) {
        print_message("# not tested: here the system places the window\n");
        return;
    }
    char *first = acquire(1), *others = first + 10 * SLOT;
    assert_ptr_equal(tarn__os_map(others, 4096, TARN__OS_COMMITTED), others);
    char *large = acquire(16);
    assert_true(large > others || large + 16 * SLOT <= others);
    release(large, 16);
    release(first, 1);
    assert_int_equal(tarn__os_unmap(others, 4096), 0);
}

static void refuses_the_impossible(void **state)
{
    (void)state;
    assert_null(tarn_source_acquire(window, 0, 4096));
    assert_null(tarn_source_acquire(window, SIZE_MAX, 4096));
    if (CHECK_BITS > 32) { /* where the window is all there is, nothing is larger */
        assert_null(tarn_source_acquire(window, (TARN__WINDOW_SLOTS + 1) * SLOT, 4096));
        assert_null(tarn_source_acquire(window, SLOT, CHECK_HUGE(47)));
    }
    release(acquire(3), 3);
}

static int place(void **state)
{
    (void)state;
    window = tarn__window_source();
    char *p = tarn_source_acquire(window, SLOT, 4096);
    chosen = p && (uintptr_t)p == tarn__window_base;
    return p ? tarn_source_release(window, p, SLOT) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_upwards),
        cmocka_unit_test(reuses_the_lowest),
        cmocka_unit_test(aligns),
        cmocka_unit_test(rounds_sizes),
        cmocka_unit_test(steps_over_others),
        cmocka_unit_test(steps_over_others_with_large_blocks),
        cmocka_unit_test(refuses_the_impossible),
    };
    return cmocka_run_group_tests_name("window", tests, place, NULL);
}
