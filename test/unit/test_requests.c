/* Floor 1: scopes of allocation flags, failures on demand, warnings. */
#include "test/unit/check.h"

#include "base/gfp.h"
#include "base/inject.h"
#include "base/warn.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* Scopes */

static void no_scope(void **state)
{
    (void)state;
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), TARN_GFP_KERNEL);
    assert_int_equal(tarn_gfp_current(0), 0);
}

static void noio_takes_fs_along(void **state)
{
    (void)state;
    tarn_gfp_t before = tarn_gfp_enter(TARN_GFP_IO);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), TARN_GFP_NOIO);
    assert_int_equal(tarn_gfp_current(TARN_GFP_ATOMIC | TARN_GFP_ZERO), TARN_GFP_ATOMIC | TARN_GFP_ZERO);
    tarn_gfp_leave(before);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), TARN_GFP_KERNEL);
}

static void nofs_leaves_io(void **state)
{
    (void)state;
    tarn_gfp_t before = tarn_gfp_enter(TARN_GFP_FS);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), TARN_GFP_NOFS);
    tarn_gfp_leave(before);
}

static void memalloc_forbids_reclaim(void **state)
{
    (void)state;
    tarn_gfp_t before = tarn_gfp_enter(TARN_GFP_MEMALLOC);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), (TARN_GFP_KERNEL & ~TARN_GFP_DIRECT_RECLAIM) | TARN_GFP_MEMALLOC);
    assert_int_equal(tarn_gfp_current(TARN_GFP_ATOMIC | TARN_GFP_NOMEMALLOC), TARN_GFP_ATOMIC | TARN_GFP_NOMEMALLOC);
    tarn_gfp_leave(before);
}

static void scopes_nest(void **state)
{
    (void)state;
    tarn_gfp_t first = tarn_gfp_enter(TARN_GFP_FS), second = tarn_gfp_enter(TARN_GFP_MEMALLOC),
               third = tarn_gfp_enter(TARN_GFP_IO);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), TARN_GFP_KSWAPD_RECLAIM | TARN_GFP_MEMALLOC);
    tarn_gfp_leave(third);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), TARN_GFP_KSWAPD_RECLAIM | TARN_GFP_IO | TARN_GFP_MEMALLOC);
    tarn_gfp_leave(second);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), TARN_GFP_NOFS);
    tarn_gfp_leave(first);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL), TARN_GFP_KERNEL);
}

static void other_flags_make_no_scope(void **state)
{
    (void)state;
    tarn_gfp_t before = tarn_gfp_enter(TARN_GFP_DIRECT_RECLAIM | TARN_GFP_ZERO | TARN_GFP_HIGH);
    assert_int_equal(tarn_gfp_current(TARN_GFP_KERNEL | TARN_GFP_ZERO), TARN_GFP_KERNEL | TARN_GFP_ZERO);
    tarn_gfp_leave(before);
}

static void *flags_of_another(void *flags)
{
    *(tarn_gfp_t *)flags = tarn_gfp_current(TARN_GFP_KERNEL);
    return NULL;
}

static void scopes_are_a_threads(void **state)
{
    (void)state;
    tarn_gfp_t seen = 0, before = tarn_gfp_enter(TARN_GFP_IO);
    pthread_t other;
    pthread_create(&other, NULL, flags_of_another, &seen);
    pthread_join(other, NULL);
    tarn_gfp_leave(before);
    assert_int_equal(seen, TARN_GFP_KERNEL);
}

/* Failures */

static char a_cache, another_cache;

/* The outcomes of `count` requests, one letter each: F failed, . not. */
static const char *outcomes(enum tarn_fail_point point, tarn_gfp_t flags, unsigned order, const void *which, int count)
{
    static char letters[64];
    for (int i = 0; i < count; i++)
        letters[i] = tarn__inject(point, flags, order, which) ? 'F' : '.';
    letters[count] = 0;
    return letters;
}

static const char *slab_outcomes(int count) { return outcomes(TARN_FAIL_SLAB, TARN_GFP_KERNEL, 0, &a_cache, count); }

static int clear_points(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TARN_FAIL_POINTS; i++)
        tarn_fail_set((enum tarn_fail_point)i, NULL);
    return 0;
}

