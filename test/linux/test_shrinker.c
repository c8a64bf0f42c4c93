/* Shrinkers in the kernel's words. */
#include "check.h"

#include <linux/sched/mm.h>
#include <linux/gfp.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

/* A cache that can be shrunk, and what it was asked. */
static struct shelf {
    unsigned long held, scanned, calls, most_asked;
    unsigned long counted;     /* what count says instead, if not 0 */
    unsigned long stops_after; /* scans, 0: never */
    gfp_t flags;
    bool allocates;
} shelf;

static unsigned long count_shelf(struct shrinker *shrinker, struct shrink_control *control)
{
    struct shelf *here = shrinker->private_data;

    here->flags = control->gfp_mask;
    return here->counted ? here->counted : here->held;
}

static unsigned long scan_shelf(struct shrinker *shrinker, struct shrink_control *control)
{
    struct shelf *here = shrinker->private_data;
    unsigned long take = control->nr_to_scan < here->held ? control->nr_to_scan : here->held;

    assert_int_equal(control->nid, 0);
    here->calls++;
    if (here->stops_after && here->calls > here->stops_after)
        return SHRINK_STOP;
    if (control->nr_to_scan > here->most_asked)
        here->most_asked = control->nr_to_scan;
    here->scanned += control->nr_to_scan;
    here->held -= take;
    if (here->allocates)
        kfree(kmalloc(1000, GFP_KERNEL));
    return take;
}

static struct shrinker *shrinker_of(unsigned long held)
{
    struct shrinker *shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE, "shelf-%d", 1);

    assert_non_null(shrinker);
    assert_int_equal(shrinker->seeks, DEFAULT_SEEKS);
    memset(&shelf, 0, sizeof shelf);
    shelf.held = held;
    shrinker->count_objects = count_shelf;
    shrinker->scan_objects = scan_shelf;
    shrinker->private_data = &shelf;
    shrinker_register(shrinker);
    return shrinker;
}

static void pressure_grows_as_priority_falls(void **state)
{
    struct shrinker *shrinker = shrinker_of(1 << 20);

    (void)state;
    tarn_shrink_all(GFP_KERNEL, 12);
    unsigned long lightly = shelf.scanned;

    shelf.scanned = 0;
    tarn_shrink_all(GFP_KERNEL, 4);
    assert_true(lightly > 0 && lightly < 1 << 12);
    assert_true(shelf.scanned > 16 * lightly);
    shrinker_free(shrinker);
}

static void work_is_done_in_batches_of_128(void **state)
{
    struct shrinker *shrinker = shrinker_of(100000);

    (void)state;
    tarn_shrink_all(GFP_KERNEL, 2);
    assert_int_equal(shelf.most_asked, 128);
    shrinker_free(shrinker);
    shrinker = shrinker_alloc(0, "batches");
    shrinker->batch = 1000;
    shrinker->count_objects = count_shelf;
    shrinker->scan_objects = scan_shelf;
    shrinker->private_data = &shelf;
    shrinker_register(shrinker);
    shelf = (struct shelf){.held = 100000};
    tarn_shrink_all(GFP_KERNEL, 2);
    assert_int_equal(shelf.most_asked, 1000);
    shrinker_free(shrinker);
}

/* 250 are one batch of 128. What earlier passes found too little for a batch is not lost: an eighth of it adds to this one, and makes two. */
static void small_work_is_carried_over(void **state)
{
    struct shrinker *shrinker = shrinker_of(1000);

    (void)state;
    tarn_shrink_all(GFP_KERNEL, 3);
    assert_int_equal(shelf.calls, 1);
    shrinker_free(shrinker);
    shrinker = shrinker_of(1000);
    for (int i = 0; i < 20; i++)
        tarn_shrink_all(GFP_KERNEL, 6);
    assert_int_equal(shelf.calls, 0);
    tarn_shrink_all(GFP_KERNEL, 3);
    assert_int_equal(shelf.calls, 2);
    shrinker_free(shrinker);
}

static void stop_means_stop(void **state)
{
    struct shrinker *shrinker = shrinker_of(100000);

    (void)state;
    shelf.stops_after = 2;
    tarn_shrink_all(GFP_KERNEL, 0);
    assert_int_equal(shelf.calls, 3);
    shrinker_free(shrinker);
}

static void nothing_there_is_not_scanned(void **state)
{
    struct shrinker *shrinker = shrinker_of(1000);

    (void)state;
    shelf.counted = SHRINK_EMPTY;
    tarn_shrink_all(GFP_KERNEL, 0);
    assert_int_equal(shelf.calls, 0);
    shrinker_free(shrinker);
}

static void the_requests_flags_are_handed_on(void **state)
{
    struct shrinker *shrinker = shrinker_of(1000);
    unsigned int saved;

    (void)state;
    tarn_shrink_all(GFP_NOFS, 0);
    assert_int_equal(shelf.flags & (__GFP_IO | __GFP_FS), __GFP_IO);
    saved = memalloc_noio_save();
    tarn_shrink_all(GFP_KERNEL, 0);
    memalloc_noio_restore(saved);
    assert_int_equal(shelf.flags & (__GFP_IO | __GFP_FS), 0);
    tarn_shrink_all(GFP_KERNEL, 0);
    assert_true(gfp_has_io_fs(shelf.flags));
    shrinker_free(shrinker);
}

static void a_shrinker_may_allocate(void **state)
{
    struct shrinker *shrinker = shrinker_of(5000);

    (void)state;
    shelf.allocates = true;
    assert_true(tarn_shrink_all(GFP_KERNEL, 0) > 0);
    assert_int_equal(shelf.held < 5000, 1);
    shrinker_free(shrinker);
}

static void an_unregistered_one_is_not_called(void **state)
{
    struct shrinker *shrinker = shrinker_alloc(0, "idle");

    (void)state;
    memset(&shelf, 0, sizeof shelf);
    shelf.held = 1000;
    shrinker->count_objects = count_shelf;
    shrinker->scan_objects = scan_shelf;
    shrinker->private_data = &shelf;
    tarn_shrink_all(GFP_KERNEL, 0);
    assert_int_equal(shelf.calls, 0);
    shrinker_free(shrinker);
    shrinker_free(NULL);
    shrinker = shrinker_of(1000);
    shrinker_free(shrinker);
    tarn_shrink_all(GFP_KERNEL, 0);
    assert_int_equal(shelf.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kernel_test(pressure_grows_as_priority_falls), kernel_test(work_is_done_in_batches_of_128),
        kernel_test(small_work_is_carried_over),       kernel_test(stop_means_stop),
        kernel_test(nothing_there_is_not_scanned),     kernel_test(the_requests_flags_are_handed_on),
        kernel_test(a_shrinker_may_allocate),          kernel_test(an_unregistered_one_is_not_called),
    };

    return cmocka_run_group_tests_name("shrinker", tests, NULL, NULL);
}
