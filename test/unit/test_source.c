/* Floor 3: page sources, over the fake system. The window over the real one is in test_window.c. */
#include "test/unit/check.h"

#include "os/fake.h"
#include "source/window.h"
#include "tarn/source.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };
#define MIB ((size_t)1 << 20)

static void system_aligns(void **state)
{
    (void)state;
    struct tarn_source *source = tarn_source_system();
    char *before = tarn_source_acquire(source, PAGE, PAGE); /* what follows lies wrong at first */
    for (size_t align = PAGE; align <= 32 * MIB; align *= 2)
        for (size_t size = PAGE; size <= 16 * PAGE; size += 5 * PAGE) {
            size_t held = tarn__fake_mapped();
            char *p = tarn_source_acquire(source, size, align);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            assert_int_equal(tarn__fake_mapped() - held, size);
            assert_true(check_all_bytes(p, size, 0));
            memset(p, 1, size);
            assert_int_equal(tarn_source_release(source, p, size), 0);
            assert_int_equal(tarn__fake_mapped(), held);
        }
    assert_int_equal(tarn_source_release(source, before, PAGE), 0);
    assert_int_equal(tarn__fake_mapped(), 0);
}

static void system_passes_on(void **state)
{
    (void)state;
    struct tarn_source *source = tarn_source_system();
    char *p = tarn_source_acquire(source, 4 * PAGE, PAGE), *q = tarn_source_acquire(source, 4 * PAGE, PAGE);
    memset(p, 1, 4 * PAGE);
    assert_int_equal(tarn_source_populate(source, p, 4 * PAGE), 0);
    assert_int_equal(tarn_source_move(source, p, q, 2 * PAGE), 0);
    assert_true(check_all_bytes(q, 2 * PAGE, 1) && check_all_bytes(p, 2 * PAGE, 0));
    assert_int_equal(tarn_source_purge(source, p, 4 * PAGE), 0);
    assert_true(check_all_bytes(p, 4 * PAGE, 0));
    assert_int_equal(tarn_source_release(source, p, PAGE), 0);
    assert_int_equal(tarn_source_release(source, p + PAGE, 3 * PAGE), 0);
    assert_int_equal(tarn_source_release(source, q, 4 * PAGE), 0);
}

static void system_fails(void **state)
{
    (void)state;
    struct tarn_source *source = tarn_source_system();
    char *before = tarn_source_acquire(source, PAGE, PAGE);
    assert_null(tarn_source_acquire(source, 2 * TARN__FAKE_SIZE, PAGE));
    assert_null(tarn_source_acquire(source, SIZE_MAX - 2 * PAGE + 1, CHECK_HUGE(40)));
    for (uint64_t first = 1; first <= 2; first++) { /* the first guess, and the larger one */
        tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MAP), first, 1);
        assert_null(tarn_source_acquire(source, PAGE, MIB));
        assert_int_equal(tarn__fake_failed(), 1);
        assert_int_equal(tarn__fake_mapped(), PAGE);
    }
    tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
    assert_int_equal(tarn_source_release(source, before, PAGE), -ENOMEM);
    assert_int_equal(tarn_source_purge(source, before, PAGE), -ENOMEM);
    assert_int_equal(tarn_source_populate(source, before, PAGE), -ENOMEM);
    tarn__fake_fail(0, 0, 0);
    assert_int_equal(tarn_source_release(source, before, PAGE), 0);
}

/* A caller's buffer */

static void buffer_fits_anywhere(void **state)
{
    (void)state;
    static char memory[12288 + PAGE];
    for (size_t offset = 0; offset < PAGE; offset++) {
        struct tarn_source_buffer buffer;
        memset(memory, 0x77, sizeof memory);
        assert_int_equal(tarn_source_buffer_init(&buffer, memory + offset, 12288), 0);
        assert_true(buffer.pages >= 1);
        char *p = tarn_source_acquire(&buffer.source, PAGE, PAGE);
        assert_non_null(p);
        assert_true(p >= memory + offset && p + PAGE <= (char *)buffer.taken);
        assert_true((char *)(buffer.taken + 1) <= memory + offset + 12288);
        assert_true(check_all_bytes(p, PAGE, 0));
        for (size_t i = 0; i < offset; i++)
            assert_int_equal(memory[i], 0x77);
        assert_true(check_all_bytes(memory + offset + 12288, sizeof memory - 12288 - offset, 0x77));
    }
}

