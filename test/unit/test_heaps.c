/* Floor 6: users' heaps: their tree, exact counts, limits and who is told of them, objects of every size, misuse, ends. */
#include "test/unit/heap.h"

#include "alloc/heaps.h"
#include "base/bits.h"
#include "tarn/heap.h"

#include <stdio.h>

static struct tarn_heap *make(const char *name, struct tarn_heap *parent)
{
    struct tarn_heap *heap = tarn_heap_create(&(struct tarn_heap_options){.name = name, .parent = parent});
    assert_non_null(heap);
    return heap;
}

static struct tarn_heap_stats of(struct tarn_heap *heap)
{
    struct tarn_heap_stats now;
    tarn_heap_verify(heap);
    tarn_heap_stats(heap, &now);
    return now;
}

static void require_live(struct tarn_heap *heap, uint64_t bytes, uint64_t objects)
{
    struct tarn_heap_stats now = of(heap);
    assert_int_equal(now.live_bytes, bytes);
    assert_int_equal(now.live_objects, objects);
}

static size_t rounded(size_t size)
{
    return size <= TARN__SMALL_MOST ? tarn__class_size(tarn__class_of(size)) : tarn__align_up(size, 4096);
}

/* The tree */

static void has_a_name_and_a_parent(void **state)
{
    (void)state;
    struct tarn_heap *root = make("a name of more than 31 bytes is cut off", NULL), *child = make(NULL, root);
    assert_string_equal(tarn_heap_name(root), "a name of more than 31 bytes is");
    assert_string_equal(tarn_heap_name(child), "");
    assert_null(tarn_heap_parent(root));
    assert_ptr_equal(tarn_heap_parent(child), root);
    assert_int_equal(of(root).children, 1);
    assert_int_equal(of(root).held_bytes, 0);
    assert_int_equal(tarn_heap_destroy(NULL), 0);
    assert_int_equal(tarn_heap_destroy(child), 0);
    assert_int_equal(of(root).children, 0);
    assert_int_equal(tarn_heap_destroy(root), 0);
}

static void count_child(void *context, struct tarn_heap *child)
{
    (void)child;
    ++*(int *)context;
}

static void children_are_visited(void **state)
{
    (void)state;
    struct tarn_heap *a = make("a", NULL), *b = make("b", NULL), *c = make("c", a), *d = make("d", c);
    int roots = 0, below = 0, none = 0;
    make("e", a);
    tarn_heap_each_child(NULL, count_child, &roots);
    tarn_heap_each_child(a, count_child, &below);
    tarn_heap_each_child(d, count_child, &none);
    assert_int_equal(roots, 2);
    assert_int_equal(below, 2);
    assert_int_equal(none, 0);
    tarn_heap_destroy(a);
    tarn_heap_destroy(b);
}

static void depth_has_an_end(void **state)
{
    (void)state;
    struct tarn_heap *top = make("top", NULL), *at = top;
    for (int i = 1; i < TARN_HEAP_DEPTH_MOST; i++)
        at = make(NULL, at);
    assert_null(tarn_heap_create(&(struct tarn_heap_options){.parent = at}));
    assert_non_null(tarn_heap_alloc(at, 100));
    require_live(top, 112, 1);
    assert_int_equal(of(top).own_objects, 0);
    assert_int_equal(tarn_heap_destroy(top), 1);
}

static void what_children_use_counts_above(void **state)
{
    (void)state;
    struct tarn_heap *top = make("top", NULL), *mid = make("mid", top), *low = make("low", mid), *side = make("side", top);
    void *p = tarn_heap_alloc(low, 100), *q = tarn_heap_alloc(mid, 50000), *r = tarn_heap_alloc(side, 1000);
    assert_ptr_equal(tarn_heap_of(p), low);
    assert_ptr_equal(tarn_heap_of(q), mid);
    require_live(low, 112, 1);
    require_live(mid, 112 + 53248, 2);
    require_live(top, 112 + 53248 + 1024, 3);
    assert_int_equal(of(mid).own_bytes, 53248);
    assert_int_equal(of(mid).own_objects, 1);
    tarn_heap_free(q);
    require_live(mid, 112, 1);
    assert_int_equal(of(top).peak_bytes, 112 + 53248 + 1024);
    assert_int_equal(tarn_heap_reset(mid), 1);
    require_live(low, 0, 0);
    require_live(top, 1024, 1);
    assert_int_equal(of(low).frees, 1);
    assert_int_equal(of(top).children, 2);
    assert_non_null(tarn_heap_alloc(low, 1));
    tarn_free(r);
    assert_int_equal(tarn_heap_destroy(mid), 1);
    require_live(top, 0, 0);
    assert_int_equal(of(top).children, 1);
    assert_int_equal(tarn_heap_destroy(top), 0);
}

