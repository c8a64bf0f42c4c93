/*
 * The driver of these tests: a script runs in a child while one call to the system fails, the first, then the second and so on,
 * until a run is through before its turn comes.
 *
 *     PROGRAM [once|on [N]]     each call in turn, once or with all that follow; or only number N, in this process
 */
#include "test/oom/oom.h"

#include "base/atomic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool oom_must;

void oom_broken(const char *sentence, const char *file, int line)
{
    fprintf(stderr, "oom: %s:%d: does not hold: %s\n", file, line, sentence);
    abort();
}

static int run_child(uint64_t n, uint64_t times)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(oom_run(n, times));
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    uint64_t times = argc > 1 && strcmp(argv[1], "on") == 0 ? UINT64_MAX : 1, n = 1;
    const unsigned step = TARN__SANITIZE_THREAD ? 8 : 1; /* a fork of so much memory takes that sanitizer seconds */
    int failures = 0, result;
    if (step > 1)
        printf("# not tested: most of the calls, under ThreadSanitizer\n");
    if (argc > 2)
        return oom_run(strtoull(argv[2], NULL, 10), times);
    while ((result = run_child(n, times)) != OOM_NO_FAILURE) {
        if (result != 0) {
            failures++;
            fprintf(stderr, "oom: failed; again: %s %s %llu\n", argv[0], times == 1 ? "once" : "on", (unsigned long long)n);
        }
        n += step;
    }
    printf("%llu calls failed in turn, %s; %d of them not survived\n", (unsigned long long)(n - 1) / step,
           times == 1 ? "once" : "with all that followed", failures);
    return failures != 0;
}
