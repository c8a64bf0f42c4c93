/*
 * Hardened mode: each misuse is tried 10 000 times (1000 times among other tests), with sizes, neighbours and what happens meanwhile by chance; `./dev trials` prints how often it was found.
 * And what correct programs do.
 */
#include "test/unit/check.h"

#include "alloc/care.h"
#include "alloc/hard.h"
#include "alloc/hard_slots.h"
#include "base/fail.h"
#include "base/modes.h"
#include "tarn/tarn.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TRIALS = 10000,
    QUICKER = TARN__SANITIZE_THREAD ? 500 : 10,
    NEIGHBOURS = 64,
    SMALL = 32000,
    LARGE_MOST = 400000,
    HEAD = 128
};

static sigjmp_buf back;
static char said[HEAD];
static uint64_t state = 0x1234567;

static void note(const char *message, size_t length)
{
    length = length < sizeof said - 1 ? length : sizeof said - 1;
    memcpy(said, message, length);
    said[length] = '\0';
    siglongjmp(back, 1);
}

static void faulted(int signal)
{
    (void)signal;
    strcpy(said, "fault");
    siglongjmp(back, 1);
}

static size_t below(size_t most) { return (size_t)(check_random(&state) % most); }

/* Mostly small, as programs have them. */
static size_t some_size(void) { return below(4) ? below(256) + 1 : below(SMALL) + 1; }

/* Objects that come and go around the one of a trial. */
static char *around[NEIGHBOURS];

static void stir(size_t times)
{
    while (times-- > 0) {
        char **one = &around[below(NEIGHBOURS)];
        tarn_free(*one);
        *one = tarn_malloc(some_size());
        assert_non_null(*one);
    }
}

static bool ends(void (*act)(void *), void *with, const char *expected)
{
    said[0] = '\0';
    if (sigsetjmp(back, 1) == 0) {
        act(with);
        return false;
    }
    return !expected || strstr(said, expected) != NULL || strcmp(said, "fault") == 0;
}

static void free_it(void *p) { tarn_free(p); }
static void check_all(void *p) { (void)p, tarn__hard_check(); }
static void ask_size(void *p) { (void)tarn_usable_size(p); }
static void grow_it(void *p) { (void)tarn_realloc(p, 100000); }

static void *free_elsewhere(void *p)
{
    tarn_free(p);
    return NULL;
}

static void in_thread(void *(*act)(void *), void *p)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, act, p), 0);
    pthread_join(thread, NULL);
}

/* Misuses: each returns whether it was found, and leaves all in order. */

static bool double_free(void)
{
    char *p = tarn_malloc(some_size());
    tarn_free(p);
    return ends(free_it, p, "double free");
}

/* If the slot is another object's by then, the second free is that object's, and what is found is its own one. */
static bool double_free_later(void)
{
    char *p = tarn_malloc(some_size());
    tarn_free(p);
    stir(below(600));
    if (ends(free_it, p, "double free"))
        return true;
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (around[i] == p && ends(free_it, p, "double free")) {
            around[i] = NULL;
            return true;
        }
    return false;
}

static bool double_free_thread(void)
{
    char *p = tarn_malloc(some_size());
    if (below(100) == 0)
        in_thread(free_elsewhere, p);
    else
        tarn_free(p);
    return ends(free_it, p, "double free");
}

static bool double_free_large(void)
{
    char *p = tarn_malloc(SMALL + 1000 + below(LARGE_MOST));
    tarn_free(p);
    return ends(free_it, p, "double free");
}

static bool double_realloc(void)
{
    char *p = tarn_malloc(some_size());
    tarn_free(p);
    return ends(grow_it, p, "double free");
}

static bool free_inside(void)
{
    size_t size = some_size() + 32;
    char *p = tarn_malloc(size);
    bool found = ends(free_it, p + 16 + below((size - 16) / 16) * 16, "invalid free");
    tarn_free(p);
    return found;
}

static bool free_unaligned(void)
{
    char *p = tarn_malloc(some_size() + 16);
    bool found = ends(free_it, p + 1 + below(15), "invalid free");
    tarn_free(p);
    return found;
}