/* A heap is charged by others while it has children, and by itself alone before and after. */
static void counts_stay_right_as_children_come_and_go(void **state)
{
    (void)state;
    struct tarn_heap *top = make("top", NULL);
    void *p[5] = {tarn_heap_alloc(top, 64)};
    struct tarn_heap *child = make("child", top);
    p[1] = tarn_heap_alloc(top, 64);
    p[2] = tarn_heap_alloc(child, 64);
    require_live(top, 192, 3);
    tarn_free(p[0]);
    tarn_heap_destroy(child);
    require_live(top, 64, 1);
    p[3] = tarn_heap_alloc(top, 64);
    require_live(top, 128, 2);
    assert_int_equal(of(top).peak_bytes, 192);
    assert_int_equal(tarn_heap_reset(top), 2);
    require_live(top, 0, 0);
    tarn_heap_destroy(top);
}

/* Objects */

static void every_size_is_counted(void **state)
{
    (void)state;
    struct tarn_heap *top = make("top", NULL), *heap = make("sizes", top);
    uint64_t live = 0, objects = 0;
    for (size_t size = 0; size <= 100000; size += size < 2048 ? 1 : 61) {
        unsigned char *p = tarn_heap_alloc(heap, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_int_equal(tarn_usable_size(p), rounded(size));
        memset(p, 1, rounded(size));
        live += rounded(size), objects++;
        struct tarn_heap_stats now;
        tarn_heap_stats(heap, &now);
        assert_int_equal(now.live_bytes, live);
        if (size % 3 == 0) {
            tarn_free_sized(p, size);
            live -= rounded(size), objects--;
        }
    }
    require_live(heap, live, objects);
    require_live(top, live, objects);
    assert_true(of(heap).held_bytes >= live);
    assert_int_equal(tarn_heap_destroy(top), objects);
}

static void huge_ones(void **state)
{
    (void)state;
    struct tarn_heap *heap = make("huge", NULL);
    static const size_t sizes[] = {MIB, 5 * MIB, 64 * MIB, 65 * MIB + 1};
    uint64_t live = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned char *p = tarn_heap_calloc(heap, 1, sizes[i]);
        assert_non_null(p);
        assert_true(p[0] == 0 && p[sizes[i] / 2] == 0 && p[sizes[i] - 1] == 0);
        p[0] = p[sizes[i] - 1] = 1;
        assert_ptr_equal(tarn_heap_of(p), heap);
        assert_null(tarn_heap_of(p + 4096));
        require_live(heap, live += rounded(sizes[i]), i + 1);
        if (i == 2) {
            tarn_free(p);
            live -= rounded(sizes[i]);
            p = tarn_heap_alloc(heap, 16);
            live += 16;
        }
    }
    assert_int_equal(tarn_heap_destroy(heap), 4);
}

/* Large memory that was written to does not come back as zeros by itself. */
static void calloc_clears(void **state)
{
    (void)state;
    struct tarn_heap *heap = make("zeros", NULL);
    static const size_t sizes[] = {0, 1, 100, 5000, 32768, 32769, 300000, 5 * MIB};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i / 2];
        unsigned char *p = tarn_heap_calloc(heap, size ? 1 : 0, size);
        assert_non_null(p);
        assert_true(check_all_bytes(p, size, 0));
        memset(p, 0xff, size);
        tarn_free(p);
    }
    assert_null(tarn_heap_calloc(heap, SIZE_MAX / 2, 3));
    assert_null(tarn_heap_calloc(NULL, SIZE_MAX / 2, 3));
    assert_int_equal(of(heap).failures, 1);
    require_live(heap, 0, 0);
    tarn_heap_destroy(heap);
}

