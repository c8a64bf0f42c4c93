/* Sampling: how many requests are guarded, in loads of several kinds, at several rates. */
#include "test/unit/check.h"

#include "alloc/care.h"
#include "alloc/guard.h"
#include "alloc/sample.h"
#include "base/fail.h"
#include "base/modes.h"
#include "tarn/tarn.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS = 400000, MANY = 5000 };

static uint64_t state = 5;

static size_t below(size_t most) { return (size_t)(check_random(&state) % most); }

/* Samples, and requests whose turn it was when no slot was free. */
static size_t turns(void)
{
    struct tarn__guard_stats stats;
    tarn__guard_stats(&stats);
    return stats.sampled + stats.unsampled;
}

/* Loads: each makes `requests`. */

static void pairs(size_t requests)
{
    while (requests-- > 0)
        tarn_free(tarn_malloc(64));
}

static void pairs_of_sizes(size_t requests)
{
    while (requests-- > 0)
        tarn_free(tarn_malloc(below(500)));
}

static void nested(size_t requests)
{
    for (size_t i = 0; i < requests; i += 4) {
        void *p[4];
        for (int k = 0; k < 4; k++)
            p[k] = tarn_malloc(40);
        for (int k = 4; k-- > 0;)
            tarn_free(p[k]);
    }
}

static void churn(size_t requests)
{
    static void *p[MANY];
    for (size_t i = 0; i < requests; i++) {
        void **one = &p[below(MANY)];
        tarn_free(*one);
        *one = tarn_malloc(below(200));
    }
    for (int i = 0; i < MANY; i++) {
        tarn_free(p[i]);
        p[i] = NULL;
    }
}

/* All is had, then all is freed. */
static void phases(size_t requests)
{
    static void *p[MANY];
    for (size_t i = 0; i < requests; i += MANY) {
        for (int k = 0; k < MANY; k++)
            p[k] = tarn_calloc(1, 100);
        for (int k = 0; k < MANY; k++)
            tarn_free(p[k]);
    }
}

static void strings(size_t requests)
{
    while (requests > 0) {
        char *p = NULL;
        for (size_t size = 20; size < 1000 && requests > 0; size *= 2, requests--)
            p = tarn_realloc(p, size);
        tarn_free(p);
    }
}

static void *free_all(void *objects)
{
    for (void **p = objects; *p; p++)
        tarn_free(*p);
    return NULL;
}

/* Another thread frees. */
static void handed_over(size_t requests)
{
    static void *p[MANY + 1];
    for (size_t i = 0; i < requests; i += MANY) {
        pthread_t thread;
        for (int k = 0; k < MANY; k++)
            p[k] = tarn_malloc(100);
        assert_int_equal(pthread_create(&thread, NULL, free_all, p), 0);
        pthread_join(thread, NULL);
    }
}

static const struct load {
    const char *name;
    void (*run)(size_t requests);
} loads[] = {{"pairs", pairs},     {"pairs of sizes", pairs_of_sizes}, {"nested", nested}, {"churn", churn}, {"phases", phases},
             {"strings", strings}, {"handed over", handed_over}};

/* Within a factor of 1.5, and what chance adds: 4 standard deviations. */
static void test_rates(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        for (unsigned rate = 100; rate <= 1000; rate *= 10) {
            tarn__sample_rate = rate;
            loads[i].run(2 * rate); /* what is left of the rate before */
            size_t before = turns(), expected = REQUESTS / rate;
            loads[i].run(REQUESTS);
            size_t is = turns() - before, chance = 4;
            while (chance * chance < 16 * expected)
                chance++;
            if (getenv("RATES"))
                print_message("%-15s 1 in %u: 1 in %.1f\n", loads[i].name, rate, (double)REQUESTS / (double)is);
            if (is + chance < expected * 2 / 3 || is > expected * 3 / 2 + chance)
                fail_msg("%s: %zu of %zu at 1 in %u", loads[i].name, is, (size_t)REQUESTS, rate);
        }
}

static sigjmp_buf back;
static char said[128];

static void note(const char *message, size_t length)
{
    memcpy(said, message, length < sizeof said ? length : sizeof said - 1);
    siglongjmp(back, 1);
}

/* An object of which one byte too many is written, over and over, is found in the end. */
static void test_finds(void **unused)
{
    (void)unused;
    tarn__sample_rate = 100;
    tarn__set_fail_exit(note);
    volatile bool found = sigsetjmp(back, 1) != 0;
    for (volatile int i = 0; !found && i < 10000; i++) {
        volatile char *p = tarn_malloc(50);
        p[50]++;
        tarn_free((void *)p);
    }
    assert_true(found);
    assert_non_null(strstr(said, "red zone"));
}

static int begin(void **unused)
{
    (void)unused;
    assert_int_equal(tarn__modes_set(NULL, NULL, "1000"), 0);
    tarn__care_begin();
    assert_true(tarn__only_sampled);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates), cmocka_unit_test(test_finds)};
    return cmocka_run_group_tests(tests, begin, NULL);
}
