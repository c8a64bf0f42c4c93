/*
 * Pools on Linux: tarn's lock, the system's memory, the C library's malloc.
 *
 * Guards with the built-in lock are on a list, so that fork hooks find them: ranks are those of lock.h.
 */
#include "pool/host.h"

#include "os/lock.h"
#include "os/thread.h"
#include "pool/forks.h"

#include <stdlib.h>

static struct tarn__lock list_lock = TARN__LOCK_INIT(TARN__RANK_GUARDS);
static struct tarn__lock race_lock = TARN__LOCK_INIT(TARN__RANK_GUARD_RACE);
static struct tarn__list guards = {&guards, &guards};

_Static_assert(sizeof(struct tarn__lock) <= sizeof(((struct tarn__guard *)0)->word), "a lock fits its place");

static void take(void *lock) { tarn__lock(lock); }

static void drop(void *lock) { tarn__unlock(lock); }

void tarn__guard_init(struct tarn__guard *guard, const struct tarn_pool_lock *lock)
{
    *guard = (struct tarn__guard){.lock = {NULL, NULL, NULL}};
    if (lock != TARN_POOL_LOCK_BUILTIN) {
        if (lock)
            guard->lock = *lock;
        return;
    }
    tarn__lock_init((struct tarn__lock *)(void *)guard->word, TARN__RANK_GUARD);
    guard->lock = (struct tarn_pool_lock){take, drop, guard->word};
    tarn__lock(&list_lock);
    tarn__list_push_back(&guards, &guard->link);
    tarn__unlock(&list_lock);
}

void tarn__guard_leave(struct tarn__guard *guard)
{
    if (guard->lock.acquire != take)
        return;
    tarn__lock(&list_lock);
    tarn__list_remove(&guard->link);
    tarn__unlock(&list_lock);
}

bool tarn__guard_claim(struct tarn__guard *guard)
{
    uint32_t me = tarn__thread_id(), nobody = 0;
    if (__atomic_compare_exchange_n(&guard->word[0], &nobody, me, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return true;
    if (nobody == me)
        guard->word[1]++;
    return nobody == me;
}

void tarn__guard_unclaim(struct tarn__guard *guard)
{
    if (__atomic_load_n(&guard->word[0], __ATOMIC_RELAXED) != tarn__thread_id())
        return;
    if (guard->word[1])
        guard->word[1]--;
    else
        __atomic_store_n(&guard->word[0], 0, __ATOMIC_RELAXED);
}

void tarn__host_lock(void) { tarn__lock(&race_lock); }

void tarn__host_unlock(void) { tarn__unlock(&race_lock); }

struct tarn_source *tarn__host_source(void) { return tarn_source_system(); }

static void *host_alloc(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void host_free(void *context, void *p, size_t size)
{
    (void)context;
    (void)size;
    free(p);
}

const struct tarn_pool_fallback tarn__host_fallback = {host_alloc, host_free, NULL};

void tarn__guards_each_lock(void (*act)(struct tarn__lock *))
{
    act(&race_lock);
    act(&list_lock);
    for (struct tarn__list *link = guards.next; link != &guards; link = link->next)
        act((struct tarn__lock *)(void *)TARN__CONTAINER(link, struct tarn__guard, link)->word);
    tarn__watch_each_lock(act);
}
