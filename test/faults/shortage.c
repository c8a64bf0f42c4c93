/*
 * Memory that is short by the system's rules: limits of addresses and of data, the number of mappings, a memory cgroup.
 *
 *     shortage [overcommit]     with overcommit turned off for the whole machine for a moment, too, which only root can
 *
 * Each case runs in a process of its own, this program again: `shortage CASE VALUE`. What cannot be set up here is skipped, with the reason.
 */
#include "../door/check.h"

#include "tarn/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB ((size_t)1 << 20)
enum { NOT_THERE = 77, CANNOT = 78 };

/* A list through the objects themselves. */
struct link {
    struct link *next;
};

/* Objects of one size, at most `most` bytes in all, or until there is no more. Every page of theirs is written to. */
static struct link *fill(size_t size, size_t most, size_t *count)
{
    struct link *all = NULL;
    for (*count = 0; *count * size < most; ++*count) {
        errno = 0;
        struct link *one = malloc(size);
        if (!one) {
            CHECK(errno == ENOMEM, "errno is %d, not ENOMEM", errno);
            break;
        }
        for (size_t at = 0; at < size; at += 4096)
            ((char *)one)[at] = 1;
        one->next = all;
        all = one;
    }
    return all;
}

static void drop(struct link *all)
{
    while (all) {
        struct link *next = all->next;
        errno = 4711;
        free(all);
        CHECK(errno == 4711, "free changed errno to %d", errno);
        all = next;
    }
}

/* Runs dry with objects of each size; what was had once can be had again. */
static void run_dry(size_t most, bool some)
{
    static const size_t sizes[] = {48, 3000, 40000, 300000, 16, 2 * MIB, 48};
    size_t first = 0, count;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct link *all = fill(sizes[i], most, &count);
        free(malloc(40 * MIB));
        drop(all);
        if (i == 0)
            first = count;
    }
    CHECK(count >= first * 3 / 4 && (first > 1000 || !some), "of %zu objects only %zu are had again", first, count);
}

static void under_address_limit(size_t mib) { run_dry(1024 * MIB, mib >= 28); }

/* With overcommit off the system refuses as under this limit: what is private and can be written to counts when it is mapped. */
static void under_data_limit(size_t mib)
{
    run_dry(1024 * MIB, mib >= 24);
    struct link *all;
    size_t count;
    all = fill(100, 1024 * MIB, &count);
    pid_t pid = fork();
    if (pid == 0) {
        drop(all);
        run_dry(1024 * MIB, false);
        _exit(check_failures != 0);
    }
    int status = -1;
    int refused = pid < 0 ? errno : 0; /* a fork may be refused for the same reason */
    CHECK(refused == ENOMEM || (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0),
          "the child ended with %#x, errno %d", status, refused);
    drop(all);
}

/* Each page is a mapping of its own, as its neighbours' protection is another. */
static char *use_up_mappings(size_t *pages)
{
    size_t size = 140000 * 4096ul;
    char *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (*pages = 0; p != MAP_FAILED && *pages * 4096 < size; *pages += 2)
        if (mprotect(p + *pages * 4096, 4096, PROT_READ) != 0)
            return p;
    return NULL;
}

static void with_all_mappings(size_t unused)
{
    enum { COUNT = 40 };
    struct tarn_stats before, after;
    void (*read_stats)(struct tarn_stats * stats);
    *(void **)&read_stats = dlsym(RTLD_DEFAULT, "tarn_stats");
    unsigned char *p[COUNT];
    size_t size[COUNT], pages, count;
    (void)unused;
    read_stats(&before);
    for (unsigned i = 0; i < COUNT; i++) {
        size[i] = i % 4 == 0 ? 100 : i % 4 == 1 ? 300000 : i % 4 == 2 ? 5 * MIB : 35 * MIB;
        ENOUGH((p[i] = malloc(size[i])), "nothing to begin with");
        stamp(p[i], 5000 < size[i] ? 5000 : size[i], i);
    }
    char *room = use_up_mappings(&pages);
    ENOUGH(room, "65 000 mappings were not enough: vm.max_map_count is larger");
    for (unsigned i = 0; i < COUNT; i++) { /* what is freed cannot be unmapped, as that would split a mapping */
        if (i % 3 == 0) {
            unsigned char *more = realloc(p[i], size[i] * 2);
            CHECK(more || errno == ENOMEM, "realloc: errno %d", errno);
            p[i] = more ? more : p[i];
        }
        CHECK(stamped(p[i], 5000 < size[i] ? 5000 : size[i], i), "an object of %zu bytes was changed", size[i]);
        if (i % 2)
            free(p[i]);
    }
    drop(fill(500, 20 * MIB, &count));
    CHECK(count > 10000, "only %zu objects of what was there already", count);
    drop(fill(20 * MIB, 200 * MIB, &count));
    malloc_trim(0);
    munmap(room, 140000 * 4096ul);
    for (unsigned i = 0; i < COUNT; i += 2)
        free(p[i]);
    run_dry(200 * MIB, true);
    malloc_trim(0);
    read_stats(&after);
    CHECK(after.live_objects == before.live_objects, "%ld objects are counted that nobody has",
          (long)(after.live_objects - before.live_objects));
    CHECK(after.held_bytes <= before.held_bytes + 8 * MIB, "%lu bytes stay held", (unsigned long)after.held_bytes);
}

/* As large a load again and again, so that keeping its memory would pay; and then the program needs what is left of the limit for something else. */
static void in_cgroup(size_t mib)
{
    size_t most = mib * MIB * 5 / 8, count;
    for (int round = 0; round < 12; round++) {
        struct link *all = fill(round % 2 ? 200 : 9000, most, &count);
        CHECK(all, "nothing was had");
        drop(all);
        if (round % 4 != 3)
            continue;
        char *own = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ENOUGH(own != MAP_FAILED, "no mapping");
        for (size_t at = 0; at < most; at += 4096)
            own[at] = 1; /* the system ends the process here if too much lies idle */
        munmap(own, most);
    }
}