static void aligns(void **state)
{
    (void)state;
    struct tarn_heap *heap = make("aligned", NULL);
    for (size_t align = 1; align <= 8 * MIB; align *= 2)
        for (size_t size = 0; size <= 3 * MIB; size = size * 7 + 1) {
            uint64_t before = of(heap).live_bytes;
            unsigned char *p = tarn_heap_aligned_alloc(heap, align, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            assert_true(tarn_usable_size(p) >= size);
            memset(p, 1, size);
            assert_int_equal(of(heap).live_bytes, before + tarn_usable_size(p));
            if (size % 2)
                tarn_free(p);
        }
    uint64_t failures = of(heap).failures;
    assert_int_equal(failures, 0);
    assert_null(tarn_heap_aligned_alloc(heap, 0, 10));
    assert_null(tarn_heap_aligned_alloc(heap, 48, 10));
    assert_null(tarn_heap_aligned_alloc(heap, SIZE_MAX / 2 + 1, 10));
    assert_null(tarn_heap_aligned_alloc(heap, SIZE_MAX / 4 + 1, 10));
    assert_null(tarn_heap_alloc(heap, SIZE_MAX));
    assert_null(tarn_heap_alloc(heap, PTRDIFF_MAX));
    assert_null(tarn_heap_alloc(heap, SIZE_MAX - 4000));
    assert_int_equal(of(heap).failures, 7);
    tarn_heap_destroy(heap);
}

static void stamp(unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i += i < 5000 ? 1 : 997)
        p[i] = (unsigned char)(i * 7 + 3);
}

static void check_stamp(const unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i += i < 5000 ? 1 : 997)
        assert_int_equal(p[i], (unsigned char)(i * 7 + 3));
}

static void realloc_stays_in_its_heap(void **state)
{
    (void)state;
    struct tarn_heap *heap = make("realloc", NULL), *other = make("other", NULL);
    static const size_t sizes[] = {1, 100, 5000, 32768, 32769, 60000, 300000, 3 * MIB, 6 * MIB, 64 * MIB, 66 * MIB};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    size_t count = check_emulated() ? COUNT - 2 : COUNT; /* the longest are copied there, at length */
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            unsigned char *p = tarn_heap_alloc(heap, sizes[i]);
            stamp(p, sizes[i]);
            assert_null(tarn_heap_realloc(other, p, sizes[j]));
            p = j % 2 ? tarn_realloc(p, sizes[j]) : tarn_heap_realloc(heap, p, sizes[j]);
            assert_non_null(p);
            check_stamp(p, tarn__min(sizes[i], sizes[j]));
            p[sizes[j] - 1] = 1;
            assert_ptr_equal(tarn_heap_of(p), heap);
            require_live(heap, tarn_usable_size(p), 1);
            assert_null(tarn_heap_realloc(heap, p, 0));
            require_live(heap, 0, 0);
        }
    void *p = tarn_heap_realloc(heap, NULL, 10), *common = tarn_heap_realloc(NULL, NULL, 10);
    assert_ptr_equal(tarn_heap_of(p), heap);
    assert_null(tarn_heap_of(common));
    assert_null(tarn_heap_realloc(NULL, p, 20));
    assert_null(tarn_heap_realloc(heap, common, 20));
    tarn_free(tarn_heap_realloc(NULL, common, 100));
    assert_int_equal(of(heap).failures, 0);
    tarn_heap_destroy(heap);
    tarn_heap_destroy(other);
}

