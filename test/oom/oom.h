/* What the tests of a failing system share: oom.c runs a script again and again, a file for each floor has the script. */
#ifndef TARN_TEST_OOM_H
#define TARN_TEST_OOM_H

#include <stdbool.h>
#include <stdint.h>

enum { OOM_NO_FAILURE = 2 };

/* One run, of the file's own: the n-th call to the system fails, and the `times` - 1 that follow. Returns 0 or OOM_NO_FAILURE. */
int oom_run(uint64_t n, uint64_t times);

/* The system works: every request must succeed. */
extern bool oom_must;

/* Says what does not hold and where, and aborts. */
_Noreturn void oom_broken(const char *sentence, const char *file, int line);

#define REQUIRE(condition, sentence)                                                                                           \
    do {                                                                                                                       \
        if (!(condition))                                                                                                      \
            oom_broken(sentence, __FILE__, __LINE__);                                                                          \
    } while (0)

#endif
