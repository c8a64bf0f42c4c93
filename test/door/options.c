/*
 * What the environment says at the start, seen in the library's own words: this program is linked with all of it, and runs itself again for each case.
 */
#include "check.h"

#include "os/background.h"
#include "os/os.h"
#include "os/pressure.h"
#include "tarn/background.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>

static int threads(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count - 2; /* . and .. */
}

/* The answers of a process that began so, in its status: 1 on, 2 files are read for the pressure, 4 another thread is there. */
static int answer(void)
{
    uint64_t before = tarn__os_calls(TARN__OS_READ);
    tarn__os_pressure();
    return (tarn__background_state != TARN__BACKGROUND_OFF) | (tarn__os_calls(TARN__OS_READ) > before) << 1 |
           (threads() > 1) << 2;
}

static int began_with(const char *name, const char *value)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        unsetenv("TARN_BACKGROUND");
        unsetenv("TARN_PRESSURE");
        if (name)
            setenv(name, value, 1);
        execl("/proc/self/exe", "options", "answer", (char *)NULL);
        _exit(99);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void background(void)
{
    CHECK(began_with(NULL, NULL) == 2, "without options the thread is wanted, or pressure is not");
    CHECK(began_with("TARN_BACKGROUND", "1") == 3, "TARN_BACKGROUND=1 does not turn it on, or begins the thread at once");
    CHECK(began_with("TARN_BACKGROUND", "0") == 2, "TARN_BACKGROUND=0 turns it on");
    CHECK(began_with("TARN_BACKGROUND", "") == 2, "an empty TARN_BACKGROUND turns it on");
    CHECK(began_with("TARN_BACKGROUND", "10") == 2, "TARN_BACKGROUND=10 turns it on");
}

static void pressure(void)
{
    CHECK(began_with("TARN_PRESSURE", "0") == 0, "TARN_PRESSURE=0 does not keep files from being read");
    CHECK(began_with("TARN_PRESSURE", "1") == 2, "TARN_PRESSURE=1 keeps files from being read");
    CHECK(began_with("TARN_PRESSURE", "no") == 2, "TARN_PRESSURE=no is no value, but does something");
}

/* The heap's own fork hooks: a child of a process that has it on has it on, and no thread until there is a need. */
static _Atomic int ticks;
static bool tick(void) { return ++ticks % 3 != 0; }

static bool three_ticks(void)
{
    for (int i = 0; i < 5000 && ticks < 3; i++)
        usleep(1000);
    return ticks == 3;
}

static void forks(void)
{
    int status = -1;
    tarn__background_tick = tick;
    CHECK(tarn_background(1) == 0, "it does not begin");
    CHECK(three_ticks(), "%d ticks", ticks);
    ticks = 1;
    tarn__background_need();
    tarn__os_pressure();
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        if (threads() != 1)
            _exit(1);
        ticks = 0;
        tarn__background_need();
        _exit(three_ticks() ? 0 : 2);
    }
    waitpid(child, &status, 0);
    CHECK(status == 0, "the child ends with %x", (unsigned)status);
    CHECK(tarn_background(0) == 0, "it does not end");
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"TARN_BACKGROUND", background},
        {"TARN_PRESSURE", pressure},
        {"the thread in children", forks},
    };
    if (argc > 1 && strcmp(argv[1], "answer") == 0)
        return answer();
    return CASES(cases);
}
