/* The fake system itself: it fails on demand and sees broken preconditions. The contract of os.h is tested by test_os.c. */
#include "test/unit/check.h"

#include "os/fake.h"

#include <string.h>

enum { PAGE = 4096 };

static char *map(size_t pages)
{
    char *p = tarn__os_map(NULL, pages * PAGE, TARN__OS_COMMITTED);
    assert_non_null(p);
    return p;
}

static void first_fit(void **state)
{
    (void)state;
    char *a = map(3), *b = map(2);
    assert_ptr_equal(a, tarn__fake_arena());
    assert_ptr_equal(b, a + 3 * PAGE);
    assert_int_equal(tarn__fake_mapped(), 5 * PAGE);
    tarn__os_unmap(a, 3 * PAGE);
    assert_ptr_equal(map(1), a);
    assert_ptr_equal(map(3), b + 2 * PAGE);
    assert_null(tarn__os_map(b + PAGE, PAGE, TARN__OS_COMMITTED));
    assert_ptr_equal(tarn__os_map(a + PAGE, PAGE, TARN__OS_RESERVED), a + PAGE);
    assert_false(tarn__fake_is_committed(a, 2 * PAGE));
    assert_true(tarn__fake_is_committed(a, PAGE));
    tarn__os_unmap(a, 2 * PAGE);
    tarn__os_unmap(b, 5 * PAGE);
    assert_int_equal(tarn__fake_mapped(), 0);
}

static void whole_array(void **state)
{
    (void)state;
    char *arena = tarn__fake_arena();
    assert_null(tarn__os_map(NULL, TARN__FAKE_SIZE + PAGE, TARN__OS_COMMITTED));
    assert_null(tarn__os_map(arena + TARN__FAKE_SIZE, PAGE, TARN__OS_COMMITTED));
    assert_null(tarn__os_map(arena + TARN__FAKE_SIZE - PAGE, 2 * PAGE, TARN__OS_COMMITTED));
    assert_null(tarn__os_map((void *)((uintptr_t)PAGE * 16), PAGE, TARN__OS_COMMITTED));
    assert_ptr_equal(tarn__os_map(NULL, TARN__FAKE_SIZE, TARN__OS_COMMITTED), arena);
    assert_null(tarn__os_map(NULL, PAGE, TARN__OS_COMMITTED));
    assert_int_equal(tarn__os_unmap(arena, TARN__FAKE_SIZE), 0);
}

static void fails_on_demand(void **state)
{
    (void)state;
    tarn__fake_fail(TARN__FAKE_ANY, 3, 2);
    char *p = map(4);
    assert_int_equal(tarn__os_purge(p, PAGE), 0);
    p[0] = 5;
    assert_true(tarn__os_purge(p, PAGE) < 0);
    assert_int_equal(p[0], 5);
    assert_true(tarn__os_unmap(p, PAGE) < 0);
    assert_int_equal(p[0], 5);
    assert_int_equal(tarn__os_populate(p, PAGE), 0);
    assert_int_equal(tarn__fake_seen(), 5);
    assert_int_equal(tarn__fake_failed(), 2);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MAP), 2, UINT64_MAX);
    assert_int_equal(tarn__os_purge(p, PAGE), 0);
    char *q = map(1);
    for (int i = 0; i < 5; i++)
        assert_null(tarn__os_map(NULL, PAGE, TARN__OS_COMMITTED));
    assert_null(tarn__os_map(q + PAGE, PAGE, TARN__OS_COMMITTED));
    assert_int_equal(tarn__fake_failed(), 6);
    tarn__fake_fail(TARN__FAKE_ANY, 1, 1);
    assert_true(tarn__os_move(p, q, PAGE) < 0);
    tarn__fake_fail(0, 0, 0);
    assert_int_equal(tarn__os_unmap(p, 4 * PAGE), 0);
    assert_int_equal(tarn__os_unmap(q, PAGE), 0);
    char *r = tarn__os_map(NULL, PAGE, TARN__OS_RESERVED);
    tarn__fake_fail(TARN__FAKE_ANY, 1, 1);
    assert_true(tarn__os_commit(r, PAGE) < 0);
    assert_false(tarn__fake_is_committed(r, PAGE));
    assert_int_equal(tarn__os_unmap(r, PAGE), 0);
}

