/* Floor 2: the contract of os.h, as each of its implementations must keep it. Linked twice: with linux.c and with fake.c. */
#include "test/unit/check.h"

#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static size_t page;

static char *map(size_t pages, enum tarn__os_use use)
{
    char *p = tarn__os_map(NULL, pages * page, use);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % page, 0);
    return p;
}

static void page_size(void **state)
{
    (void)state;
    assert_true(page >= 4096 && (page & (page - 1)) == 0);
    assert_int_equal(tarn__os_page_size(), page);
}

static void maps_zeros(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        char *p = map(5, TARN__OS_COMMITTED);
        assert_true(check_all_bytes(p, 5 * page, 0));
        memset(p, 0xa5, 5 * page);
        assert_int_equal(tarn__os_unmap(p, 5 * page), 0);
    }
}

static void maps_exactly(void **state)
{
    (void)state;
    char *p = map(4, TARN__OS_COMMITTED);
    memset(p, 1, 4 * page);
    assert_null(tarn__os_map(p, page, TARN__OS_COMMITTED));
    assert_null(tarn__os_map(p + 3 * page, page, TARN__OS_RESERVED));
    assert_int_equal(tarn__os_unmap(p + page, 2 * page), 0);
    assert_null(tarn__os_map(p, 3 * page, TARN__OS_COMMITTED));
    assert_null(tarn__os_map(p + 2 * page, 2 * page, TARN__OS_COMMITTED));
    assert_true(check_all_bytes(p, page, 1) && check_all_bytes(p + 3 * page, page, 1));
    assert_ptr_equal(tarn__os_map(p + page, 2 * page, TARN__OS_COMMITTED), p + page);
    assert_true(check_all_bytes(p + page, 2 * page, 0));
    assert_int_equal(tarn__os_unmap(p, 4 * page), 0);
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    errno = 77;
    assert_null(tarn__os_map(NULL, SIZE_MAX - tarn__os_page_size() + 1, TARN__OS_COMMITTED));
    assert_int_equal(errno, 77);
}

static void commits(void **state)
{
    (void)state;
    char *p = map(6, TARN__OS_RESERVED);
    assert_int_equal(tarn__os_commit(p + page, 2 * page), 0);
    assert_true(check_all_bytes(p + page, 2 * page, 0));
    memset(p + page, 7, 2 * page);
    assert_int_equal(tarn__os_commit(p + 3 * page, 3 * page), 0);
    assert_true(check_all_bytes(p + page, 2 * page, 7) && check_all_bytes(p + 3 * page, 3 * page, 0));
    assert_int_equal(tarn__os_unmap(p, 6 * page), 0);
}

static void populates(void **state)
{
    (void)state;
    char *p = map(3, TARN__OS_COMMITTED);
    p[0] = 'x';
    tarn__os_populate(p, 3 * page); /* may fail: costs nothing but time */
    assert_int_equal(p[0], 'x');
    assert_true(check_all_bytes(p + 1, 3 * page - 1, 0));
    assert_int_equal(tarn__os_unmap(p, 3 * page), 0);
}

static void purges(void **state)
{
    (void)state;
    char *p = map(4, TARN__OS_COMMITTED);
    memset(p, 9, 4 * page);
    assert_int_equal(tarn__os_purge(p + page, 2 * page), 0);
    assert_true(check_all_bytes(p, page, 9) && check_all_bytes(p + 3 * page, page, 9));
    assert_true(check_all_bytes(p + page, 2 * page, 0));
    memset(p + page, 3, 2 * page);
    assert_int_equal(tarn__os_unmap(p, 4 * page), 0);
}

static void moves(void **state)
{
    (void)state;
    char *from = map(4, TARN__OS_COMMITTED), *to = map(4, TARN__OS_COMMITTED);
    for (size_t i = 0; i < 4; i++)
        memset(from + i * page, (int)i + 1, page);
    memset(to, 0x55, 4 * page);
    if (tarn__os_move(from + page, to + page, 2 * page) != 0) {
        print_message("# not tested: this kernel, or an emulator of one, does not move pages\n");
        return;
    }
    assert_true(check_all_bytes(from, page, 1) && check_all_bytes(from + 3 * page, page, 4));
    assert_true(check_all_bytes(from + page, 2 * page, 0));
    assert_true(check_all_bytes(to + page, page, 2) && check_all_bytes(to + 2 * page, page, 3));
    assert_true(check_all_bytes(to, page, 0x55) && check_all_bytes(to + 3 * page, page, 0x55));
    memset(from, 8, 4 * page); /* still committed */
    assert_int_equal(tarn__os_unmap(from, 4 * page), 0);
    assert_int_equal(tarn__os_unmap(to, 4 * page), 0);
}

/*
 * Ranges whose pages came from different places are, to the system, several mappings. A move from such a range may be refused; then
 * nothing has changed.
 */
