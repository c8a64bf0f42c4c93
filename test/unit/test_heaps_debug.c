/* Floor 6: users' heaps with debug flags, and over zones of their own. */
#include "test/unit/heap.h"

#include "alloc/heaps.h"
#include "base/modes.h"
#include "tarn/heap.h"

#include <stdlib.h>
#include <string.h>

static struct tarn_heap *make(unsigned flags) { return tarn_heap_create(&(struct tarn_heap_options){.flags = flags}); }

static void free_it(void *p) { tarn_free(p); }

static void grow_it(void *p) { assert_non_null(tarn_realloc(p, 500)); }

static void verify_it(void *heap) { tarn_heap_verify(heap); }

static void unknown_flags_make_no_heap(void **state)
{
    (void)state;
    assert_null(make(1u << 20));
}

/* Every size up to a page, at its last byte and just behind it; and large ones. */
static void red_zones_know_what_was_asked_for(void **state)
{
    (void)state;
    struct tarn_heap *heap = make(TARN_POOL_RED_ZONE);
    for (size_t size = 0; size <= 100000; size += size < 300 ? 1 : size / 7) {
        char *p = tarn_heap_alloc(heap, size);
        assert_non_null(p);
        assert_int_equal(tarn_usable_size(p), size);
        memset(p, 1, size);
        tarn_heap_verify(heap);
        p = tarn_realloc(p, size + 1);
        assert_int_equal(tarn_usable_size(p), size + 1);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 1);
        tarn_free(p);
    }
    assert_int_equal(tarn_heap_destroy(heap), 0);
}

static void writes_behind_are_found(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 1000, 4000, 5000, 70000};
    struct tarn_heap *heap = make(TARN_POOL_RED_ZONE);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *p = tarn_heap_alloc(heap, sizes[i]), was;
        was = p[sizes[i]];
        p[sizes[i]] = (char)(was + 1);
        check_dies(free_it, p, "red zone overwritten: a write beyond an object's bounds (free of ");
        check_dies(grow_it, p, "red zone overwritten: a write beyond an object's bounds (realloc of ");
        check_dies(verify_it, heap, "red zone overwritten: a write beyond an object's bounds (heap_verify of ");
        p[sizes[i]] = was;
        tarn_free(p);
    }
    assert_int_equal(tarn_heap_destroy(heap), 0);
}

/* The word at the end of a slot says what was asked for: each of its bytes counts. */
static void the_word_behind_is_guarded(void **state)
{
    (void)state;
    struct tarn_heap *heap = make(TARN_POOL_RED_ZONE);
    char *p = tarn_heap_alloc(heap, 40), *next = tarn_heap_alloc(heap, 40);
    for (char *byte = next - 8; next > p && byte < next; byte++) {
        *byte ^= 0x10;
        check_dies(free_it, p, "red zone overwritten");
        *byte ^= 0x10;
    }
    tarn_free(p);
    tarn_free(next);
    tarn_heap_destroy(heap);
}

static void take_some(void *heap) { (void)tarn_heap_alloc(heap, 100); }

static void free_twice(void *p)
{
    tarn_free(p);
    tarn_free(p);
}

static void poison_is_seen(void **state)
{
    (void)state;
    struct tarn_heap *heap = make(TARN_POOL_POISON);
    unsigned char *p = tarn_heap_alloc(heap, 100);
    assert_int_equal(p[0], 0x5a);
    assert_int_equal(p[99], 0x5a);
    check_dies(free_twice, p, "double free: the object is free already");
    tarn_free(p);
    assert_int_equal(p[0], 0x6b);
    assert_int_equal(p[99], 0x6b);
    p[50] = 0;
    check_dies(take_some, heap, "poison overwritten: a write after free (heap_alloc of ");
    check_dies(verify_it, heap, "poison overwritten: a write after free (heap_verify of ");
    p[50] = 0x6b;
    assert_ptr_equal(tarn_heap_alloc(heap, 100), p);
    unsigned char *zeroed = tarn_heap_calloc(heap, 3, 50000);
    for (size_t i = 0; i < 150000; i++)
        assert_int_equal(zeroed[i], 0);
    assert_int_equal(tarn_heap_destroy(heap), 2);
}

static void zeros_are_zeros(void **state)
{
    (void)state;
    struct tarn_heap *heap = make(TARN_POOL_ZERO | TARN_POOL_POISON | TARN_POOL_RED_ZONE | TARN_POOL_CHECK);
    for (int round = 0; round < 3; round++) {
        char *p = tarn_heap_alloc(heap, 777);
        for (size_t i = 0; i < 777; i++)
            assert_int_equal(p[i], 0);
        memset(p, 9, 777);
        tarn_free(p);
    }
    tarn_heap_destroy(heap);
}

