/*
 * A test of the pools that stand alone, without a C library: the same on a bare machine and on Linux.
 */
#ifndef TARN_TEST_SELFTEST_H
#define TARN_TEST_SELFTEST_H

struct selftest_result {
    unsigned checks, failures;
};

/* Runs all of it. `say` gets a line for what fails, without its end. */
struct selftest_result selftest(void (*say)(const char *line));

#endif