static void set(enum tarn_fail_point point, struct tarn_fail_attributes attributes)
{
    assert_int_equal(tarn_fail_set(point, &attributes), 0);
}

static void nothing_fails_at_first(void **state)
{
    (void)state;
    assert_string_equal(slab_outcomes(8), "........");
    assert_int_equal(tarn_fail_count(TARN_FAIL_SLAB), 0);
}

static void always(void **state)
{
    (void)state;
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100, .times = -1});
    assert_string_equal(slab_outcomes(8), "FFFFFFFF");
    assert_string_equal(outcomes(TARN_FAIL_PAGES, TARN_GFP_KERNEL, 0, NULL, 4), "....");
    assert_int_equal(tarn_fail_count(TARN_FAIL_SLAB), 8);
    assert_int_equal(tarn_fail_count(TARN_FAIL_PAGES), 0);
    tarn_fail_set(TARN_FAIL_SLAB, NULL);
    assert_string_equal(slab_outcomes(8), "........");
    assert_int_equal(tarn_fail_count(TARN_FAIL_SLAB), 0);
}

static void no_times(void **state)
{
    (void)state;
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100});
    assert_string_equal(slab_outcomes(4), "....");
}

static void times(void **state)
{
    (void)state;
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100, .times = 3});
    assert_string_equal(slab_outcomes(6), "FFF...");
    assert_int_equal(tarn_fail_count(TARN_FAIL_SLAB), 3);
}

static void space_then_interval_then_times(void **state)
{
    (void)state;
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100, .interval = 3, .space = 4, .times = 2});
    assert_string_equal(slab_outcomes(14), "......F..F....");
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100, .interval = 2, .times = -1});
    assert_string_equal(slab_outcomes(6), ".F.F.F");
}

static void setting_begins_anew(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) { /* longer than the ring of settings */
        set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100, .space = 2, .times = 1});
        assert_int_equal(tarn_fail_count(TARN_FAIL_SLAB), 0);
        assert_string_equal(slab_outcomes(4), "..F.");
        assert_int_equal(tarn_fail_count(TARN_FAIL_SLAB), 1);
    }
}

static void probability(void **state)
{
    (void)state;
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 30, .times = -1});
    int failed = 0;
    for (int i = 0; i < 10000; i++)
        failed += tarn__inject(TARN_FAIL_SLAB, TARN_GFP_KERNEL, 0, NULL);
    assert_in_range(failed, 2800, 3200); /* 4 standard deviations */
    assert_int_equal(tarn_fail_count(TARN_FAIL_SLAB), failed);
}

static void nofail_never_fails(void **state)
{
    (void)state;
    set(TARN_FAIL_PAGES, (struct tarn_fail_attributes){.probability = 100, .times = -1});
    assert_string_equal(outcomes(TARN_FAIL_PAGES, TARN_GFP_KERNEL | TARN_GFP_NOFAIL, 0, NULL, 3), "...");
    assert_string_equal(outcomes(TARN_FAIL_PAGES, TARN_GFP_KERNEL, 0, NULL, 3), "FFF");
}

static void who_may_sleep_is_spared(void **state)
{
    (void)state;
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100, .times = -1, .ignore_gfp_wait = true});
    assert_string_equal(outcomes(TARN_FAIL_SLAB, TARN_GFP_KERNEL, 0, NULL, 3), "...");
    assert_string_equal(outcomes(TARN_FAIL_SLAB, TARN_GFP_ATOMIC, 0, NULL, 3), "FFF");
}

static void small_blocks_are_spared(void **state)
{
    (void)state;
    struct tarn_fail_attributes attributes = {.probability = 100, .times = -1, .min_order = 2};
    set(TARN_FAIL_PAGES, attributes);
    assert_string_equal(outcomes(TARN_FAIL_PAGES, TARN_GFP_KERNEL, 1, NULL, 2), "..");
    assert_string_equal(outcomes(TARN_FAIL_PAGES, TARN_GFP_KERNEL, 2, NULL, 2), "FF");
    set(TARN_FAIL_SLAB, attributes); /* it says nothing about objects */
    assert_string_equal(slab_outcomes(2), "FF");
}

static void only_one_cache(void **state)
{
    (void)state;
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100, .times = 2, .only = &a_cache});
    assert_string_equal(outcomes(TARN_FAIL_SLAB, TARN_GFP_KERNEL, 0, &another_cache, 4), "....");
    assert_string_equal(slab_outcomes(4), "FF..");
}

