/* Floor 6: what threads, depots and the heap keep of what was freed. On the real system, for its threads. */
#include "test/unit/heap.h"

#include "base/bits.h"
#include "os/background.h"
#include "os/os.h"
#include "os/worker.h"
#include "page/decay.h"
#include "slab/local.h"
#include "tarn/background.h"
#include "tarn/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static void pause_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

/* Pages of the heap that the system has in memory. */
static size_t resident(void)
{
    static unsigned char in[TARN__SECTION_PAGES];
    size_t pages = 0;
    tarn__lock(&tarn__heap.zone.lock);
    for (struct tarn__list *link = tarn__heap.zone.sections.next; link != &tarn__heap.zone.sections; link = link->next) {
        if (mincore(TARN__CONTAINER(link, struct tarn__section, link)->base, TARN__SECTION_SIZE, in) != 0)
            memset(in, 1, sizeof in);
        for (size_t i = 0; i < TARN__SECTION_PAGES; i++)
            pages += in[i] & 1;
    }
    tarn__unlock(&tarn__heap.zone.lock);
    return pages;
}

/* What the zone began with, and what it learned, is forgotten: as after a while. */
static void forget(void)
{
    tarn__lock(&tarn__heap.zone.lock);
    tarn__heap.zone.learned = tarn__heap.zone.given_back = 0;
    tarn__unlock(&tarn__heap.zone.lock);
}

enum { MOST = 1000000 };
static char *objects[MOST];

static int by_address(const void *a, const void *b)
{
    uintptr_t p = (uintptr_t) * (char *const *)a, q = (uintptr_t) * (char *const *)b;
    return (p > q) - (p < q);
}

/* Pages that `count` objects of a size lie in. */
static size_t pages_of(size_t count, size_t size)
{
    size_t pages = 0, end = 0;
    qsort(objects, count, sizeof *objects, by_address);
    for (size_t i = 0; i < count; i++) {
        size_t first = tarn__max((uintptr_t)objects[i] / TARN__PAGE_SIZE, end),
               last = ((uintptr_t)objects[i] + size - 1) / TARN__PAGE_SIZE;
        if (last + 1 > first) {
            pages += last + 1 - first;
            end = last + 1;
        }
    }
    return pages;
}

/* 60 MB, of which one in 200 stays, scattered; then nothing. */
static void scattered_frees_give_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {160, 500, 1000, 3000};
    for (unsigned s = 0; s < 4; s++) {
        size_t size = sizes[s], count = 60 * MIB / size, live = 0;
        uint64_t seed = 11;
        for (size_t i = 0; i < count; i++)
            memset(objects[i] = tarn_malloc(size), (int)s + 1, size);
        forget();
        for (size_t i = 0; i < count; i++)
            if (check_random(&seed) % 200 == 0)
                objects[live++] = objects[i];
            else
                tarn_free(objects[i]);
        size_t held = pages_of(live, tarn_usable_size(objects[0])),
               spare = 2 * MIB / TARN__PAGE_SIZE; /* the least, and what one thread and a section have */
        assert_true(held < 60 * MIB / TARN__PAGE_SIZE / 2);
        assert_true(resident() <= held * 5 / 4 + spare);
        for (size_t i = 0; i < live; i++) {
            assert_true(check_all_bytes(objects[i], size, (unsigned char)(s + 1)));
            tarn_free(objects[i]);
        }
        assert_true(resident() * TARN__PAGE_SIZE <= MIB + MIB / 2);
        check_heap();
    }
}

/* The bytes that a thread has of all caches in bins, spare magazines and apart. */
static size_t held_by(const struct tarn__local *local)
{
    size_t bytes = 0;
    for (unsigned i = 1; i < atomic_load(&tarn__cache_table_end); i++) {
        const struct tarn_cache *cache = atomic_load(&tarn__cache_table[i]);
        const struct tarn__bin *bin = &local->bin[i];
        const struct tarn__rear *rear = &local->rear[i];
        if (!cache)
            continue;
        size_t count = rear->spare.count + rear->foreign.count;
        if (!cache->linked)
            count += bin->count;
        for (void *object = cache->linked ? bin->head : NULL; object; object = *(void **)object)
            count++;
        bytes += count * cache->size;
    }
    return bytes;
}

/* Of all sizes, mostly small ones; every so often a sweep. */
static void traffic(size_t operations, uint64_t seed)
{
    enum { KEPT = 3000 };
    static __thread void *kept[KEPT];
    for (size_t i = 0; i < operations; i++) {
        void **slot = &kept[check_random(&seed) % KEPT];
        tarn_free(*slot);
        *slot = tarn_malloc(check_random(&seed) % (i % 8 ? 1000 : 32768) + 1);
        if (check_random(&seed) % 50000 == 0)
            for (unsigned k = 0; k < KEPT; k++) {
                tarn_free(kept[k]);
                kept[k] = NULL;
            }
    }
    for (unsigned k = 0; k < KEPT; k++) {
        tarn_free(kept[k]);
        kept[k] = NULL;
    }
}

