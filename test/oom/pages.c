/*
 * Each call to the system fails in its turn, under users' pages, zones and mempools:  oom_pages [on [n]]     (as heap.c, which see)
 *
 * A zone is made whole or not at all; pages are had or not, runs and bulks too; a mempool that could be filled serves what it keeps back whatever fails,
 * and a resize that fails changes nothing. When the system works again all succeeds, and everything is given back.
 */
#include "test/oom/oom.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "os/fake.h"
#include "page/meta.h"
#include "tarn/alloc.h"
#include "tarn/cache.h"
#include "tarn/mempool.h"
#include "tarn/pages.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define MIB ((size_t)1 << 20)
enum { PAGES = 600, RESERVE = 20 };

static struct tarn_page *pages[PAGES];

static bool had(const void *p)
{
    REQUIRE(p || !oom_must, "a request succeeds when the system works");
    return p != NULL;
}

static void mark(struct tarn_page *page, size_t bytes, size_t i) { memset(tarn_page_address(page), (int)i + 1, bytes); }

static void verify(struct tarn_page *page, size_t bytes, size_t i)
{
    const unsigned char *p = tarn_page_address(page);
    for (size_t at = 0; at < bytes; at += 97)
        REQUIRE(p[at] == (unsigned char)(i + 1), "contents are intact");
}

static void singles(struct tarn_zone *zone)
{
    size_t count = 0;
    for (size_t i = 0; i < PAGES; i++) {
        struct tarn_page *page = tarn_pages_alloc(zone, 0, i % 3 ? TARN_GFP_KERNEL : TARN_GFP_ATOMIC | TARN_GFP_MOVABLE);
        if (had(page))
            mark(pages[count] = page, 4096, count), count++;
    }
    for (size_t i = 0; i < count; i++) {
        verify(pages[i], 4096, i);
        tarn_pages_free(pages[i], 0);
    }
    tarn_pages_drain();
}

static void blocks(struct tarn_zone *zone)
{
    struct tarn_page *block[TARN_MAX_PAGE_ORDER + 1];
    for (unsigned order = 0; order <= TARN_MAX_PAGE_ORDER; order++)
        if (had(block[order] = tarn_pages_alloc(zone, order, order % 2 ? TARN_GFP_KERNEL | TARN_GFP_ZERO : TARN_GFP_KERNEL)))
            mark(block[order], (size_t)4096 << order, order);
    for (unsigned order = 0; order <= TARN_MAX_PAGE_ORDER; order++)
        if (block[order]) {
            verify(block[order], (size_t)4096 << order, order);
            tarn_pages_free(block[order], order);
        }
}

static void runs(struct tarn_zone *zone)
{
    static const size_t counts[] = {1, 3, 77, 600, 1500};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct tarn_page *run = tarn_pages_alloc_run(zone, counts[i], TARN_GFP_KERNEL);
        void *exact = tarn_pages_alloc_exact(zone, counts[i] * 4096 - 1000, TARN_GFP_KERNEL);
        if (had(run)) {
            mark(run, counts[i] * 4096, i);
            tarn_pages_free_run(run, counts[i]);
        }
        if (had(exact))
            tarn_pages_free_exact(exact, counts[i] * 4096 - 1000);
    }
}

static void bulks(struct tarn_zone *zone)
{
    memset(pages, 0, sizeof pages);
    size_t filled = tarn_pages_alloc_bulk(zone, TARN_GFP_KERNEL, PAGES, pages), count = 0;
    REQUIRE(filled == PAGES || !oom_must, "a request succeeds when the system works");
    for (size_t i = 0; i < PAGES; i++)
        if (pages[i]) {
            count++;
            tarn_pages_free(pages[i], 0);
        }
    REQUIRE(count == filled, "as many slots are filled as are said to be");
}

static void use(struct tarn_zone *zone)
{
    singles(zone);
    blocks(zone);
    runs(zone);
    bulks(zone);
    tarn_zone_verify(zone);
}

static void *use_in_thread(void *zone)
{
    use(zone);
    return NULL;
}

static void zones(void)
{
    pthread_t thread;
    struct tarn_zone *zone = tarn_zone_create("failing", tarn_source_system(), 40 * MIB, 0);
    if (had(zone)) {
        use(zone);
        REQUIRE(pthread_create(&thread, NULL, use_in_thread, zone) == 0, "a thread starts");
        pthread_join(thread, NULL);
        tarn_pages_drain();
        REQUIRE(tarn_zone_destroy(zone) == 0, "a zone without pages in use can be ended");
    }
    use(tarn_zone_normal());
}

static void use_mempool(tarn_mempool_alloc_t *alloc, tarn_mempool_free_t *release, void *data)
{
    void *elements[3 * RESERVE];
    struct tarn_mempool *pool = tarn_mempool_create(RESERVE, alloc, release, data);
    if (!had(pool))
        return;
    size_t count = 0;
    for (int i = 0; i < 3 * RESERVE; i++)
        if (had(elements[count] = tarn_mempool_alloc(pool, TARN_GFP_ATOMIC)))
            count++;
    REQUIRE(count >= RESERVE, "what is kept back can be had whatever fails");
    for (size_t i = 0; i < count; i++)
        tarn_mempool_free(elements[i], pool);
    int resized = tarn_mempool_resize(pool, 2 * RESERVE);
    REQUIRE(resized == 0 || (resized == -ENOMEM && !oom_must && pool->min_nr == RESERVE),
            "a resize that fails changes nothing");
    for (int i = 0; i < RESERVE; i++) /* may sleep: never NULL, as the reserve is there */
        REQUIRE((elements[i] = tarn_mempool_alloc(pool, TARN_GFP_KERNEL)), "a request that may wait is served");
    for (int i = 0; i < RESERVE; i++)
        tarn_mempool_free(elements[i], pool);
    REQUIRE(tarn_mempool_resize(pool, 5) == 0, "a reserve can shrink");
    tarn_mempool_destroy(pool);
}

static void mempools(void)
{
    struct tarn_cache *cache = NULL;
    if (tarn_cache_make(&cache, "oom-elements", 900, NULL, 0) == 0) {
        use_mempool(tarn_mempool_alloc_slab, tarn_mempool_free_slab, cache);
        REQUIRE(tarn_cache_destroy(cache) == 0, "a cache without live objects can be destroyed");
    } else {
        had(NULL);
    }
    use_mempool(tarn_mempool_kmalloc, tarn_mempool_kfree, (void *)(size_t)3000);
    use_mempool(tarn_mempool_alloc_pages, tarn_mempool_free_pages, (void *)(uintptr_t)3);
}

static void script(void)
{
    zones();
    mempools();
    tarn_pages_drain();
    tarn_trim(0);
    tarn__zone_check(&tarn__heap.zone);
}

/* Returns 0 or OOM_NO_FAILURE. */
int oom_run(uint64_t n, uint64_t times)
{
    tarn__heap_ready();
    tarn__fake_fail(TARN__FAKE_ANY, n, times);
    script();
    uint64_t failed = tarn__fake_failed();
    tarn__fake_fail(0, 0, 0);
    oom_must = true;
    script();
    script();
    REQUIRE(tarn__heap.zone.pages == 0, "every page is given back");
    REQUIRE(tarn__fake_mapped() - tarn__meta_bytes() <= failed * 40 * MIB,
            "nothing is lost but what the system refused to take back");
    return failed ? 0 : OOM_NO_FAILURE;
}