static void realloc_in_place_is_charged(void **state)
{
    (void)state;
    struct tarn_heap *top = make("top", NULL), *heap = make("place", top);
    unsigned char *p = tarn_heap_alloc(heap, 100000);
    assert_ptr_equal(tarn_realloc(p, 200000), p);
    require_live(top, tarn__align_up(200000, 4096), 1);
    assert_int_equal(of(heap).held_bytes, tarn__align_up(200000, 4096));
    assert_ptr_equal(tarn_realloc(p, 50000), p);
    require_live(top, tarn__align_up(50000, 4096), 1);
    assert_int_equal(of(top).peak_bytes, tarn__align_up(200000, 4096));
    tarn_heap_set_hard_limit(top, 100 * 1024);
    assert_null(tarn_realloc(p, 200000));
    assert_int_equal(of(heap).failures, 1);
    assert_ptr_equal(tarn_realloc(p, 100 * 1024), p);
    assert_int_equal(of(top).live_bytes, 100 * 1024);
    assert_int_equal(of(top).peak_bytes, tarn__align_up(200000, 4096));
    /* no room for a smaller one: the old one serves, and nobody is refused anything */
    assert_ptr_equal(tarn_realloc(p, 10000), p);
    assert_int_equal(of(heap).failures, 1);
    require_live(heap, 100 * 1024, 1);
    tarn_heap_destroy(top);
}

static void tells_the_heap_of_a_pointer(void **state)
{
    (void)state;
    struct tarn_heap *heap = make("of", NULL);
    int on_stack;
    char *p = tarn_heap_alloc(heap, 40), *q = tarn_malloc(40), *pages = tarn_malloc(100000);
    tarn_heap_alloc(heap, 40);
    assert_ptr_equal(tarn_heap_of(p), heap);
    assert_null(tarn_heap_of(p + 1));
    assert_null(tarn_heap_of(p + 16));
    assert_null(tarn_heap_of(q));
    assert_null(tarn_heap_of(pages));
    assert_null(tarn_heap_of(NULL));
    assert_null(tarn_heap_of(&on_stack));
    assert_null(tarn_heap_of((void *)UINTPTR_MAX));
    tarn_free(p);
    assert_null(tarn_heap_of(p));
    tarn_heap_free(q);
    tarn_heap_free(pages);
    tarn_heap_free(NULL);
    tarn_heap_destroy(heap);
}

struct seen {
    size_t objects, bytes;
};

static void see(void *context, void *object, size_t size)
{
    struct seen *seen = context;
    assert_true(*(unsigned char *)object == 7);
    assert_int_equal(tarn_usable_size(object), size);
    seen->objects++, seen->bytes += size;
}

static void each_object_is_visited(void **state)
{
    (void)state;
    struct tarn_heap *heap = make("each", NULL);
    struct seen seen = {0, 0};
    uint64_t random = 3;
    for (int i = 0; i < 3000; i++) {
        size_t size = check_random(&random) % (i % 100 == 0 ? 200000 : 700) + 1;
        unsigned char *p = tarn_heap_alloc(heap, size);
        *p = 7;
        if (i % 3 == 0)
            *p = 0, tarn_free(p);
    }
    tarn_heap_each(heap, see, &seen);
    struct tarn_heap_stats now = of(heap);
    assert_int_equal(seen.objects, now.own_objects);
    assert_int_equal(seen.bytes, now.own_bytes);
    assert_int_equal(now.own_objects, 2000);
    assert_int_equal(now.allocations, 3000);
    assert_int_equal(now.frees, 1000);
    tarn_heap_destroy(heap);
}

static void empty_slabs_go(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static void *p[COUNT];
    struct tarn_heap *heap = make("slabs", NULL);
    for (int i = 0; i < COUNT; i++)
        p[i] = tarn_heap_alloc(heap, 64);
    assert_true(of(heap).held_bytes <= COUNT * 64 + 2 * 65536);
    for (int i = 0; i < COUNT; i++)
        tarn_free(p[i * 7919L % COUNT]);
    require_live(heap, 0, 0);
    assert_true(of(heap).held_bytes <= 65536);
    tarn_heap_destroy(heap);
}

/* Limits */

struct told {
    int hard, soft;
    struct tarn_heap *heap;
    size_t size;
    void *to_free;
    size_t raise_to, alloc;
};

