/* The loop of request.h. */
#include "page/request.h"

#include "base/bits.h"
#include "base/gfp.h"
#include "base/inject.h"
#include "base/warn.h"
#include "os/os.h"
#include "page/lists.h"
#include "page/mobility.h"
#include "page/shrinker.h"
#include "page/zones.h"

enum { LIGHTEST = 12, MOST_ROUNDS = 16, NAP_MS = 1, LONGEST_NAP_MS = 50, MOST_WARNINGS = 10, WARNINGS_MS = 5000 };

/* Whether another failure may be told: at most so many in so long. Threads that race may tell one more. */
static bool may_warn(void)
{
    static _Atomic uint64_t since;
    static _Atomic unsigned told;
    uint64_t now = tarn__os_now();
    if (now - atomic_load_explicit(&since, memory_order_relaxed) >= WARNINGS_MS) {
        atomic_store_explicit(&since, now, memory_order_relaxed);
        atomic_store_explicit(&told, 0, memory_order_relaxed);
    }
    return atomic_fetch_add_explicit(&told, 1, memory_order_relaxed) < MOST_WARNINGS;
}

void tarn__request_failed(struct tarn_zone *zone, size_t count, tarn_gfp_t flags)
{
    tarn__atomic_add(&zone->failures, 1);
    if (!(flags & TARN_GFP_NOWARN) && tarn__warns() && may_warn())
        tarn__warn("page allocation failure: order:%u, flags 0x%x, zone %s", tarn__log2_ceil(count), flags, zone->name);
}

static bool injected(const struct tarn__want *want)
{
    return !(want->flags & TARN_GFP_NOFAIL) &&
           tarn__inject(TARN_FAIL_PAGES, want->flags, tarn__log2_ceil(want->count), want->zone);
}

static void nap(unsigned round)
{
    _Atomic uint32_t word = 0;
    tarn__os_wait_for(&word, 0, (uint32_t)tarn__min(NAP_MS * (round + 1), LONGEST_NAP_MS));
}

/* What can be had without reclaim. */
static struct tarn_page *attempt_all(struct tarn__want *want)
{
    want->ample = true;
    struct tarn_page *page = tarn__zone_take(want);
    want->ample = false;
    if (!page && want->was_short) {
        if (want->flags & TARN_GFP_KSWAPD_RECLAIM)
            tarn__reclaim_wake(tarn__zones_short);
        page = tarn__zone_take(want);
    }
    if (!page && tarn__lists_drain() > 0)
        page = tarn__zone_take(want);
    if (!page && !want->was_short && tarn__zone_unmap_free(want->zone, 0) > 0)
        page = tarn__zone_take(want);
    return page;
}

/* What was reclaimed may lie in this thread's lists. */
static struct tarn_page *attempt_again(struct tarn__want *want)
{
    tarn__lists_drain();
    return tarn__zone_take(want);
}

/* Passes of reclaim, from light to all. *freed: whether one of them freed anything. */
static struct tarn_page *reclaim_round(struct tarn__want *want, bool *freed)
{
    struct tarn_page *page = NULL;
    int last = want->flags & TARN_GFP_NORETRY ? LIGHTEST : 0;
    *freed = false;
    for (int priority = LIGHTEST; priority >= last && !page; priority--)
        if (!(want->flags & TARN_GFP_MEMALLOC) && tarn__reclaim(want->flags, priority) > 0) {
            *freed = true;
            page = attempt_again(want);
        }
    return page ? page : attempt_again(want);
}

static struct tarn_page *persist(struct tarn__want *want)
{
    bool freed, for_ever = want->flags & TARN_GFP_NOFAIL, long_tries = want->flags & (TARN_GFP_RETRY_MAYFAIL | TARN_GFP_NOFAIL);
    for (unsigned round = 0; round < MOST_ROUNDS || for_ever; round++) {
        struct tarn_page *page = reclaim_round(want, &freed);
        if (page || (want->flags & TARN_GFP_NORETRY && !for_ever) || (!freed && !long_tries))
            return page;
        if (!freed)
            nap(round);
    }
    return NULL;
}

struct tarn_page *tarn__request(struct tarn__want *want)
{
    want->flags = tarn__gfp_in_force(want->flags);
    if (injected(want)) {
        tarn__request_failed(want->zone, want->count, want->flags);
        return NULL;
    }
    struct tarn_page *page = attempt_all(want);
    bool may_sleep = want->flags & TARN_GFP_DIRECT_RECLAIM;
    bool reclaims = want->flags & TARN_GFP_MEMALLOC; /* then only NOFAIL waits, for others' frees */
    if (!page && may_sleep && (!reclaims || want->flags & TARN_GFP_NOFAIL))
        page = persist(want);
    if (!page)
        tarn__request_failed(want->zone, want->count, want->flags);
    return page;
}

struct tarn_page *tarn__pages_request(struct tarn_zone *zone, size_t count, size_t align, tarn_gfp_t flags, bool *zeroed)
{
    struct tarn__want want = {.zone = zone, .count = count, .align = align, .flags = flags, .state = TARN__PAGE_RUN};
    if (count == 0 || tarn__group_of(flags) == TARN_MOBILITIES)
        return NULL;
    struct tarn_page *run = tarn__request(&want);
    if (zeroed)
        *zeroed = want.zeroed;
    return run;
}