static void without_overcommit(size_t unused)
{
    (void)unused;
    run_dry(300 * MIB, true);
}

/* What is set before a case's process begins: 0, or CANNOT. */
static bool put(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return written;
}

static bool limit_addresses(size_t mib) { return setrlimit(RLIMIT_AS, &(struct rlimit){mib * MIB, mib * MIB}) == 0; }
static bool limit_data(size_t mib) { return setrlimit(RLIMIT_DATA, &(struct rlimit){mib * MIB, mib * MIB}) == 0; }
static bool nothing(size_t value) { return (void)value, true; }

static char cgroup[512]; /* the directory of ours; "": none can be made */
static bool cgroup_is_v2;

static bool enter_cgroup(size_t mib)
{
    char path[600], text[40];
    snprintf(path, sizeof path, "%s/%s", cgroup, cgroup_is_v2 ? "memory.max" : "memory.limit_in_bytes");
    snprintf(text, sizeof text, "%zu", mib * MIB);
    if (!cgroup[0] || !put(path, text))
        return false;
    snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
    return put(path, "0");
}

static const struct kind {
    const char *name;
    void (*run)(size_t value);
    bool (*prepare)(size_t value);
    size_t least; /* values below that may leave no room for the library itself, which the loader then says */
    size_t values[6];
} kinds[] = {
    {"MiB of addresses", under_address_limit, limit_addresses, 28, {8, 16, 24, 28, 32, 40}},
    {"MiB of data", under_data_limit, limit_data, 28, {8, 16, 24, 28, 40, 100}},
    {"mappings: all there may be", with_all_mappings, nothing, 0, {0}},
    {"MiB in a memory cgroup", in_cgroup, enter_cgroup, 0, {32, 64}},
    {"overcommit off", without_overcommit, nothing, 0, {0}},
};
enum { CGROUP = 3, OVERCOMMIT = 4, KINDS = 5 };

static void make_cgroup(void)
{
    static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    for (unsigned i = 0; i < 3; i++) {
        char path[600];
        struct stat file;
        snprintf(cgroup, sizeof cgroup, "%s/tarn-test-%d", roots[i], (int)getpid());
        if (mkdir(cgroup, 0755) != 0)
            continue;
        cgroup_is_v2 = i > 0;
        snprintf(path, sizeof path, "%s/%s", cgroup, cgroup_is_v2 ? "memory.max" : "memory.limit_in_bytes");
        if (stat(path, &file) == 0)
            return;
        rmdir(cgroup);
    }
    cgroup[0] = '\0';
}

static int run_process(unsigned kind, size_t value)
{
    char which[16], text[24];
    int status = -1;
    snprintf(which, sizeof which, "%u", kind);
    snprintf(text, sizeof text, "%zu", value);
    pid_t pid = fork();
    if (pid == 0) {
        if (!kinds[kind].prepare(value))
            _exit(CANNOT);
        execl("/proc/self/exe", "shortage", which, text, (char *)NULL);
        _exit(99);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void judge(unsigned kind, size_t value)
{
    char name[100];
    int status = run_process(kind, value);
    bool none = WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE;
    snprintf(name, sizeof name, value ? "%2$zu %1$s" : "%s", kinds[kind].name, value);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT) {
        printf("ok %u - %s # SKIP it cannot be set up here\n", ++check_number, name);
        return;
    }
    /* With hardly any memory even the loader fails: with a message of its own, and 127. */
    bool too_little = value < kinds[kind].least && (none || (WIFEXITED(status) && WEXITSTATUS(status) == 127));
    CHECK(status == 0 || too_little, "the process ended with %#x", status);
    if (too_little)
        printf("# %s: no room for the library, which the loader says\n", name);
    check_result(name);
}

static bool set_overcommit(bool off) { return put("/proc/sys/vm/overcommit_memory", off ? "2" : "0"); }

static bool overcommit_as_usual(void)
{
    char text[4] = "";
    int file = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
    bool usual = file >= 0 && read(file, text, 3) > 0 && text[0] == '0';
    close(file);
    return usual;
}

static int run_all(bool all)
{
    unsigned planned = 0;
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned i = 0; i < 6; i++)
            planned += i == 0 || kinds[kind].values[i] != 0;
    check_plan(planned);
    make_cgroup();
    for (unsigned kind = 0; kind < OVERCOMMIT; kind++)
        for (unsigned i = 0; i < 6; i++)
            if (i == 0 || kinds[kind].values[i] != 0)
                judge(kind, kinds[kind].values[i]);
    if (cgroup[0])
        rmdir(cgroup);
    if (all && overcommit_as_usual() && set_overcommit(true)) {
        judge(OVERCOMMIT, 0);
        set_overcommit(false);
    } else {
        printf("ok %u - overcommit off # SKIP %s\n", ++check_number,
               all ? "it cannot be set here" : "it is the whole machine's");
    }
    return check_failed_cases != 0;
}

int main(int argc, char **argv)
{
    static char lines[BUFSIZ];
    setvbuf(stdout, lines, _IOLBF, sizeof lines);
    if (argc != 3) {
        check_preloaded();
        return run_all(argc > 1 && strcmp(argv[1], "overcommit") == 0);
    }
    alarm(60);
    if (!dlsym(RTLD_DEFAULT, "tarn_stats"))
        return NOT_THERE;
    kinds[strtoul(argv[1], NULL, 10) % KINDS].run(strtoul(argv[2], NULL, 10));
    return check_failures != 0;
}
