/*
 * Floor 5: mempools under threads and forks, on the real system. A sleep that ended by its time and not by a wake-up is seen
 * without a clock: who wakes so asks the allocator below a third time.
 */
#include "test/unit/check.h"

#include "base/fail.h"
#include "mempool/mempool.h"
#include "mempool/reserve.h"
#include "os/os.h"
#include "os/thread.h"
#include "tarn/fail.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ELEMENTS = 4096, THREADS = 4 };

/* A child's end finds its parent's threads unjoined, which is nothing to report. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "report_thread_leaks=0"; }

/* cmocka's assertions end the test's thread only; this one is for all. */
static void require_at(bool condition, const char *sentence, int line)
{
    if (!condition) {
        fprintf(stderr, "line %d: does not hold: %s\n", line, sentence);
        abort();
    }
}
#define REQUIRE(condition) require_at(condition, #condition, __LINE__)

/* An element, and who has it. */
struct element {
    _Atomic uint32_t owner; /* 0: nobody */
};

/* The allocator below: a few elements, given as long as they last. */
struct below {
    _Atomic int given, most;
    _Atomic uint64_t calls;
    _Atomic int outside; /* elements that are not with it */
    struct element elements[ELEMENTS];
};

static struct below below;
static struct tarn_mempool pool;

static void *get(tarn_gfp_t flags, void *data)
{
    struct below *from = data;
    (void)flags;
    from->calls++;
    if (from->outside++ < from->most)
        for (int i = 0; i < ELEMENTS; i++) {
            uint32_t nobody = 0;
            if (atomic_compare_exchange_strong(&from->elements[i].owner, &nobody, UINT32_MAX))
                return &from->elements[i];
        }
    from->outside--;
    return NULL;
}

static void put(void *element, void *data)
{
    struct below *to = data;
    REQUIRE(atomic_exchange(&((struct element *)element)->owner, 0) == UINT32_MAX);
    to->outside--;
}

static void make(int min_nr)
{
    memset(&below, 0, sizeof below);
    below.most = ELEMENTS;
    assert_int_equal(tarn_mempool_init(&pool, min_nr, get, put, &below, TARN_GFP_KERNEL), 0);
    below.most = 0;
    below.calls = 0;
}

static void end(void)
{
    tarn__mempool_check(&pool);
    tarn_mempool_exit(&pool);
    assert_int_equal(below.outside, 0);
}

/* Elements that nobody has are marked with all ones; who has one marks it with its own number. */
static void own(struct element *element)
{
    uint32_t nobody = UINT32_MAX;
    REQUIRE(atomic_compare_exchange_strong(&element->owner, &nobody, tarn__thread_id()));
}

static void disown(struct element *element)
{
    uint32_t me = tarn__thread_id();
    REQUIRE(atomic_compare_exchange_strong(&element->owner, &me, UINT32_MAX));
}

static void run(void *(*act)(void *), int count)
{
    pthread_t threads[16];
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, act, (void *)(intptr_t)i), 0);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* Nothing but the reserve */

static void *hold_a_share(void *value)
{
    struct element *elements[2];
    for (int turn = 0; turn < 5000; turn++) {
        for (int i = 0; i < 2; i++)
            own(elements[i] = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL));
        for (int i = 0; i < 2; i++) {
            disown(elements[i]);
            tarn_mempool_free(elements[i], &pool);
        }
    }
    return value;
}

/* Each holds at most its share, and nobody else allocates: there is always one for it. */
static void shares_suffice(void **state)
{
    (void)state;
    make(2 * THREADS);
    run(hold_a_share, THREADS);
    assert_int_equal(below.calls, THREADS * 5000 * 2); /* one call each: nobody ever came to its second, or slept */
    assert_int_equal(pool.curr_nr, 2 * THREADS);
    end();
}

static void *hold_one(void *value)
{
    for (int turn = 0; turn < 3000; turn++) {
        struct element *element = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
        own(element);
        if (turn % 16 == 0)
            sched_yield();
        disown(element);
        tarn_mempool_free(element, &pool);
    }
    return value;
}

/* More threads than elements: all wait, each is woken. */
static void waiters_are_woken(void **state)
{
    (void)state;
    make(2);
    run(hold_one, 6);
    assert_true(below.calls <= 6 * 3000 * 2);
    assert_int_equal(pool.curr_nr, 2);
    end();
}