static size_t most_held;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *run_and_look(void *value)
{
    size_t held = 0;
    for (size_t i = 0; i < 20; i++) {
        traffic(20000, (uintptr_t)value * 100 + i + 1);
        held = tarn__max(held, held_by(tarn__self));
    }
    pthread_mutex_lock(&mutex);
    most_held = tarn__max(most_held, held);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void thread_keeps_within_its_budget(void **state)
{
    (void)state;
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_and_look, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(most_held, 1, 2 * TARN__THREAD_BYTES);
    check_heap();
}

static void *fill_depot(void *value)
{
    const struct tarn_cache *cache = value;
    enum { LOT = 600 };
    void *lot[LOT];
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < LOT; i++)
            lot[i] = tarn_malloc(cache->size);
        for (size_t i = 0; i < LOT; i++)
            tarn_free(lot[i]);
    }
    return NULL;
}

static void *use_each_once(void *value)
{
    for (unsigned k = 1; k <= TARN__CLASSES; k++)
        tarn_free(tarn_malloc(tarn__heap.cache[k].size));
    *(size_t *)value = held_by(tarn__self);
    return NULL;
}

/* A thread that takes over large magazines, which others filled, holds little more of them than it may. */
static void large_magazines_count(void **state)
{
    (void)state;
    pthread_t thread;
    size_t held = 0;
    for (unsigned k = 1; k <= TARN__CLASSES; k++) {
        assert_int_equal(pthread_create(&thread, NULL, fill_depot, &tarn__heap.cache[k]), 0);
        pthread_join(thread, NULL);
    }
    assert_int_equal(pthread_create(&thread, NULL, use_each_once, &held), 0);
    pthread_join(thread, NULL);
    assert_in_range(held, 1, 2 * TARN__THREAD_BYTES);
}

/* What they hold room for is what their bins say. */
static void room_is_accounted_for(void **state)
{
    (void)state;
    traffic(100000, 5);
    size_t room = 0;
    for (unsigned i = 1; i < TARN__CACHES; i++) {
        const struct tarn_cache *cache = atomic_load(&tarn__cache_table[i]);
        const struct tarn__rear *rear = &tarn__self->rear[i];
        if (cache)
            room += tarn__room_of(cache, rear->capacity);
    }
    assert_int_equal(tarn__self->room, room);
}

static _Atomic bool enough;

static void *use_another(void *value)
{
    (void)value;
    while (!atomic_load(&enough))
        traffic(3000, 17);
    size_t room = 0;
    for (unsigned i = 1; i < TARN__CACHES; i++)
        if (atomic_load(&tarn__cache_table[i]))
            room += tarn__room_of(atomic_load(&tarn__cache_table[i]), tarn__self->rear[i].capacity);
    return (void *)(tarn__self->room - room);
}

static struct tarn_cache *shared;
static pthread_barrier_t barrier;

static void *use_shared(void *value)
{
    for (int round = 0; round < 300; round++) {
        pthread_barrier_wait(&barrier);
        void *object = tarn_cache_alloc(shared, TARN_GFP_KERNEL);
        tarn_cache_free(shared, object);
        pthread_barrier_wait(&barrier);
        traffic(300, 3); /* while the cache is destroyed */
    }
    return use_another(value);
}

/* Caches are destroyed while threads that have something of them go on with others: no thread's account is lost. */
static void destruction_keeps_accounts(void **state)
{
    (void)state;
    pthread_t threads[2];
    void *drift;
    pthread_barrier_init(&barrier, NULL, 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_shared, NULL), 0);
    for (int round = 0; round < 300; round++) {
        assert_int_equal(tarn_cache_make(&shared, "shared", 1000, NULL, TARN_CACHE_NO_MERGE), 0);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        assert_int_equal(tarn_cache_destroy(shared), 0);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &drift);
        assert_null(drift);
    }
    pthread_barrier_destroy(&barrier);
}

static void *use_a_little(void *value)
{
    void *p[40];
    for (size_t i = 0; i < 40; i++)
        memset(p[i] = tarn_malloc(i * i * 20 + 1), 1, 1);
    for (size_t i = 0; i < 40; i++)
        tarn_free(p[i]);
    return value;
}

static size_t used_pages(void)
{
    tarn__lock(&tarn__heap.zone.lock);
    size_t used = tarn__zone_used(&tarn__heap.zone);
    tarn__unlock(&tarn__heap.zone.lock);
    return used;
}