static void purge_unmapped(void *p) { tarn__os_purge((char *)p + 4 * PAGE, PAGE); }
static void unmap_unmapped(void *p) { tarn__os_unmap((char *)p + 3 * PAGE, 2 * PAGE); }
static void unmap_misaligned(void *p) { tarn__os_unmap((char *)p + 16, PAGE); }
static void unmap_foreign(void *p) { tarn__os_unmap(&p, PAGE); }
static void unmap_nothing(void *p) { tarn__os_unmap(p, 0); }
static void commit_twice(void *p) { tarn__os_commit(p, PAGE); }
static void move_overlapping(void *p) { tarn__os_move(p, (char *)p + PAGE, 2 * PAGE); }
static void move_from_unmapped(void *p) { tarn__os_move((char *)p + 4 * PAGE, p, PAGE); }
static void move_to_unmapped(void *p) { tarn__os_move(p, (char *)p + 4 * PAGE, PAGE); }
static void unmap_part(void *p) { tarn__os_unmap(p, PAGE); }
static void map_part_of_page(void *p) { tarn__os_map(p, 100, TARN__OS_COMMITTED); }

static void write_after_unmap(void *p)
{
    *(volatile char *)((char *)p + 4 * PAGE) = 1;
    tarn__os_map((char *)p + 4 * PAGE, PAGE, TARN__OS_COMMITTED);
}

static void sees_violations(void **state)
{
    (void)state;
    char *p = map(5);
    assert_int_equal(tarn__os_unmap(p + 4 * PAGE, PAGE), 0);
    check_dies(purge_unmapped, p, "what is purged is committed");
    check_dies(unmap_unmapped, p, "what is unmapped is mapped");
    check_dies(unmap_misaligned, p, "an address is a multiple");
    check_dies(unmap_foreign, p, "fake os: violated");
    check_dies(unmap_nothing, p, "a size is a multiple");
    check_dies(commit_twice, p, "what is committed was reserved");
    check_dies(move_overlapping, p, "do not overlap");
    check_dies(move_from_unmapped, p, "what is moved");
    check_dies(move_to_unmapped, p, "what is moved");
    check_dies(map_part_of_page, NULL, "a size is a multiple");
#ifndef __SANITIZE_ADDRESS__ /* which ends the process at the write, not with a signal */
    check_dies(write_after_unmap, p, "nobody writes to memory that is not mapped");
#else
    (void)write_after_unmap;
#endif
    assert_int_equal(tarn__os_unmap(p, 4 * PAGE), 0);
}

static void keeps_its_own_time(void **state)
{
    (void)state;
    assert_int_equal(tarn__os_now(), 0);
    tarn__fake_set_now(1500);
    assert_int_equal(tarn__os_now(), 1500);
}

static void large_pages(void **state)
{
    (void)state;
    char *small = map(1);
    tarn__fake_set_page_size(16384);
    assert_int_equal(tarn__os_page_size(), 16384);
    char *p = map(8);
    assert_int_equal((uintptr_t)p % 16384, 0);
    check_dies(unmap_part, p, "a size is a multiple");
    assert_int_equal(tarn__os_unmap(p, 8 * PAGE), 0);
    tarn__fake_set_page_size(PAGE);
    assert_int_equal(tarn__os_unmap(small, PAGE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_fit),       cmocka_unit_test(whole_array),        cmocka_unit_test(fails_on_demand),
        cmocka_unit_test(sees_violations), cmocka_unit_test(keeps_its_own_time), cmocka_unit_test(large_pages),
    };
    return cmocka_run_group_tests_name("fake", tests, NULL, NULL);
}
