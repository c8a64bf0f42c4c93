/* Floor 6: size classes' caches are made at their first use. The cases stand in the order in which they need the classes unused. */
#include "test/unit/heap.h"

#include "slab/create.h"
#include "tarn/cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 8, MOST_SEEN = 8 };

struct seen {
    unsigned count;
    const char *name[MOST_SEEN];
};

static void see(struct tarn_cache *cache, void *context)
{
    struct seen *seen = context;
    if (seen->count < MOST_SEEN)
        seen->name[seen->count] = tarn_cache_name(cache);
    seen->count++;
}

static struct seen all_caches(void)
{
    struct seen seen = {0};
    tarn_cache_each(see, &seen);
    return seen;
}

static void none_at_first(void **state)
{
    (void)state;
    struct tarn_class_stats of_class;
    tarn__heap_ready();
    assert_int_equal(all_caches().count, 0);
    for (unsigned i = 0; i < TARN_CLASSES; i++) {
        memset(&of_class, 0xff, sizeof of_class);
        assert_int_equal(tarn_class_stats(i, &of_class), 0);
        assert_int_equal(of_class.size, tarn__class_size(i + 1));
        assert_int_equal(of_class.slab_objects, 65536 / of_class.size);
        assert_int_equal(of_class.allocations + of_class.frees + of_class.slabs + of_class.cached, 0);
        assert_int_equal(of_class.sampled + of_class.sampled_bytes, 0);
    }
    assert_int_equal(all_caches().count, 0);
}

/* What is not made yet is nobody else's: neither its name nor its number. */
static void names_and_numbers_are_kept(void **state)
{
    (void)state;
    struct tarn_cache *cache, *kernel = tarn__cache_make_class("kernel-like", 64, &tarn__heap.zone, 0);
    assert_int_equal(tarn_cache_make(&cache, "malloc-16", 16, NULL, 0), -EEXIST);
    assert_int_equal(tarn_cache_make(&cache, "malloc-32768", 16, NULL, 0), -EEXIST);
    assert_true(kernel->number > TARN__CLASSES && kernel->number < TARN__CLASS_NUMBERS);
    assert_int_equal(tarn__heap.classes_made, 0);
}

/* In the order of their sizes, before all others, whichever was used first. */
static void used_ones_are_listed(void **state)
{
    (void)state;
    static const char *const expected[] = {"malloc-64", "malloc-3072", "malloc-32768", "kernel-like"};
    struct tarn_class_stats of_class;
    void *middle = tarn_malloc(3000), *small = tarn_malloc(50), *large = tarn_malloc(32768);
    struct seen seen = all_caches();
    assert_int_equal(seen.count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(seen.name[i], expected[i]);
    assert_string_equal(tarn_cache_name(tarn_cache_of(small)), "malloc-64");
    tarn_class_stats(tarn__class_of(50) - 1, &of_class);
    assert_int_equal(of_class.allocations, 1);
    tarn_free(small);
    tarn_free(middle);
    tarn_free(large);
}

/* The fork hooks let go of all locks there are, so those of a class that is made between them must be held. */
static void between_fork_hooks(void **state)
{
    (void)state;
    for (int child = 0; child < 2; child++) {
        unsigned number = tarn__class_of(child ? 700 : 500);
        assert_null(tarn__heap_class_made(number));
        tarn__heap_fork_prepare();
        void *p = tarn_malloc(tarn__class_size(number));
        struct tarn_cache *cache = tarn__heap_class_made(number);
        assert_true(cache && tarn__lock_is_mine(&cache->slabs_lock) && tarn__lock_is_mine(&cache->depot_lock));
        if (child)
            tarn__heap_fork_child();
        else
            tarn__heap_fork_parent();
        assert_int_equal(cache->slabs_lock.word | cache->slabs_lock.depth, 0);
        assert_int_equal(cache->depot_lock.word | cache->depot_lock.depth, 0);
        tarn_free(p);
        tarn_free(tarn_malloc(tarn__class_size(number)));
    }
}

static pthread_barrier_t barrier;

/* Half of the threads begin with the small ones, half with the large. */
static void *use_all(void *argument)
{
    uintptr_t which = (uintptr_t)argument;
    void *objects[TARN__CLASSES];
    for (unsigned i = 0; i < TARN__CLASSES; i++) {
        unsigned number = which % 2 ? i + 1 : TARN__CLASSES - i;
        pthread_barrier_wait(&barrier);
        objects[i] = tarn_malloc(tarn__class_size(number));
        memset(objects[i], (int)which, tarn__class_size(number));
    }
    for (unsigned i = 0; i < TARN__CLASSES; i++)
        tarn_free(objects[i]);
    return NULL;
}

static void many_at_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_all, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(tarn__heap.classes_made, TARN__CLASSES);
    assert_int_equal(all_caches().count, TARN__CLASSES + 1);
    for (unsigned number = 1; number <= TARN__CLASSES; number++) {
        char name[32];
        struct tarn_cache *cache = tarn__heap_class_made(number);
        snprintf(name, sizeof name, "malloc-%zu", tarn__class_size(number));
        assert_string_equal(tarn_cache_name(cache), name);
        assert_int_equal(tarn_cache_size(cache), tarn__class_size(number));
        assert_int_equal(cache->number, number);
        assert_ptr_equal(tarn__heap_make_class(number), cache); /* as who came second would */
    }
    assert_int_equal(tarn__heap.classes_made, TARN__CLASSES);
}

/* A class whose magazines never fill keeps few pages: what it takes grows with what was used, not with how seldom it comes. */
static void little_is_taken_ahead(void **state)
{
    (void)state;
    enum { EACH = 6 };
    void *objects[EACH];
    for (unsigned number = 1; number <= TARN__CLASSES; number++) {
        size_t size = tarn__class_size(number), page = size < 4096 ? 4096 / size : 1;
        struct tarn_class_stats before, after;
        tarn_trim(0);
        tarn_class_stats(number - 1, &before);
        for (int i = 0; i < EACH; i++)
            objects[i] = tarn_malloc(size);
        tarn_class_stats(number - 1, &after);
        assert_int_equal(before.cached, 0);
        size_t refills = (EACH + page - 1) / page;
        size_t most = tarn__max(refills * page, 2 * EACH);
        assert_true(after.slabs > 0);
        struct tarn__bin *bin = &tarn__self->bin[number];
        size_t ahead = 0;
        for (void *object = bin->head; object; object = *(void **)object)
            ahead++;
        assert_true(ahead + EACH <= most);
        for (int i = 0; i < EACH; i++)
            tarn_free(objects[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEAP_TEST(none_at_first),        HEAP_TEST(names_and_numbers_are_kept),
        HEAP_TEST(used_ones_are_listed), HEAP_TEST(between_fork_hooks),
        HEAP_TEST(many_at_once),         HEAP_TEST(little_is_taken_ahead),
    };
    return cmocka_run_group_tests_name("first_use", tests, NULL, NULL);
}