static void buffer_too_small(void **state)
{
    (void)state;
    static _Alignas(PAGE) char memory[2 * PAGE];
    struct tarn_source_buffer buffer;
    for (size_t size = 0; size < PAGE + 8; size += size < 16 ? 1 : 250)
        assert_int_equal(tarn_source_buffer_init(&buffer, memory, size), -EINVAL);
    assert_int_equal(tarn_source_buffer_init(&buffer, memory, PAGE + 7), -EINVAL);
    assert_int_equal(tarn_source_buffer_init(&buffer, memory, PAGE + 8), 0);
    assert_int_equal(buffer.pages, 1);
    assert_int_equal(tarn_source_buffer_init(&buffer, memory + 1, PAGE + 8), -EINVAL);
}

static char buffer_memory[130 * PAGE + 64];

static void make_buffer(struct tarn_source_buffer *buffer)
{
    assert_int_equal(tarn_source_buffer_init(buffer, buffer_memory, sizeof buffer_memory), 0);
    assert_true(buffer->pages >= 129);
}

static void buffer_exhausts(void **state)
{
    (void)state;
    struct tarn_source_buffer buffer;
    make_buffer(&buffer);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < buffer.pages; i++) {
            char *p = tarn_source_acquire(&buffer.source, PAGE, PAGE);
            assert_ptr_equal(p, buffer.base + i * PAGE);
            assert_true(check_all_bytes(p, PAGE, 0));
            memset(p, 0xee, PAGE);
        }
        assert_null(tarn_source_acquire(&buffer.source, PAGE, PAGE));
        assert_int_equal(tarn_source_release(&buffer.source, buffer.base, buffer.pages * PAGE), 0);
    }
    assert_null(tarn_source_acquire(&buffer.source, (buffer.pages + 1) * PAGE, PAGE));
    assert_null(tarn_source_acquire(&buffer.source, 0, PAGE));
    assert_null(tarn_source_acquire(&buffer.source, SIZE_MAX, PAGE));
    assert_null(tarn_source_acquire(&buffer.source, PAGE, CHECK_HUGE(46)));
    assert_non_null(tarn_source_acquire(&buffer.source, buffer.pages * PAGE, PAGE));
}

static void buffer_aligns(void **state)
{
    (void)state;
    struct tarn_source_buffer buffer;
    make_buffer(&buffer);
    for (size_t align = PAGE; align <= 32 * PAGE; align *= 2) {
        char *p = tarn_source_acquire(&buffer.source, 3 * PAGE, align);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        assert_true(p >= buffer.base && p + 3 * PAGE <= buffer.base + buffer.pages * PAGE);
    }
}

static void buffer_misuse(void **state)
{
    (void)state;
    struct tarn_source_buffer buffer;
    struct tarn_source *source = &buffer.source;
    make_buffer(&buffer);
    char *p = tarn_source_acquire(source, 4 * PAGE, PAGE), *end = buffer.base + buffer.pages * PAGE;
    assert_int_equal(tarn_source_release(source, p + 2 * PAGE, PAGE), 0);
    assert_int_equal(tarn_source_release(source, p + 2 * PAGE, PAGE), -EINVAL);
    assert_int_equal(tarn_source_release(source, p, 4 * PAGE), -EINVAL);
    assert_int_equal(tarn_source_release(source, p + 4 * PAGE, PAGE), -EINVAL);
    assert_int_equal(tarn_source_release(source, p - PAGE, PAGE), -EINVAL);
    assert_int_equal(tarn_source_release(source, end, PAGE), -EINVAL);
    assert_int_equal(tarn_source_release(source, end - PAGE, 2 * PAGE), -EINVAL);
    assert_int_equal(tarn_source_release(source, &buffer, PAGE), -EINVAL);
    assert_int_equal(tarn_source_release(source, p, 2 * PAGE), 0);
    assert_int_equal(tarn_source_release(source, p + 3 * PAGE, PAGE), 0);
    p = tarn_source_acquire(source, buffer.pages * PAGE, PAGE);
    assert_int_equal(tarn_source_release(source, p + 100 * PAGE, PAGE), 0);
    assert_int_equal(tarn_source_release(source, p, buffer.pages * PAGE), -EINVAL); /* and nothing of it is free by that */
    assert_ptr_equal(tarn_source_acquire(source, PAGE, PAGE), p + 100 * PAGE);
    assert_null(tarn_source_acquire(source, PAGE, PAGE));
    assert_int_equal(tarn_source_purge(source, p, PAGE), -ENOTSUP);
    assert_int_equal(tarn_source_populate(source, p, PAGE), -ENOTSUP);
    assert_int_equal(tarn_source_move(source, p, p + PAGE, PAGE), -ENOTSUP);
}