static bool free_never(void)
{
    const struct tarn__hard_class *class = &tarn__hard_class[1 + below(TARN__CLASSES)];
    return ends(free_it, tarn__hard_slot(class, (uint32_t)(class->end + below(1000))), "invalid free");
}

static bool free_stack(void)
{
    char local[64];
    return ends(free_it, local + below(4) * 16, "invalid free");
}

/* `count` bytes at `offset` of an object become others, by chance or all one value. Found at its free, or by a look at all. */
static bool overwrite(char *p, long offset, size_t count, int value)
{
    volatile char old[8];
    volatile bool wrote = false;
    if (sigsetjmp(back, 1) == 0) {
        volatile char *at = p + offset; /* in order: what is in front may not be there */
        for (size_t i = 0; i < count; i++)
            old[i] = at[i];
        for (size_t i = 0; i < count; i++)
            at[i] = (char)(value < 0 ? (int)below(256) : value);
        wrote = true;
    }
    if (!wrote) {
        tarn_free(p);
        return true;
    }
    said[0] = '\0';
    bool freed = below(50) && !ends(free_it, p, "red zone");
    if ((freed || said[0] == '\0') && !ends(check_all, NULL, NULL))
        return false;
    for (size_t i = 0; i < count; i++)
        p[offset + (long)i] = old[i];
    if (!freed)
        tarn_free(p);
    return true;
}

static bool overflow_text(void)
{
    size_t size = some_size();
    char *p = tarn_malloc(size);
    return overwrite(p, (long)size, 1, (int)below(128));
}

static bool overflow_byte(void)
{
    size_t size = some_size();
    char *p = tarn_malloc(size);
    return overwrite(p, (long)size, 1, -1);
}

static bool overflow_eight(void)
{
    size_t size = some_size();
    char *p = tarn_malloc(size);
    return overwrite(p, (long)size, 8, -1);
}

static bool overflow_large(void)
{
    size_t size = SMALL + 1000 + below(LARGE_MOST);
    char *p = tarn_malloc(size);
    return overwrite(p, (long)size, 1, (int)below(128));
}

/* What is in front of an object is free and zero, or a canary: neither is 1 … 127. */
static bool underflow_text(void)
{
    char *p = tarn_malloc(some_size());
    return overwrite(p, -1, 1, 1 + (int)below(127));
}

static bool underflow_eight(void)
{
    char *p = tarn_malloc(some_size());
    return overwrite(p, -8, 8, -1);
}

static bool write_freed(void)
{
    size_t size = some_size();
    char *p = tarn_malloc(size), *at = p + below(size);
    tarn_free(p);
    *at = (char)(1 + below(255));
    bool found = below(50) ? tarn__hard_class_of(p) != NULL : ends(check_all, NULL, "write after free");
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    found = found && !tarn__hard_zero(p, class->size) && tarn__hard_state(class, tarn__hard_index(class, p)) < TARN__HARD_LIVE;
    *at = 0;
    return found;
}

/* The writer comes when up to 600 other objects were freed and taken: if the slot is in use again, its new owner's bytes change, and nobody knows. */
static bool write_freed_later(void)
{
    size_t size = some_size();
    char *p = tarn_malloc(size), *at = p + below(size);
    tarn_free(p);
    stir(below(600));
    char old = *at;
    *at = (char)(1 + below(255));
    struct tarn__hard_class *class = tarn__hard_class_of(p);
    bool found = tarn__hard_state(class, tarn__hard_index(class, p)) < TARN__HARD_LIVE && !tarn__hard_zero(p, class->size);
    *at = old;
    return found;
}

/* Requests until the slot is used again; each is freed. */
static void use_again(void *size)
{
    for (int i = 0; i < 2000; i++)
        tarn_free(tarn_malloc((size_t)(uintptr_t)size));
}

/* Told by the request that would have got the slot. */
static bool write_freed_reused(void)
{
    size_t size = 1 + below(below(4) ? 240 : 1000);
    char *p = tarn_malloc(size), *at = p + below(size);
    tarn_free(p);
    *at = (char)(1 + below(255));
    bool found = ends(use_again, (void *)(uintptr_t)size, "write after free");
    *at = 0;
    return found;
}

static bool all_zero(const char *p, size_t size) { return check_all_bytes(p, size, 0); }