static void act(struct told *told, struct tarn_heap *heap, size_t size)
{
    told->heap = heap;
    told->size = size;
    tarn_heap_verify(heap);
    if (told->to_free)
        tarn_free(told->to_free);
    told->to_free = NULL;
    if (told->raise_to)
        tarn_heap_set_hard_limit(heap, told->raise_to);
    if (told->alloc)
        tarn_free(tarn_heap_alloc(heap, told->alloc));
}

static void over_hard(void *context, struct tarn_heap *heap, size_t size)
{
    struct told *told = context;
    told->hard++;
    act(told, heap, size);
}

static void over_soft(void *context, struct tarn_heap *heap, size_t size)
{
    struct told *told = context;
    told->soft++;
    act(told, heap, size);
}

static struct tarn_heap *limited(struct tarn_heap *parent, size_t hard, size_t soft, struct told *told)
{
    return tarn_heap_create(&(struct tarn_heap_options){.parent = parent,
                                                        .hard_limit = hard,
                                                        .soft_limit = soft,
                                                        .over_hard = over_hard,
                                                        .over_soft = over_soft,
                                                        .context = told});
}

static void hard_limit_with(struct tarn_heap *top, struct tarn_heap *heap, struct told *told)
{
    void *p = tarn_heap_alloc(heap, 600);
    assert_int_equal(of(top).live_bytes, 640);
    assert_non_null(tarn_heap_alloc(heap, 352));
    struct tarn_heap_stats before = of(heap), above = of(top);
    assert_null(tarn_heap_alloc(heap, 33));
    assert_null(tarn_heap_alloc(heap, 40000));
    assert_int_equal(told->hard, 2);
    assert_ptr_equal(told->heap, top);
    assert_int_equal(told->size, 40000);
    struct tarn_heap_stats now = of(heap);
    assert_int_equal(now.failures, before.failures + 2);
    now.failures = before.failures;
    assert_memory_equal(&now, &before, sizeof now);
    now = of(top);
    above.failures = now.failures;
    assert_memory_equal(&now, &above, sizeof now);
    assert_non_null(tarn_heap_alloc(heap, 32)); /* to the last byte */
    assert_int_equal(of(top).live_bytes, 1024);
    assert_null(tarn_heap_alloc(heap, 0));
    told->hard = 0;
    told->to_free = p;
    assert_non_null(tarn_heap_alloc(heap, 500));
    assert_int_equal(told->hard, 1);
    told->raise_to = 100000;
    told->alloc = 200000; /* refused, and told to none */
    assert_non_null(tarn_heap_alloc(heap, 50000));
    assert_int_equal(told->hard, 2);
    assert_int_equal(of(top).hard_limit, 100000);
    tarn_heap_set_hard_limit(top, 1);
    told->raise_to = told->alloc = 0;
    assert_null(tarn_heap_alloc(heap, 1));
    tarn_heap_set_hard_limit(top, 0);
    assert_non_null(tarn_heap_alloc(heap, MIB));
}

static void hard_limits_hold(void **state)
{
    (void)state;
    struct told told = {0};
    struct tarn_heap *heap = limited(NULL, 1024, 0, &told);
    hard_limit_with(heap, heap, &told);
    tarn_heap_destroy(heap);
}

static void hard_limits_above_hold(void **state)
{
    (void)state;
    struct told told = {0};
    struct tarn_heap *top = limited(NULL, 1024, 0, &told), *mid = make("mid", top), *heap = make("low", mid);
    hard_limit_with(top, heap, &told);
    require_live(mid, of(heap).live_bytes, of(heap).live_objects);
    assert_int_equal(of(mid).peak_bytes, of(heap).peak_bytes);
    tarn_heap_destroy(top);
}

/* A limit that is reached without a callback. */
static void silence_is_allowed(void **state)
{
    (void)state;
    struct tarn_heap *heap =
        tarn_heap_create(&(struct tarn_heap_options){.name = "silent", .hard_limit = 100, .soft_limit = 50});
    assert_non_null(tarn_heap_alloc(heap, 64));
    assert_null(tarn_heap_alloc(heap, 64));
    assert_int_equal(of(heap).failures, 1);
    assert_int_equal(of(heap).held_bytes, 4096); /* nothing was taken for what was refused */
    tarn_heap_destroy(heap);
}