/* What the filters keep out uses up neither space nor turns. */
static void filtered_calls_do_not_count(void **state)
{
    (void)state;
    set(TARN_FAIL_SLAB,
        (struct tarn_fail_attributes){.probability = 100, .times = -1, .space = 1, .interval = 2, .only = &a_cache});
    outcomes(TARN_FAIL_SLAB, TARN_GFP_KERNEL, 0, &another_cache, 9);
    assert_string_equal(slab_outcomes(5), "..F.F");
}

static void *fail_there(void *failed)
{
    *(int *)failed = tarn__inject(TARN_FAIL_SLAB, TARN_GFP_KERNEL, 0, NULL);
    return NULL;
}

static void only_this_thread(void **state)
{
    (void)state;
    int failed = -1;
    pthread_t other;
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100, .times = -1, .this_thread = true});
    pthread_create(&other, NULL, fail_there, &failed);
    pthread_join(other, NULL);
    assert_int_equal(failed, 0);
    assert_string_equal(slab_outcomes(2), "FF");
}

static void wrong_attributes(void **state)
{
    (void)state;
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 100, .times = -1});
    assert_int_equal(tarn_fail_set(TARN_FAIL_POINTS, NULL), -EINVAL);
    assert_int_equal(tarn_fail_set(TARN_FAIL_SLAB, &(struct tarn_fail_attributes){.probability = 101}), -EINVAL);
    assert_int_equal(tarn_fail_set(TARN_FAIL_SLAB, &(struct tarn_fail_attributes){.times = -2}), -EINVAL);
    assert_string_equal(slab_outcomes(1), "F"); /* as it was */
    assert_int_equal(tarn_fail_count(TARN_FAIL_POINTS), 0);
}

static int changes;
static bool changed_to;

static void note_change(bool on)
{
    changes++;
    changed_to = on;
}

static void caches_are_told(void **state)
{
    (void)state;
    changes = 0;
    tarn__inject_changed = note_change;
    set(TARN_FAIL_PAGES, (struct tarn_fail_attributes){.probability = 1});
    assert_int_equal(changes, 0);
    set(TARN_FAIL_SLAB, (struct tarn_fail_attributes){.probability = 1});
    assert_true(changes == 1 && changed_to);
    tarn_fail_set(TARN_FAIL_SLAB, NULL);
    assert_true(changes == 2 && !changed_to);
    tarn__inject_changed = NULL;
}

/* Two settings that each agree with themselves are changed while others ask: no mixture is ever seen. */

enum { ASKERS = 3, TURNS = 300000 };
static _Atomic bool stop;
static _Atomic int mixtures;

static void *ask(void *value)
{
    while (!atomic_load(&stop)) {
        /* the one plan fails only sleepers' requests of a_cache, the other no sleepers', of another_cache */
        if (tarn__inject(TARN_FAIL_MEMPOOL, TARN_GFP_KERNEL, 0, &another_cache))
            atomic_fetch_add(&mixtures, 1);
        tarn__inject(TARN_FAIL_MEMPOOL, TARN_GFP_ATOMIC, 0, &a_cache);
    }
    return value;
}

static void settings_do_not_mix(void **state)
{
    (void)state;
    pthread_t askers[ASKERS];
    stop = false;
    mixtures = 0;
    for (int i = 0; i < ASKERS; i++)
        pthread_create(&askers[i], NULL, ask, NULL);
    for (int i = 0; i < TURNS; i++)
        set(TARN_FAIL_MEMPOOL,
            (struct tarn_fail_attributes){
                .probability = 100, .times = -1, .ignore_gfp_wait = i % 2, .only = i % 2 ? &another_cache : &a_cache});
    atomic_store(&stop, true);
    for (int i = 0; i < ASKERS; i++)
        pthread_join(askers[i], NULL);
    assert_int_equal(mixtures, 0);
}

static void *ask_often(void *failed)
{
    for (int i = 0; i < TURNS; i++)
        if (tarn__inject(TARN_FAIL_MEMPOOL, TARN_GFP_KERNEL, 0, NULL))
            atomic_fetch_add((_Atomic int *)failed, 1);
    return NULL;
}