/* Takes pages of a shared buffer, each thread its own while it has them. */
static struct tarn_source_buffer shared;
static _Atomic int stop;

static void *use_shared(void *mark)
{
    for (uintptr_t i = 0; !stop; i++) {
        size_t size = (1 + i % 70) * PAGE;
        char *p = tarn_source_acquire(&shared.source, size, PAGE);
        for (int j = 0; p && j < 100; j++) /* looks in vain */
            if (tarn_source_acquire(&shared.source, shared.pages * PAGE, PAGE))
                abort();
        if (!p)
            continue;
        memset(p, *(char *)mark, size);
        sched_yield();
        if (!check_all_bytes(p, size, *(unsigned char *)mark) || tarn_source_release(&shared.source, p, size) != 0)
            abort();
    }
    return NULL;
}

static void buffer_beside_threads_and_forks(void **state)
{
    (void)state;
    static char marks[2] = {1, 2};
    pthread_t threads[2];
    make_buffer(&shared);
    stop = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_shared, &marks[i]), 0);
    for (int i = 0; i < 100; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            alarm(5);
            for (int j = 0; j < 10; j++) {
                void *p = tarn_source_acquire(&shared.source, PAGE, PAGE);
                if (p && tarn_source_release(&shared.source, p, PAGE) != 0)
                    _exit(1);
            }
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_non_null(tarn_source_acquire(&shared.source, shared.pages * PAGE, PAGE));
}

/* Links */

static void counts(void **state)
{
    (void)state;
    struct tarn_source_buffer buffer;
    struct tarn_source_count count, over_system;
    make_buffer(&buffer);
    tarn_source_count_init(&count, &buffer.source);
    assert_ptr_equal(count.source.parent, &buffer.source);
    char *p = tarn_source_acquire(&count.source, 3 * PAGE, PAGE);
    assert_null(tarn_source_acquire(&count.source, MIB, PAGE));
    assert_int_equal(tarn_source_release(&count.source, p, PAGE), 0);
    assert_int_equal(tarn_source_release(&count.source, p, PAGE), -EINVAL);
    assert_int_equal(tarn_source_purge(&count.source, p + PAGE, PAGE), -ENOTSUP);
    assert_int_equal(count.acquired, 3 * PAGE);
    assert_int_equal(count.released, PAGE);
    assert_int_equal(count.purged, 0);
    assert_int_equal(count.failures, 1);
    tarn_source_count_init(&over_system, tarn_source_system());
    char *a = tarn_source_acquire(&over_system.source, 4 * PAGE, PAGE);
    memset(a, 3, 4 * PAGE);
    assert_int_equal(tarn_source_purge(&over_system.source, a, 2 * PAGE), 0);
    assert_int_equal(tarn_source_populate(&over_system.source, a, PAGE), 0);
    assert_int_equal(tarn_source_move(&over_system.source, a + 2 * PAGE, a, PAGE), 0);
    assert_int_equal(a[0], 3);
    assert_int_equal(over_system.purged, 2 * PAGE);
    assert_int_equal(tarn_source_release(&over_system.source, a, 4 * PAGE), 0);
    assert_int_equal(over_system.released, 4 * PAGE);
}

