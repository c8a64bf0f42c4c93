/*
 * What the door's tests have in common: programs that are linked as any other and run with libtarn-malloc.so preloaded.
 *
 * A program gives `main` a table of cases; `run_cases` prints a line for each in the Test Anything Protocol, and the reasons
 * of a failure before it. CHECK goes on after a failure, so one run shows all; ENOUGH leaves the case.
 */
#ifndef TEST_DOOR_CHECK_H
#define TEST_DOOR_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned check_failures; /* of the case that runs */

__attribute__((format(printf, 3, 4), unused)) static bool check_that(bool holds, int line, const char *format, ...)
{
    if (holds)
        return true;
    if (++check_failures > 20)
        return false;
    va_list arguments;
    va_start(arguments, format);
    printf("# line %d: ", line);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    return false;
}

#define CHECK(condition, ...) check_that((condition), __LINE__, __VA_ARGS__)
#define ENOUGH(condition, ...)                                                                                                 \
    do {                                                                                                                       \
        if (!CHECK(condition, __VA_ARGS__))                                                                                    \
            return;                                                                                                            \
    } while (0)

struct check_case {
    const char *name;
    void (*run)(void);
};

/* The loader only warns of a library that it cannot preload; the tests would then test the C library. */
__attribute__((unused)) static void check_preloaded(void)
{
    if (dlsym(RTLD_DEFAULT, "tarn_stats"))
        return;
    printf("Bail out! libtarn-malloc.so is not preloaded\n");
    exit(1);
}

static unsigned check_number, check_failed_cases;

__attribute__((unused)) static void check_result(const char *name)
{
    printf("%sok %u - %s\n", check_failures ? "not " : "", ++check_number, name);
    check_failed_cases += check_failures != 0;
    check_failures = 0;
}

/* Lines at once, as children and signals must find no half of one in the buffer. */
__attribute__((unused)) static void check_plan(unsigned count)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%u\n", count);
}

__attribute__((unused)) static int run_cases(const struct check_case *cases, unsigned count)
{
    check_plan(count);
    for (unsigned i = 0; i < count; i++) {
        cases[i].run();
        check_result(cases[i].name);
    }
    return check_failed_cases != 0;
}

#define CASES(table) run_cases((table), sizeof(table) / sizeof *(table))

/* The byte that belongs at `at` of an object that was stamped with `seed`. */
static inline unsigned char stamp_byte(size_t at, unsigned seed) { return (unsigned char)(at * 131 + at / 251 + seed); }

static inline void stamp(void *p, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)p)[i] = stamp_byte(i, seed);
}

static inline bool stamped(const void *p, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)p)[i] != stamp_byte(i, seed))
            return false;
    return true;
}

/* A number for tests, the same in every run: xorshift. */
static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
