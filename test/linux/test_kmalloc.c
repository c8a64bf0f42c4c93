/* kmalloc and what stands on it, in the kernel's words. */
#include "check.h"

#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include <tarn/cache.h>
#include <time.h>

static const size_t classes[] = {8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192};

static void sizes_are_rounded_to_the_kernels_classes(void **state)
{
    size_t at = 0;

    (void)state;
    for (size_t size = 1; size <= 8192; size++) {
        if (size > classes[at])
            at++;
        assert_int_equal(kmalloc_size_roundup(size), classes[at]);
        if (size % 61 == 1 || size == classes[at]) {
            void *p = kmalloc(size, GFP_KERNEL);

            assert_int_equal(ksize(p), classes[at]);
            memset(p, 1, ksize(p));
            kfree(p);
        }
    }
}

static void above_the_classes_come_pages(void **state)
{
    (void)state;
    for (size_t size = 8193; size <= KMALLOC_MAX_SIZE; size = size * 2 - 1) {
        char *p = kmalloc(size, GFP_KERNEL);

        assert_non_null(p);
        assert_true(ksize(p) >= size);
        assert_int_equal((uintptr_t)p % PAGE_SIZE, 0);
        p[0] = p[size - 1] = 1;
        kfree(p);
    }
    assert_int_equal(KMALLOC_MAX_SIZE, 4 << 20);
    void *most = kmalloc(KMALLOC_MAX_SIZE, GFP_KERNEL);

    assert_non_null(most);
    kfree(most);
    assert_null(kmalloc(KMALLOC_MAX_SIZE + 1, GFP_KERNEL | __GFP_NOWARN));
    assert_null(kmalloc(SIZE_MAX, GFP_KERNEL | __GFP_NOWARN));
}

static void objects_are_aligned_as_their_size_divides(void **state)
{
    static void *p[8192 / 8 + 1];

    (void)state;
    for (size_t size = 8; size <= 8192; size += 8) {
        size_t align = size & -size;

        p[size / 8] = kmalloc(size, GFP_KERNEL);
        assert_int_equal((uintptr_t)p[size / 8] % align, 0);
    }
    for (size_t i = 1; i <= 8192 / 8; i++)
        kfree(p[i]);
}

static void nothing_is_an_address_of_its_own(void **state)
{
    void *nothing = kmalloc(0, GFP_KERNEL);

    (void)state;
    assert_ptr_equal(nothing, ZERO_SIZE_PTR);
    assert_true(ZERO_OR_NULL_PTR(nothing) && ZERO_OR_NULL_PTR(NULL));
    assert_int_equal(ksize(nothing), 0);
    assert_int_equal(ksize(NULL), 0);
    kfree(nothing);
    kfree(NULL);
    assert_ptr_equal(kcalloc(0, 10, GFP_KERNEL), ZERO_SIZE_PTR);
    assert_ptr_equal(krealloc(NULL, 0, GFP_KERNEL), ZERO_SIZE_PTR);
    assert_ptr_equal(krealloc(kmalloc(10, GFP_KERNEL), 0, GFP_KERNEL), ZERO_SIZE_PTR);
    void *grown = krealloc(ZERO_SIZE_PTR, 100, GFP_KERNEL);

    assert_int_equal(ksize(grown), 128);
    kfree(grown);
    assert_int_equal(kmalloc_size_roundup(0), 0);
}

static void products_do_not_wrap_round(void **state)
{
    (void)state;
    assert_null(kmalloc_array(SIZE_MAX / 8, 16, GFP_KERNEL | __GFP_NOWARN));
    assert_null(kmalloc_array((1ul << 61) + 1, 8, GFP_KERNEL | __GFP_NOWARN)); /* would be 8 bytes */
    assert_null(kvmalloc_array((1ul << 61) + 1, 8, GFP_KERNEL | __GFP_NOWARN));
    assert_null(kmalloc_objs(u64, (1ul << 61) + 1, GFP_KERNEL | __GFP_NOWARN));
    assert_null(kcalloc(1ul << 33, 1ul << 33, GFP_KERNEL | __GFP_NOWARN));
    assert_null(kvmalloc_array(SIZE_MAX / 8, 16, GFP_KERNEL | __GFP_NOWARN));
    char *p = kmalloc(10, GFP_KERNEL);

    assert_null(krealloc_array(p, SIZE_MAX / 8, 16, GFP_KERNEL | __GFP_NOWARN));
    p[9] = 1;
    kfree(p);
}

