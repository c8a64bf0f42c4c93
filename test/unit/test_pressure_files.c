/*
 * Floor 2: the same questions asked of real files: a tree of them below a directory of the test's, and the system's own; what is no ordinary file; system calls
 * that are filtered; descriptors; signals, threads, forks.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "test/unit/check.h"

#include "os/os.h"
#include "os/pressure.h"
#include "os/thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char root[] = "/tmp/tarn-pressure-XXXXXX";
static char paths[64][200];
static int path_count;

static void pause_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

/* The path of a name in the tree, whose directories are made; it is removed at the end. */
static const char *in_tree(const char *name)
{
    char *path = paths[path_count++];
    snprintf(path, sizeof paths[0], "%s%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0755);
        *slash = '/';
    }
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(in_tree(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

/* Directories after what lies in them. */
static int remove_tree(void **state)
{
    (void)state;
    for (int i = 0; i < path_count; i++) {
        remove(paths[i]);
        for (char *slash; (slash = strrchr(paths[i], '/')) >= paths[i] + strlen(root);) {
            *slash = 0;
            remove(paths[i]);
        }
    }
    return remove(root) == 0 || errno == ENOENT ? 0 : -1;
}

static int descriptors(void)
{
    int count = 0;
    DIR *all = opendir("/proc/self/fd");
    while (readdir(all))
        count++;
    closedir(all);
    return count;
}

struct taken {
    char text[4096];
    size_t length, pieces, most;
};

static bool take(void *to, const char *bytes, size_t count)
{
    struct taken *taken = to;
    assert_in_range(count, 1, 1024);
    if (taken->length + count <= sizeof taken->text)
        memcpy(taken->text + taken->length, bytes, count);
    taken->length += count;
    return ++taken->pieces < taken->most;
}

static void reads_files(void **state)
{
    (void)state;
    static struct taken taken;
    int before = descriptors();
    char text[3001];
    memset(text, 'a', 1500);
    memset(text + 1500, 'b', 1500);
    text[3000] = 0;
    put("/file", text);
    taken = (struct taken){.most = SIZE_MAX};
    assert_int_equal(tarn__os_read(paths[path_count - 1], take, &taken), 0);
    assert_int_equal(taken.length, 3000);
    assert_memory_equal(taken.text, text, 3000);
    taken = (struct taken){.most = 1};
    assert_int_equal(tarn__os_read(paths[path_count - 1], take, &taken), 0);
    assert_int_equal(taken.pieces, 1);
    put("/empty", "");
    taken = (struct taken){.most = SIZE_MAX};
    assert_int_equal(tarn__os_read(paths[path_count - 1], take, &taken), 0);
    assert_int_equal(taken.length, 0);
    assert_int_equal(descriptors(), before);
}

/* What is no file with an end: a directory, a pipe that nobody writes to, zeros for ever. */
static void other_files_do_not_hang(void **state)
{
    (void)state;
    static struct taken taken = {.most = SIZE_MAX};
    int before = descriptors();
    alarm(10);
    assert_int_equal(tarn__os_read(root, take, &taken), -EISDIR);
    const char *pipe = in_tree("/pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    int writer = open(pipe, O_RDWR | O_CLOEXEC);
    assert_int_equal(tarn__os_read(pipe, take, &taken), -EAGAIN);
    close(writer);
    assert_int_equal(taken.length, 0);
    assert_int_equal(tarn__os_read("/dev/zero", take, &taken), -EFBIG);
    assert_int_equal(taken.length, 1 << 20);
    alarm(0);
    assert_int_equal(descriptors(), before);
}

static int ask_anew(void)
{
    tarn__pressure_look_below(root);
    return tarn__os_pressure();
}

static void a_tree_of_files(void **state)
{
    (void)state;
    int before = descriptors();
    assert_int_equal(ask_anew(), TARN__PRESSURE_CALM);
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
    put("/sys/fs/cgroup/a/b/memory.max", "1000\n");
    put("/sys/fs/cgroup/a/b/memory.current", "800\n");
    assert_int_equal(ask_anew(), TARN__PRESSURE_SOME);
    put("/sys/fs/cgroup/a/memory.high", "850\n");
    put("/sys/fs/cgroup/a/memory.current", "801\n");
    assert_int_equal(ask_anew(), TARN__PRESSURE_HIGH);
    unlink(paths[path_count - 1]);
    mkdir(paths[path_count - 1], 0755); /* no file any more */
    assert_int_equal(ask_anew(), TARN__PRESSURE_SOME);
    put("/proc/pressure/memory", "full avg10=2.00 avg60=0.00 avg300=0.00 total=0\n");
    assert_int_equal(ask_anew(), TARN__PRESSURE_HIGH);
    assert_int_equal(descriptors(), before);
}

/* Whatever there is: the answer is one of three, errno and descriptors stay, and nothing is asked again at once. */
static void the_system_itself(void **state)
{
    (void)state;
    int before = descriptors();
    tarn__pressure_look_below("");
    errno = 99;
    assert_in_range(tarn__os_pressure(), TARN__PRESSURE_CALM, TARN__PRESSURE_HIGH);
    assert_int_equal(errno, 99);
    assert_int_equal(descriptors(), before);
    assert_true(tarn__os_calls(TARN__OS_READ) > 0);
}

/* A sandbox that kills whoever opens a file. */
static void filter_and_ask(void *value)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    tarn__pressure_look_below(root);
    if (value)
        tarn__pressure_begin(true);
    if (tarn__os_filtered() || (!value && tarn__os_pressure() != TARN__PRESSURE_HIGH))
        _exit(1);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        _exit(2);
    if (!tarn__os_filtered())
        _exit(3);
    pause_ms(130);
    if (tarn__os_pressure() != TARN__PRESSURE_CALM)
        _exit(4);
}

static void opens_nothing_when_filtered(void **state)
{
    (void)state;
    if (tarn__os_filtered() || check_emulated()) {
        print_message("# not tested: system calls are filtered here already, or none can be\n");
        return;
    }
    check_lives(filter_and_ask, NULL);
    check_lives(filter_and_ask, root); /* before the first question */
}

/* Questions in a signal handler that interrupts others, in threads, with forks. */

static _Atomic int stop;

static void ask_in_handler(int signal)
{
    (void)signal;
    tarn__os_pressure();
}

static void *ask_on(void *value)
{
    while (!stop)
        if (tarn__os_pressure() > TARN__PRESSURE_HIGH)
            *(int *)value = 1;
    return NULL;
}

static void ask_in_child(void *value)
{
    (void)value;
    alarm(10);
    uint64_t before = tarn__os_calls(TARN__OS_READ);
    tarn__pressure_child();
    if (tarn__os_pressure() != TARN__PRESSURE_HIGH || tarn__os_calls(TARN__OS_READ) == before)
        _exit(1); /* it did not read: for it another thread still does, one that is not here */
}

static void asked_by_all_at_once(void **state)
{
    (void)state;
    enum { ASKERS = 3 };
    pthread_t threads[ASKERS];
    int wrong[ASKERS] = {0};
    struct sigaction action = {.sa_handler = ask_in_handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    tarn__pressure_look_below(root);
    stop = 0;
    for (int i = 0; i < ASKERS; i++)
        pthread_create(&threads[i], NULL, ask_on, &wrong[i]);
    for (int i = 0; i < 40; i++) {
        for (int k = 0; k < ASKERS; k++)
            pthread_kill(threads[k], SIGUSR1);
        check_lives(ask_in_child, NULL);
        pause_ms(5);
    }
    stop = 1;
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
    assert_int_equal(ask_anew(), TARN__PRESSURE_HIGH);
}

/* A real group with a limit, for whoever has one to spare: TARN_TEST_CGROUP is its directory. */

static bool write_in(const char *directory, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return written;
}

static int level_with(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (p == MAP_FAILED)
        _exit(9);
    pause_ms(130);
    int level = tarn__os_pressure();
    munmap(p, bytes);
    return level;
}

static void fill_group(void *value)
{
    static const char limit[] = "104857600"; /* 100 MiB */
    char pid[20];
    snprintf(pid, sizeof pid, "%d", getpid());
    if (!write_in(value, "memory.max", limit) && !write_in(value, "memory.limit_in_bytes", limit))
        _exit(1);
    if (!write_in(value, "cgroup.procs", pid))
        _exit(2);
    tarn__pressure_look_below("");
    if (level_with((size_t)20 << 20) != TARN__PRESSURE_CALM)
        _exit(3);
    if (level_with((size_t)82 << 20) != TARN__PRESSURE_SOME)
        _exit(4);
    if (level_with((size_t)94 << 20) != TARN__PRESSURE_HIGH)
        _exit(5);
    if (level_with((size_t)20 << 20) == TARN__PRESSURE_HIGH)
        _exit(6);
}

static void a_real_group(void **state)
{
    (void)state;
    char *directory = getenv("TARN_TEST_CGROUP");
    if (directory)
        check_lives(fill_group, directory);
    else
        print_message("# not tested: a real group's limit; TARN_TEST_CGROUP may name the directory of one that is for this\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_files),          cmocka_unit_test(other_files_do_not_hang),
        cmocka_unit_test(a_tree_of_files),      cmocka_unit_test(opens_nothing_when_filtered),
        cmocka_unit_test(asked_by_all_at_once), cmocka_unit_test(the_system_itself),
        cmocka_unit_test(a_real_group),
    };
    return cmocka_run_group_tests_name("pressure_files", tests, make_root, remove_tree);
}
