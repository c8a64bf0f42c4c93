/* The table and the list of caches. */
#include "slab/caches.h"

#include "os/os.h"

#include <errno.h>
#include <string.h>

_Atomic(struct tarn_cache *) tarn__cache_table[TARN__CACHES];
_Atomic unsigned tarn__cache_table_end = 1;
struct tarn__list tarn__caches = {&tarn__caches, &tarn__caches};
struct tarn__lock tarn__caches_lock = TARN__LOCK_INIT(TARN__RANK_CACHES);

static uint64_t last_serial;
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

int tarn__cache_enter(struct tarn_cache *cache, unsigned first, unsigned end)
{
    tarn__lock(&tarn__caches_lock);
    bool taken = tarn__cache_name_taken(cache->name);
    if (!taken) {
        for (unsigned i = first; cache->number == 0 && i < end; i++)
            if (!number_taken[i])
                cache->number = i;
        if (cache->number)
            cache->tag = tag_of(cache->number);
        cache->serial = ++last_serial;
        put_into_table(cache);
        tarn__list_push_back(&tarn__caches, &cache->all);
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
    atomic_store(&cache->leaving, true);
    tarn__unlock(&tarn__caches_lock);
    while ((pins = atomic_load(&cache->pins)) != 0)
        tarn__os_wait(&cache->pins, pins);
}

void tarn__cache_readmit(struct tarn_cache *cache)
{
    tarn__lock(&tarn__caches_lock);
    atomic_store(&cache->leaving, false);
    cache->references = 1;
    put_into_table(cache);
    tarn__unlock(&tarn__caches_lock);
}

void tarn__cache_release(struct tarn_cache *cache)
{
    tarn__lock(&tarn__caches_lock);
    tarn__list_remove(&cache->all);
    number_taken[cache->number] = false;
    tarn__unlock(&tarn__caches_lock);
}

struct tarn_cache *tarn__cache_pin(unsigned number)
{
    struct tarn_cache *cache = atomic_load_explicit(&tarn__cache_table[number], memory_order_acquire);
    if (!cache || cache->permanent)
        return cache;
    tarn__lock(&tarn__caches_lock);
    cache = atomic_load_explicit(&tarn__cache_table[number], memory_order_relaxed);
    if (cache)
        atomic_fetch_add_explicit(&cache->pins, 1, memory_order_relaxed);
    tarn__unlock(&tarn__caches_lock);
    return cache;
}

/* In one order with tarn__cache_withdraw: either that sees no pin, or this sees that it leaves. */
void tarn__cache_unpin(struct tarn_cache *cache)
{
    if (!cache->permanent && atomic_fetch_sub(&cache->pins, 1) == 1 && atomic_load(&cache->leaving))
        tarn__os_wake(&cache->pins);
}

struct tarn_cache *tarn__cache_pin_after(uint64_t serial)
{
    struct tarn_cache *found = NULL;
    tarn__lock(&tarn__caches_lock);
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next) {
        struct tarn_cache *cache = TARN__CONTAINER(link, struct tarn_cache, all);
        if (cache->serial > serial && !atomic_load(&cache->leaving) && (!found || cache->serial < found->serial))
            found = cache;
    }
    if (found && !found->permanent)
        atomic_fetch_add_explicit(&found->pins, 1, memory_order_relaxed);
    tarn__unlock(&tarn__caches_lock);
    return found;
}

void tarn__caches_each_lock(void (*act)(struct tarn__lock *))
{
    act(&tarn__caches_lock);
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next)
        act(&TARN__CONTAINER(link, struct tarn_cache, all)->slabs_lock);
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next)
        act(&TARN__CONTAINER(link, struct tarn_cache, all)->depot_lock);
}

void tarn__caches_after_fork(void)
{
    for (struct tarn__list *link = tarn__caches.next; link != &tarn__caches; link = link->next)
        atomic_store_explicit(&TARN__CONTAINER(link, struct tarn_cache, all)->pins, 0, memory_order_relaxed);
}
