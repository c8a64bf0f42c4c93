/*
 * Readers that look at what writers replace, and spoil after a grace period: what a reader holds is never spoilt, whether the
 * writer waits for the grace period or has itself called after it, whether readers nest, begin and end with their threads, or
 * take long.
 *
 * A cell goes round: fresh (its number twice) -> in a slot -> replaced -> grace period -> spoilt -> fresh again. Cells are read
 * and written without atomics: ThreadSanitizer must find nothing.
 */
#include "test/model/model.h"

#include "base/fail.h"
#include "base/list.h"
#include "os/rcu.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SLOTS = 4, CELLS = 64, READERS = 3, WRITERS = 2, ROUND = 2000 };

struct cell {
    uint64_t number, again; /* the same, unless spoilt */
    struct tarn_rcu_head head;
    _Atomic bool in_use;
};

static struct cell cells[WRITERS][CELLS];
static struct cell *_Atomic slots[SLOTS];
static _Atomic bool over;
static uint64_t seed_of_all;

static void verify(const struct cell *cell)
{
    uint64_t number = *(volatile const uint64_t *)&cell->number, again = *(volatile const uint64_t *)&cell->again;
    MODEL_REQUIRE(number != 0 && number == again, "what a reader holds is not spoilt");
}

static void read_slots(uint64_t *random)
{
    tarn_rcu_read_lock();
    struct cell *cell = atomic_load_explicit(&slots[model_below(random, SLOTS)], memory_order_acquire);
    verify(cell);
    size_t kind = model_below(random, 500);
    if (kind < 100) {
        tarn_rcu_read_lock();
        verify(atomic_load_explicit(&slots[kind % SLOTS], memory_order_acquire));
        tarn_rcu_read_unlock();
    } else if (kind == 100) {
        sched_yield();
    }
    verify(cell);
    tarn_rcu_read_unlock();
}

/* A thread that ends after a while: the next one takes its place. */
static void *read_for_a_while(void *number)
{
    uint64_t random = model_state(seed_of_all, (unsigned)(uintptr_t)number);
    for (int i = 0; i < ROUND * 10 && !atomic_load_explicit(&over, memory_order_relaxed); i++)
        read_slots(&random);
    return NULL;
}

static void *read_always(void *number)
{
    for (uintptr_t life = 0; !atomic_load(&over); life++) {
        pthread_t thread;
        MODEL_REQUIRE(pthread_create(&thread, NULL, read_for_a_while, (void *)((uintptr_t)number + 8 * life)) == 0,
                      "a thread begins");
        pthread_join(thread, NULL);
    }
    return NULL;
}

static void spoil(struct cell *cell)
{
    cell->number = 0;
    cell->again = 1;
    atomic_store_explicit(&cell->in_use, false, memory_order_release);
}

static void spoil_later(struct tarn_rcu_head *head) { spoil(TARN__CONTAINER(head, struct cell, head)); }

/* A fresh cell of this writer's, or NULL. */
static struct cell *fresh(struct cell *mine, uint64_t *random)
{
    struct cell *cell = &mine[model_below(random, CELLS)];
    if (atomic_load_explicit(&cell->in_use, memory_order_acquire))
        return NULL;
    atomic_store_explicit(&cell->in_use, true, memory_order_relaxed);
    cell->number = cell->again = model_random(random) | 1;
    return cell;
}

static void *write_slots(void *number)
{
    uint64_t random = model_state(seed_of_all, (unsigned)(uintptr_t)number);
    struct cell *mine = cells[(uintptr_t)number % WRITERS];
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        struct cell *cell = fresh(mine, &random);
        if (!cell) {
            sched_yield();
            continue;
        }
        struct cell *old = atomic_exchange_explicit(&slots[model_below(&random, SLOTS)], cell, memory_order_acq_rel);
        if (model_below(&random, 4)) {
            tarn_rcu_synchronize();
            spoil(old);
        } else {
            tarn_rcu_call(&old->head, spoil_later);
        }
        if (number == 0 && !model_goes_on())
            atomic_store(&over, true);
    }
    return NULL;
}

static void run(uint64_t seed)
{
    pthread_t threads[READERS + WRITERS];
    seed_of_all = seed;
    over = false;
    for (int i = 0; i < SLOTS; i++) {
        uint64_t random = model_state(seed, 100 + (unsigned)i);
        struct cell *cell;
        while (!(cell = fresh(cells[0], &random)))
            continue;
        atomic_store(&slots[i], cell);
    }
    for (uintptr_t i = 0; i < READERS + WRITERS; i++)
        MODEL_REQUIRE(pthread_create(&threads[i], NULL, i < WRITERS ? write_slots : read_always, (void *)i) == 0,
                      "a thread begins");
    for (int i = 0; i < READERS + WRITERS; i++)
        pthread_join(threads[i], NULL);
    tarn_rcu_barrier();
    for (int i = 0; i < SLOTS; i++)
        spoil(atomic_load(&slots[i]));
    for (int i = 0; i < WRITERS * CELLS; i++)
        MODEL_REQUIRE(!cells[i / CELLS][i % CELLS].in_use, "every cell came back");
}

int main(int argc, char **argv)
{
    tarn__set_fail_exit(model_fail_exit);
    return model_main(argc, argv, run);
}