static void limits(void **state)
{
    (void)state;
    struct tarn_source_limit limited;
    tarn_source_limit_init(&limited, tarn_source_system(), 10 * PAGE);
    char *p = tarn_source_acquire(&limited.source, 6 * PAGE, PAGE);
    assert_non_null(p);
    assert_null(tarn_source_acquire(&limited.source, 5 * PAGE, PAGE));
    assert_null(tarn_source_acquire(&limited.source, SIZE_MAX, PAGE));
    char *q = tarn_source_acquire(&limited.source, 4 * PAGE, PAGE);
    assert_non_null(q);
    assert_int_equal(limited.held, 10 * PAGE);
    assert_null(tarn_source_acquire(&limited.source, PAGE, PAGE));
    limited.limit = PAGE; /* takes nothing away */
    assert_null(tarn_source_acquire(&limited.source, PAGE, PAGE));
    assert_int_equal(tarn_source_release(&limited.source, p, 6 * PAGE), 0);
    assert_null(tarn_source_acquire(&limited.source, PAGE, PAGE));
    tarn__fake_fail(TARN__FAKE_ANY, 1, 1);
    assert_int_equal(tarn_source_release(&limited.source, q, 4 * PAGE), -ENOMEM);
    assert_int_equal(limited.held, 4 * PAGE);
    assert_int_equal(tarn_source_release(&limited.source, q, 4 * PAGE), 0);
    tarn__fake_fail(TARN__FAKE_ANY, 1, 1);
    assert_null(tarn_source_acquire(&limited.source, PAGE, PAGE));
    assert_int_equal(limited.held, 0);
    p = tarn_source_acquire(&limited.source, PAGE, PAGE);
    assert_non_null(p);
    assert_int_equal(tarn_source_purge(&limited.source, p, PAGE), 0);
    assert_int_equal(tarn_source_populate(&limited.source, p, PAGE), 0);
    assert_int_equal(tarn_source_release(&limited.source, p, PAGE), 0);
}

enum { THREADS = 4, LIMIT_PAGES = 16 };

static struct tarn_source_limit shared_limit;
static uint64_t most_held;

static void *acquire_and_release(void *value)
{
    uint64_t seed = (uint64_t)(uintptr_t)value + 1;
    for (int i = 0; i < 3000; i++) {
        size_t size = (1 + check_random(&seed) % 8) * PAGE;
        char *p = tarn_source_acquire(&shared_limit.source, size, PAGE);
        uint64_t held = __atomic_load_n(&shared_limit.held, __ATOMIC_RELAXED);
        uint64_t most = __atomic_load_n(&most_held, __ATOMIC_RELAXED);
        while (held > most && !__atomic_compare_exchange_n(&most_held, &most, held, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
        if (p) {
            memset(p, 1, size);
            tarn_source_release(&shared_limit.source, p, size);
        }
    }
    return NULL;
}

static void limits_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    tarn_source_limit_init(&shared_limit, tarn_source_system(), LIMIT_PAGES * PAGE);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, acquire_and_release, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared_limit.held, 0);
    assert_true(most_held > 0 && most_held <= LIMIT_PAGES * PAGE);
    assert_int_equal(tarn__fake_mapped(), 0);
}

static void fails(void **state)
{
    (void)state;
    struct tarn_source_fail failing;
    struct tarn_source *source = &failing.source;
    tarn_source_fail_init(&failing, tarn_source_system(), 2, 5);
    char *p = tarn_source_acquire(source, 2 * PAGE, PAGE);
    assert_non_null(p);
    assert_null(tarn_source_acquire(source, PAGE, PAGE));
    assert_int_equal(tarn_source_release(source, p, PAGE), -ENOMEM);
    assert_int_equal(tarn_source_purge(source, p, PAGE), -ENOMEM);
    assert_int_equal(tarn_source_populate(source, p, PAGE), -ENOMEM);
    assert_int_equal(tarn_source_move(source, p, p + PAGE, PAGE), -ENOMEM);
    assert_int_equal(tarn_source_populate(source, p, PAGE), 0);
    assert_int_equal(tarn_source_move(source, p, p + PAGE, PAGE), 0);
    assert_int_equal(tarn_source_purge(source, p, PAGE), 0);
    assert_int_equal(tarn_source_release(source, p, 2 * PAGE), 0);
    assert_int_equal(failing.calls, 10);
    tarn_source_fail_init(&failing, tarn_source_system(), 1, UINT64_MAX);
    for (int i = 0; i < 10; i++)
        assert_null(tarn_source_acquire(source, PAGE, PAGE));
}

