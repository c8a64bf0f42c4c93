/* Floor 4 on the real system: the DMA zone, below 4 GiB; and users' pages in the child of a fork, with the locks that the hooks take. */
#include "test/unit/blocks.h"

#include "os/thread.h"
#include "page/lists.h"
#include "page/meta.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void lies_below_four_gib(void **state)
{
    (void)state;
    struct tarn_zone *dma = tarn_zone_dma();
    if (!dma) {
        printf("# not tested: no memory below 4 GiB here\n");
        return;
    }
    assert_ptr_equal(tarn_zone_dma(), dma);
    assert_string_equal(stats_of(dma).name, "DMA");
    assert_int_equal(stats_of(dma).pages, 16 * MIB / PAGE);
    static struct tarn_page *pages[5];
    for (int i = 0; i < 4; i++) {
        pages[i] = tarn_pages_alloc(NULL, 10, TARN_GFP_KERNEL | (i % 2 ? TARN_GFP_DMA : TARN_GFP_DMA32));
        assert_non_null(pages[i]);
        assert_true(((uint64_t)(uintptr_t)tarn_page_address(pages[i]) + 4 * MIB - 1) >> 32 == 0);
        memset(tarn_page_address(pages[i]), 1, 4 * MIB);
    }
    assert_null(tarn_pages_alloc(NULL, 0, TARN_GFP_KERNEL | TARN_GFP_DMA));
    for (int i = 0; i < 4; i++)
        tarn_pages_free(pages[i], 10);
    assert_int_equal(tarn_zone_destroy(dma), -EINVAL);
    assert_null(tarn_zone_create("DMA", tarn_source_system(), MIB, 0));
    tarn_zone_verify(dma);
}

/* Forks */

static struct tarn_zone *zone;
static _Atomic bool over;

static void each_lock(void (*act)(struct tarn__lock *))
{
    tarn__zones_each_lock(act);
    act(&tarn__meta_lock);
}

static void prepare(void)
{
    tarn__forking = true;
    each_lock(tarn__lock_for_fork);
}

static void after(void)
{
    each_lock(tarn__unlock_after_fork);
    tarn__forking = false;
}

static void child(void)
{
    after();
    tarn__lists_adopt_orphans();
}

/* Pages, zones and threads' lists come and go while the others fork. */
static void *work(void *name)
{
    struct tarn_page *pages[200];
    while (!atomic_load(&over)) {
        for (int i = 0; i < 200; i++)
            pages[i] = tarn_pages_alloc(zone, i % 8 == 0, TARN_GFP_KERNEL);
        struct tarn_zone *own = tarn_zone_create(name, tarn_source_system(), MIB, 0);
        if (own)
            tarn_zone_destroy(own);
        for (int i = 0; i < 200; i++)
            tarn_pages_free(pages[i], i % 8 == 0);
    }
    return NULL;
}

/* In the child all is usable, and no page is lost but those the other threads held, and one that each had in its hands. */
static void use_in_child(void)
{
    tarn_zone_verify(zone);
    for (int i = 0; i < 300; i++)
        tarn_pages_free(block(zone, (unsigned)i % 4, TARN_GFP_KERNEL | TARN_GFP_MOVABLE), (unsigned)i % 4);
    struct tarn_zone *own = tarn_zone_create("child", tarn_source_system(), 9 * MIB, 0);
    assert_non_null(own);
    tarn_pages_free(block(own, 0, TARN_GFP_KERNEL), 0);
    assert_int_equal(tarn_zone_destroy(own), 0);
    tarn_pages_drain();
    tarn_zone_verify(zone);
    assert_int_equal(stats_of(zone).cached, 0);
    assert_true(stats_of(zone).pages - stats_of(zone).free <= 3 * (225 + 1 + 16));
}

static void forks(void **state)
{
    (void)state;
    static char names[3][2] = {"a", "b", "c"};
    pthread_t threads[3];
    int times = check_emulated() ? 8 : 40; /* a fork is slow there beside threads that are busy */
    zone = new_zone(33 * MIB, 0);
    assert_int_equal(tarn__thread_at_fork(prepare, after, child), 0);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, work, names[i]);
    for (int i = 0; i < times; i++) {
        int status;
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            use_in_child();
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    end_zone_of(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lies_below_four_gib, begin_blocks),
        cmocka_unit_test_setup(forks, begin_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
