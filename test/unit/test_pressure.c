/* Floor 2: what is made of the kernel's files about limits and stalls, on a system of strings with a clock of its own. */
#include "test/unit/check.h"

#include "os/fake.h"
#include "os/pressure.h"
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define V2_MOUNTS                                                                                                              \
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"                                                                  \
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNTS                                                                                                              \
    "31 22 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                                                      \
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"                                               \
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 master:1 - cgroup cgroup rw,nsroot,memory\n"
#define CALM_PSI                                                                                                               \
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"                                                                         \
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"

static uint64_t time_now = 1000000;

static void pass(uint64_t ms)
{
    time_now += ms;
    tarn__fake_set_now(time_now);
}

static void file(const char *path, const char *text) { tarn__fake_file(path, text); }

static int begin(void **state)
{
    (void)state;
    tarn__fake_file(NULL, NULL);
    tarn__fake_fail(0, 0, 0);
    tarn__fake_set_filtered(false);
    tarn__pressure_look_below("");
    pass(100000);
    return 0;
}

/* What a reading from now on finds, with limits looked for again. */
static int found(void)
{
    pass(6000);
    return tarn__os_pressure();
}

static void set_v2(void)
{
    file("/proc/self/cgroup", "0::/a.slice/b\n");
    file("/proc/self/mountinfo", V2_MOUNTS);
}

static void set_v1(void)
{
    file("/proc/self/cgroup",
         "6:name=memory,xmemory,memory2:/memory\n5:devices:/memory\n4:cpu,memory:/a/b\n3:cpuset:/memory\n0::/\n");
    file("/proc/self/mountinfo", V1_MOUNTS);
}

static void without_files_calm(void **state)
{
    (void)state;
    errno = 77;
    assert_int_equal(tarn__os_pressure(), TARN__PRESSURE_CALM);
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    assert_int_equal(errno, 77);
}

static void thresholds(void **state)
{
    (void)state;
    set_v2();
    file("/sys/fs/cgroup/a.slice/b/memory.max", "1000000\n");
    file("/sys/fs/cgroup/a.slice/b/memory.high", "max\n");
    static const struct {
        const char *use;
        int level;
    } cases[] = {{"0\n", 0}, {"750000\n", 0}, {"750001\n", 1}, {"900000\n", 1}, {"900001\n", 2}, {"2000000\n", 2}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        file("/sys/fs/cgroup/a.slice/b/memory.current", cases[i].use);
        pass(100);
        assert_int_equal(tarn__os_pressure(), cases[i].level);
    }
}

static void the_lower_of_high_and_max(void **state)
{
    (void)state;
    set_v2();
    file("/sys/fs/cgroup/a.slice/b/memory.current", "800");
    file("/sys/fs/cgroup/a.slice/b/memory.max", "2000");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    file("/sys/fs/cgroup/a.slice/b/memory.high", "1000");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    file("/sys/fs/cgroup/a.slice/b/memory.max", "801");
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    file("/sys/fs/cgroup/a.slice/b/memory.max", NULL);
    assert_int_equal(found(), TARN__PRESSURE_SOME);
}

/* In KiB; what there is no limit for, or one of more than 4 TiB, is UINT32_MAX. */
static void the_least_limit_is_known(void **state)
{
    (void)state;
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    assert_int_equal(tarn__os_limit_known(), UINT32_MAX);
    set_v2();
    file("/sys/fs/cgroup/a.slice/b/memory.max", "8388608");
    file("/sys/fs/cgroup/a.slice/memory.max", "4194304");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    assert_int_equal(tarn__os_limit_known(), 4096);
    file("/sys/fs/cgroup/a.slice/memory.max", "max");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    assert_int_equal(tarn__os_limit_known(), 8192);
    file("/sys/fs/cgroup/a.slice/b/memory.max", "9000000000000");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    assert_int_equal(tarn__os_limit_known(), UINT32_MAX);
}

