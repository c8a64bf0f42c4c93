/* The table and the list of caches. */
#include "slab/caches.h"

#include "os/os.h"
#include "page/decay.h"
#include "slab/idle.h"
#include "slab/quarantine.h"

#include <errno.h>
#include <string.h>

_Atomic(struct tarn_cache *) tarn__cache_table[TARN__CACHES];
_Atomic unsigned tarn__cache_table_end = 1;
struct tarn__list tarn__caches = {&tarn__caches, &tarn__caches};
struct tarn__lock tarn__caches_lock = TARN__LOCK_INIT(TARN__RANK_CACHES);

uint64_t tarn__ended_allocs;

static bool number_taken[TARN__CACHES]; /* longer than in the table: until threads' bins are clean again */

static void put_into_table(struct tarn_cache *cache)
{
    unsigned number = cache->number;
    if (number == 0)
        return;
    number_taken[number] = true;
    atomic_store_explicit(&tarn__cache_table[number], cache, memory_order_release);
    if (number >= atomic_load_explicit(&tarn__cache_table_end, memory_order_relaxed))
        atomic_store_explicit(&tarn__cache_table_end, number + 1, memory_order_release);
}

/* Once one of those who shared a cache has left, it is not known which of the names are still used; so none of them is. */
static bool is_name_of(const struct tarn_cache *cache, const char *name)
{
    if (cache->left)
        return false;
    if (strcmp(cache->name, name) == 0)
        return true;
    for (const struct tarn__list *link = cache->aliases.next; link != &cache->aliases; link = link->next)
        if (strcmp(TARN__CONTAINER(link, struct tarn__alias, link)->name, name) == 0)
            return true;
    return false;
}

bool tarn__cache_name_taken(const char *name)
{
    if (strncmp(name, TARN__CLASS_NAME, sizeof TARN__CLASS_NAME - 1) == 0)
        return true;
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next)
        if (is_name_of(TARN__CONTAINER(link, struct tarn_cache, all), name))
            return true;
    return false;
}

/* The first 127 of users have one of their own. */
static unsigned tag_of(unsigned number)
{
    unsigned tag = number < TARN__CLASS_NUMBERS ? number : TARN__CLASS_NUMBERS + number - TARN__USER_NUMBERS;
    return tag < TARN__SHARED_TAG ? tag : TARN__SHARED_TAG + 1;
}

/* What a cache is listed before: size classes in their order come first. The lock is held. */
static struct tarn__list *place_for(const struct tarn_cache *cache)
{
    struct tarn__list *next = cache->number ? tarn__caches.next : &tarn__caches;
    while (next != &tarn__caches) {
        unsigned number = TARN__CONTAINER(next, struct tarn_cache, all)->number;
        if (number == 0 || number > cache->number)
            break;
        next = next->next;
    }
    return next;
}

int tarn__cache_enter(struct tarn_cache *cache, unsigned first, unsigned end)
{
    tarn__lock(&tarn__caches_lock);
    atomic_store_explicit(&tarn__purge_slabs, tarn__slabs_purge, memory_order_relaxed);
    struct tarn__list *next = place_for(cache);
    bool taken = cache->number == 0 && !cache->exact && tarn__cache_name_taken(cache->name);
    if (!taken) {
        for (unsigned i = first; cache->number == 0 && i < end; i++)
            if (!number_taken[i])
                cache->number = i;
        if (cache->number)
            cache->tag = cache->flags & TARN__DEBUG_FLAGS ? TARN__SHARED_TAG + 1 : tag_of(cache->number);
        else
            cache->purges = false; /* nobody would find it to do that */
        put_into_table(cache);
        tarn__list_insert_between(&cache->all, next->prev, next);
    }
    tarn__unlock(&tarn__caches_lock);
    return taken ? -EEXIST : 0;
}

void tarn__cache_withdraw(struct tarn_cache *cache)
{
    uint32_t pins;
    tarn__lock(&tarn__caches_lock);
    if (cache->number)
        atomic_store_explicit(&tarn__cache_table[cache->number], NULL, memory_order_release);
    atomic_fetch_or(&cache->pins, TARN__LEAVING);
    tarn__unlock(&tarn__caches_lock);
    while ((pins = atomic_load(&cache->pins)) != TARN__LEAVING)
        tarn__os_wait(&cache->pins, pins);
}

