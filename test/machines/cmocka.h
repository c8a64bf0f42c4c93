/*
 * The part of cmocka that tarn's unit tests use, where cmocka itself is not at hand: for cross builds. Prints the Test Anything
 * Protocol.
 */
#ifndef TARN_TEST_MACHINES_CMOCKA_H
#define TARN_TEST_MACHINES_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
};

#define cmocka_unit_test(f)                                                                                                    \
    {                                                                                                                          \
#f, f, NULL, NULL                                                                                                      \
    }
#define cmocka_unit_test_setup(f, before)                                                                                      \
    {                                                                                                                          \
#f, f, before, NULL                                                                                                    \
    }
#define cmocka_unit_test_teardown(f, after)                                                                                    \
    {                                                                                                                          \
#f, f, NULL, after                                                                                                     \
    }
#define cmocka_unit_test_setup_teardown(f, before, after)                                                                      \
    {                                                                                                                          \
#f, f, before, after                                                                                                   \
    }

/* Where a failed test goes on: in the runner's object, of which each program has one. */
__attribute__((weak)) jmp_buf shim_end;

static inline void print_message(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

__attribute__((noreturn, format(printf, 3, 4))) static inline void shim_fail(const char *file, int line, const char *format,
                                                                             ...)
{
    va_list arguments;
    printf("# %s:%d: ", file, line);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    longjmp(shim_end, 1);
}

static inline void shim_require(int condition, const char *text, const char *file, int line)
{
    if (!condition)
        shim_fail(file, line, "does not hold: %s", text);
}

static inline void shim_equal(uintmax_t a, uintmax_t b, const char *text, const char *file, int line)
{
    if (a != b)
        shim_fail(file, line, "%s: %#jx != %#jx", text, a, b);
}

#define assert_true(x) shim_require(!!(x), #x, __FILE__, __LINE__)
#define assert_false(x) shim_require(!(x), "not " #x, __FILE__, __LINE__)
#define assert_null(x) shim_require(!(x), #x " is null", __FILE__, __LINE__)
#define assert_non_null(x) shim_require(!!(x), #x " is not null", __FILE__, __LINE__)
#define assert_int_equal(a, b) shim_equal((uintmax_t)(a), (uintmax_t)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) shim_require((uintmax_t)(a) != (uintmax_t)(b), #a " != " #b, __FILE__, __LINE__)
#define assert_ptr_equal(a, b) shim_equal((uintptr_t)(a), (uintptr_t)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b) shim_require((const void *)(a) != (const void *)(b), #a " != " #b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, size) shim_require(memcmp(a, b, size) == 0, #a " equals " #b, __FILE__, __LINE__)
#define assert_string_equal(a, b) shim_require(strcmp(a, b) == 0, #a " equals " #b, __FILE__, __LINE__)
#define assert_in_range(x, low, high)                                                                                          \
    shim_require((uintmax_t)(x) >= (uintmax_t)(low) && (uintmax_t)(x) <= (uintmax_t)(high), #x " in range", __FILE__, __LINE__)
#define fail_msg(...) shim_fail(__FILE__, __LINE__, __VA_ARGS__)
#define fail() shim_fail(__FILE__, __LINE__, "failed")

static inline int shim_run(const char *group, const struct CMUnitTest *tests, size_t count, int (*setup)(void **),
                           int (*teardown)(void **))
{
    void *common = NULL;
    volatile int failed = setup ? setup(&common) : 0;
    printf("1..%zu\n", count);
    for (volatile size_t i = 0; i < count; i++) {
        void *state = common;
        volatile int bad = 1;
        if (setjmp(shim_end) == 0) {
            if (!tests[i].setup || tests[i].setup(&state) == 0) {
                tests[i].test(&state);
                bad = 0;
            }
            if (tests[i].teardown)
                bad |= tests[i].teardown(&state);
        }
        printf("%sok %zu - %s\n", bad ? "not " : "", i + 1, tests[i].name);
        fflush(stdout);
        failed += bad != 0;
    }
    if (teardown)
        failed += teardown(&common);
    printf("# %s - %s\n", failed ? "not ok" : "ok", group);
    return failed;
}

#define cmocka_run_group_tests_name(group, tests, setup, teardown)                                                             \
    shim_run(group, tests, sizeof(tests) / sizeof *(tests), setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown) cmocka_run_group_tests_name(#tests, tests, setup, teardown)

#endif