static void soft_limits_are_told_once(void **state)
{
    (void)state;
    struct told told = {0}, above = {0};
    struct tarn_heap *top = limited(NULL, 0, 2048, &above), *heap = limited(top, 0, 1024, &told);
    void *p = tarn_heap_alloc(heap, 1024);
    assert_int_equal(told.soft, 0);
    void *q = tarn_heap_alloc(heap, 16);
    assert_int_equal(told.soft, 1);
    assert_ptr_equal(told.heap, heap);
    assert_int_equal(told.size, 16);
    tarn_free(tarn_heap_alloc(heap, 16));
    assert_int_equal(told.soft, 1);
    tarn_free(q);
    tarn_free(tarn_heap_alloc(heap, 16));
    assert_int_equal(told.soft, 2);
    told.alloc = 5000; /* from within, told to none, not even to others */
    told.to_free = p;
    assert_non_null(tarn_heap_alloc(heap, 512));
    assert_int_equal(told.soft, 3);
    assert_int_equal(above.soft, 0);
    told.alloc = 0;
    assert_non_null(tarn_heap_alloc(heap, 2048));
    assert_int_equal(above.soft, 1);
    assert_int_equal(told.soft, 4);
    tarn_heap_set_soft_limit(top, 0);
    tarn_heap_set_soft_limit(heap, 100000);
    assert_non_null(tarn_heap_alloc(heap, 90000));
    assert_int_equal(told.soft, 4);
    unsigned char *r = tarn_heap_alloc(heap, 40000);
    assert_int_equal(told.soft, 5);
    tarn_free(r);
    tarn_heap_destroy(top);
    assert_int_equal(above.hard + told.hard, 0);
}

/* Failures of the system */

static void no_memory_changes_nothing(void **state)
{
    (void)state;
    struct told told = {0};
    struct tarn_heap *top = limited(NULL, 1000 * MIB, 0, &told), *heap = make("poor", top);
    void *p = tarn_heap_alloc(heap, 100000);
    struct tarn_heap_stats before = of(top);
    tarn__fake_fail(TARN__FAKE_ANY, 1, UINT64_MAX);
    assert_null(tarn_heap_alloc(heap, 8 * MIB));
    assert_null(tarn_heap_alloc(heap, 70 * MIB));
    assert_null(tarn_realloc(p, 9 * MIB));
    tarn__fake_fail(0, 0, 0);
    struct tarn_heap_stats now = of(top);
    assert_memory_equal(&now, &before, sizeof now);
    assert_int_equal(of(heap).failures, 3);
    assert_int_equal(told.hard, 0); /* it was not the limit */
    assert_non_null(tarn_realloc(p, 9 * MIB));
    tarn_heap_destroy(top);
}

/* Misuse */

static void free_it(void *p) { tarn_free(p); }

static void heap_free_it(void *p) { tarn_heap_free(p); }

static void realloc_it(void *p) { tarn_realloc(p, 1000); }

static void size_it(void *p) { tarn_usable_size(p); }

static void free_sized_wrongly(void *p) { tarn_free_sized(p, tarn_usable_size(p) + 1); }

static void free_twice(void *p)
{
    tarn_free(p);
    tarn_free(p);
}

static void misuse_ends_the_process(void **state)
{
    (void)state;
    struct tarn_heap *heap = make("misuse", NULL);
    char *p = tarn_heap_alloc(heap, 100), *large = tarn_heap_alloc(heap, 100000), *huge = tarn_heap_alloc(heap, 64 * MIB);
    char *wide = tarn_heap_alloc(heap, 20000);
    tarn_heap_alloc(heap, 100);
    check_dies(free_twice, p, "double free: the object is free already");
    check_dies(free_twice, large, "double free: the object is free already");
    check_dies(free_twice, huge, "invalid free: not the start of a live object");
    char *const inside[] = {p + 1,    p + 16,      p + 4095,       large + 16, large + 4096,
                            huge + 1, huge + 4096, huge + 8 * MIB, wide + 4096};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        check_dies(free_it, inside[i], "invalid free: not the start of a live object");
        check_dies(heap_free_it, inside[i], "invalid free: not the start of a live object");
        check_dies(realloc_it, inside[i], "invalid free: not the start of a live object");
        check_dies(size_it, inside[i], "invalid free: not the start of a live object");
    }
    check_dies(free_sized_wrongly, p, "wrong size: the object given to a sized free has another size");
    check_dies(free_sized_wrongly, large, "wrong size: the object given to a sized free has another size");
    tarn_free(p);
    check_dies(free_it, p, "double free: the object is free already");
    check_dies(realloc_it, p, "double free: the object is free already");
    check_dies(size_it, p, "double free");
    tarn_heap_destroy(heap);
    check_dies(free_it, large, "tarn: ");
}