/* Files that can be dropped at once do not count, but only those. */
static void without_inactive_files(void **state)
{
    (void)state;
    set_v2();
    file("/sys/fs/cgroup/a.slice/b/memory.max", "1000");
    file("/sys/fs/cgroup/a.slice/b/memory.current", "990");
    file("/sys/fs/cgroup/a.slice/b/memory.stat",
         "anon 7\nfile 900\nactive_file 500\ninactive_file_x 800\ninactive_file 100\nslab 5\n");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    file("/sys/fs/cgroup/a.slice/b/memory.stat", "inactive_file 240\n");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    file("/sys/fs/cgroup/a.slice/b/memory.stat", "inactive_file 2000\n"); /* of another moment */
    assert_int_equal(found(), TARN__PRESSURE_CALM);
}

static void groups_above_count(void **state)
{
    (void)state;
    set_v2();
    file("/sys/fs/cgroup/a.slice/b/memory.max", "1000");
    file("/sys/fs/cgroup/a.slice/b/memory.current", "100");
    file("/sys/fs/cgroup/a.slice/memory.max", "1100");
    file("/sys/fs/cgroup/a.slice/memory.current", "1095");
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    file("/sys/fs/cgroup/a.slice/memory.current", "900");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    file("/sys/fs/cgroup/a.slice/memory.max", NULL);
    file("/sys/fs/cgroup/memory.high", "1000"); /* at the mount itself */
    file("/sys/fs/cgroup/memory.current", "901");
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    file("/sys/fs/cgroup/memory.high", NULL);
    file("/sys/fs/memory.high", "1"); /* above it: no group's */
    file("/sys/fs/memory.current", "1");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
}

static void no_limit(void **state)
{
    (void)state;
    set_v2();
    file("/sys/fs/cgroup/a.slice/b/memory.current", "18446744073709551615");
    static const char *const none[] = {"max\n",
                                       "9223372036854771712\n",
                                       "9223372036854710272\n",
                                       "18446744073709551615\n",
                                       "99999999999999999999999\n",
                                       "",
                                       "\n",
                                       "-5\n",
                                       "12x\n",
                                       "x12\n",
                                       " 12\n"};
    for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
        file("/sys/fs/cgroup/a.slice/b/memory.max", none[i]);
        assert_int_equal(found(), TARN__PRESSURE_CALM);
    }
    file("/sys/fs/cgroup/a.slice/b/memory.max", "0"); /* is one */
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    file("/sys/fs/cgroup/a.slice/b/memory.current", "garbage");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    file("/sys/fs/cgroup/a.slice/b/memory.current", NULL);
    assert_int_equal(found(), TARN__PRESSURE_CALM);
}

static void version_1(void **state)
{
    (void)state;
    set_v1();
    file("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    file("/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "900\n");
    file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n");
    file("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "901\n");
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    file("/sys/fs/cgroup/memory/a/memory.stat", "inactive_file 500\ntotal_inactive_file 100\n");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    file("/sys/fs/cgroup/memory/a/memory.use_hierarchy", "0\n"); /* then a's limit is not b's */
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    file("/sys/fs/cgroup/memory/a/memory.use_hierarchy", "1\n");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    /* A v2 file in it means nothing. */
    file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", NULL);
    file("/sys/fs/cgroup/memory/a/memory.max", "1");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
}

/* In a container the mount shows the group itself, and limits above it only as that group's hierarchical one. */
static void container_of_version_1(void **state)
{
    (void)state;
    file("/proc/self/cgroup", "4:memory:/docker/abc/in\n");
    file("/proc/self/mountinfo",
         "40 31 0:32 /other /elsewhere rw - cgroup cgroup rw,memory\n"
         "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime master:11 - cgroup cgroup rw,memory\n");
    file("/sys/fs/cgroup/memory/in/memory.usage_in_bytes", "950");
    file("/sys/fs/cgroup/memory/in/memory.stat",
         "hierarchical_memory_limit 1\n"); /* not the highest: its own limit is what counts */
    file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "950");
    file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    file("/sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit 1000\n");
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
}

