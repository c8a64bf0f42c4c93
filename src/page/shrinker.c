/*
 * Shrinkers: a list in the order of registration, and how much pressure each of them gets.
 *
 * A walk holds no lock while a shrinker runs. It keeps its place by counting itself in that shrinker's `users`: who unregisters
 * marks it as leaving, so that no walk enters it any more, waits until there are no users, and only then takes it off the list.
 *
 *     UNREGISTERED -> REGISTERED -> LEAVING -> (off the list) on the list of spare ones
 *
 * Pressure is the kernel's (do_shrink_slab): at priority p a 2^p-th of the objects, times 4 / seeks; scanned in batches, and
 * only whole ones, unless that would be all there is. What was not scanned is deferred: it adds to later calls, which take it
 * from `deferred` all at once so that calls at one time do not do the same work twice.
 *
 * Wrong if: a shrinker runs after its free returned, runs under a lock or inside itself, or the numbers of
 * test/unit/test_shrinker.c change.
 */
#include "page/shrinker.h"

#include "base/gfp.h"
#include "base/list.h"
#include "base/warn.h"
#include "os/sleep.h"
#include "os/worker.h"
#include "page/meta.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum state { UNREGISTERED, REGISTERED, LEAVING };

struct record {
    struct tarn_shrinker shrinker; /* internal[0]: this record, while it is the user's */
    struct tarn__list link;        /* among the registered or the spare ones */
    enum state state;
    unsigned users; /* walks that run it or hold their place by it */
    _Atomic long deferred;
    char name[32];
};

static struct tarn__lock lock = TARN__LOCK_INIT(TARN__RANK_SHRINKERS);
static struct tarn__list registered = {&registered, &registered};
static struct tarn__list spare = {&spare, &spare};
static struct tarn__sleeper *leaving; /* who waits for users to go */
static _Atomic unsigned count_registered;

/* The shrinker that the calling thread's walk is in. */
static TARN__TLS struct record *running;

/* Pressure */

static long scan_target(const struct tarn_shrinker *shrinker, long freeable, int priority)
{
    return shrinker->seeks > 0 ? (freeable >> priority) * 4 / shrinker->seeks : freeable / 2;
}

static long smaller(long a, long b) { return a < b ? a : b; }

/* Has up to `total` objects scanned, in batches. Returns how many were freed; adds to `*scanned` how many were looked at. */
static unsigned long scan(struct tarn_shrinker *shrinker, struct tarn_shrink_control *control, long total, long freeable,
                          long *scanned)
{
    long batch = shrinker->batch > 0 ? shrinker->batch : TARN_SHRINK_BATCH;
    unsigned long freed = 0;
    while (total >= batch || total >= freeable) {
        control->nr_to_scan = control->nr_scanned = (unsigned long)smaller(batch, total);
        unsigned long result = shrinker->scan_objects(shrinker, control);
        if (result == TARN_SHRINK_STOP)
            break;
        freed += result;
        total -= (long)control->nr_scanned;
        *scanned += (long)control->nr_scanned;
    }
    return freed;
}

/* One shrinker's share of the work. */
static unsigned long shrink(struct record *record, tarn_gfp_t flags, int priority)
{
    struct tarn_shrinker *shrinker = &record->shrinker;
    struct tarn_shrink_control control = {.gfp_mask = flags};
    unsigned long count = shrinker->count_objects(shrinker, &control);
    if (count == 0 || count == TARN_SHRINK_EMPTY)
        return 0;
    long freeable = count < LONG_MAX / 8 ? (long)count : LONG_MAX / 8; /* what follows stays within a long */
    long deferred = atomic_exchange_explicit(&record->deferred, 0, memory_order_relaxed);
    long fresh = scan_target(shrinker, freeable, priority), scanned = 0;
    unsigned long freed = scan(shrinker, &control, smaller((deferred >> priority) + fresh, 2 * freeable), freeable, &scanned);
    long left = smaller(deferred + fresh - scanned, 2 * freeable);
    if (left > 0)
        atomic_fetch_add_explicit(&record->deferred, left, memory_order_relaxed);
    return freed;
}

/* The walk */

static struct record *record_at(struct tarn__list *link) { return TARN__CONTAINER(link, struct record, link); }

/* The next shrinker after `last` (NULL: the first), which is entered; `last` is left. NULL at the end. */
static struct record *next_to_run(struct record *last)
{
    struct tarn__sleeper *woken = NULL;
    struct record *found = NULL;
    tarn__lock(&lock);
    for (struct tarn__list *at = last ? last->link.next : registered.next; at != &registered && !found; at = at->next)
        if (record_at(at)->state == REGISTERED)
            found = record_at(at);
    if (found)
        found->users++;
    running = found;
    if (last && --last->users == 0 && last->state == LEAVING)
        woken = tarn__sleepers_take(&leaving);
    tarn__unlock(&lock);
    tarn__wake_all(woken);
    return found;
}