static void many_threads_leave_nothing(void **state)
{
    (void)state;
    size_t threads = check_emulated() ? 500 : 10000, before = 0, used = 0, metadata = 0;
    for (size_t i = 0; i < threads; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, use_a_little, NULL), 0);
        pthread_join(thread, NULL);
        if (i == 20) {
            before = resident();
            used = used_pages();
            metadata = stats().metadata_bytes;
        }
    }
    assert_true(resident() <= before + 128);
    assert_true(used_pages() <= used + 128);
    assert_int_equal(stats().metadata_bytes, metadata);
    check_heap();
}

static _Atomic int sleeping;

static void *use_and_sleep(void *value)
{
    traffic(20000, (uintptr_t)value);
    atomic_fetch_add(&sleeping, 1);
    while (!atomic_load(&enough))
        pause_ms(5);
    return NULL;
}

/* Threads that do nothing any more keep what they have, but that is little. */
static void sleepers_keep_little(void **state)
{
    (void)state;
    enum { THREADS = 40 };
    pthread_t threads[THREADS];
    atomic_store(&enough, false);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_and_sleep, (void *)(i + 1)), 0);
    while (atomic_load(&sleeping) < THREADS)
        pause_ms(1);
    size_t objects_bytes = 0;
    tarn__lock(&tarn__registry_lock);
    for (struct tarn__list *link = tarn__registry.next; link != &tarn__registry; link = link->next)
        objects_bytes += held_by(TARN__CONTAINER(link, struct tarn__local, link));
    tarn__unlock(&tarn__registry_lock);
    assert_true(objects_bytes <= (size_t)(THREADS + 1) * 2 * TARN__THREAD_BYTES);
    atomic_store(&enough, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* What all depots hold. */
static size_t in_depots(void)
{
    size_t held = 0;
    for (unsigned k = 1; k <= TARN__CLASSES; k++)
        held += tarn__heap.cache[k].depot_objects * tarn__heap.cache[k].size;
    return held;
}

/* All depots together: at most what is said, or a share of what is live; beside that a magazine for each who comes at once. */
static void depots_are_bounded(void **state)
{
    (void)state;
    static size_t begin[TARN__CLASSES + 2];
    size_t most = 0;
    for (unsigned k = 1; k <= TARN__CLASSES; k++) {
        begin[k + 1] = begin[k] + 2 * tarn__max(MIB * 3 / 4 / tarn__heap.cache[k].size, 2);
        assert_true(begin[k + 1] <= MOST);
        for (size_t i = begin[k]; i < begin[k + 1]; i++)
            objects[i] = tarn_malloc(tarn__heap.cache[k].size);
    }
    for (unsigned k = 1; k <= TARN__CLASSES; k++) /* half of each, so that none is shedding */
        for (size_t i = begin[k]; i < begin[k + 1]; i += 2) {
            tarn_free(objects[i]);
            if (i % 256 != 0)
                continue;
            size_t live = (size_t)atomic_load(&tarn__ledger.live);
            most = tarn__max(most, in_depots());
            assert_true(in_depots() <= tarn__max(TARN__DEPOTS_LEAST, live / TARN__DEPOTS_SHARE) * 5 / 4 + MIB);
        }
    assert_true(most > TARN__DEPOTS_LEAST);
    for (size_t i = 1; i < begin[TARN__CLASSES + 1]; i += 2)
        tarn_free(objects[i]);
    assert_true(in_depots() <= TARN__DEPOTS_LEAST + MIB);
    check_heap();
}

/* The background thread gives back what lies idle, with no call by the program, and ends. */
static void background_gives_back(void **state)
{
    (void)state;
    void *p = tarn_malloc(30 * MIB);
    assert_int_equal(tarn_background(1), 0);
    memset(p, 1, 30 * MIB);
    tarn__lock(&tarn__heap.zone.lock);
    tarn__idle_begin(&tarn__heap.zone);
    tarn__unlock(&tarn__heap.zone.lock);
    tarn_free(p);
    for (int i = 0; i < 10000 && (resident() * TARN__PAGE_SIZE > 2 * MIB || tarn__worker_lives()); i++)
        pause_ms(1);
    assert_true(resident() * TARN__PAGE_SIZE <= 2 * MIB);
    assert_false(tarn__worker_lives());
    assert_int_equal(tarn_background(0), 0);
}

static int begin_all(void **state)
{
    (void)state;
    tarn__heap_ready();
    return 0;
}

static int end(void **state)
{
    tarn_trim(0);
    return end_heap(state);
}

#define KEEP_TEST(f) cmocka_unit_test_teardown(f, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEEP_TEST(scattered_frees_give_back),  KEEP_TEST(thread_keeps_within_its_budget),
        KEEP_TEST(large_magazines_count),      KEEP_TEST(room_is_accounted_for),
        KEEP_TEST(destruction_keeps_accounts), KEEP_TEST(many_threads_leave_nothing),
        KEEP_TEST(sleepers_keep_little),       KEEP_TEST(depots_are_bounded),
        KEEP_TEST(background_gives_back),
    };
    return cmocka_run_group_tests_name("keep", tests, begin_all, NULL);
}