/* Not an end of the program, but nothing is to be had from it. */
static bool read_freed(void)
{
    size_t size = some_size();
    char *p = tarn_malloc(size);
    memset(p, 0x5c, size);
    tarn_free(p);
    return all_zero(p, size);
}

static bool uninitialised(void)
{
    size_t size = some_size();
    char *p = tarn_malloc(size);
    memset(p, 0x5c, size);
    tarn_free(p);
    stir(below(300));
    char *q = tarn_malloc(size);
    bool clean = all_zero(q, size);
    tarn_free(q);
    return clean;
}

struct sized {
    char *p;
    size_t size;
};
static void free_wrong(void *with) { tarn_free_sized(((struct sized *)with)->p, ((struct sized *)with)->size); }

static bool wrong_size(void)
{
    struct sized one = {.size = some_size()};
    one.p = tarn_malloc(one.size);
    size_t right = one.size, wrong = some_size();
    one.size = wrong + (wrong == right);
    bool found = ends(free_wrong, &one, "wrong size");
    tarn_free_sized(one.p, right);
    return found;
}

static bool size_of_freed(void)
{
    char *p = tarn_malloc(below(4) ? some_size() : SMALL + 1000 + below(LARGE_MOST));
    tarn_free(p);
    return ends(ask_size, p, "free");
}

/* `least`: of 10 000; where chance has a part, below what it leaves (4 standard deviations). */
static const struct misuse {
    const char *name;
    bool (*find)(void);
    unsigned least;
} misuses[] = {
    {"double free, at once", double_free, TRIALS},
    {"double free, after up to 600 others", double_free_later, TRIALS},
    {"double free, from another thread", double_free_thread, TRIALS},
    {"double free, whole pages", double_free_large, TRIALS},
    {"realloc of a freed object", double_realloc, TRIALS},
    {"free inside an object", free_inside, TRIALS},
    {"free of an unaligned address", free_unaligned, TRIALS},
    {"free of what was never allocated", free_never, TRIALS},
    {"free of the stack", free_stack, TRIALS},
    {"overflow by a byte of text, or 0", overflow_text, TRIALS},
    {"overflow by any byte", overflow_byte, 9935},
    {"overflow by eight bytes", overflow_eight, TRIALS},
    {"overflow by a byte of text, whole pages", overflow_large, TRIALS},
    {"underflow by a byte of text", underflow_text, TRIALS},
    {"underflow by eight bytes", underflow_eight, TRIALS},
    {"write after free", write_freed, TRIALS},
    {"write after free, until its next use", write_freed_reused, TRIALS},
    {"write after free and up to 600 others", write_freed_later, 9650},
    {"read after free gives zeros", read_freed, TRIALS},
    {"new memory holds nothing old", uninitialised, TRIALS},
    {"sized free with another size", wrong_size, TRIALS},
    {"usable size of a freed object", size_of_freed, TRIALS},
};

static void test_misuses(void **unused)
{
    (void)unused;
    const char *out = getenv("TRIALS");
    unsigned trials = out ? TRIALS : TRIALS / QUICKER;
    struct sigaction action = {.sa_handler = faulted, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL); /* here, as cmocka installs its own before each test */
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        unsigned found = 0;
        for (unsigned trial = 0; trial < trials; trial++) {
            stir(below(4));
            found += misuses[i].find();
        }
        if (out)
            print_message("%-45s %5u of %u\n", misuses[i].name, found, trials);
        if (found < trials - (TRIALS - misuses[i].least) * (out ? 1 : 2) / (TRIALS / trials))
            fail_msg("%s: %u of %u", misuses[i].name, found, trials);
    }
    assert_int_equal(tarn__hard_check(), 0);
}

/* Correct programs */

struct mine {
    unsigned char *p;
    size_t size;
    unsigned char value;
};

