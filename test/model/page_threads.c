/*
 * Threads that take, lengthen, shorten and free runs of one zone, hand them to each other, and trim. The model is each run's stamp; the
 * zone is checked where all threads pause.
 */
#include "test/model/model.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/shelf.h"
#include "source/window.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { THREADS = 4, HELD = 40, SHARED = 16, ROUND = 400 };
#define PAGE TARN__PAGE_SIZE

static struct tarn_zone zone;
static struct tarn__shelves shelves;
static _Atomic(struct tarn_page *) shared[SHARED];
static pthread_barrier_t barrier;
static _Atomic bool over;
static uint64_t seed_of_all;

/* A run's stamp follows from its address and length, so that whoever gets it can tell. */
static uint64_t stamp_of(const struct tarn_page *run) { return (uint64_t)(uintptr_t)run * 31 + run->count; }

static void stamp(struct tarn_page *run) { model_stamp(tarn__page_address(run), run->count * PAGE, stamp_of(run)); }

static void verify(struct tarn_page *run)
{
    MODEL_REQUIRE(model_stamped(tarn__page_address(run), run->count * PAGE, stamp_of(run)), "a run's contents are its owner's");
}

static struct tarn_page *take(uint64_t *random)
{
    size_t kind = model_below(random, 100);
    size_t count = 1 + model_below(random, kind < 70 ? 10 : kind < 98 ? 100 : 1500);
    bool zeroed;
    struct tarn_page *run = kind < 50 ? tarn__shelf_take(&zone, count) : NULL;
    if (run)
        zeroed = false;
    else
        run = tarn__pages_alloc(&zone, count, kind == 50 ? 16 * PAGE : PAGE, &zeroed);
    MODEL_REQUIRE(run, "there is memory");
    MODEL_REQUIRE(!zeroed || model_zero(tarn__page_address(run), count * PAGE), "what is said to be zero is zero");
    stamp(run);
    return run;
}

static void give(struct tarn_page *run)
{
    verify(run);
    if ((uintptr_t)run / sizeof *run % 2)
        tarn__shelf_free(run);
    else
        tarn__pages_free(run);
}

static void step(uint64_t *random, struct tarn_page **held)
{
    struct tarn_page **run = &held[model_below(random, HELD)];
    size_t kind = model_below(random, 100);
    if (!*run) {
        *run = take(random);
    } else if (kind < 50) {
        give(*run);
        *run = NULL;
    } else if (kind < 60) {
        verify(*run);
        tarn__pages_shrink(*run, 1 + model_below(random, (*run)->count));
        stamp(*run);
    } else if (kind < 70) {
        verify(*run);
        if (tarn__pages_extend(*run, (*run)->count + 1 + model_below(random, 20)))
            stamp(*run);
    } else {
        *run = atomic_exchange(&shared[model_below(random, SHARED)], *run);
        if (*run)
            verify(*run);
    }
    if (kind == 99)
        tarn__zone_trim(&zone, model_below(random, 200));
    if (kind == 98)
        tarn__shelves_empty(&zone);
}

/* Pauses with all others; the last one to arrive looks around and decides whether it is over. */
static void pause_together(void)
{
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        tarn__zone_check(&zone);
        tarn__shelves_check(&zone);
        atomic_store(&over, !model_goes_on());
    }
    pthread_barrier_wait(&barrier);
}

static void *work(void *number)
{
    uint64_t random = model_state(seed_of_all, (unsigned)(uintptr_t)number);
    struct tarn_page *held[HELD] = {NULL};
    while (!atomic_load(&over)) {
        for (int i = 0; i < ROUND; i++) {
            step(&random, held);
            model_goes_on();
        }
        pause_together();
    }
    for (int i = 0; i < HELD; i++)
        if (held[i])
            give(held[i]);
    return NULL;
}

static void run(uint64_t seed)
{
    pthread_t threads[THREADS];
    seed_of_all = seed;
    atomic_store(&over, false);
    tarn__set_fail_exit(model_fail_exit);
    tarn__zone_init(&zone, "model", tarn__window_source());
    memset(&shelves, 0, sizeof shelves);
    tarn__shelves_init(&zone, &shelves);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SHARED; i++) {
        struct tarn_page *left = atomic_exchange(&shared[i], NULL);
        if (left)
            give(left);
    }
    tarn__shelves_empty(&zone);
    tarn__zone_trim(&zone, 0);
    tarn__zone_check(&zone);
    MODEL_REQUIRE(zone.pages == 0, "a zone that is all free can be given back");
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
