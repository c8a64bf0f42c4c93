/*
 * What pressure.h tells. Where the files are is found out at the first question; which groups have limits again every five seconds, as limits change
 * and processes are moved; how much they use at most every 100 ms. No file stays open between readings: programs close descriptors that they do
 * not know, and use their numbers again.
 *
 * Who finds the last reading old takes `reader`, reads, and lets go; who finds it taken goes on with what was known. So nobody waits, a signal handler
 * within a reading neither, and the memory below needs no other lock. In the child of a fork the reader may not exist: it is let go of.
 *
 * Wrong if: programs that are short of memory show CALM because files that matter lie elsewhere, or readings show in a profile.
 */
#include "os/pressure.h"

#include "os/cgroup.h"
#include "os/os.h"
#include "os/text.h"
#include "os/thread.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { BETWEEN = 100, FIND_AGAIN = 5000, WINDOW = 1000 }; /* milliseconds */

/* Tasks that waited for more than so much: in percent of the last ten seconds, in microseconds of the last second. */
enum { LONG_SHARE = 1, LONG_WAIT = 10000 };

static _Atomic uint32_t asked;  /* when it was read last, | 1; 0: never */
static _Atomic uint32_t level;  /* what was found */
static _Atomic uint32_t reader; /* the number of the thread that reads */
static _Atomic uint32_t room;   /* UINT32_MAX - the least limit in KiB */
static _Atomic bool begun, unwanted, filtered_first;

/* What follows is the reader's. */

/* One line of a PSI file, "some" or "full", seen over windows of a second. */
struct stall {
    uint64_t base;  /* its total at the window's begin */
    uint32_t since; /* the window's begin; 0: none yet */
    bool was_long;  /* in the window before */
    bool long_now;  /* in that or this one, or by its average */
};

struct psi {
    struct stall some, full;
};

static const char *prefix = "";
static struct tarn__cgroup first, second;
static struct psi system_psi, group_psi;
static uint32_t found; /* when groups were looked for, | 1; 0: never */
static uint32_t now;
static char file[TARN__CGROUP_PATH];

static void take_total(struct stall *stall, uint64_t total)
{
    uint32_t passed = now - stall->since;
    bool fresh = stall->since && passed <= 2 * WINDOW && total >= stall->base;
    bool is_long = fresh && total - stall->base > LONG_WAIT;
    stall->long_now |= is_long || (fresh && stall->was_long);
    if (!fresh || passed >= WINDOW) {
        stall->was_long = is_long;
        stall->base = total;
        stall->since = now | 1;
    }
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static bool take_stall(void *to, char *text)
{
    struct psi *psi = to;
    struct stall *stall = tarn__text_after(text, "some ") ? &psi->some : tarn__text_after(text, "full ") ? &psi->full : NULL;
    char *average = strstr(text, " avg10="), *total = strstr(text, " total="), *point = average ? strchr(average, '.') : NULL;
    if (!stall || !average || !total || !point || point > total)
        return true;
    uint64_t sum = tarn__text_to_number(total + 7, UINT64_MAX);
    bool more = tarn__text_after(point, ".00 ") == NULL;
    *point = 0;
    uint64_t share = tarn__text_to_number(average + 7, 0);
    stall->long_now = share > LONG_SHARE || (share == LONG_SHARE && more);
    if (sum != UINT64_MAX)
        take_total(stall, sum);
    return true;
}

static int stalls(struct psi *psi, const char *path)
{
    psi->some.long_now = psi->full.long_now = false;
    if (tarn__text_lines(path, take_stall, psi) != 0)
        return TARN__PRESSURE_CALM;
    return psi->full.long_now ? TARN__PRESSURE_HIGH : psi->some.long_now ? TARN__PRESSURE_SOME : TARN__PRESSURE_CALM;
}

static int worse(int a, int b) { return a > b ? a : b; }

static void note_limit(void)
{
    uint64_t a = tarn__cgroup_limit(&first) >> 10, b = tarn__cgroup_limit(&second) >> 10, least = a < b ? a : b;
    atomic_store_explicit(&room, least < UINT32_MAX ? UINT32_MAX - (uint32_t)least : 0, memory_order_relaxed);
}

static int look(void)
{
    int most = TARN__PRESSURE_CALM;
    if (!found) {
        first.point[0] = second.point[0] = 0;
        memset(&system_psi, 0, sizeof system_psi);
        memset(&group_psi, 0, sizeof group_psi);
    }
    if (!found || now - found >= FIND_AGAIN) {
        found = now;
        tarn__cgroup_find(&second, 2, prefix);
        tarn__cgroup_find(&first, 1, prefix);
        note_limit();
    }
    most = worse(most, tarn__cgroup_use(&second));
    most = worse(most, tarn__cgroup_use(&first));
    if (most < TARN__PRESSURE_HIGH && second.version == 2 &&
        tarn__cgroup_file(&second, (uint32_t)strlen(second.path), "memory.pressure", file))
        most = worse(most, stalls(&group_psi, file));
    if (most < TARN__PRESSURE_HIGH && tarn__cgroup_join(file, sizeof file, prefix, "/proc/pressure/memory", ""))
        most = worse(most, stalls(&system_psi, file));
    return most;
}

/* Whether files may be read. Once they may not, they never may again. */
static bool may_look(void)
{
    if (!begun)
        tarn__pressure_begin(true);
    if (!unwanted && !filtered_first && tarn__os_filtered())
        unwanted = true;
    return !unwanted;
}

int tarn__os_pressure_known(void) { return (int)atomic_load_explicit(&level, memory_order_relaxed); }

uint32_t tarn__os_limit_known(void) { return UINT32_MAX - atomic_load_explicit(&room, memory_order_relaxed); }

int tarn__os_pressure(void)
{
    uint32_t time = (uint32_t)tarn__os_now() | 1, last = atomic_load_explicit(&asked, memory_order_relaxed), nobody = 0;
    if ((last != 0 && time - last < BETWEEN) ||
        !atomic_compare_exchange_strong_explicit(&reader, &nobody, tarn__thread_id(), memory_order_acquire,
                                                 memory_order_relaxed))
        return tarn__os_pressure_known();
    atomic_store_explicit(&asked, time, memory_order_relaxed);
    now = time;
    int most = may_look() ? look() : TARN__PRESSURE_CALM;
    atomic_store_explicit(&level, (uint32_t)most, memory_order_relaxed);
    atomic_store_explicit(&reader, 0, memory_order_release); /* pairs with the acquire of the next reader */
    return most;
}

void tarn__pressure_begin(bool wanted)
{
    begun = true;
    unwanted = !wanted;
    filtered_first = tarn__os_filtered();
}

void tarn__pressure_child(void)
{
    if (atomic_load_explicit(&reader, memory_order_relaxed) == tarn__thread_id())
        return; /* it forks in a signal handler, and goes on reading in either process */
    if (atomic_load_explicit(&asked, memory_order_relaxed) == 0)
        return; /* nobody asked: no page is written to */
    found = 0;  /* another process, perhaps in another group; and what another thread was in the middle of counts for nothing */
    atomic_store_explicit(&asked, 0, memory_order_relaxed);
    atomic_store_explicit(&reader, 0, memory_order_relaxed);
}

void tarn__pressure_look_below(const char *its_prefix)
{
    begun = false;
    prefix = its_prefix;
    atomic_store_explicit(&level, TARN__PRESSURE_CALM, memory_order_relaxed);
    atomic_store_explicit(&room, 0, memory_order_relaxed);
    tarn__pressure_child();
}