unsigned long tarn__reclaim(tarn_gfp_t flags, int priority)
{
    if (running || atomic_load_explicit(&count_registered, memory_order_relaxed) == 0)
        return 0;
    unsigned long freed = 0;
    flags = tarn__gfp_in_force(flags);
    priority = priority < 0 ? 0 : priority > TARN__RECLAIM_PRIORITY ? TARN__RECLAIM_PRIORITY : priority;
    tarn_gfp_t previous = tarn_gfp_enter(TARN_GFP_MEMALLOC);
    for (struct record *record = next_to_run(NULL); record; record = next_to_run(record))
        freed += shrink(record, flags, priority);
    tarn_gfp_leave(previous);
    return freed;
}

unsigned long tarn_shrink_all(tarn_gfp_t flags, int priority) { return tarn__reclaim(flags, priority); }

/* In the background */

static bool (*_Atomic short_of_memory)(void);

static void reclaim_in_background(struct tarn__job *job)
{
    (void)job;
    unsigned long freed;
    do {
        freed = 0;
        for (int priority = TARN__RECLAIM_PRIORITY; priority >= 0; priority--) {
            if (!atomic_load_explicit(&short_of_memory, memory_order_acquire)())
                return;
            freed += tarn__reclaim(TARN_GFP_KERNEL, priority);
        }
    } while (freed > 0);
}

static struct tarn__job background = {.run = reclaim_in_background};

void tarn__reclaim_wake(bool (*still_short)(void))
{
    if (atomic_load_explicit(&count_registered, memory_order_relaxed) == 0)
        return;
    atomic_store_explicit(&short_of_memory, still_short, memory_order_release);
    tarn__worker_ask(&background);
}

/* Their life */

static struct record *obtain(void)
{
    struct record *record = NULL;
    tarn__lock(&lock);
    if (!tarn__list_empty(&spare)) {
        record = record_at(spare.next);
        tarn__list_remove(&record->link);
    }
    tarn__unlock(&lock);
    return record ? record : tarn__meta_alloc(sizeof *record, _Alignof(struct record));
}

struct tarn_shrinker *tarn_shrinker_alloc(unsigned flags, const char *name)
{
    struct record *record = obtain();
    if (!record)
        return NULL;
    memset(record, 0, sizeof *record);
    record->shrinker = (struct tarn_shrinker){.seeks = TARN_DEFAULT_SEEKS, .flags = flags, .internal = {record}};
    if (name)
        strncpy(record->name, name, sizeof record->name - 1);
    return &record->shrinker;
}

static struct record *record_of(struct tarn_shrinker *shrinker) { return (struct record *)shrinker; }

int tarn_shrinker_register(struct tarn_shrinker *shrinker)
{
    struct record *record = record_of(shrinker);
    if (!shrinker->count_objects || !shrinker->scan_objects || shrinker->internal[0] != record)
        return -EINVAL;
    tarn__lock(&lock);
    bool fits = record->state == UNREGISTERED;
    if (fits) {
        record->state = REGISTERED;
        tarn__list_push_back(&registered, &record->link);
        atomic_fetch_add_explicit(&count_registered, 1, memory_order_relaxed);
    }
    tarn__unlock(&lock);
    return fits ? 0 : -EINVAL;
}

/* Takes a registered one off the list, once no walk is in it. The lock is held. */
static void unregister(struct record *record)
{
    record->state = LEAVING;
    while (record->users > 0) {
        struct tarn__sleeper me;
        tarn__sleeper_push(&leaving, &me);
        tarn__unlock(&lock);
        tarn__sleep(&me);
        tarn__lock(&lock);
    }
    tarn__list_remove(&record->link);
    atomic_fetch_sub_explicit(&count_registered, 1, memory_order_relaxed);
}

void tarn_shrinker_free(struct tarn_shrinker *shrinker)
{
    if (!shrinker)
        return;
    struct record *record = record_of(shrinker);
    if (record == running) {
        tarn__warn("shrinker %s is freed by its own callback: it stays", record->name);
        return;
    }
    if (shrinker->internal[0] != record) {
        tarn__warn("what is freed as a shrinker is none, or was freed before");
        return;
    }
    shrinker->internal[0] = NULL;
    tarn__lock(&lock);
    if (record->state == REGISTERED)
        unregister(record);
    tarn__list_push_front(&spare, &record->link);
    tarn__unlock(&lock);
}

/* Forks */

void tarn__shrinkers_each_lock(void (*act)(struct tarn__lock *)) { act(&lock); }

void tarn__shrinkers_child(void)
{
    leaving = NULL;
    if (tarn__lock_is_mine(&lock)) /* the fork interrupted a change of the list */
        return;
    for (struct tarn__list *at = registered.next; at != &registered; at = at->next)
        record_at(at)->users = record_at(at) == running;
}