struct flexible {
    u64 count;
    u32 items[];
};

static void sizes_of_structures_saturate(void **state)
{
    struct flexible *p = NULL;

    (void)state;
    assert_int_equal(struct_size(p, items, 10), sizeof *p + 40);
    assert_true(struct_size(p, items, SIZE_MAX / 2) == SIZE_MAX);
    assert_true(size_add(SIZE_MAX, 1) == SIZE_MAX);
    assert_true(size_mul(SIZE_MAX / 2, 3) == SIZE_MAX);
    assert_true(size_sub(SIZE_MAX, 1) == SIZE_MAX);
    assert_true(size_sub(1, 2) == SIZE_MAX);
    assert_int_equal(size_sub(5, 2), 3);
    assert_int_equal(array_size(6, 7), 42);
    assert_int_equal(array3_size(2, 3, 4), 24);
    assert_true(array3_size(SIZE_MAX, 2, 0) == 0 || array3_size(SIZE_MAX, 2, 1) == SIZE_MAX);
    assert_null(kmalloc(struct_size(p, items, SIZE_MAX / 2), GFP_KERNEL | __GFP_NOWARN));
}

static void types_say_how_much(void **state)
{
    struct flexible *one = kzalloc_obj(*one), *flexible = kzalloc_flex(*flexible, items, 30, GFP_ATOMIC);
    u16 *many = kmalloc_objs(u16, 40);

    (void)state;
    assert_int_equal(ksize(one), 8);
    assert_int_equal(one->count, 0);
    assert_int_equal(ksize(flexible), 128);
    assert_int_equal(flexible->items[29], 0);
    assert_int_equal(ksize(many), 96);
    kfree(one);
    kfree(flexible);
    kfree(many);
}

static void zeroed_means_all_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        for (int round = 0; round < 3; round++) {
            unsigned char *p = round == 1 ? kcalloc(1, classes[i], GFP_KERNEL) : kzalloc(classes[i], GFP_KERNEL);

            assert_true(check_all_bytes(p, classes[i], 0));
            memset(p, 0xff, classes[i]);
            kfree(p);
        }
}

static void realloc_stays_where_it_fits_and_carries_over(void **state)
{
    char *p = kmalloc(100, GFP_KERNEL), *q;

    (void)state;
    memset(p, 'p', 100);
    assert_ptr_equal(krealloc(p, 128, GFP_KERNEL), p);
    assert_ptr_equal(krealloc(p, 110, GFP_KERNEL), p);
    q = krealloc(p, 5000, GFP_KERNEL);
    assert_non_null(q);
    assert_true(check_all_bytes(q, 100, 'p'));
    kfree(q);
}

static void a_failed_realloc_keeps_the_original(void **state)
{
    char *p = kmalloc(100, GFP_KERNEL);

    (void)state;
    memset(p, 'p', 100);
    fail_at(TARN_FAIL_SLAB, -1, 0);
    fail_at(TARN_FAIL_PAGES, -1, 0);
    assert_null(krealloc(p, 4000, GFP_NOWAIT));
    assert_null(krealloc(p, 100000, GFP_NOWAIT));
    heal(NULL);
    assert_true(check_all_bytes(p, 100, 'p'));
    kfree(p);
}

static void realloc_zeroes_what_it_adds_when_asked(void **state)
{
    char *p = kzalloc(64, GFP_KERNEL);

    (void)state;
    memset(p, 'p', 64);
    p = krealloc(p, 1000, GFP_KERNEL | __GFP_ZERO);
    assert_true(check_all_bytes(p, 64, 'p'));
    assert_true(check_all_bytes(p + 64, 1000 - 64, 0));
    kfree(p);
}