static void moves_pieces_or_nothing(void **state)
{
    (void)state;
    char *a = map(4, TARN__OS_COMMITTED), *b = map(4, TARN__OS_COMMITTED), *to = map(4, TARN__OS_COMMITTED);
    memset(a, 1, 4 * page);
    memset(b, 2, 4 * page);
    memset(to, 3, 4 * page);
    tarn__os_move(b, a + 2 * page, page);
    a[2 * page] = 4;
    if (tarn__os_move(a, to, 4 * page) == 0) {
        assert_true(check_all_bytes(to, 2 * page, 1) && to[2 * page] == 4);
        assert_true(check_all_bytes(a, 4 * page, 0));
    } else {
        assert_true(check_all_bytes(to, 4 * page, 3));
        assert_true(check_all_bytes(a, 2 * page, 1) && a[2 * page] == 4);
    }
    tarn__os_unmap(a, 4 * page);
    tarn__os_unmap(b, 4 * page);
    tarn__os_unmap(to, 4 * page);
}

static bool no_piece(void *to, const char *bytes, size_t count)
{
    (void)to, (void)bytes, (void)count;
    fail();
    return true;
}

static void reads_no_file(void **state)
{
    (void)state;
    assert_int_equal(tarn__os_read("/nowhere/nothing", no_piece, NULL), -ENOENT);
}

static void keeps_errno(void **state)
{
    (void)state;
    errno = 1234;
    char *p = map(4, TARN__OS_RESERVED), *q = map(4, TARN__OS_COMMITTED);
    tarn__os_commit(p, 4 * page);
    tarn__os_populate(p, 4 * page);
    tarn__os_move(p, q, 4 * page);
    tarn__os_purge(p, 4 * page);
    tarn__os_map(p, 4 * page, TARN__OS_COMMITTED);
    _Atomic uint32_t word = 1;
    tarn__os_wait(&word, 0);
    tarn__os_wait_for(&word, 0, 1);
    tarn__os_wait_for(&word, 1, 1);
    tarn__os_wake(&word);
    tarn__os_read("/nowhere/nothing", no_piece, NULL);
    tarn__os_filtered();
    tarn__os_unmap(p, 4 * page);
    tarn__os_unmap(q, 4 * page);
    assert_int_equal(errno, 1234);
}

static void counts_calls(void **state)
{
    (void)state;
    uint64_t before[TARN__OS_CALLS];
    for (int call = 0; call < TARN__OS_CALLS; call++)
        before[call] = tarn__os_calls(call);
    char *p = map(4, TARN__OS_RESERVED), *q = map(4, TARN__OS_COMMITTED);
    tarn__os_commit(p, 4 * page);
    tarn__os_populate(p, 4 * page);
    tarn__os_move(p, q, 4 * page);
    tarn__os_purge(p, 4 * page);
    _Atomic uint32_t word = 1;
    tarn__os_wait(&word, 0);
    tarn__os_wait_for(&word, 0, 1);
    tarn__os_wake(&word);
    tarn__os_read("/nowhere/nothing", no_piece, NULL);
    tarn__os_unmap(p, 4 * page);
    tarn__os_unmap(q, 4 * page);
    for (int call = 0; call < TARN__OS_CALLS; call++)
        assert_int_equal(tarn__os_calls(call) - before[call],
                         call == TARN__OS_MAP || call == TARN__OS_UNMAP || call == TARN__OS_WAIT ? 2 : 1);
}

static void *set_and_wake(void *value)
{
    _Atomic uint32_t *word = value;
    atomic_store_explicit(word, 1, memory_order_release);
    tarn__os_wake(word);
    return NULL;
}

/* However long it might sleep: it ends when nobody wakes it, when the word differs, and when someone wakes it. */
static void waits_end(void **state)
{
    (void)state;
    _Atomic uint32_t word = 0;
    tarn__os_wait_for(&word, 0, 20);
    tarn__os_wait_for(&word, 1, UINT32_MAX);
    tarn__os_wait(&word, 1);
    pthread_t waker;
    assert_int_equal(pthread_create(&waker, NULL, set_and_wake, &word), 0);
    while (atomic_load_explicit(&word, memory_order_acquire) == 0)
        tarn__os_wait_for(&word, 0, UINT32_MAX);
    pthread_join(waker, NULL);
}

static void time_does_not_go_back(void **state)
{
    (void)state;
    uint64_t last = tarn__os_now();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = tarn__os_now();
        assert_true(now >= last);
        last = now;
    }
}

static void die(void *value)
{
    (void)value;
    tarn__os_die("the last words\n", 15);
}

static void dies_with_its_message(void **state)
{
    (void)state;
    check_dies(die, NULL, "the last words\n");
}

static int setup(void **state)
{
    (void)state;
    page = tarn__os_page_size();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_size),
        cmocka_unit_test(maps_zeros),
        cmocka_unit_test(maps_exactly),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(commits),
        cmocka_unit_test(populates),
        cmocka_unit_test(purges),
        cmocka_unit_test(moves),
        cmocka_unit_test(moves_pieces_or_nothing),
        cmocka_unit_test(reads_no_file),
        cmocka_unit_test(keeps_errno),
        cmocka_unit_test(counts_calls),
        cmocka_unit_test(waits_end),
        cmocka_unit_test(time_does_not_go_back),
        cmocka_unit_test(dies_with_its_message),
    };
    return cmocka_run_group_tests_name("os", tests, setup, NULL);
}
