/* Floor 2: locks, threads' identities, calls at their ends, hooks around forks. */
#include "test/unit/check.h"

#include "base/fail.h"
#include "os/lock.h"
#include "os/os.h"
#include "os/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, TURNS = 20000 };

static struct tarn__lock lock = TARN__LOCK_INIT(TARN__RANK_ZONE);
static unsigned long guarded; /* by lock */

static void *add_under_lock(void *value)
{
    for (int i = 0; i < TURNS; i++) {
        tarn__lock(&lock);
        unsigned long before = guarded;
        if (i % 64 == 0)
            sched_yield();
        guarded = before + 1;
        tarn__unlock(&lock);
    }
    return value;
}

static void excludes_others(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_under_lock, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(guarded, THREADS * TURNS);
    assert_int_equal(lock.word, 0);
    assert_int_equal(lock.depth, 0);
}

static void *see_whose(void *value)
{
    *(bool *)value = tarn__lock_is_mine(&lock);
    return NULL;
}

static void knows_its_owner(void **state)
{
    (void)state;
    bool mine = true;
    pthread_t other;
    assert_false(tarn__lock_is_mine(&lock));
    tarn__lock(&lock);
    assert_true(tarn__lock_is_mine(&lock));
    pthread_create(&other, NULL, see_whose, &mine);
    pthread_join(other, NULL);
    assert_false(mine);
    tarn__unlock(&lock);
    assert_false(tarn__lock_is_mine(&lock));
}

static void lock_twice(void *value)
{
    (void)value;
    tarn__set_fail_exit(tarn__os_die);
    tarn__lock(&lock);
    tarn__lock(&lock);
}

static void no_reentry(void **state)
{
    (void)state;
    check_dies(lock_twice, NULL, "does not hold: a ");
}

static void reentry_while_forking(void **state)
{
    (void)state;
    tarn__forking = true;
    tarn__lock_for_fork(&lock);
    tarn__lock(&lock);
    tarn__lock(&lock);
    assert_int_equal(lock.depth, 2);
    tarn__unlock(&lock);
    tarn__unlock(&lock);
    assert_true(tarn__lock_is_mine(&lock));
    tarn__unlock_after_fork(&lock);
    assert_int_equal(lock.word, 0);
    tarn__forking = false;
}

/* A fork inside a signal handler: the interrupted code holds the lock, before and after. */
static void fork_of_the_owner(void **state)
{
    (void)state;
    tarn__lock(&lock);
    tarn__forking = true;
    tarn__lock_for_fork(&lock);
    tarn__unlock_after_fork(&lock);
    tarn__forking = false;
    assert_true(tarn__lock_is_mine(&lock));
    tarn__unlock(&lock);
    assert_int_equal(lock.word, 0);
}

static void use_the_lock(void *value)
{
    (void)value;
    tarn__unlock_after_fork(&lock);
    tarn__lock(&lock);
    tarn__unlock(&lock);
}

static void child_can_lock(void **state)
{
    (void)state;
    tarn__lock_for_fork(&lock);
    check_lives(use_the_lock, NULL);
    tarn__unlock_after_fork(&lock);
}

static void initialises(void **state)
{
    (void)state;
    struct tarn__lock made = {.word = 5, .rank = 1, .depth = 3};
    tarn__lock_init(&made, TARN__RANK_META);
    assert_int_equal(made.word, 0);
    assert_int_equal(made.rank, TARN__RANK_META);
    assert_int_equal(made.depth, 0);
}

#ifdef TARN_DEBUG_BUILD
static void lock_out_of_order(void *value)
{
    static struct tarn__lock low = TARN__LOCK_INIT(TARN__RANK_SLABS), high = TARN__LOCK_INIT(TARN__RANK_META);
    bool wrong = value != NULL;
    tarn__set_fail_exit(tarn__os_die);
    tarn__lock(wrong ? &high : &low);
    tarn__lock(wrong ? &low : &high);
    tarn__unlock(&low);
    tarn__unlock(&high);
}

