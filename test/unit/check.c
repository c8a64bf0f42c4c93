#include "test/unit/check.h"

#include "base/atomic.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct end {
    int status;
    char text[4096];
};

static void run_child(void (*act)(void *), void *value, int err)
{
    static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        signal(caught[i], SIG_DFL);
    dup2(err, STDERR_FILENO);
    act(value);
    _exit(0);
}

static struct end end_of(void (*act)(void *), void *value)
{
    struct end end = {0, ""};
    int err[2];
    assert_int_equal(pipe(err), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(act, value, err[1]);
    close(err[1]);
    size_t length = 0;
    ssize_t got;
    while (length < sizeof end.text - 1 && (got = read(err[0], end.text + length, sizeof end.text - 1 - length)) > 0)
        length += (size_t)got;
    close(err[0]);
    assert_int_equal(waitpid(child, &end.status, 0), child);
    return end;
}

void check_dies(void (*act)(void *), void *value, const char *message)
{
    struct end end = end_of(act, value);
    if (!WIFSIGNALED(end.status))
        fail_msg("expected a death saying \"%s\", not status %d and \"%s\"", message, end.status, end.text);
    if (!strstr(end.text, message))
        fail_msg("expected a death saying \"%s\", not \"%s\"", message, end.text);
}

void check_lives(void (*act)(void *), void *value)
{
    struct end end = end_of(act, value);
    if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != 0)
        fail_msg("expected success, not status %d and \"%s\"", end.status, end.text);
}

bool check_emulated(void) { return getenv("MESON_EXE_WRAPPER") != NULL; } /* meson has it so where machines differ */

bool check_children_bear_threads(void)
{
    if (TARN__SANITIZE_THREAD || check_emulated())
        printf("# not tested: threads in a child, under %s\n", check_emulated() ? "emulation" : "ThreadSanitizer");
    return !TARN__SANITIZE_THREAD && !check_emulated();
}

bool check_all_bytes(const void *p, size_t size, unsigned char value)
{
    const unsigned char *bytes = p;
    return size == 0 || (bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0);
}
