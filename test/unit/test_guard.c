/* Guard pages: each wrong access faults, and is told for what it was; and sampling. */
#include "test/unit/check.h"

#include "alloc/guard.h"
#include "alloc/guard_slots.h"
#include "base/fail.h"
#include "base/modes.h"
#include "os/stack.h"
#include "pool/watch.h"
#include "tarn/alloc.h"
#include "tarn/cache.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIALS = 3000 };

static sigjmp_buf back;
static char said[128];
static struct sigaction ours; /* cmocka installs its own before each test */
static uint64_t state = 99;

static void note(const char *message, size_t length)
{
    length = length < sizeof said - 1 ? length : sizeof said - 1;
    memcpy(said, message, length);
    said[length] = '\0';
    siglongjmp(back, 1);
}

static size_t below(size_t most) { return (size_t)(check_random(&state) % most); }

static size_t some_size(void) { return below(3) ? below(200) + 1 : below(70000) + 1; }

/* Whether an access there ends with this text. */
static bool touches(char *at, bool writes, const char *expected)
{
    said[0] = '\0';
    if (sigsetjmp(back, 1) == 0) {
        if (writes)
            *(volatile char *)at = 1;
        else
            (void)*(volatile char *)at;
        return false;
    }
    return strstr(said, expected) != NULL;
}

static bool frees(char *p, size_t size, const char *expected)
{
    said[0] = '\0';
    if (sigsetjmp(back, 1) == 0) {
        tarn__guard_free(p, size, "free");
        return false;
    }
    return strstr(said, expected) != NULL;
}

static char *get(size_t size, size_t align)
{
    char *p = tarn__guard_alloc(size, align, "some-pool");
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % align, 0);
    return p;
}

static void test_accesses(void **unused)
{
    (void)unused;
    sigaction(SIGSEGV, &ours, NULL);
    for (int i = 0; i < TRIALS; i++) {
        size_t size = some_size();
        char *p = get(size, 1);
        memset(p, 7, size);
        assert_true(touches(p + size, below(2), "out of bounds"));
        assert_true(touches(p + size + below(2000), below(2), "out of bounds"));
        char *first = (char *)((uintptr_t)p & ~(uintptr_t)4095);
        assert_true(touches(first - 1 - below(500), below(2), "")); /* of this object, or of what ends nearer */
        assert_true(check_all_bytes(p, size, 7));
        assert_true(tarn__guard_free(p, size, "free"));
        assert_true(touches(p + below(size), below(2), "use after free"));
    }
}

/* At most alignment - 1 bytes lie behind; they are checked. So is what lies in front on the same page. */
static void test_around(void **unused)
{
    (void)unused;
    for (int i = 0; i < TRIALS; i++) {
        size_t align = (size_t)1 << below(14), size = some_size();
        char *p = get(size, align);
        memset(p, 7, size);
        char *end = (char *)(((uintptr_t)p + size + align - 1) & ~(uintptr_t)(align - 1));
        if (align <= 4096 && end > p + size) {
            char *at = p + size + below((size_t)(end - p) - size), old = *at;
            *at = (char)(old + 1);
            assert_true(frees(p, size, "red zone"));
            *at = old;
        }
        if ((uintptr_t)p % 4096) {
            p[-1]++;
            assert_true(frees(p, size, "red zone"));
            p[-1]--;
        }
        assert_true(tarn__guard_free(p, (size_t)-1, "free"));
    }
}

static void test_frees(void **unused)
{
    (void)unused;
    for (int i = 0; i < TRIALS; i++) {
        size_t size = some_size(), asked;
        char *p = get(size, 16);
        assert_true(frees(p + 1 + below(size), (size_t)-1, "invalid free"));
        assert_true(frees(p, size + 1, "wrong size"));
        assert_true(tarn__guard_size(p, "usable_size", &asked) && asked == size);
        assert_true(tarn__guard_free(p, (size_t)-1, "free"));
        assert_true(frees(p, (size_t)-1, "double free"));
    }
    char local;
    assert_false(tarn__guard_free(&local, (size_t)-1, "free"));
}

/* What a report says of an object. */
static void test_describes(void **unused)
{
    (void)unused;
    struct tarn__suspect suspect = {0};
    char *p = get(100, 16);
    assert_true(tarn__guard_describe(p + 120, &suspect));
    assert_string_equal(suspect.pool, "some-pool");
    assert_true(suspect.object == p && suspect.size == 100 && suspect.live);
    tarn__guard_free(p, 100, "free");
    assert_true(tarn__guard_describe(p + 1, &suspect));
    assert_false(suspect.live);
}