/* Many */

static void ten_thousand_heaps(void **state)
{
    (void)state;
    enum { HEAPS = 10000 };
    static struct tarn_heap *heaps[HEAPS];
    struct tarn_heap *top = make("top", NULL);
    tarn_trim(0);
    size_t before = tarn__zone_used(&tarn__heap.zone);
    for (int i = 0; i < HEAPS; i++)
        heaps[i] = make("one of many", i % 2 ? heaps[i / 2] : top);
    size_t empty = tarn__zone_used(&tarn__heap.zone);
    for (int i = 0; i < HEAPS; i++)
        assert_non_null(tarn_heap_alloc(heaps[i], 100));
    size_t used = tarn__zone_used(&tarn__heap.zone);
    printf("# bytes for each heap: %zu empty, %zu with an object\n", (empty - before) * 4096 / HEAPS,
           (used - before) * 4096 / HEAPS);
    assert_true((empty - before) * 4096 / HEAPS < 2048 + 205);
    assert_true((used - empty) * 4096 / HEAPS < 4096 + 205);
    require_live(top, HEAPS * 112, HEAPS);
    assert_int_equal(tarn_heap_destroy(top), HEAPS);
    tarn_trim(0);
    assert_true(tarn__zone_used(&tarn__heap.zone) <= before);
}

static void ends_in_any_state(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (int round = 0; round < 60; round++) {
        struct tarn_heap *heap = make("state", NULL);
        static void *p[500];
        size_t live = 0;
        memset(p, 0, sizeof p);
        for (int i = 0; i < 1 << round % 12; i++) {
            size_t at = check_random(&random) % 500;
            live -= p[at] != NULL;
            tarn_free(p[at]);
            p[at] = check_random(&random) % 3 ? tarn_heap_alloc(heap, check_random(&random) % (i % 8 ? 900 : 90000)) : NULL;
            live += p[at] != NULL;
        }
        tarn_heap_verify(heap);
        if (round % 2)
            assert_int_equal(tarn_heap_reset(heap), live);
        assert_true(round % 2 == 0 || of(heap).held_bytes == 0);
        assert_int_equal(tarn_heap_destroy(heap), round % 2 ? 0 : live);
        check_heap();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEAP_TEST(has_a_name_and_a_parent),
        HEAP_TEST(children_are_visited),
        HEAP_TEST(depth_has_an_end),
        HEAP_TEST(what_children_use_counts_above),
        HEAP_TEST(counts_stay_right_as_children_come_and_go),
        HEAP_TEST(every_size_is_counted),
        HEAP_TEST(huge_ones),
        HEAP_TEST(calloc_clears),
        HEAP_TEST(aligns),
        HEAP_TEST(realloc_stays_in_its_heap),
        HEAP_TEST(realloc_in_place_is_charged),
        HEAP_TEST(tells_the_heap_of_a_pointer),
        HEAP_TEST(each_object_is_visited),
        HEAP_TEST(empty_slabs_go),
        HEAP_TEST(hard_limits_hold),
        HEAP_TEST(hard_limits_above_hold),
        HEAP_TEST(silence_is_allowed),
        HEAP_TEST(soft_limits_are_told_once),
        HEAP_TEST(no_memory_changes_nothing),
        HEAP_TEST(misuse_ends_the_process),
        HEAP_TEST(ten_thousand_heaps),
        HEAP_TEST(ends_in_any_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
