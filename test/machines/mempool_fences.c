/*
 * Elements of a mempool pass between threads by relaxed stores, with nothing else between an allocation and its free. There are
 * exactly min_nr elements, and none below; so each free must see that the reserve is short. One that goes to the allocator
 * below instead was freed by a thread that saw an old count: a fence is missing.
 *
 * It shows something on a machine with weak ordering. Under emulation on another machine it shows that the code for the weak
 * one works; fences.sh looks at the fences themselves, and test/litmus at what they promise.
 *
 *     mempool_fences [TURNS]
 */
#include "mempool/mempool.h"
#include "os/lock.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAIRS = 2, RESERVE = 2, APART = 128 };

/* Where a pair's producer leaves an element for its consumer. */
struct mailbox {
    void *_Atomic element;
    char room[APART - sizeof(void *)];
};

static struct tarn_mempool pool;
static struct mailbox boxes[PAIRS];
static char elements[RESERVE];
static _Atomic int given, below;
static long turns = 20000;

static void *get(tarn_gfp_t flags, void *data)
{
    (void)flags;
    (void)data;
    int next = given;
    if (next >= RESERVE)
        return NULL;
    given = next + 1;
    return &elements[next];
}

static void put(void *element, void *data)
{
    (void)element;
    (void)data;
    below++;
}

static void *produce(void *value)
{
    struct mailbox *box = value;
    for (long turn = 0; turn < turns; turn++) {
        void *element = tarn_mempool_alloc(&pool, TARN_GFP_KERNEL);
        while (atomic_load_explicit(&box->element, memory_order_relaxed))
            sched_yield();
        atomic_store_explicit(&box->element, element, memory_order_relaxed);
    }
    return NULL;
}

static void *consume(void *value)
{
    struct mailbox *box = value;
    for (long turn = 0; turn < turns && !below; turn++) {
        void *element;
        while (!(element = atomic_load_explicit(&box->element, memory_order_relaxed)))
            sched_yield();
        atomic_store_explicit(&box->element, NULL, memory_order_relaxed);
        tarn_mempool_free(element, &pool);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2 * PAIRS];
    if (argc > 1)
        turns = strtol(argv[1], NULL, 10);
    if (tarn_mempool_init(&pool, RESERVE, get, put, NULL, TARN_GFP_KERNEL) != 0)
        return 1;
    for (int i = 0; i < 2 * PAIRS; i++)
        pthread_create(&threads[i], NULL, i % 2 ? consume : produce, &boxes[i / 2]);
    for (int i = 0; i < 2 * PAIRS && !below; i++)
        pthread_join(threads[i], NULL);
    if (below || pool.curr_nr != RESERVE) {
        fprintf(stderr, "an element was freed by a thread that saw an old count\n");
        return 1;
    }
    tarn__mempool_check(&pool);
    printf("%ld elements passed on\n", turns * PAIRS);
    return 0;
}
