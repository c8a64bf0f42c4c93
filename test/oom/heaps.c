/*
 * Each call to the system fails in its turn, under users' heaps:  oom_heaps [on [n]]     (as heap.c, which see)
 *
 * The script makes a tree of heaps with objects of all kinds. A request ends with NULL or with success; counts are those of what was granted; when
 * the system works again all succeeds, and the end of the tree gives everything back.
 */
#include "test/oom/oom.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "os/fake.h"
#include "page/meta.h"
#include "tarn/alloc.h"
#include "tarn/heap.h"

#include <string.h>

#define MIB ((size_t)1 << 20)
enum { HEAPS = 12, OBJECTS = 4000 };

static struct {
    unsigned char *p;
    struct tarn_heap *heap;
} objects[OBJECTS];
static size_t count;
static struct tarn_heap *heaps[HEAPS];

static void keep(struct tarn_heap *heap, unsigned char *p, size_t size)
{
    REQUIRE(p || !oom_must, "a request succeeds when the system works");
    if (!p)
        return;
    REQUIRE(tarn_usable_size(p) >= size, "an object is as large as was asked for");
    objects[count].p = p;
    objects[count].heap = heap;
    memset(p, (int)++count, size < 4096 ? size : 4096);
}

/* Of each heap and those below it, as each is above all that follow. */
static void verify_all(void)
{
    uint64_t live = 0, number = 0;
    for (size_t i = HEAPS; i-- > 0;) {
        struct tarn_heap_stats now;
        if (!heaps[i])
            continue;
        for (size_t j = 0; j < count; j++)
            if (objects[j].p && objects[j].heap == heaps[i]) {
                REQUIRE(tarn_heap_of(objects[j].p) == heaps[i], "an object's heap is known");
                REQUIRE(*objects[j].p == (unsigned char)(j + 1), "contents are intact");
                live += tarn_usable_size(objects[j].p);
                number++;
            }
        tarn_heap_stats(heaps[i], &now);
        tarn_heap_verify(heaps[i]);
        REQUIRE(now.live_bytes == live && now.live_objects == number, "counts are those of what was granted");
    }
    tarn__zone_check(&tarn__heap.zone);
}

static void make_heaps(void)
{
    struct tarn_heap *last = NULL;
    for (int i = 0; i < HEAPS; i++) {
        heaps[i] = tarn_heap_create(&(struct tarn_heap_options){.name = "oom", .parent = last, .hard_limit = 1000 * MIB});
        REQUIRE(heaps[i] || !oom_must, "a heap can be made when the system works");
        last = heaps[i] ? heaps[i] : last;
    }
}

static void fill(void)
{
    static const size_t sizes[] = {1, 100, 700, 3000, 20000, 40000};
    for (int i = 0; i < HEAPS; i++)
        for (size_t j = 0; heaps[i] && j < sizeof sizes / sizeof *sizes; j++)
            for (int k = 0; k < (i == 0 ? 100 : 2); k++)
                keep(heaps[i], tarn_heap_alloc(heaps[i], sizes[j]), sizes[j]);
}

static void large_ones(void)
{
    struct tarn_heap *heap = heaps[HEAPS / 2];
    if (!heap)
        return;
    keep(heap, tarn_heap_calloc(heap, 3, MIB), 3 * MIB);
    keep(heap, tarn_heap_aligned_alloc(heap, 8 * MIB, 100000), 100000);
    keep(heap, tarn_heap_aligned_alloc(heap, MIB, 5 * MIB), 5 * MIB);
    keep(heap, tarn_heap_alloc(heap, 64 * MIB), 64 * MIB);
}

static void resize_some(void)
{
    static const size_t sizes[] = {10, 5000, 100000, 2 * MIB, 9 * MIB, 65 * MIB, 30000, 200};
    for (size_t i = 0; i < count; i += count / 2 + 1)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            size_t had = tarn_usable_size(objects[i].p);
            unsigned char *p = tarn_realloc(objects[i].p, sizes[j]);
            REQUIRE(p || !oom_must, "a request succeeds when the system works");
            REQUIRE(p || sizes[j] > had, "a smaller size never fails");
            objects[i].p = p ? p : objects[i].p;
            REQUIRE(*objects[i].p == (unsigned char)(i + 1), "contents are intact");
        }
}

static void free_some(void)
{
    for (size_t i = 0; i < count; i += 3) {
        tarn_free(objects[i].p);
        objects[i].p = NULL;
    }
    tarn_trim(MIB);
}

static void script(void)
{
    static void (*const parts[])(void) = {make_heaps, fill, large_ones, resize_some, free_some};
    size_t live = 0, ended = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i]();
        verify_all();
    }
    for (size_t i = 0; i < count; i++)
        live += objects[i].p != NULL;
    for (int i = 0; i < HEAPS && !ended; i++) /* the first there is has all others below it */
        if (heaps[i]) {
            ended = tarn_heap_destroy(heaps[i]);
            break;
        }
    REQUIRE(ended == live, "the end of a heap tells how many objects were live");
    count = 0;
    tarn_trim(0);
}

/* Returns 0 or OOM_NO_FAILURE. What the system refuses to unmap may stay mapped: at most an alignment's worth for each such call. */
int oom_run(uint64_t n, uint64_t times)
{
    tarn__fake_fail(TARN__FAKE_ANY, n, times);
    script();
    uint64_t failed = tarn__fake_failed();
    tarn__fake_fail(0, 0, 0);
    oom_must = true;
    script();
    REQUIRE(tarn__heap.zone.pages == 0, "every page is given back");
    REQUIRE(tarn__fake_mapped() - tarn__meta_bytes() <= failed * 8 * MIB,
            "nothing is lost but what the system refused to take back");
    return failed ? 0 : OOM_NO_FAILURE;
}
