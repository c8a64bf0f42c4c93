/*
 * Users' heaps in several threads: exact counts at rest, limits that are never passed, heaps that come and go beside each other, and forks.
 */
#include "test/unit/check.h"

#include "alloc/heap.h"
#include "alloc/heaps.h"
#include "os/thread.h"
#include "tarn/alloc.h"
#include "tarn/heap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, STEPS = 20000, KEPT = 64, FORKS = 30 };

#define REQUIRE(condition)                                                                                                     \
    do {                                                                                                                       \
        if (!(condition)) {                                                                                                    \
            fprintf(stderr, "heaps: line %d: not so: %s\n", __LINE__, #condition);                                             \
            abort();                                                                                                           \
        }                                                                                                                      \
    } while (0)

static struct tarn_heap *top, *heaps[2];
static _Atomic bool over;
static _Atomic(unsigned char *) mailbox[KEPT];
static _Atomic uint64_t got, lost;

static struct tarn_heap *make(struct tarn_heap *parent)
{
    struct tarn_heap *heap = tarn_heap_create(&(struct tarn_heap_options){.name = "threads", .parent = parent});
    REQUIRE(heap);
    return heap;
}

static struct tarn_heap_stats of(struct tarn_heap *heap)
{
    struct tarn_heap_stats now;
    tarn_heap_stats(heap, &now);
    return now;
}

static size_t any_size(uint64_t *random)
{
    uint64_t kind = check_random(random) % 32;
    return check_random(random) % (kind == 0 ? 100000 : kind < 4 ? 5000 : 300) + 1;
}

/* Exchanges objects with the other threads: mostly another frees what one allocates. */
static void exchange(struct tarn_heap *const *from, uint64_t *random, int steps)
{
    for (int i = 0; i < steps && !atomic_load(&over); i++) {
        size_t size = any_size(random);
        unsigned char *p = check_random(random) % 4 ? tarn_heap_alloc(from[check_random(random) % 2], size) : NULL;
        if (p) {
            *p = 5;
            got++;
        }
        p = atomic_exchange(&mailbox[check_random(random) % KEPT], p);
        if (!p)
            continue;
        REQUIRE(*p == 5);
        unsigned char *q = check_random(random) % 8 ? NULL : tarn_realloc(p, any_size(random));
        p = q ? q : p;
        REQUIRE(*p == 5);
        *p = 0;
        tarn_free(p);
        lost++;
    }
}

static void *exchanger(void *number)
{
    uint64_t random = (uintptr_t)number + 1;
    exchange(heaps, &random, STEPS);
    return NULL;
}

static void empty_mailbox(void)
{
    for (int i = 0; i < KEPT; i++)
        tarn_free(atomic_exchange(&mailbox[i], NULL));
}

static void make_tree(void)
{
    got = lost = 0;
    over = false;
    top = make(NULL);
    heaps[0] = make(top);
    heaps[1] = make(heaps[0]);
}

static void add_child(void *sum, struct tarn_heap *child);

/* Returns what is live in a heap, which is what is its own and what is live in its children. */
static uint64_t verify(struct tarn_heap *heap)
{
    struct tarn_heap_stats now = of(heap);
    uint64_t below = 0;
    tarn_heap_verify(heap);
    tarn_heap_each_child(heap, add_child, &below);
    REQUIRE(now.live_bytes == now.own_bytes + below);
    REQUIRE(now.peak_bytes >= now.live_bytes);
    return now.live_bytes;
}

static void add_child(void *sum, struct tarn_heap *child) { *(uint64_t *)sum += verify(child); }

static void verify_tree(void) { verify(top); }

static void counts_are_exact_at_rest(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    make_tree();
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchanger, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    verify_tree();
    assert_int_equal(of(top).live_objects, got - lost);
    assert_true(of(top).peak_bytes >= of(top).live_bytes);
    empty_mailbox();
    verify_tree();
    assert_int_equal(of(top).live_bytes, 0);
    assert_int_equal(of(top).live_objects, 0);
    assert_int_equal(tarn_heap_destroy(top), 0);
}

/* Limits */

enum { LIMIT = 20000 };

static void *press(void *number)
{
    uint64_t random = (uintptr_t)number + 1;
    struct tarn_heap *heap = heaps[(uintptr_t)number % 2];
    void *kept[KEPT] = {NULL};
    for (int i = 0; i < 10 * STEPS; i++) {
        size_t at = check_random(&random) % KEPT;
        tarn_free(kept[at]);
        kept[at] = tarn_heap_alloc(heap, any_size(&random));
        void *larger = kept[at] && i % 4 == 0 ? tarn_realloc(kept[at], any_size(&random)) : NULL;
        kept[at] = larger ? larger : kept[at];
    }
    for (int i = 0; i < KEPT; i++)
        tarn_free(kept[i]);
    return NULL;
}

static void *watch(void *unused)
{
    while (!atomic_load(&over)) {
        for (int i = 0; i < 10000; i++) { /* as often as can be: who adds first and looks then is seen only for a moment */
            REQUIRE(atomic_load(&top->live) <= LIMIT);
            REQUIRE(atomic_load(&heaps[1]->live) <= LIMIT / 2);
        }
        REQUIRE(of(top).live_bytes <= LIMIT);
    }
    return unused;
}

static void limits_are_never_passed(void **state)
{
    (void)state;
    pthread_t threads[THREADS], watcher;
    make_tree();
    tarn_heap_set_hard_limit(top, LIMIT);
    tarn_heap_set_hard_limit(heaps[1], LIMIT / 2);
    assert_int_equal(pthread_create(&watcher, NULL, watch, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, press, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    over = true;
    pthread_join(watcher, NULL);
    verify_tree();
    assert_int_equal(of(top).live_bytes, 0);
    assert_true(of(top).peak_bytes <= LIMIT && of(top).peak_bytes > 0);
    assert_true(of(heaps[1]).peak_bytes <= LIMIT / 2);
    assert_true(of(heaps[0]).failures > 0 && of(heaps[1]).failures > 0);
    tarn_heap_destroy(top);
}

/* Heaps that come and go */

static void *come_and_go(void *number)
{
    uint64_t random = (uintptr_t)number + 1;
    for (int i = 0; i < STEPS / 50 && !atomic_load(&over); i++) {
        struct tarn_heap *heap = make(top), *child = make(heap);
        size_t objects = check_random(&random) % 200;
        for (size_t j = 0; j < objects; j++)
            REQUIRE(tarn_heap_alloc(j % 2 ? heap : child, any_size(&random)));
        if (i % 3 == 0) {
            REQUIRE(tarn_heap_reset(heap) == objects);
            objects = 0;
        }
        REQUIRE(of(heap).live_objects == objects);
        REQUIRE(tarn_heap_destroy(heap) == objects);
    }
    return NULL;
}

static void heaps_come_and_go_beside_reports(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    make_tree();
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, (void *)i), 0);
    for (int i = 0; i < 500; i++) {
        void *p = tarn_heap_alloc(top, 64); /* now and then its only user, and charged by children at other times */
        REQUIRE(p && of(top).own_objects == 1);
        tarn_free(p);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    verify_tree();
    assert_int_equal(of(top).live_bytes, 0);
    assert_int_equal(of(top).children, 1);
    assert_int_equal(tarn_heap_destroy(top), 0);
}

/* A large object grows and shrinks while others look. */
static void *resize_on(void *value)
{
    char *p = value;
    for (size_t i = 0; !atomic_load(&over); i++) {
        char *q = tarn_realloc(p, i % 2 ? 40000 : 200000);
        REQUIRE(q);
        p = q;
    }
    return p;
}

static void a_heap_is_whole_at_each_moment(void **state)
{
    (void)state;
    pthread_t thread;
    void *p;
    make_tree();
    assert_int_equal(pthread_create(&thread, NULL, resize_on, tarn_heap_alloc(heaps[1], 200000)), 0);
    for (int i = 0; i < 50000; i++)
        tarn_heap_verify(heaps[1]);
    over = true;
    pthread_join(thread, &p);
    tarn_free(p);
    verify_tree();
    assert_int_equal(tarn_heap_destroy(top), 0);
}

/* Forks */

static void in_the_child(void)
{
    uint64_t random = 5;
    alarm(30);
    verify_tree();
    void *p = tarn_heap_alloc(heaps[1], 100);
    REQUIRE(p && tarn_heap_of(p) == heaps[1]);
    tarn_free(p);
    exchange(heaps, &random, 200);
    empty_mailbox();
    verify_tree();
    struct tarn_heap *heap = make(top);
    REQUIRE(tarn_heap_alloc(heap, 50000));
    REQUIRE(tarn_heap_destroy(heap) == 1);
    tarn_heap_destroy(heaps[0]);
    verify_tree();
    tarn_heap_destroy(top);
    tarn__zone_check(&tarn__heap.zone);
    _exit(0);
}

static void *exchange_on(void *number)
{
    uint64_t random = (uintptr_t)number + 1;
    exchange(heaps, &random, INT32_MAX);
    return NULL;
}

static void *come_and_go_on(void *number)
{
    while (!atomic_load(&over))
        come_and_go(number);
    return NULL;
}

static void forks_under_load(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    make_tree();
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? come_and_go_on : exchange_on, (void *)i), 0);
    for (int i = 0; i < FORKS; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            in_the_child();
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    empty_mailbox();
    verify_tree();
    assert_int_equal(tarn_heap_destroy(top), 0);
}

int main(void)
{
    tarn__thread_at_fork(tarn__heap_fork_prepare, tarn__heap_fork_parent, tarn__heap_fork_child);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_exact_at_rest),
        cmocka_unit_test(limits_are_never_passed),
        cmocka_unit_test(heaps_come_and_go_beside_reports),
        cmocka_unit_test(a_heap_is_whole_at_each_moment),
        cmocka_unit_test(forks_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