/* Where the name is not below the mount's root, the mount is the group. */
static void another_namespace(void **state)
{
    (void)state;
    file("/proc/self/cgroup", "0::/../other\n");
    file("/proc/self/mountinfo", "30 22 0:26 / /mnt/a\\040b\\134 rw - cgroup2 none rw\n");
    file("/mnt/a b\\/../other/memory.max", "10");
    file("/mnt/a b\\/../other/memory.current", "20");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    file("/mnt/a b\\/memory.max", "1000");
    file("/mnt/a b\\/memory.current", "950");
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    tarn__pressure_look_below("");
    file("/proc/self/mountinfo", "30 22 0:26 /.. /mnt rw - cgroup2 none rw\n"); /* shows more than the namespace */
    file("/mnt/other/memory.max", "100");
    file("/mnt/other/memory.current", "80");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    tarn__pressure_look_below("");
    file("/proc/self/cgroup", "0::/docker/abcd\n"); /* not below /docker/abc */
    file("/proc/self/mountinfo", "30 22 0:26 /docker/abc /mnt rw - cgroup2 none rw\n");
    file("/mntd/memory.max", "1");
    file("/mntd/memory.current", "2");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    file("/mnt/memory.max", "100");
    file("/mnt/memory.current", "80");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
}

static void several_mounts(void **state)
{
    (void)state;
    file("/proc/self/cgroup", "0::/a\n");
    file("/one/memory.max", "10");
    file("/one/memory.current", "20");
    static const struct {
        const char *mounts;
        int level;
    } cases[] = {
        {"1 0 0:26 /x /one rw - cgroup2 n rw\n2 0 0:26 /y /two rw - cgroup2 n rw\n",
         2}, /* neither shows the group: the first */
        {"1 0 0:26 /y /two rw - cgroup2 n rw\n2 0 0:26 /a /one rw - cgroup2 n rw\n", 2}, /* the second does */
        {"1 0 0:26 / /one rw - cgroup2 n rw\n2 0 0:26 / /two rw - cgroup2 n rw\n", 2},   /* both do: the first */
        {"1 0 0:26 / /two rw - cgroup2 n rw\n2 0 0:26 / /one rw - cgroup2 n rw\n", 0},
        {"1 0 / - cgroup2 /one b\n", 0}, /* too few fields */
        {"1 0 0:26 / /one rw cgroup2 n rw\n", 0},
        {"1 0 0:26 / /one rw - cgroup2\n", 0},
    };
    file("-/memory.max", "10");
    file("-/memory.current", "20");
    file("cgroup2/memory.max", "10");
    file("cgroup2/memory.current", "20");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        tarn__pressure_look_below("");
        file("/proc/self/mountinfo", cases[i].mounts);
        assert_int_equal(found(), cases[i].level);
    }
}