static void times_are_exact_between_threads(void **state)
{
    (void)state;
    static _Atomic int failed;
    pthread_t askers[ASKERS];
    set(TARN_FAIL_MEMPOOL, (struct tarn_fail_attributes){.probability = 100, .times = 777, .space = 1000});
    for (int i = 0; i < ASKERS; i++)
        pthread_create(&askers[i], NULL, ask_often, (void *)&failed);
    for (int i = 0; i < ASKERS; i++)
        pthread_join(askers[i], NULL);
    assert_int_equal(failed, 777);
    assert_int_equal(tarn_fail_count(TARN_FAIL_MEMPOOL), 777);
}

/* Warnings */

static char said[1024];
static int lines;

static void note_line(const char *line)
{
    lines++;
    strcpy(said, line);
    errno = 77;
}

static void warn_again(const char *line)
{
    note_line(line);
    tarn__warn("a warning about %s", line);
}

static int no_sink(void **state)
{
    (void)state;
    tarn_warn_to(NULL);
    lines = 0;
    return 0;
}

static void nowhere_at_first(void **state)
{
    (void)state;
    assert_false(tarn__warns());
    tarn__warn("nobody hears %d", 1);
    assert_int_equal(lines, 0);
}

static void to_the_sink(void **state)
{
    (void)state;
    tarn_warn_to(note_line);
    assert_true(tarn__warns());
    errno = 5;
    tarn__warn("cache %s: %d objects at %p", "inode", 3, (void *)0x10);
    assert_int_equal(errno, 5);
    assert_string_equal(said, "cache inode: 3 objects at 0x10");
    tarn_warn_to(NULL);
    tarn__warn("not this");
    assert_int_equal(lines, 1);
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    tarn_warn_to(note_line);
    tarn__warn("%300s", "x");
    assert_int_equal(strlen(said), 255);
}

static void no_warning_about_warnings(void **state)
{
    (void)state;
    tarn_warn_to(warn_again);
    tarn__warn("one");
    assert_int_equal(lines, 1);
    tarn__warn("two");
    assert_int_equal(lines, 2);
    assert_string_equal(said, "two");
}

static void to_standard_error(void **state)
{
    (void)state;
    int ends[2], kept = dup(STDERR_FILENO);
    char text[400] = "";
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    tarn_warn_to(tarn_warn_stderr);
    errno = 5;
    tarn__warn("order %d, no memory", 3);
    dup2(kept, STDERR_FILENO);
    ssize_t got = read(ends[0], text, sizeof text - 1);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    close(STDERR_FILENO);
    tarn_warn_stderr("to a closed file");
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(errno, 5);
    assert_int_equal(got, 25);
    assert_string_equal(text, "tarn: order 3, no memory\n");
}

#define POINT_TEST(f) cmocka_unit_test_teardown(f, clear_points)
#define WARN_TEST(f) cmocka_unit_test_setup_teardown(f, no_sink, no_sink)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_scope),
        cmocka_unit_test(noio_takes_fs_along),
        cmocka_unit_test(nofs_leaves_io),
        cmocka_unit_test(memalloc_forbids_reclaim),
        cmocka_unit_test(scopes_nest),
        cmocka_unit_test(other_flags_make_no_scope),
        cmocka_unit_test(scopes_are_a_threads),
        POINT_TEST(nothing_fails_at_first),
        POINT_TEST(always),
        POINT_TEST(no_times),
        POINT_TEST(times),
        POINT_TEST(space_then_interval_then_times),
        POINT_TEST(setting_begins_anew),
        POINT_TEST(probability),
        POINT_TEST(nofail_never_fails),
        POINT_TEST(who_may_sleep_is_spared),
        POINT_TEST(small_blocks_are_spared),
        POINT_TEST(only_one_cache),
        POINT_TEST(filtered_calls_do_not_count),
        POINT_TEST(only_this_thread),
        POINT_TEST(wrong_attributes),
        POINT_TEST(caches_are_told),
        POINT_TEST(settings_do_not_mix),
        POINT_TEST(times_are_exact_between_threads),
        WARN_TEST(nowhere_at_first),
        WARN_TEST(to_the_sink),
        WARN_TEST(long_lines_are_cut),
        WARN_TEST(no_warning_about_warnings),
        WARN_TEST(to_standard_error),
    };
    return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}