/* A heap over a buffer takes no page of anyone else's, and leaves all of the zone's. */
static void stands_on_a_zone_of_its_own(void **state)
{
    (void)state;
    size_t size = 40 * 4096;
    char *memory = malloc(size);
    struct tarn_source_buffer buffer;
    assert_int_equal(tarn_source_buffer_init(&buffer, memory, size), 0);
    struct tarn_zone *zone = tarn_zone_create("buffer", &buffer.source, 32 * 4096, 0);
    assert_non_null(zone);
    struct tarn_heap *heap = tarn_heap_create(&(struct tarn_heap_options){.zone = zone});
    size_t count = 0;
    for (char *p; (p = tarn_heap_alloc(heap, 16 << count % 8)); count++)
        assert_true(p >= memory && p < memory + size && tarn_heap_of(p) == heap);
    struct tarn_heap_stats now;
    tarn_heap_verify(heap);
    tarn_heap_stats(heap, &now);
    assert_true(now.held_bytes > 24 * 4096);
    assert_true(tarn_zone_destroy(zone) != 0);
    assert_int_equal(tarn_heap_reset(heap), count);
    char *large = tarn_heap_alloc(heap, 16 * 4096);
    assert_true(large >= memory && large < memory + size);
    tarn_free(large);
    assert_int_equal(tarn_heap_destroy(heap), 0);
    assert_int_equal(tarn_zone_destroy(zone), 0);
    free(memory);
}

/* What is freed waits, and counts as free; a limit is what it was. */
static void use_by_letters(const char *letters, size_t largest)
{
    enum { COUNT = 300, ROUNDS = 20000 };
    static struct {
        unsigned char *p;
        size_t size;
    } live[COUNT];
    unsigned random = 1;
    uint64_t objects = 0;
    assert_int_equal(tarn__modes_set(letters, NULL, NULL), 0);
    struct tarn_heap *heap = tarn_heap_create(&(struct tarn_heap_options){.name = "lettered"});
    for (int round = 0; round < ROUNDS; round++) {
        random = random * 1103515245 + 12345;
        size_t i = random >> 8 & 255, size = (random >> 4) % (round % 50 ? 700 : largest) + 1;
        if (live[i].p && round % 3 == 0) {
            unsigned char *moved = tarn_heap_realloc(heap, live[i].p, size);
            assert_non_null(moved);
            assert_int_equal(moved[0], (unsigned char)live[i].size);
            live[i].p = moved;
        } else if (live[i].p) {
            assert_int_equal(live[i].p[live[i].size - 1], (unsigned char)live[i].size);
            tarn_free(live[i].p);
            live[i].p = NULL;
            objects--;
        } else {
            live[i].p = tarn_heap_alloc(heap, size);
            assert_non_null(live[i].p);
            objects++;
        }
        live[i].size = size;
        if (live[i].p) {
            memset(live[i].p, (int)size, size);
            assert_ptr_equal(tarn_heap_of(live[i].p), heap);
        }
        if (round % 500 == 0)
            tarn_heap_verify(heap);
    }
    struct tarn_heap_stats now;
    tarn_heap_stats(heap, &now);
    assert_int_equal(now.live_objects, objects);
    tarn_heap_set_hard_limit(heap, now.live_bytes + 1000);
    assert_null(tarn_heap_alloc(heap, 2000));
    assert_non_null(tarn_heap_alloc(heap, 16));
    for (size_t i = 0; i < COUNT; i += 2) {
        tarn_free(live[i].p);
        objects -= live[i].p != NULL;
    }
    assert_int_equal(tarn_heap_destroy(heap), objects + 1);
    memset(live, 0, sizeof live);
    assert_int_equal(tarn__modes_set(NULL, NULL, NULL), 0);
}

static void quarantine_counts_as_free(void **state)
{
    (void)state;
    use_by_letters("Q,lettered", 300000);
    use_by_letters("FZPUQ,lettered", 300000);
}

static void guarded_objects_are_the_heaps(void **state)
{
    (void)state;
    if (UINTPTR_MAX > 0xffffffff)
        use_by_letters("GU,lettered", 100000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_flags_make_no_heap),
        cmocka_unit_test(red_zones_know_what_was_asked_for),
        cmocka_unit_test(writes_behind_are_found),
        cmocka_unit_test(the_word_behind_is_guarded),
        cmocka_unit_test(poison_is_seen),
        cmocka_unit_test(zeros_are_zeros),
        cmocka_unit_test(stands_on_a_zone_of_its_own),
        cmocka_unit_test(quarantine_counts_as_free),
        cmocka_unit_test(guarded_objects_are_the_heaps),
    };
    return cmocka_run_group_tests_name("heaps with flags", tests, NULL, NULL);
}