/* Each byte is its owner's until it is freed; sizes change; alignments hold; new memory of calloc is zero. */
static const char *use(uint64_t mine)
{
    struct mine object[100] = {{NULL, 0, 0}};
    for (int i = 0; i < 30000; i++) {
        struct mine *one = &object[check_random(&mine) % 100];
        size_t size = check_random(&mine) % (check_random(&mine) % 50 ? 700 : 120000);
        if (one->p && !check_all_bytes(one->p, one->size, one->value))
            return "a byte changed";
        if (one->p && check_random(&mine) % 3 == 0) {
            size_t had = one->size;
            one->p = tarn_realloc(one->p, size + 1);
            one->size = size + 1;
            if (!one->p || !check_all_bytes(one->p, had < size ? had : size, one->value))
                return "realloc lost a byte";
        } else {
            size_t align = (size_t)1 << check_random(&mine) % 14;
            bool zero = check_random(&mine) % 2;
            tarn_free(one->p);
            one->size = size;
            one->p = zero ? tarn_calloc(1, size) : tarn_aligned_alloc(align, size);
            if (!one->p || (!zero && (uintptr_t)one->p % align) || (zero && !check_all_bytes(one->p, size, 0)))
                return "a new object is not as asked for";
        }
        if (tarn_usable_size(one->p) < one->size)
            return "usable size";
        one->value = (unsigned char)check_random(&mine);
        memset(one->p, one->value, one->size);
    }
    for (int i = 0; i < 100; i++)
        tarn_free(object[i].p);
    return NULL;
}

static void *use_heap(void *with) { return (void *)(uintptr_t)use((uintptr_t)with * 77 + 1); }

static void test_correct(void **unused)
{
    (void)unused;
    pthread_t thread[4];
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use_heap, (void *)(i + 1)), 0);
    for (int i = 0; i < 40 && !TARN__SANITIZE_THREAD;
         i++) /* beside them; a look that is taken back if something changed is a race to that sanitizer */
        assert_int_equal(tarn__hard_check(), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(tarn__hard_check(), 0);
}

/* What one thread takes and another frees returns to the class when that ends. */
static void *free_many(void *objects)
{
    for (char **p = objects; *p; p++)
        tarn_free(*p);
    return NULL;
}

static void test_threads_return(void **unused)
{
    (void)unused;
    struct tarn__hard_stats before, after;
    static char *object[1001];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 1000; i++)
            assert_non_null(object[i] = tarn_malloc(100));
        in_thread(free_many, object);
        tarn__hard_stats(round == 1 ? &before : &after);
    }
    assert_true(after.mapped <= before.mapped + 65536);
    assert_int_equal(after.live, before.live);
}

/* Places differ from process to process, and from request to request. */
static void test_unpredictable(void **unused)
{
    (void)unused;
    unsigned followed = 0;
    char *last = tarn_malloc(48);
    for (int i = 0; i < 1000; i++) {
        char *p = tarn_malloc(48);
        followed += p == last + 64 || p == last - 64;
        last = p;
    }
    assert_true(followed < 100);
}

static void test_forks(void **unused)
{
    (void)unused;
    char *p = tarn_malloc(100);
    pid_t child = fork();
    if (child == 0) {
        tarn_free(p);
        _exit(use(9) || tarn__hard_check() ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    tarn_free(p);
}

/* Without errors; nothing asks for more than there is. */
static void test_limits(void **unused)
{
    (void)unused;
    assert_null(tarn_malloc(PTRDIFF_MAX));
    assert_null(tarn_malloc(SIZE_MAX));
    assert_null(tarn_aligned_alloc((size_t)1 << 46, (size_t)1 << 46));
    char *p = tarn_malloc(0), *q = tarn_malloc(0);
    assert_true(p && q && p != q);
    assert_int_equal(tarn_usable_size(p), 0);
    p = tarn_realloc(p, 10);
    assert_true(p && check_all_bytes(p, 10, 0));
    assert_null(tarn_realloc(p, SIZE_MAX));
    assert_null(tarn_realloc(p, PTRDIFF_MAX));
    tarn_free(p);
    tarn_free(q);
}

static int begin(void **unused)
{
    (void)unused;
    assert_int_equal(tarn__modes_set(NULL, "1", NULL), 0);
    tarn__care_begin();
    if (!tarn__hard_begun())
        return 0;
    tarn__set_fail_exit(note);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_correct), cmocka_unit_test(test_threads_return), cmocka_unit_test(test_unpredictable),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_forks),          cmocka_unit_test(test_misuses),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
