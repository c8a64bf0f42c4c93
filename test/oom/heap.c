/*
 * Each call to the system fails in its turn:  oom_heap [on [n]]
 *
 * A script of requests of all kinds runs in a child process over the fake system, whose n-th call fails; with "on", that one and all that
 * follow. n = 1, 2, 3 … until the script ends without a failure. Each request must end with NULL or with success, each object keep its
 * contents, each structure hold its invariants; once the system works again the whole script must succeed, everything be freed and
 * every page given back. With n, only that one is run, in this process.
 */
#include "test/oom/oom.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "os/fake.h"
#include "page/meta.h"
#include "tarn/alloc.h"
#include "tarn/stats.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
enum { OBJECTS = 1000 };

static struct object {
    unsigned char *p;
    size_t size;
} objects[OBJECTS];
static size_t count;

/* The edges of an object hold its number. */
static void mark(size_t i)
{
    struct object *o = &objects[i];
    size_t edge = o->size < 64 ? o->size : 64;
    memset(o->p, (int)i + 1, edge);
    memset(o->p + o->size - edge, (int)i + 1, edge);
}

static void verify(size_t i)
{
    struct object *o = &objects[i];
    for (size_t at = 0; o->p && at < o->size && at < 64; at++)
        REQUIRE(o->p[at] == (unsigned char)(i + 1) && o->p[o->size - 1 - at] == (unsigned char)(i + 1), "contents are intact");
}

static void verify_all(void)
{
    for (size_t i = 0; i < count; i++)
        verify(i);
    tarn__zone_check(&tarn__heap.zone);
    for (unsigned i = 1; i <= TARN__CLASSES; i++)
        if (tarn__heap_class_made(i))
            tarn__cache_check(&tarn__heap.cache[i]);
}

static void keep(void *p, size_t size)
{
    REQUIRE(p || !oom_must, "a request succeeds when the system works");
    if (!p)
        return;
    REQUIRE(tarn_usable_size(p) >= size, "an object is as large as was asked for");
    objects[count] = (struct object){p, size};
    mark(count++);
}

static void get(size_t size) { keep(tarn_malloc(size), size); }

static void get_zeroed(size_t size)
{
    unsigned char *p = tarn_calloc(1, size);
    for (size_t i = 0; p && i<size; i += size> MIB ? 509 : 1)
        REQUIRE(p[i] == 0, "calloc gives zeros");
    keep(p, size);
}

static void get_aligned(size_t align, size_t size)
{
    void *p = tarn_aligned_alloc(align, size);
    REQUIRE((uintptr_t)p % align == 0, "an object is aligned");
    keep(p, size);
}

static void resize(size_t i, size_t size)
{
    if (i >= count || !objects[i].p)
        return;
    struct object *o = &objects[i], was = *o;
    unsigned char *p = tarn_realloc(o->p, size);
    REQUIRE(p || !oom_must, "a request succeeds when the system works");
    REQUIRE(p || size > was.size, "a smaller size never fails");
    if (!p) {
        verify(i);
        return;
    }
    for (size_t at = 0; at < 64 && at < size && at < was.size; at++)
        REQUIRE(p[at] == (unsigned char)(i + 1), "realloc keeps contents");
    *o = (struct object){p, size};
    mark(i);
}

static void drop(size_t i)
{
    if (i >= count)
        return;
    verify(i);
    tarn_free(objects[i].p);
    objects[i].p = NULL;
}

static void drop_all(void)
{
    for (size_t i = 0; i < count; i++)
        drop(i);
    count = 0;
}

/* The script */

static void small_ones(void)
{
    for (size_t size = 1; size <= 32768; size = size * 2 + 7)
        for (int i = 0; i < 5; i++)
            get(size);
    for (size_t size = 1; size <= 32768; size *= 5)
        get_zeroed(size);
}

static void pages(void)
{
    get(40000);
    get_zeroed(300000);
    get_aligned(65536, 100);
    get_aligned(MIB, 50000);
    get(3 * MIB);
    get_aligned(8 * MIB, 5000);
    get_aligned(65536, 5 * MIB);
    get_zeroed(6 * MIB);
    drop(count - 1);
    get_zeroed(7 * MIB);
}

static void mapped(void)
{
    get(64 * MIB);
    size_t i = count - 1;
    if (i >= count || objects[i].size != 64 * MIB)
        return;
    resize(i, 65 * MIB);
    resize(i, 70 * MIB);
    resize(i, 10 * MIB);
    drop(i);
}

static void growing(void)
{
    size_t i = count;
    get(10);
    for (size_t size = 100; i < count && size <= 20 * MIB; size *= 6)
        resize(i, size);
    get(5 * MIB);
    resize(count - 1, 9 * MIB);
    resize(count - 1, 100);
}

static void *other_thread(void *value)
{
    for (size_t size = 16; size < 40000; size *= 3)
        get(size);
    for (size_t i = 0; i < 20 && i < count; i++)
        drop(i);
    return value;
}

static void threads(void)
{
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, other_thread, NULL) == 0, "a thread starts");
        pthread_join(thread, NULL);
    }
}

static void purging(void)
{
    size_t first = count;
    for (int i = 0; i < 10; i++) {
        get(4 * MIB - 100000);
        get(90000);
    }
    for (size_t i = first; i < count; i++)
        if (objects[i].size > MIB)
            drop(i);
    verify_all();
    tarn_trim(2 * MIB);
}

static void script(void)
{
    static void (*const parts[])(void) = {small_ones, pages, growing, threads, mapped, purging};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i]();
        verify_all();
    }
    for (size_t i = 0; i < count; i += 2)
        drop(i);
    tarn_trim(0);
    verify_all();
}

static void require_empty(void)
{
    struct tarn_stats stats;
    drop_all();
    tarn_trim(0);
    verify_all();
    tarn_stats(&stats);
    REQUIRE(stats.live_objects == 0 && stats.live_bytes == 0, "nothing lives");
    REQUIRE(tarn__heap.zone.pages == 0, "every page is given back");
    for (unsigned i = 1; i <= TARN__CLASSES; i++)
        REQUIRE(tarn__heap.cache[i].slabs == 0, "every slab is given back");
}

/* Returns 0 or OOM_NO_FAILURE. What the system refuses to unmap may stay mapped: at most an alignment's worth for each such call. */
int oom_run(uint64_t n, uint64_t times)
{
    tarn__fake_fail(TARN__FAKE_ANY, n, times);
    script();
    uint64_t failed = tarn__fake_failed();
    tarn__fake_fail(0, 0, 0);
    verify_all();
    oom_must = true;
    script();
    require_empty();
    size_t lost = tarn__fake_mapped() - tarn__meta_bytes();
    REQUIRE(lost <= failed * 4 * MIB, "nothing is lost but what the system refused to take back");
    if (getenv("OOM_VERBOSE") && lost)
        fprintf(stderr, "oom: call %llu: %zu bytes stay mapped\n", (unsigned long long)n, lost);
    return failed ? 0 : OOM_NO_FAILURE;
}