/* A slot is not used again before 32768 others were; no memory and no mapping is held by freed ones. */
static void test_quarantine(void **unused)
{
    (void)unused;
    sigaction(SIGSEGV, &ours, NULL);
    struct tarn__guard_stats stats;
    char *first = get(16, 16);
    tarn__guard_free(first, 16, "free");
    for (int i = 0; i < 32768; i++) {
        char *p = get(16, 16);
        assert_true(p != first);
        tarn__guard_free(p, 16, "free");
    }
    assert_true(touches(first, true, "use after free"));
    tarn__guard_stats(&stats);
    assert_int_equal(stats.live, 0);
}

/* Where mappings run out, the answer is NULL, and requests are served again when there are some. */
static void test_mappings_run_out(void **unused)
{
    (void)unused;
    enum { MOST = 70000 };
    char **p = malloc(MOST * sizeof *p);
    int count = 0;
    struct tarn__guard_stats stats;
    while (count < MOST && (p[count] = tarn__guard_alloc(16, 16, "many")))
        count++;
    assert_true(count > 1000 && count < MOST);
    tarn__guard_stats(&stats);
    assert_true(stats.unguarded > 0);
    while (count-- > 0)
        assert_true(tarn__guard_free(p[count], 16, "free"));
    char *q = get(16, 16);
    tarn__guard_free(q, 16, "free");
    free(p);
}

static volatile int other_faults;
static volatile char *volatile nowhere = (volatile char *)8;

static void other_handler(int number)
{
    (void)number;
    other_faults++;
    siglongjmp(back, 1);
}

/* A fault elsewhere is the program's own. */
static void test_hands_over(void **unused)
{
    (void)unused;
    sigaction(SIGSEGV, &ours, NULL);
    if (sigsetjmp(back, 1) == 0)
        *nowhere = 1;
    assert_int_equal(other_faults, 1);
}

/* Slots are few, and large requests are not served. */
static void test_samples(void **unused)
{
    (void)unused;
    sigaction(SIGSEGV, &ours, NULL);
    char *p[TARN__SAMPLE_SLOTS];
    assert_null(tarn__sample_alloc(4097, 16, "large"));
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < TARN__SAMPLE_SLOTS; i++)
            assert_non_null(p[i] = tarn__sample_alloc(1 + below(4096), 16, "sampled"));
        assert_null(tarn__sample_alloc(1, 1, "sampled"));
        for (int i = 0; i < TARN__SAMPLE_SLOTS; i++)
            assert_true(tarn__guard_free(p[i], (size_t)-1, "free"));
        assert_true(touches(p[3], true, "use after free"));
    }
}

/* A cache that has letter G counts its objects, though they lie in no slab. */
static void test_caches(void **unused)
{
    (void)unused;
    enum { OBJECTS = 100 };
    void *p[OBJECTS];
    assert_int_equal(tarn__modes_set("G,guarded", NULL, NULL), 0);
    tarn_free(tarn_malloc(1)); /* begins the heap */
    tarn__set_fail_exit(note);
    tarn__watch_guard_alloc = tarn__guard_alloc;
    tarn__watch_guard_free = tarn__guard_free;
    tarn__watch_guard_own = tarn__guard_own;
    tarn__watch_guard_owner = tarn__guard_owner;
    struct tarn_cache *cache = tarn_cache_create("guarded", 100, 0, 0, NULL, NULL);
    assert_non_null(cache);
    struct tarn_cache_stats stats;
    for (int i = 0; i < OBJECTS; i++) {
        assert_non_null(p[i] = tarn_cache_alloc(cache, TARN_GFP_KERNEL));
        assert_int_equal((uintptr_t)p[i] % 8, 0);
    }
    for (int i = 0; i < OBJECTS / 2; i++)
        tarn_cache_free(cache, p[i]);
    tarn_cache_stats(cache, &stats);
    assert_int_equal(stats.allocations, OBJECTS);
    assert_int_equal(stats.frees, OBJECTS / 2);
    assert_int_equal(stats.active, OBJECTS / 2);
    sigaction(SIGSEGV, &ours, NULL);
    assert_true(touches(p[1], true, "use after free"));
    for (int i = OBJECTS / 2; i < OBJECTS; i++)
        tarn_cache_free(cache, p[i]);
    assert_int_equal(tarn_cache_destroy(cache), 0);
    tarn__modes_set(NULL, NULL, NULL);
}

static int begin(void **unused)
{
    (void)unused;
    struct sigaction action = {.sa_handler = other_handler, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL); /* before the first guarded object */
    tarn__set_fail_exit(note);
    tarn__guard_free(get(1, 1), 1, "free");
    sigaction(SIGSEGV, NULL, &ours);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accesses),   cmocka_unit_test(test_around),     cmocka_unit_test(test_frees),
        cmocka_unit_test(test_describes),  cmocka_unit_test(test_hands_over), cmocka_unit_test(test_samples),
        cmocka_unit_test(test_quarantine), cmocka_unit_test(test_caches),     cmocka_unit_test(test_mappings_run_out),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