static void hybrid(void **state)
{
    (void)state;
    file("/proc/self/cgroup", "4:memory:/a\n0::/u\n");
    file("/proc/self/mountinfo", V1_MOUNTS "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
    file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000");
    file("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "800");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    file("/sys/fs/cgroup/unified/u/memory.pressure",
         "some avg10=9.00 avg60=0.00 avg300=0.00 total=0\n"
         "full avg10=1.01 avg60=0.00 avg300=0.00 total=0\n");
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    file("/proc/self/cgroup", "0::/u\n");
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    file("/sys/fs/cgroup/unified/u/memory.pressure", CALM_PSI);
    assert_int_equal(found(), TARN__PRESSURE_CALM);
}

static void stalls_by_share(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int level;
    } cases[] = {
        {CALM_PSI, 0},
        {"some avg10=1.00 avg60=9.00 avg300=9.00 total=0\n", 0},
        {"some avg10=1.01 avg60=0.00 avg300=0.00 total=0\n", 1},
        {"some avg10=2.00 avg60=0.00 avg300=0.00 total=0\n", 1},
        {"some avg10=99.99 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.99 avg60=5.00 avg300=0.00 total=0\n", 1},
        {"some avg10=99.99 avg60=0.00 avg300=0.00 total=0\nfull avg10=50.00 avg60=0.00 avg300=0.00 total=0\n", 2},
        {"some avg10=\n", 0},
        {"some avg10=x.00 total=99999999\n", 0},
        {"some avg10=5\n", 0},
        {"some", 0},
        {"else avg10=50.00 avg60=0.00 avg300=0.00 total=0\n", 0},
        {"some avg10=18446744073709551615.50 avg60=0.00 avg300=0.00 total=0\n", 1},
        {"some total=5 avg10=50.00", 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        file("/proc/pressure/memory", cases[i].text);
        assert_int_equal(found(), cases[i].level);
    }
}

static int with_totals(unsigned some, unsigned full)
{
    static char text[2][200];
    static unsigned turn;
    char *to = text[turn++ & 1];
    snprintf(to, sizeof text[0],
             "some avg10=0.00 avg60=0.00 avg300=0.00 total=%u\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=%u\n", some, full);
    file("/proc/pressure/memory", to);
    pass(500);
    return tarn__os_pressure();
}

static void stalls_of_the_last_second(void **state)
{
    (void)state;
    assert_int_equal(with_totals(5000000, 4000000), TARN__PRESSURE_CALM); /* since the machine began */
    assert_int_equal(with_totals(5010000, 4000000), TARN__PRESSURE_CALM);
    assert_int_equal(with_totals(5010001, 4000000),
                     TARN__PRESSURE_SOME); /* a second's end: this one counts for the next, too */
    assert_int_equal(with_totals(5010001, 4000000), TARN__PRESSURE_SOME);
    assert_int_equal(with_totals(5010001, 4000000), TARN__PRESSURE_SOME);
    assert_int_equal(with_totals(5010001, 4000000), TARN__PRESSURE_CALM);
    assert_int_equal(with_totals(5020000, 4010001), TARN__PRESSURE_HIGH);
    pass(10000);
    for (unsigned i = 0; i < 10; i++) /* eight milliseconds a second */
        assert_int_equal(with_totals(6000000 + i * 4000, 5000000), TARN__PRESSURE_CALM);
    pass(10000); /* how it grew in a time nobody looked tells nothing */
    assert_int_equal(with_totals(9000000, 8000000), TARN__PRESSURE_CALM);
    assert_int_equal(with_totals(100, 100), TARN__PRESSURE_CALM); /* and a total that fell neither */
}

/* Never more often than every 100 ms, whatever comes. */
static void readings_are_rare(void **state)
{
    (void)state;
    set_v2();
    file("/sys/fs/cgroup/a.slice/b/memory.max", "1000");
    file("/sys/fs/cgroup/a.slice/b/memory.current", "10");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    file("/sys/fs/cgroup/a.slice/b/memory.current", "990");
    uint64_t calls = tarn__os_calls(TARN__OS_READ);
    for (int i = 0; i < 99; i++) {
        pass(1);
        assert_int_equal(tarn__os_pressure(), TARN__PRESSURE_CALM);
    }
    assert_int_equal(tarn__os_calls(TARN__OS_READ), calls);
    pass(2);
    assert_int_equal(tarn__os_pressure_known(), TARN__PRESSURE_CALM);
    assert_int_equal(tarn__os_pressure(), TARN__PRESSURE_HIGH);
    assert_int_equal(tarn__os_pressure_known(), TARN__PRESSURE_HIGH);
    calls = tarn__os_calls(TARN__OS_READ) - calls;
    assert_in_range(calls, 1, 4); /* what is used, perhaps of what kind, and the stalls; limits are known */
    pass(100);
    tarn__fake_fail(TARN__FAKE_KIND(TARN__OS_READ), 1, UINT64_MAX);
    assert_int_equal(tarn__os_pressure(), TARN__PRESSURE_CALM);
}

/* The clock's low 32 bits may be anything, at first and later. */
static void clock_turns_over(void **state)
{
    (void)state;
    file("/proc/pressure/memory", CALM_PSI);
    uint64_t keep = time_now;
    static const uint64_t starts[] = {0, 1, 0x7fffff00, 0x80000000, 0xffffff00, 0xffffffffff};
    for (unsigned i = 0; i < sizeof starts / sizeof *starts; i++) {
        tarn__fake_set_now(time_now = starts[i]);
        tarn__pressure_look_below("");
        for (int k = 0; k < 10; k++) {
            uint64_t calls = tarn__os_calls(TARN__OS_READ);
            tarn__os_pressure();
            assert_true(tarn__os_calls(TARN__OS_READ) > calls);
            pass(101);
        }
    }
    tarn__fake_set_now(time_now = keep);
}

static char long_text[40000];

static void huge_and_truncated(void **state)
{
    (void)state;
    set_v2();
    file("/sys/fs/cgroup/a.slice/b/memory.max", "1000");
    file("/sys/fs/cgroup/a.slice/b/memory.current", "990");
    /* Before the line that counts: 30000 bytes of one line, and cut ones. */
    memset(long_text, 'x', 30000);
    strcpy(long_text + 30000,
           "\n1 2 3 - cgroup2\n- cgroup2 \n - cgroup2 a b\n1 2 3 4 - cgroup2 a b\n" V2_MOUNTS "30 22 0:26 /");
    file("/proc/self/mountinfo", long_text);
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    /* A group whose name is too long, or ends nowhere. */
    static char name[3000] = "0::/";
    memset(name + 4, 'g', sizeof name - 5);
    file("/proc/self/cgroup", name);
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    name[1018] = 0; /* itself not too long, but with where it is mounted */
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    name[1000] = 0; /* or with the names of files in it */
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    static const char *const garbage[] = {"",  "\n",      ":", "::", "0:", "0::", "0:memory:/a.slice/b", "00::/a.slice/b",
                                          "x", "4:memory"};
    for (unsigned i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        file("/proc/self/cgroup", garbage[i]);
        assert_int_equal(found(), TARN__PRESSURE_CALM);
    }
    file("/proc/self/cgroup", "0::/a.slice/b"); /* no end of line */
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    strcpy(long_text + 30000, "\n1000\n"); /* a line that is too long is none */
    file("/sys/fs/cgroup/a.slice/b/memory.max", long_text);
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    file("/sys/fs/cgroup/a.slice/b/memory.max", "1000");
    file("/proc/self/cgroup", "0::/a.slice/b (deleted)");
    file("/sys/fs/cgroup/a.slice/memory.max", "1000");
    file("/sys/fs/cgroup/a.slice/memory.current", "800");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
}

/* Files with bytes changed, doubled and cut off anywhere: an answer comes, which sanitizers agree with. */
static void spoil(char *text, size_t size, uint64_t *random)
{
    size_t length = strlen(text);
    for (uint64_t changes = check_random(random) % 6; changes > 0 && length > 1; changes--) {
        size_t at = (size_t)(check_random(random) % length), count = (size_t)(check_random(random) % (length - at));
        uint64_t kind = check_random(random) % 4;
        if (kind == 0)
            text[at] = "\n /:-,.09\\x"[check_random(random) % 11];
        else if (kind == 1)
            text[at] = 0;
        else if (kind == 2)
            memmove(text + at, text + at + count, length - at - count + 1);
        else if (length + count < size)
            memmove(text + at + count, text + at, length - at + 1);
        length = strlen(text);
    }
}

static void spoilt_files(void **state)
{
    (void)state;
    static const char *const names[] = {"/proc/self/cgroup",
                                        "/proc/self/mountinfo",
                                        "/sys/fs/cgroup/a.slice/b/memory.max",
                                        "/sys/fs/cgroup/a.slice/b/memory.current",
                                        "/proc/pressure/memory",
                                        "/sys/fs/cgroup/a.slice/b/memory.stat"};
    static const char *const sound[] = {"4:cpu,memory:/a/b\n0::/a.slice/b\n", V2_MOUNTS V1_MOUNTS, "1000\n", "990\n", CALM_PSI,
                                        "anon 5\ninactive_file 7\n"};
    static char texts[6][2000];
    uint64_t random = 7;
    unsigned found_some = 0;
    for (int turn = 0; turn < 4000; turn++) {
        tarn__pressure_look_below("");
        for (int i = 0; i < 6; i++) {
            strcpy(texts[i], sound[i]);
            spoil(texts[i], sizeof texts[i], &random);
            file(names[i], texts[i]);
        }
        int level = found();
        assert_in_range(level, TARN__PRESSURE_CALM, TARN__PRESSURE_HIGH);
        found_some += level > TARN__PRESSURE_CALM;
    }
    assert_in_range(found_some, 100, 3900);
}

/* Groups deeper than are remembered: the nearest ones count. No access out of bounds, which sanitizers would see. */
static void many_groups(void **state)
{
    (void)state;
    static char paths[40][300];
    file("/proc/self/cgroup", "0::/g/g/g/g/g/g/g/g/g/g/g/g\n");
    file("/proc/self/mountinfo", V2_MOUNTS);
    for (int depth = 0; depth < 13; depth++) {
        snprintf(paths[depth], sizeof paths[0], "/sys/fs/cgroup%.*s/memory.max", 2 * depth, "/g/g/g/g/g/g/g/g/g/g/g/g");
        snprintf(paths[20 + depth], sizeof paths[0], "/sys/fs/cgroup%.*s/memory.current", 2 * depth,
                 "/g/g/g/g/g/g/g/g/g/g/g/g");
        file(paths[depth], "1000");
        file(paths[20 + depth], depth == 5 ? "800" : "1");
    }
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    file(paths[25], "1");
    file(paths[20], "1000"); /* the twelfth above */
    assert_int_equal(found(), TARN__PRESSURE_CALM);
}

static void limits_change(void **state)
{
    (void)state;
    set_v2();
    file("/sys/fs/cgroup/a.slice/b/memory.max", "max");
    file("/sys/fs/cgroup/a.slice/b/memory.current", "990");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    file("/sys/fs/cgroup/a.slice/b/memory.max", "1000");
    pass(1000);
    assert_int_equal(tarn__os_pressure(), TARN__PRESSURE_CALM);
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
    file("/proc/self/cgroup", "0::/c\n"); /* moved */
    assert_int_equal(found(), TARN__PRESSURE_CALM);
}

static void not_wanted(void **state)
{
    (void)state;
    file("/proc/pressure/memory", "some avg10=50.00 avg60=0.00 avg300=0.00 total=0\n");
    tarn__pressure_begin(false);
    uint64_t calls = tarn__os_calls(TARN__OS_READ);
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    assert_int_equal(tarn__os_calls(TARN__OS_READ), calls);
    tarn__pressure_begin(true);
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    tarn__fake_set_filtered(true); /* from now on: no file is opened */
    calls = tarn__os_calls(TARN__OS_READ);
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    tarn__fake_set_filtered(false);
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    assert_int_equal(tarn__os_calls(TARN__OS_READ), calls);
    tarn__fake_set_filtered(true); /* from the start, as in containers */
    tarn__pressure_begin(true);
    assert_int_equal(found(), TARN__PRESSURE_SOME);
}

/* While a thread reads, others, and signal handlers in it, go on with what was known. */

static int level_within;
static pid_t child;
static _Atomic int steps;

static void ask_within(void) { level_within += tarn__os_pressure(); }

static void nobody_waits_for_a_reading(void **state)
{
    (void)state;
    file("/proc/pressure/memory", "some avg10=2.00 avg60=0.00 avg300=0.00 total=0\n");
    level_within = 0;
    tarn__fake_on_read(ask_within);
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    tarn__fake_on_read(NULL);
    assert_int_equal(level_within, 0);
}

/* In the child of a fork, what another thread was reading is nobody's. */
static void pause_reading(void)
{
    if (steps == 0) {
        steps = 1;
        while (steps == 1)
            sched_yield();
    }
}

static void *read_slowly(void *value)
{
    *(int *)value = found();
    return NULL;
}

static void read_in_child(void *value)
{
    (void)value;
    tarn__pressure_child();
    tarn__fake_on_read(NULL);
    if (tarn__os_pressure() != TARN__PRESSURE_SOME)
        _exit(1);
}

static void forks_within_a_reading(void **state)
{
    (void)state;
    pthread_t thread;
    int level = -1;
    file("/proc/pressure/memory", "some avg10=2.00 avg60=0.00 avg300=0.00 total=0\n");
    steps = 0;
    tarn__fake_on_read(pause_reading);
    pthread_create(&thread, NULL, read_slowly, &level);
    while (steps == 0)
        sched_yield();
    check_lives(read_in_child, NULL);
    steps = 2;
    pthread_join(thread, NULL);
    tarn__fake_on_read(NULL);
    assert_int_equal(level, TARN__PRESSURE_SOME);
}

/* As a signal handler may that interrupts the reading: it goes on in either process, and may be done again. */
static void fork_once(void)
{
    if (steps++ == 0) {
        child = fork();
        if (child == 0) {
            tarn__pressure_child();
            level_within = tarn__os_pressure(); /* another signal handler: the reading is still to end */
        }
    }
}

static void the_reader_forks(void **state)
{
    (void)state;
    int status = -1;
    file("/proc/pressure/memory", "some avg10=2.00 avg60=0.00 avg300=0.00 total=0\n");
    steps = 0;
    tarn__fake_on_read(fork_once);
    int level = found(), again = found();
    if (child == 0)
        _exit(level_within != TARN__PRESSURE_CALM ? 1 : level != TARN__PRESSURE_SOME ? 2 : again != level);
    tarn__fake_on_read(NULL);
    assert_int_equal(level, TARN__PRESSURE_SOME);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void below_a_prefix(void **state)
{
    (void)state;
    file("/tree/proc/self/cgroup", "0::/\n");
    file("/tree/proc/self/mountinfo", V2_MOUNTS);
    file("/tree/sys/fs/cgroup/memory.max", "1000");
    file("/tree/sys/fs/cgroup/memory.current", "800");
    assert_int_equal(found(), TARN__PRESSURE_CALM);
    tarn__pressure_look_below("/tree");
    assert_int_equal(found(), TARN__PRESSURE_SOME);
    file("/tree/proc/pressure/memory", "full avg10=2.00 avg60=0.00 avg300=0.00 total=0\n");
    assert_int_equal(found(), TARN__PRESSURE_HIGH);
}

#define PRESSURE_TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PRESSURE_TEST(without_files_calm),
        PRESSURE_TEST(thresholds),
        PRESSURE_TEST(the_lower_of_high_and_max),
        PRESSURE_TEST(the_least_limit_is_known),
        PRESSURE_TEST(without_inactive_files),
        PRESSURE_TEST(groups_above_count),
        PRESSURE_TEST(no_limit),
        PRESSURE_TEST(version_1),
        PRESSURE_TEST(container_of_version_1),
        PRESSURE_TEST(another_namespace),
        PRESSURE_TEST(several_mounts),
        PRESSURE_TEST(hybrid),
        PRESSURE_TEST(stalls_by_share),
        PRESSURE_TEST(stalls_of_the_last_second),
        PRESSURE_TEST(readings_are_rare),
        PRESSURE_TEST(clock_turns_over),
        PRESSURE_TEST(huge_and_truncated),
        PRESSURE_TEST(spoilt_files),
        PRESSURE_TEST(many_groups),
        PRESSURE_TEST(limits_change),
        PRESSURE_TEST(not_wanted),
        PRESSURE_TEST(nobody_waits_for_a_reading),
        PRESSURE_TEST(forks_within_a_reading),
        PRESSURE_TEST(the_reader_forks),
        PRESSURE_TEST(below_a_prefix),
    };
    return cmocka_run_group_tests_name("pressure", tests, NULL, NULL);
}
