/*
 * Threads that take and free users' pages of two zones, hand them to each other, share references, and drain their lists; each page's
 * stamp is the model. The zones are verified where all threads pause, and some threads end there and begin anew.
 */
#include "test/model/model.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/zones.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, HELD = 60, SHARED = 24, ROUND = 500, ZONES = 2 };
#define PAGE TARN__PAGE_SIZE
#define MIB ((size_t)1 << 20)

static struct tarn_zone *zones[ZONES];
static _Atomic(struct tarn_page *) shared[SHARED];
static pthread_barrier_t barrier;
static _Atomic bool over;
static uint64_t seed_of_all;

static uint64_t stamp_of(const struct tarn_page *page) { return (uint64_t)(uintptr_t)page * 31 + tarn_page_order(page); }

static size_t size_of(const struct tarn_page *page) { return PAGE << tarn_page_order(page); }

static void verify(struct tarn_page *page)
{
    MODEL_REQUIRE(model_stamped(tarn_page_address(page), size_of(page), stamp_of(page)), "a block's contents are its owner's");
    MODEL_REQUIRE(tarn_page_references(page) == 1, "a block has the reference it was allocated with");
}

static struct tarn_page *take(uint64_t *random)
{
    tarn_gfp_t flags =
        TARN_GFP_NOWAIT | (tarn_gfp_t)model_below(random, 3) * TARN_GFP_MOVABLE | (model_below(random, 3) ? 0 : TARN_GFP_ZERO);
    unsigned order = model_below(random, 4) ? 0 : (unsigned)model_below(random, 7);
    struct tarn_page *page = tarn_pages_alloc(zones[model_below(random, ZONES)], order, flags);
    if (!page)
        return NULL;
    MODEL_REQUIRE(!(flags & TARN_GFP_ZERO) || model_zero(tarn_page_address(page), size_of(page)),
                  "what is asked for as zero is zero");
    model_stamp(tarn_page_address(page), size_of(page), stamp_of(page));
    return page;
}

static void give(struct tarn_page *page)
{
    verify(page);
    tarn_pages_free(page, tarn_page_order(page));
}

static void step(uint64_t *random, struct tarn_page **held)
{
    struct tarn_page **page = &held[model_below(random, HELD)];
    size_t kind = model_below(random, 100);
    if (!*page) {
        *page = take(random);
    } else if (kind < 55) {
        give(*page);
        *page = NULL;
    } else if (kind < 60) {
        tarn_page_get(*page);
        tarn_page_put(*page);
        verify(*page);
    } else {
        *page = atomic_exchange(&shared[model_below(random, SHARED)], *page);
        if (*page)
            verify(*page);
    }
    if (kind == 99 && model_below(random, 8) == 0)
        tarn_pages_drain();
    if (kind == 98 && model_below(random, 40) == 0)
        tarn_zone_set_grouping(zones[0], model_below(random, 2));
}

/* One thread's life between two pauses, in a thread of its own now and then, so that ends of threads are among what happens. */
struct life {
    uint64_t random;
    struct tarn_page *held[HELD];
};

static void *live(void *value)
{
    struct life *life = value;
    for (int i = 0; i < ROUND; i++) {
        step(&life->random, life->held);
        model_goes_on();
    }
    return NULL;
}

static void live_elsewhere(struct life *life)
{
    pthread_t thread;
    MODEL_REQUIRE(pthread_create(&thread, NULL, live, life) == 0, "a thread can be made");
    pthread_join(thread, NULL);
}

static void pause_together(void)
{
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
        for (int i = 0; i < ZONES; i++)
            tarn_zone_verify(zones[i]);
        atomic_store(&over, !model_goes_on());
    }
    pthread_barrier_wait(&barrier);
}

static void *work(void *number)
{
    struct life life = {model_state(seed_of_all, (unsigned)(uintptr_t)number), {NULL}};
    while (!atomic_load(&over)) {
        if (model_below(&life.random, 4) == 0)
            live_elsewhere(&life);
        else
            live(&life);
        pause_together();
    }
    for (int i = 0; i < HELD; i++)
        if (life.held[i])
            give(life.held[i]);
    return NULL;
}

static void run(uint64_t seed)
{
    pthread_t threads[THREADS];
    seed_of_all = seed;
    atomic_store(&over, false);
    tarn__set_fail_exit(model_fail_exit);
    zones[0] = tarn_zone_create("large", tarn_source_system(), 32 * MIB, 0);
    zones[1] = tarn_zone_create("tight", tarn_source_system(), 8 * MIB, 0);
    MODEL_REQUIRE(zones[0] && zones[1], "there is memory for zones");
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
    for (int i = 0; i < ZONES; i++) {
        tarn_zone_verify(zones[i]);
        MODEL_REQUIRE(tarn_zone_destroy(zones[i]) == 0, "a zone that is all free can be ended");
    }
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