static void sensitive_memory_is_wiped(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("secrets", 64, 0, SLAB_NO_MERGE, NULL);
    char *p = kmem_cache_alloc(cache, GFP_KERNEL);

    (void)state;
    memset(p, 's', 64);
    kfree_sensitive(p);
    assert_false(memchr(p, 's', 64) != NULL);
    kfree_sensitive(NULL);
    kfree_sensitive(ZERO_SIZE_PTR);
    kvfree_sensitive(NULL, 10);
    kvfree_sensitive(kvmalloc(100000, GFP_KERNEL), 100000);
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

static void bulk_frees_what_differs(void **state)
{
    void *p[40];

    (void)state;
    for (size_t i = 0; i < 40; i++)
        p[i] = kmalloc(i * 300 + 1, GFP_KERNEL);
    kfree_bulk(40, p);
}

static void kfree_takes_objects_of_any_cache(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("any", 333, 0, SLAB_NO_MERGE, NULL);

    (void)state;
    kfree(kmem_cache_alloc(cache, GFP_KERNEL));
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

static void kvmalloc_has_any_size(void **state)
{
    (void)state;
    for (size_t size = 10; size < 64 << 20; size *= 40) {
        char *p = kvmalloc(size, GFP_KERNEL), *q;

        assert_non_null(p);
        p[0] = p[size - 1] = 'v';
        q = kvrealloc(p, size * 2, GFP_KERNEL);
        assert_non_null(q);
        assert_int_equal(q[0], 'v');
        assert_int_equal(q[size - 1], 'v');
        kvfree(q);
    }
    char *zero = kvzalloc(6 << 20, GFP_KERNEL);

    assert_true(check_all_bytes(zero, 6 << 20, 0));
    kvfree(zero);
    kvfree(NULL);
    char *array = kvcalloc(1000, 5000, GFP_KERNEL);

    assert_int_equal(array[4999999], 0);
    kvfree(array);
}

static void vmalloc_gives_whole_pages(void **state)
{
    char *p = vmalloc(10000), *q = vzalloc(5 << 20), *r = vcalloc(3, 5000);

    (void)state;
    assert_true(p && q && r);
    assert_int_equal((uintptr_t)p % PAGE_SIZE, 0);
    assert_true(check_all_bytes(q, 5 << 20, 0));
    assert_true(check_all_bytes(r, 15000, 0));
    assert_null(vmalloc(0));
    assert_null(vmalloc_array(SIZE_MAX / 2, 4));
    vfree(p);
    vfree(q);
    vfree(r);
    vfree(NULL);
}

static void text_and_memory_are_copied(void **state)
{
    char *a = kstrdup("kernel", GFP_KERNEL), *b = kstrndup("kernel", 3, GFP_KERNEL), *c = kmemdup("kernel", 7, GFP_KERNEL);
    char *d = kmemdup_nul("kernel", 4, GFP_KERNEL), *e = kasprintf(GFP_KERNEL, "%s-%d", "kernel", 6),
         *f = kvmemdup("ke", 3, GFP_KERNEL);
    const char *g = kstrdup_const("kernel", GFP_KERNEL);

    (void)state;
    assert_string_equal(a, "kernel");
    assert_string_equal(b, "ker");
    assert_string_equal(c, "kernel");
    assert_string_equal(d, "kern");
    assert_string_equal(e, "kernel-6");
    assert_string_equal(f, "ke");
    assert_string_equal(g, "kernel");
    assert_null(kstrdup(NULL, GFP_KERNEL));
    assert_null(kmemdup_array("x", SIZE_MAX / 2, 4, GFP_KERNEL | __GFP_NOWARN));
    kfree(a);
    kfree(b);
    kfree(c);
    kfree(d);
    kfree(e);
    kvfree(f);
    kfree_const(g);
}

static char *leaves_early(struct kmem_cache *cache, bool keep)
{
    char *p __free(kfree) = kmem_cache_alloc(cache, GFP_KERNEL);

    assert_non_null(p);
    if (keep)
        return_ptr(p);
    return NULL;
}

static void a_variable_can_free_what_it_holds(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("scoped", 48, 0, SLAB_NO_MERGE, NULL);
    char *kept = leaves_early(cache, true);

    (void)state;
    assert_null(leaves_early(cache, false));
    assert_non_null(kept);
    kmem_cache_free(cache, kept);
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

/* RCU */

struct node {
    u64 value;
    struct rcu_head rcu;
    u64 more[4];
};

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL); }

static void a_reader_keeps_what_is_freed_later(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("nodes", sizeof(struct node), 0, SLAB_POISON, NULL);
    struct node *node = kmem_cache_alloc(cache, GFP_KERNEL);

    (void)state;
    node->value = 42;
    node->more[3] = 43;
    rcu_read_lock();
    kfree_rcu(node, rcu);
    nap();
    assert_int_equal(node->value, 42);
    assert_int_equal(node->more[3], 43);
    rcu_read_unlock();
    rcu_barrier();
    assert_int_equal(node->value, 0x6b6b6b6b6b6b6b6b);
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

static void freeing_later_needs_no_head(void **state)
{
    struct kmem_cache *cache = kmem_cache_create("headless", 64, 0, SLAB_NO_MERGE, NULL);
    struct node *nobody = NULL;

    (void)state;
    for (int i = 0; i < 20; i++)
        kfree_rcu_mightsleep(kmem_cache_alloc(cache, GFP_KERNEL));
    kfree_rcu(kmem_cache_alloc(cache, GFP_KERNEL));
    kfree_rcu(nobody, rcu);
    kvfree_rcu_mightsleep(kvmalloc(8 << 20, GFP_KERNEL));
    rcu_barrier();
    kmem_cache_destroy(cache);
    assert_string_equal(warned, "");
}

static struct rcu_head *called;

static void callback(struct rcu_head *head) { called = head; }

static void calls_come_after_readers(void **state)
{
    struct rcu_head head;

    (void)state;
    rcu_read_lock();
    call_rcu(&head, callback);
    nap();
    assert_null(called);
    rcu_read_unlock();
    rcu_barrier();
    assert_ptr_equal(called, &head);
    synchronize_rcu();
}

/* Crimes */

/* An address inside of an object is seen when its magazine comes back to the slab; there it may look like a link that was overwritten. */
static void free_inside(void *unused)
{
    static void *objects[1000];

    (void)unused;
    for (int i = 0; i < 1000; i++)
        objects[i] = kmalloc(100, GFP_KERNEL);
    objects[500] = (char *)objects[500] + 8;
    for (int i = 0; i < 1000; i++)
        kfree(objects[i]);
    (void)kmem_cache_shrink((struct kmem_cache *)tarn_cache_of(objects[0]));
}

static void free_foreign(void *unused)
{
    static char mine[100];

    (void)unused;
    kfree(mine);
}

static void crimes_end_the_process(void **state)
{
    (void)state;
    check_dies(free_foreign, NULL, "invalid free");
    check_dies(free_inside, NULL, "(free of 0x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kernel_test(sizes_are_rounded_to_the_kernels_classes),
        kernel_test(above_the_classes_come_pages),
        kernel_test(objects_are_aligned_as_their_size_divides),
        kernel_test(nothing_is_an_address_of_its_own),
        kernel_test(products_do_not_wrap_round),
        kernel_test(sizes_of_structures_saturate),
        kernel_test(types_say_how_much),
        kernel_test(zeroed_means_all_of_it),
        kernel_test(realloc_stays_where_it_fits_and_carries_over),
        kernel_test(a_failed_realloc_keeps_the_original),
        kernel_test(realloc_zeroes_what_it_adds_when_asked),
        kernel_test(sensitive_memory_is_wiped),
        kernel_test(bulk_frees_what_differs),
        kernel_test(kfree_takes_objects_of_any_cache),
        kernel_test(kvmalloc_has_any_size),
        kernel_test(vmalloc_gives_whole_pages),
        kernel_test(text_and_memory_are_copied),
        kernel_test(a_variable_can_free_what_it_holds),
        kernel_test(a_reader_keeps_what_is_freed_later),
        kernel_test(freeing_later_needs_no_head),
        kernel_test(calls_come_after_readers),
        kernel_test(crimes_end_the_process),
    };

    return cmocka_run_group_tests_name("kmalloc", tests, NULL, NULL);
}