static void *hold_several(void *value)
{
    unsigned count = (unsigned)(intptr_t)value % 3 + 1;
    for (int turn = 0; turn < 2000; turn++) {
        void *elements[3] = {NULL, NULL, NULL};
        REQUIRE(tarn_mempool_alloc_bulk(&pool, elements, count, 0, TARN_GFP_KERNEL) == 0);
        for (unsigned i = 0; i < count; i++)
            own(elements[i]);
        for (unsigned i = 0; i < count; i++)
            disown(elements[i]);
        REQUIRE(tarn_mempool_free_bulk(&pool, elements, count) == count);
    }
    return value;
}

static void bulk_requests_do_not_deadlock(void **state)
{
    (void)state;
    make(4);
    run(hold_several, 6);
    assert_true(below.calls <= 6 * 2000 * 2);
    assert_int_equal(pool.curr_nr, 4);
    end();
}

/* A finite allocator below, failures injected, sizes that change */

static void *mix(void *value)
{
    uint64_t random = (uint64_t)(intptr_t)value + 1;
    struct element *held[8];
    unsigned count = 0;
    for (int turn = 0; turn < 8000; turn++) {
        uint64_t choice = check_random(&random);
        if (count < 8 && (choice & 1)) {
            struct element *element = tarn_mempool_alloc(&pool, count ? TARN_GFP_ATOMIC : TARN_GFP_KERNEL);
            if (element)
                own(held[count++] = element);
        } else if (count) {
            disown(held[--count]);
            tarn_mempool_free(held[count], &pool);
        }
        if (choice % 512 == 0)
            REQUIRE(tarn_mempool_resize(&pool, 4 + (int)(choice >> 32 & 7)) == 0);
        if (choice % 256 == 0)
            tarn__mempool_check(&pool);
    }
    while (count) {
        disown(held[--count]);
        tarn_mempool_free(held[count], &pool);
    }
    return value;
}

static void all_at_once(void **state)
{
    (void)state;
    make(6);
    below.most = 12;
    run(mix, THREADS);
    const struct tarn_fail_attributes always = {.probability = 100, .times = -1};
    assert_int_equal(tarn_fail_set(TARN_FAIL_MEMPOOL, &always), 0);
    run(mix, THREADS);
    assert_int_equal(tarn_fail_set(TARN_FAIL_MEMPOOL, NULL), 0);
    assert_true(pool.curr_nr <= pool.min_nr);
    assert_int_equal(below.outside, pool.curr_nr);
    end();
}

static void *come_and_go(void *value)
{
    for (int turn = 0; turn < 200; turn++) {
        struct tarn_mempool *made = tarn_mempool_create(1 + turn % 600, get, put, &below);
        REQUIRE(made);
        void *element = tarn_mempool_alloc(made, TARN_GFP_KERNEL);
        tarn_mempool_free(element, made);
        tarn_mempool_destroy(made);
    }
    return value;
}

static void pools_come_and_go(void **state)
{
    (void)state;
    make(1);
    below.most = ELEMENTS;
    run(come_and_go, THREADS);
    end();
}

/* Forks */

static void before_fork(void)
{
    tarn__forking = true;
    tarn__mempool_fork_prepare();
}

static void in_parent(void)
{
    tarn__mempool_fork_parent();
    tarn__forking = false;
}

static void in_child(void)
{
    tarn__mempool_fork_child();
    tarn__forking = false;
}

static void require_success(pid_t child)
{
    int status = -1;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* In a child: the pool works, and what other threads had is theirs for ever. */
static _Noreturn void use_and_exit(void)
{
    alarm(20);
    void *element = tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC);
    if (element)
        tarn_mempool_free(element, &pool);
    tarn__mempool_check(&pool);
    _exit(element ? 0 : 1);
}

static _Atomic int stop, stage;

static void *hold_the_lock(void *value)
{
    tarn__mempool_lock(&pool);
    int curr_nr = pool.curr_nr;
    tarn__mempool_write(&pool.curr_nr, -1); /* in the middle of a change */
    stage = 1;
    usleep(50000);
    tarn__mempool_write(&pool.curr_nr, curr_nr);
    tarn__mempool_unlock(&pool);
    return value;
}