static void ranks(void **state)
{
    (void)state;
    check_lives(lock_out_of_order, NULL);
    check_dies(lock_out_of_order, &lock, "a lock is taken only under locks of lower rank");
}

static void let_go(void *held)
{
    static struct tarn__lock own = TARN__LOCK_INIT(TARN__RANK_SLABS);
    tarn__set_fail_exit(tarn__os_die);
    if (held)
        tarn__lock(&own);
    tarn__unlock(&own);
}

static void holders_only(void **state)
{
    (void)state;
    check_lives(let_go, &lock);
    check_dies(let_go, NULL, "a thread lets go only of locks that it holds");
}
#endif

/* Threads */

static void *tell_number(void *value)
{
    uint32_t number = tarn__thread_id();
    *(uint32_t *)value = number == tarn__thread_id() ? number : 0;
    return NULL;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void numbers_differ(void **state)
{
    (void)state;
    enum { MANY = 64 };
    uint32_t numbers[MANY + 1] = {tarn__thread_id()};
    pthread_t threads[MANY];
    for (int i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, tell_number, &numbers[i + 1]), 0);
    for (int i = 0; i < MANY; i++)
        pthread_join(threads[i], NULL);
    qsort(numbers, MANY + 1, sizeof *numbers, compare_numbers);
    assert_true(numbers[0] > 0 && numbers[MANY] >> 31 == 0);
    for (int i = 0; i < MANY; i++)
        assert_true(numbers[i] < numbers[i + 1]);
}

/* A thread's own calls at its end: what they write, in order. */
struct ends {
    char order[4];
    int count;
};
static _Thread_local struct ends *thread_ends;

static void tell_end(struct tarn__thread_exit *self);
static _Thread_local struct tarn__thread_exit first_exit = {tell_end, NULL}, second_exit = {tell_end, NULL};

static void tell_end(struct tarn__thread_exit *self)
{
    thread_ends->order[thread_ends->count++] = self == &first_exit ? '1' : '2';
    if (thread_ends->count == 1) /* a call that registers another one during the end */
        assert_int_equal(tarn__thread_at_exit(self), 0);
}

static void *register_ends(void *value)
{
    thread_ends = value;
    bool done = tarn__thread_at_exit(&first_exit) == 0 && tarn__thread_at_exit(&second_exit) == 0;
    return done ? value : NULL;
}

static void calls_at_exit(void **state)
{
    (void)state;
    struct ends ends[3] = {{"", 0}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, register_ends, &ends[i]), 0);
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &ends[i]);
        assert_string_equal(ends[i].order, "221");
    }
}

static int prepared, parents, children;
static void prepare(void) { prepared++; }
static void parent(void) { parents++; }
static void child(void) { children++; }

static void calls_at_fork(void **state)
{
    (void)state;
    assert_int_equal(tarn__thread_at_fork(prepare, parent, child), 0);
    uint32_t number = tarn__thread_id();
    pid_t pid = fork();
    if (pid == 0)
        _exit(prepared == 1 && parents == 0 && children == 1 && tarn__thread_id() == number ? 0 : 1);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_true(prepared == 1 && parents == 1 && children == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(excludes_others),
        cmocka_unit_test(knows_its_owner),
        cmocka_unit_test(no_reentry),
        cmocka_unit_test(reentry_while_forking),
        cmocka_unit_test(fork_of_the_owner),
        cmocka_unit_test(child_can_lock),
        cmocka_unit_test(initialises),
        cmocka_unit_test(numbers_differ),
#ifdef TARN_DEBUG_BUILD
        cmocka_unit_test(ranks),
        cmocka_unit_test(holders_only),
#endif
        cmocka_unit_test(calls_at_exit),
        cmocka_unit_test(calls_at_fork),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