void tarn__cache_readmit(struct tarn_cache *cache)
{
    tarn__lock(&tarn__caches_lock);
    atomic_fetch_and(&cache->pins, ~TARN__LEAVING);
    cache->references = 1;
    put_into_table(cache);
    tarn__unlock(&tarn__caches_lock);
}

void tarn__cache_release(struct tarn_cache *cache)
{
    tarn__lock(&tarn__caches_lock);
    tarn__list_remove(&cache->all);
    tarn__ended_allocs += atomic_load_explicit(&cache->past_allocs, memory_order_relaxed);
    number_taken[cache->number] = false;
    tarn__unlock(&tarn__caches_lock);
}

/* This thread's, the latest first. Changed under the lock, by which a fork in a signal handler knows whether they were at rest. */
static TARN__TLS struct tarn__pin *pins;

/* Moves a pin, which may hold none, to a cache, or NULL. The lock is held. What it held, if whoever ends that waits for it now. */
static struct tarn_cache *move_pin(struct tarn__pin *pin, struct tarn_cache *to)
{
    struct tarn_cache *from = pin->cache;
    if (to && !to->permanent)
        atomic_fetch_add(&to->pins, 1);
    if (to && !from) {
        pin->outer = pins;
        pins = pin;
    } else if (from && !to) {
        pins = pin->outer;
    }
    pin->cache = to;
    bool last = from && !from->permanent && atomic_fetch_sub(&from->pins, 1) == (TARN__LEAVING | 1);
    return last ? from : NULL;
}

/* After the last pin of one that leaves, its memory may be another's; a wake-up too many does no harm there. */
static void wake(struct tarn_cache *awaited)
{
    if (awaited)
        tarn__os_wake(&awaited->pins);
}

struct tarn_cache *tarn__cache_pin(struct tarn__pin *pin, unsigned number)
{
    *pin = (struct tarn__pin){NULL, NULL};
    struct tarn_cache *cache = atomic_load_explicit(&tarn__cache_table[number], memory_order_acquire);
    if (!cache || number < TARN__CLASS_NUMBERS) /* those stay, and what another number led to may have gone already */
        return cache;
    tarn__lock(&tarn__caches_lock);
    move_pin(pin, atomic_load_explicit(&tarn__cache_table[number], memory_order_relaxed));
    tarn__unlock(&tarn__caches_lock);
    return pin->cache;
}

void tarn__cache_unpin(struct tarn__pin *pin)
{
    if (!pin->cache)
        return;
    tarn__lock(&tarn__caches_lock);
    struct tarn_cache *awaited = move_pin(pin, NULL);
    tarn__unlock(&tarn__caches_lock);
    wake(awaited);
}

struct tarn_cache *tarn__cache_pin_next(struct tarn__pin *pin)
{
    struct tarn_cache *next = NULL;
    tarn__lock(&tarn__caches_lock);
    struct tarn__list *link = pin->cache ? pin->cache->all.next : tarn__caches.next;
    for (; link != &tarn__caches && !next; link = link->next) {
        struct tarn_cache *cache = TARN__CONTAINER(link, struct tarn_cache, all);
        if (!(atomic_load(&cache->pins) & TARN__LEAVING))
            next = cache;
    }
    struct tarn_cache *awaited = move_pin(pin, next);
    tarn__unlock(&tarn__caches_lock);
    wake(awaited);
    return next;
}

/* The list's own lock is let go of last: from then on caches leave it, and others come. */
void tarn__caches_each_lock(void (*act)(struct tarn__lock *))
{
    bool lets_go = act == tarn__unlock_after_fork;
    if (!lets_go)
        act(&tarn__caches_lock);
    tarn__quarantine_each_lock(act);
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next)
        act(&TARN__CONTAINER(link, struct tarn_cache, all)->slabs_lock);
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next)
        act(&TARN__CONTAINER(link, struct tarn_cache, all)->depot_lock);
    if (lets_go)
        act(&tarn__caches_lock);
}

/* This thread's own pins stay: it may have forked while it worked on a cache, in what the cache or a walk calls. */
void tarn__caches_after_fork(void)
{
    if (tarn__lock_is_mine(&tarn__caches_lock))
        return; /* in a signal handler that interrupted a change of pins */
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next)
        atomic_fetch_and(&TARN__CONTAINER(link, struct tarn_cache, all)->pins, TARN__LEAVING);
    for (const struct tarn__pin *pin = pins; pin; pin = pin->outer)
        if (!pin->cache->permanent)
            atomic_fetch_add(&pin->cache->pins, 1);
}