static void fork_waits_for_locks(void **state)
{
    (void)state;
    pthread_t holder;
    make(1);
    stage = 0;
    assert_int_equal(pthread_create(&holder, NULL, hold_the_lock, NULL), 0);
    while (!stage)
        sched_yield();
    pid_t child = fork();
    if (child == 0)
        use_and_exit();
    pthread_join(holder, NULL);
    require_success(child);
    end();
}

static void *until_stopped(void *value)
{
    while (!stop)
        hold_a_share(NULL);
    return value;
}

static void forks_under_traffic(void **state)
{
    (void)state;
    pthread_t threads[2];
    make(5);
    stop = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, until_stopped, NULL), 0);
    for (int i = 0; i < 40; i++) {
        pid_t child = fork();
        if (child == 0)
            use_and_exit();
        require_success(child);
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    end();
}

static pid_t main_process;
static void *reserved;
static _Atomic pid_t forked;
static struct tarn__list other_waiter;

/*
 * In the child of a fork that its signal handler made, it says whether it got the element that was freed there, and whether it
 * left the new queue alone.
 */
static void *wait_for_one(void *value)
{
    void *element = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
    if (getpid() != main_process)
        _exit(element == reserved && tarn__mempool_queue(&pool)->next == &other_waiter ? 0 : 1);
    tarn_mempool_free(element, &pool);
    return value;
}

static bool someone_waits(void)
{
    tarn__mempool_lock(&pool);
    bool someone = !tarn__list_empty(tarn__mempool_queue(&pool));
    tarn__mempool_unlock(&pool);
    return someone;
}

static pthread_t start_waiter(void)
{
    pthread_t waiter;
    main_process = getpid();
    assert_non_null(reserved = tarn_mempool_alloc(&pool, TARN_GFP_ATOMIC));
    assert_int_equal(pthread_create(&waiter, NULL, wait_for_one, NULL), 0);
    while (!someone_waits())
        sched_yield();
    return waiter;
}

static void waiters_stay_behind(void **state)
{
    (void)state;
    make(1);
    pthread_t waiter = start_waiter();
    pid_t child = fork();
    if (child == 0) {
        tarn_mempool_free(reserved, &pool);
        if (pool.curr_nr != 1)
            _exit(2);
        use_and_exit();
    }
    require_success(child);
    assert_true(someone_waits());
    tarn_mempool_free(reserved, &pool);
    pthread_join(waiter, NULL);
    end();
}

/* The child ends by the alarm if the waiter sleeps to the end of its five seconds. */
static void fork_and_free(int number)
{
    (void)number;
    pid_t child = fork();
    if (child == 0) {
        alarm(4);
        tarn_mempool_free(reserved, &pool);
        tarn__list_push_back(tarn__mempool_queue(&pool), &other_waiter);
    } else {
        forked = child;
    }
}

static void waiter_forks_in_a_handler(void **state)
{
    (void)state;
    make(1);
    forked = 0;
    signal(SIGUSR1, fork_and_free);
    pthread_t waiter = start_waiter();
    pthread_kill(waiter, SIGUSR1);
    while (!forked)
        sched_yield();
    require_success(forked);
    tarn_mempool_free(reserved, &pool);
    pthread_join(waiter, NULL);
    end();
}

/* The forking thread holds the lock itself: it forks inside a handler that interrupted it there. */
static void owner_of_the_lock_forks(void **state)
{
    (void)state;
    make(1);
    pthread_t waiter = start_waiter();
    tarn__mempool_lock(&pool);
    pid_t child = fork();
    tarn__mempool_unlock(&pool);
    if (child == 0) {
        tarn_mempool_free(reserved, &pool);
        use_and_exit();
    }
    require_success(child);
    tarn_mempool_free(reserved, &pool);
    pthread_join(waiter, NULL);
    end();
}

static int register_hooks(void **state)
{
    (void)state;
    return tarn__thread_at_fork(before_fork, in_parent, in_child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_suffice),
        cmocka_unit_test(waiters_are_woken),
        cmocka_unit_test(bulk_requests_do_not_deadlock),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(pools_come_and_go),
        cmocka_unit_test(fork_waits_for_locks),
        cmocka_unit_test(forks_under_traffic),
        cmocka_unit_test(waiters_stay_behind),
        cmocka_unit_test(waiter_forks_in_a_handler),
        cmocka_unit_test(owner_of_the_lock_forks),
    };
    return cmocka_run_group_tests_name("mempool-threads", tests, register_hooks, NULL);
}
