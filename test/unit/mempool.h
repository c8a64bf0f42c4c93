/*
 * What the tests of mempools share: an allocator below with a budget, a pool over it, and threads that wait. Each test program
 * takes it in once.
 */
#ifndef TARN_TEST_MEMPOOL_H
#define TARN_TEST_MEMPOOL_H

#include "test/unit/check.h"

#include "base/fail.h"
#include "mempool/mempool.h"
#include "mempool/reserve.h"
#include "os/fake.h"
#include "tarn/fail.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 48, LOGGED = 8 };

#define HARMLESS (TARN_GFP_NOMEMALLOC | TARN_GFP_NORETRY | TARN_GFP_NOWARN) /* what each request has beside its own flags */

/* The allocator below: gives as many elements as its budget allows. */
struct below {
    struct tarn_mempool *pool;
    _Atomic int budget; /* elements that it can still give */
    _Atomic int calls, live;
    _Atomic tarn_gfp_t flags[LOGGED]; /* of the first calls */
    _Atomic int hold;                 /* while it is greater than 0, requests that may sleep are held up */
};

static struct tarn_mempool pool;
static struct below below;

static inline void require_no_lock(struct tarn_mempool *of)
{
    if (tarn_mempool_initialized(of))
        assert_false(tarn__lock_is_mine(tarn__mempool_lock_of(of)));
}

static inline void *get(tarn_gfp_t flags, void *data)
{
    struct below *from = data;
    require_no_lock(from->pool);
    int call = from->calls++;
    if (call < LOGGED)
        from->flags[call] = flags;
    while (from->hold > 0 && (flags & TARN_GFP_DIRECT_RECLAIM))
        sched_yield();
    if (from->budget-- <= 0) {
        from->budget++;
        return NULL;
    }
    from->live++;
    return calloc(1, SIZE);
}

static inline void put(void *element, void *data)
{
    struct below *to = data;
    require_no_lock(to->pool);
    assert_non_null(element);
    to->live--;
    free(element);
}

static inline void forget_calls(void)
{
    below.calls = 0;
    for (int i = 0; i < LOGGED; i++)
        below.flags[i] = 0;
}

/* A pool with a full reserve, below which there is nothing more. */
static inline void make(int min_nr)
{
    memset(&pool, 0, sizeof pool);
    below.pool = &pool;
    below.budget = min_nr;
    below.live = below.hold = 0;
    assert_int_equal(tarn_mempool_init(&pool, min_nr, get, put, &below, TARN_GFP_KERNEL), 0);
    below.budget = 0;
    forget_calls();
}

static inline void end(void)
{
    tarn__mempool_check(&pool);
    tarn_mempool_exit(&pool);
    assert_int_equal(below.live, 0);
    assert_int_equal(tarn__fake_mapped(), 0);
}

static inline void take_all(void **elements, int count)
{
    for (int i = 0; i < count; i++)
        assert_non_null(elements[i] = tarn_mempool_alloc_preallocated(&pool));
    assert_int_equal(pool.curr_nr, 0);
}

static inline void give_all(void **elements, int count)
{
    for (int i = 0; i < count; i++)
        tarn_mempool_free(elements[i], &pool);
}

/* Threads that wait */

struct client {
    pthread_t thread;
    unsigned wanted;
    void *elements[4];
    _Atomic int done;
};

static inline void *wait_for_elements(void *value)
{
    struct client *client = value;
    if (client->wanted == 1)
        client->elements[0] = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
    else
        assert_int_equal(tarn_mempool_alloc_bulk(&pool, client->elements, client->wanted, 0, TARN_GFP_KERNEL), 0);
    client->done = 1;
    return NULL;
}

static inline int waiting(void)
{
    int count = 0;
    tarn__mempool_lock(&pool);
    for (struct tarn__list *item = tarn__mempool_queue(&pool)->next; item != tarn__mempool_queue(&pool); item = item->next)
        count++;
    tarn__mempool_unlock(&pool);
    return count;
}

static inline void until_waiting(int count)
{
    while (waiting() != count)
        sched_yield();
    tarn__mempool_check(&pool);
}

/* Starts a thread that asks for `wanted` elements, and returns once it waits behind all others. */
static inline void start(struct client *client, unsigned wanted)
{
    int before = waiting();
    memset(client, 0, sizeof *client);
    client->wanted = wanted;
    assert_int_equal(pthread_create(&client->thread, NULL, wait_for_elements, client), 0);
    until_waiting(before + 1);
}

static inline void finish(struct client *client)
{
    pthread_join(client->thread, NULL);
    for (unsigned i = 0; i < client->wanted; i++)
        assert_non_null(client->elements[i]);
}

static inline void let_others_run(void)
{
    for (int i = 0; i < 200; i++)
        sched_yield();
}

/* Warnings */

static int warnings;
static inline void count_warning(const char *line)
{
    assert_non_null(strstr(line, "mempool"));
    warnings++;
}

static inline int clean(void **state)
{
    (void)state;
    memset(&below, 0, sizeof below);
    below.pool = &pool;
    memset(&pool, 0, sizeof pool);
    tarn__fake_set_now(0);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, clean)

#endif
