/*
 * The malloc family by threads that pass objects to each other and come and go: an object is mostly freed by another thread than
 * took it, often by one that was born later. The heap is checked and counted between generations.
 */
#include "test/model/heap.h"

#include "tarn/alloc.h"

#include <pthread.h>

enum { THREADS = 4, OWN = 200, SHARED = 400, STEPS = 6000 };

static struct {
    pthread_mutex_t lock;
    struct object object;
} shared[SHARED];
static uint64_t seed_of_all, generation;

/* Swaps an object with what lies in the shared place. */
static void pass(uint64_t *random, struct object *object)
{
    size_t at = model_below(random, SHARED);
    pthread_mutex_lock(&shared[at].lock);
    struct object other = shared[at].object;
    shared[at].object = *object;
    pthread_mutex_unlock(&shared[at].lock);
    *object = other;
    if (other.p)
        heap_verify(&other);
}

static void *work(void *number)
{
    uint64_t random = model_state(seed_of_all + generation * 1000, (unsigned)(uintptr_t)number);
    struct object own[OWN] = {{0}};
    for (int i = 0; i < STEPS && model_goes_on(); i++) {
        struct object *object = &own[model_below(&random, OWN)];
        if (model_below(&random, 2))
            heap_step(&random, object);
        else
            pass(&random, object);
    }
    for (int i = 0; i < OWN; i++) {
        if (own[i].p && model_below(&random, 2))
            pass(&random, &own[i]);
        if (own[i].p)
            heap_give(&random, &own[i]);
    }
    return NULL;
}

static void count_shared(void)
{
    size_t live = 0, bytes = 0;
    for (size_t i = 0; i < SHARED; i++)
        if (shared[i].object.p) {
            heap_verify(&shared[i].object);
            live++;
            bytes += tarn_usable_size(shared[i].object.p);
        }
    heap_require_live(live, bytes);
    heap_check();
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 1000);
    heap_begin();
    seed_of_all = seed;
    for (size_t i = 0; i < SHARED; i++)
        pthread_mutex_init(&shared[i].lock, NULL);
    for (generation = 0; generation == 0 || model_goes_on(); generation++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, work, (void *)i);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        count_shared();
    }
    for (size_t i = 0; i < SHARED; i++)
        if (shared[i].object.p)
            heap_give(&random, &shared[i].object);
    heap_require_empty();
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