/* The window, where the system places every mapping: the addresses that the window would choose do not exist in the fake. */

static void window_by_system(void **state)
{
    (void)state;
    struct tarn_source *window = tarn__window_source();
    assert_null(tarn_source_acquire(window, 0, PAGE));
    assert_null(tarn_source_acquire(window, SIZE_MAX, PAGE));
    if (CHECK_BITS > 32) /* where the window is all there is, nothing is larger */
        assert_null(tarn_source_acquire(window, TARN__WINDOW_SLOTS * TARN__SLOT_SIZE + TARN__SLOT_SIZE, PAGE));
    char *p[4];
    for (int i = 0; i < 4; i++) {
        size_t size = (size_t)(i + 1) * TARN__SLOT_SIZE;
        p[i] = tarn_source_acquire(window, size, PAGE);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % TARN__SLOT_SIZE, 0);
        assert_true((uintptr_t)p[i] >= tarn__window_base);
        assert_true((uintptr_t)p[i] - tarn__window_base <= TARN__WINDOW_SLOTS * TARN__SLOT_SIZE - size);
        assert_true(tarn__fake_is_committed(p[i], size));
    }
    assert_int_equal(tarn__window_base % TARN__SLOT_SIZE, 0);
    memset(p[1], 1, PAGE);
    assert_int_equal(tarn_source_populate(window, p[1], PAGE), 0);
    assert_int_equal(tarn_source_move(window, p[1], p[2], PAGE), 0);
    assert_int_equal(p[2][0], 1);
    assert_int_equal(tarn_source_purge(window, p[2], PAGE), 0);
    assert_int_equal(p[2][0], 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(tarn_source_release(window, p[i], (size_t)(i + 1) * TARN__SLOT_SIZE), 0);
    assert_int_equal(tarn__fake_mapped(), 0);
}

static void window_fails(void **state)
{
    (void)state;
    struct tarn_source *window = tarn__window_source();
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_MAP), 1, UINT64_MAX);
    assert_null(tarn_source_acquire(window, TARN__SLOT_SIZE, PAGE));
    tarn__fake_fail(0, 0, 0);
    char *p = tarn_source_acquire(window, TARN__SLOT_SIZE, PAGE);
    assert_non_null(p);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_UNMAP), 1, 1);
    assert_int_equal(tarn_source_release(window, p, TARN__SLOT_SIZE), -ENOMEM);
    memset(p, 1, TARN__SLOT_SIZE); /* still the caller's */
    assert_int_equal(tarn_source_release(window, p, TARN__SLOT_SIZE), 0);
    assert_null(tarn_source_acquire(window, TARN__FAKE_SIZE + TARN__SLOT_SIZE, PAGE));
    p = tarn_source_acquire(window, 60 * TARN__SLOT_SIZE, PAGE);
    assert_non_null(p);
    assert_int_equal(tarn_source_release(window, p, 60 * TARN__SLOT_SIZE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_aligns),
        cmocka_unit_test(system_passes_on),
        cmocka_unit_test(system_fails),
        cmocka_unit_test(buffer_fits_anywhere),
        cmocka_unit_test(buffer_too_small),
        cmocka_unit_test(buffer_exhausts),
        cmocka_unit_test(buffer_aligns),
        cmocka_unit_test(buffer_misuse),
        cmocka_unit_test(buffer_beside_threads_and_forks),
        cmocka_unit_test(counts),
        cmocka_unit_test(limits),
        cmocka_unit_test(limits_threads),
        cmocka_unit_test(fails),
        cmocka_unit_test(window_by_system),
        cmocka_unit_test(window_fails),
    };
    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
