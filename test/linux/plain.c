/*
 * An ordinary program that speaks the kernel's language: only tarn's headers and the C library's, compiled as ISO C with all warnings as errors.
 * It is a table of sessions: objects from a cache, requests from a reserve, readers without locks, and a shrinker for what is idle.
 */
#include <linux/dmapool.h>
#include <linux/genalloc.h>
#include <linux/gfp.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/vmalloc.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS 64u

struct session {
    u32 id;
    unsigned int uses;
    char *name;
    struct rcu_head rcu;
};

struct request {
    u32 session;
    u8 body[100];
};

static struct session *table[SLOTS];
static struct kmem_cache *sessions, *requests;
static mempool_t *reserve;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned long idle; /* changed under the lock, read without */

static int failures;

static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "plain: not so: %s\n", what);
        failures++;
    }
}

static unsigned long count_idle(struct shrinker *shrinker, struct shrink_control *control)
{
    (void)shrinker, (void)control;
    unsigned long now = idle;
    return now ? now : SHRINK_EMPTY;
}

static struct session *unhook(unsigned int slot)
{
    struct session *old;

    pthread_mutex_lock(&lock);
    old = table[slot];
    rcu_assign_pointer(table[slot], NULL);
    idle -= old != NULL;
    pthread_mutex_unlock(&lock);
    return old;
}

static unsigned long scan_idle(struct shrinker *shrinker, struct shrink_control *control)
{
    unsigned long freed = 0;

    (void)shrinker;
    for (unsigned int slot = 0; slot < SLOTS && freed < control->nr_to_scan; slot++) {
        struct session *old = unhook(slot);

        if (!old)
            continue;
        kfree(old->name);
        kfree_rcu(old, rcu);
        freed++;
    }
    return freed ? freed : SHRINK_STOP;
}

static int open_session(u32 id)
{
    struct session *session = kmem_cache_zalloc(sessions, GFP_KERNEL);

    if (!session)
        return -1;
    session->id = id;
    session->name = kasprintf(GFP_KERNEL, "session %u", id);
    pthread_mutex_lock(&lock);
    if (session->name && !table[id % SLOTS]) {
        rcu_assign_pointer(table[id % SLOTS], session);
        idle++;
        session = NULL;
    }
    pthread_mutex_unlock(&lock);
    if (session) {
        kfree(session->name);
        kmem_cache_free(sessions, session);
    }
    return 0;
}

static bool known(u32 id)
{
    const struct session *session;
    bool found;

    rcu_read_lock();
    session = rcu_dereference(table[id % SLOTS]);
    found = session && session->id == id;
    rcu_read_unlock();
    return found;
}

static void *serve(void *unused)
{
    for (u32 i = 0; i < 3000; i++) {
        struct request *request = mempool_alloc(reserve, i % 2 ? GFP_NOIO : GFP_KERNEL);

        require(request != NULL, "who may sleep gets a request");
        request->session = i;
        memset(request->body, (int)i, sizeof request->body);
        (void)known(i);
        mempool_free(request, reserve);
        require(open_session(i) == 0, "a session can be opened");
    }
    return unused;
}

int main(void)
{
    struct kmem_cache_args args = {.align = 32};
    pthread_t threads[3];
    struct shrinker *shrinker = shrinker_alloc(0, "plain-%s", "sessions");

    sessions = KMEM_CACHE(session, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT);
    requests = kmem_cache_create("request", sizeof(struct request), &args, SLAB_NO_MERGE);
    reserve = mempool_create_slab_pool(4, requests);
    require(shrinker && sessions && requests && reserve, "all can be made");
    if (failures)
        return 1;
    shrinker->count_objects = count_idle;
    shrinker->scan_objects = scan_idle;
    shrinker_register(shrinker);

    for (int i = 0; i < 3; i++)
        require(pthread_create(&threads[i], NULL, serve, NULL) == 0, "a thread starts");
    for (int i = 0; i < 20; i++)
        (void)tarn_shrink_all(GFP_KERNEL, 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);

    shrinker_free(shrinker);
    for (unsigned int slot = 0; slot < SLOTS; slot++) {
        struct session *old = unhook(slot);

        if (old)
            kfree(old->name);
        kfree_rcu(old, rcu);
    }
    rcu_barrier();
    mempool_destroy(reserve);
    require(tarn_cache_destroy((struct tarn_cache *)requests) == 0, "no request is left");
    require(tarn_cache_destroy((struct tarn_cache *)sessions) == 0, "no session is left");
    return failures != 0;
}
