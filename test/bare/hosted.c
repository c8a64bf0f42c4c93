/* The self test as a program of Linux. */
#include "selftest.h"

#include <stdio.h>

static void say(const char *line) { puts(line); }

int main(void)
{
    struct selftest_result result = selftest(say);
    if (result.failures)
        printf("not ok %u failures\n", result.failures);
    else
        printf("ok %u checks\n", result.checks);
    return result.failures != 0;
}
