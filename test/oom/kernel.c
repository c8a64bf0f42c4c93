/*
 * Each call to the system fails in its turn, under the floor `kernel`:  oom_kernel [on [n]]     (as heap.c, which see)
 *
 * The script asks for objects of all classes and kinds, pages, copies, dma blocks and chunks of ranges. A request ends with NULL or with
 * success; what is had keeps its contents; when the system works again all succeeds and everything can be given back.
 */
#include "test/oom/oom.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "kernel/kmalloc.h"
#include "os/fake.h"
#include "page/meta.h"
#include "tarn/alloc.h"
#include "tarn/dmapool.h"
#include "tarn/genpool.h"
#include "tarn/kmalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECTS = 2000 };

static unsigned char *objects[OBJECTS];
static size_t count;

/* All of an object holds its number. */
static void keep(void *p)
{
    REQUIRE(p || !oom_must, "a request succeeds when the system works");
    if (!p)
        return;
    memset(p, (int)count + 1, tarn_ksize(p));
    objects[count++] = p;
}

static void verify(size_t i)
{
    size_t size = tarn_ksize(objects[i]);
    for (size_t at = 0; at<size; at += size> 10000 ? 1021 : 1)
        REQUIRE(objects[i][at] == (unsigned char)(i + 1), "contents are intact");
}

static void drop_all(void)
{
    for (size_t i = 0; i < count; i++) {
        verify(i);
        tarn_kfree(objects[i]);
    }
    count = 0;
}

static void all_classes(void)
{
    for (int round = 0; round < 20; round++)
        for (size_t size = 8; size <= 8192; size *= 2) {
            keep(tarn_kmalloc(size * 3 / 4, TARN_GFP_KERNEL));
            keep(tarn_kzalloc(size, round % 2 ? TARN_GFP_ATOMIC : TARN_GFP_KERNEL | TARN_GFP_RECLAIMABLE));
        }
}

static void pages(void)
{
    keep(tarn_kmalloc(20000, TARN_GFP_KERNEL));
    keep(tarn_kmalloc((size_t)4 << 20, TARN_GFP_KERNEL | TARN_GFP_ZERO));
    keep(tarn_kvmalloc((size_t)9 << 20, TARN_GFP_KERNEL));
    keep(tarn_vmalloc(50000));
    keep(tarn_kmemdup("some bytes", 10, TARN_GFP_KERNEL));
    keep(tarn_kasprintf(TARN_GFP_KERNEL, "%20000d", 1));
}

/* Grows one object; a failure leaves it as it was. */
static void growing(void)
{
    unsigned char *p = tarn_kmalloc(10, TARN_GFP_KERNEL);
    REQUIRE(p || !oom_must, "a request succeeds when the system works");
    if (!p)
        return;
    memset(p, 7, 10);
    for (size_t size = 20; size < 6000000; size *= 3) {
        unsigned char *q = tarn_kvrealloc(p, size, TARN_GFP_KERNEL);
        REQUIRE(q || !oom_must, "a request succeeds when the system works");
        p = q ? q : p;
        REQUIRE(p[0] == 7 && p[9] == 7, "contents are intact");
    }
    tarn_kvfree(p);
}

static void blocks(void)
{
    enum { BLOCKS = 200 };
    void *block[BLOCKS];
    struct tarn_dma_pool *pool = tarn_dma_pool_create("oom", 1000, 8, 1024);
    REQUIRE(pool || !oom_must, "a request succeeds when the system works");
    if (!pool)
        return;
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = tarn_dma_pool_alloc(pool, TARN_GFP_KERNEL, NULL);
        REQUIRE(block[i] || !oom_must, "a request succeeds when the system works");
    }
    tarn_dma_pool_verify(pool);
    for (int i = 0; i < BLOCKS; i++)
        if (block[i])
            tarn_dma_pool_free(pool, block[i], (uintptr_t)block[i]);
    tarn_dma_pool_verify(pool);
    tarn_dma_pool_destroy(pool);
}

static void ranges(void)
{
    struct tarn_gen_pool *pool = tarn_gen_pool_create(4, 0);
    REQUIRE(pool || !oom_must, "a request succeeds when the system works");
    for (unsigned long i = 1; pool && i < 5; i++) {
        int error = tarn_gen_pool_add(pool, i << 28, 0, (size_t)1 << (16 + 2 * i), NULL);
        REQUIRE(error == 0 || !oom_must, "a request succeeds when the system works");
        unsigned long p = tarn_gen_pool_alloc(pool, (size_t)1 << (16 + 2 * i), NULL, NULL, NULL);
        REQUIRE((p != 0) == (error == 0), "a chunk that was added is there, and no other");
        if (p)
            tarn_gen_pool_free(pool, p, (size_t)1 << (16 + 2 * i), NULL);
        tarn_gen_pool_verify(pool);
    }
    tarn_gen_pool_destroy(pool);
}

static void script(void)
{
    static void (*const parts[])(void) = {blocks, all_classes, ranges, pages, growing};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i]();
        tarn__zone_check(&tarn__heap.zone);
    }
    for (size_t i = 0; i < count; i++)
        verify(i);
    drop_all();
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
    script();
    REQUIRE(tarn__heap.zone.pages == 0, "every page is given back");
    REQUIRE(tarn__fake_mapped() - tarn__meta_bytes() <= failed * ((size_t)4 << 20),
            "nothing is lost but what the system refused to take back");
    return failed ? 0 : OOM_NO_FAILURE;
}
