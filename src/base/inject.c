/*
 * Failures on demand, after the kernel's fault injection: a request fails when the filters let it in, the space is used up, its
 * turn in the interval has come, the dice fall so, and the number of times is not exhausted; asked in this order.
 *
 * A point's setting is a plan. Plans lie in a short ring; setting fills the next one and then publishes its number. So who asks
 * finds a whole plan, without a lock that a fork could leave held:
 *
 *     current = 5        plans  | 8→0 … | number 1 | … | number 5 | being filled: 0 | … |
 *
 * Invariant: a plan's number is 0 while it is filled, else what it was published as. Who read one and then finds another number
 * in it starts anew. The counts lie in the plan, so a new one begins with new counts; who stalls while the ring goes round once
 * may count in a later plan.
 *
 * Wrong if: a request fails more often than `times`, sooner than `space` lets it, or by a mixture of two settings.
 */
#include "base/inject.h"

#include <errno.h>

enum { RING = 8 };

struct plan {
    _Atomic uint32_t number;
    _Atomic bool ignore_gfp_wait;
    _Atomic unsigned probability, min_order;
    _Atomic unsigned long interval;
    const void *_Atomic only;
    const void *_Atomic thread; /* NULL: all threads */

    _Atomic unsigned long space; /* calls that are still let through */
    _Atomic unsigned long calls; /* since then, for the interval */
    _Atomic long times;          /* still to fail; -1: without end */
    _Atomic uint64_t failed;
};

static struct point {
    _Atomic uint32_t last, current; /* numbers given out; published */
    struct plan plans[RING];
} points[TARN_FAIL_POINTS];

_Atomic bool tarn__injecting[TARN_FAIL_POINTS];
void (*tarn__inject_changed)(bool on);

/* Its address tells threads apart. */
static TARN__TLS char here;

/* Release: who acquires what is new in a plan also sees that its number was taken away before. Pairs with `read_plan`. */
#define SET(place, value) atomic_store_explicit(&(place), (value), memory_order_release)
#define GET(place) atomic_load_explicit(&(place), memory_order_relaxed)

static struct plan *plan_of(struct point *point, uint32_t number) { return &point->plans[number % RING]; }

/* Fills the next plan and publishes it. */
static void publish(struct point *point, const struct tarn_fail_attributes *a)
{
    uint32_t number = atomic_fetch_add_explicit(&point->last, 1, memory_order_relaxed) + 1;
    struct plan *plan = plan_of(point, number);
    SET(plan->number, 0);
    SET(plan->ignore_gfp_wait, a->ignore_gfp_wait);
    SET(plan->probability, a->probability);
    SET(plan->min_order, point == &points[TARN_FAIL_PAGES] ? a->min_order : 0);
    SET(plan->interval, a->interval);
    SET(plan->only, a->only);
    SET(plan->thread, a->this_thread ? &here : NULL);
    SET(plan->space, a->space);
    SET(plan->calls, 0);
    SET(plan->times, a->times);
    SET(plan->failed, 0);
    SET(plan->number, number);
    SET(point->current, number);
}

static bool is_valid(const struct tarn_fail_attributes *a) { return a->probability <= 100 && a->times >= -1; }

int tarn_fail_set(enum tarn_fail_point point, const struct tarn_fail_attributes *attributes)
{
    static const struct tarn_fail_attributes off;
    if ((unsigned)point >= TARN_FAIL_POINTS || (attributes && !is_valid(attributes)))
        return -EINVAL;
    publish(&points[point], attributes ? attributes : &off);
    bool on = attributes && attributes->probability > 0;
    atomic_store_explicit(&tarn__injecting[point], on, memory_order_release);
    if (point == TARN_FAIL_SLAB && tarn__inject_changed)
        tarn__inject_changed(on);
    return 0;
}

uint64_t tarn_fail_count(enum tarn_fail_point point)
{
    if ((unsigned)point >= TARN_FAIL_POINTS)
        return 0;
    struct point *p = &points[point];
    return GET(plan_of(p, atomic_load_explicit(&p->current, memory_order_acquire))->failed);
}

/* What does not change in a plan, read at one time. */
struct filter {
    unsigned probability, min_order;
    unsigned long interval;
    bool ignore_gfp_wait;
    const void *only, *thread;
};

/* The point's plan, with its filter. Lock-free: it begins again only when a setting was made meanwhile. */
static struct plan *read_plan(struct point *point, struct filter *filter)
{
    for (;;) {
        uint32_t number = atomic_load_explicit(&point->current, memory_order_acquire);
        struct plan *plan = plan_of(point, number);
        *filter = (struct filter){.probability = atomic_load_explicit(&plan->probability, memory_order_acquire),
                                  .min_order = atomic_load_explicit(&plan->min_order, memory_order_acquire),
                                  .interval = atomic_load_explicit(&plan->interval, memory_order_acquire),
                                  .ignore_gfp_wait = atomic_load_explicit(&plan->ignore_gfp_wait, memory_order_acquire),
                                  .only = atomic_load_explicit(&plan->only, memory_order_acquire),
                                  .thread = atomic_load_explicit(&plan->thread, memory_order_acquire)};
        if (GET(plan->number) == number) /* not before the loads above, which acquire */
            return plan;
    }
}

/* 0 … 99, from a Weyl sequence through a mixer (splitmix64, Steele, Lea and Flood 2014): the same in each run of one thread. */
static unsigned dice(void)
{
    static _Atomic uint64_t weyl;
    uint64_t x = atomic_fetch_add_explicit(&weyl, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((x ^ (x >> 31)) % 100);
}

/* Takes one of the calls that are let through. */
static bool take_space(struct plan *plan)
{
    unsigned long left = GET(plan->space);
    while (left > 0)
        if (atomic_compare_exchange_weak_explicit(&plan->space, &left, left - 1, memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

/* Takes one of the failures that are left. */
static bool take_time(struct plan *plan)
{
    long left = GET(plan->times);
    while (left > 0)
        if (atomic_compare_exchange_weak_explicit(&plan->times, &left, left - 1, memory_order_relaxed, memory_order_relaxed))
            return true;
    return left < 0;
}

static bool is_meant(const struct filter *filter, tarn_gfp_t flags, unsigned order, const void *which)
{
    return !(flags & TARN_GFP_NOFAIL) && !(filter->ignore_gfp_wait && (flags & TARN_GFP_DIRECT_RECLAIM)) &&
           order >= filter->min_order && (!filter->only || filter->only == which) &&
           (!filter->thread || filter->thread == &here);
}

bool tarn__inject_slow(enum tarn_fail_point point, tarn_gfp_t flags, unsigned order, const void *which)
{
    struct filter filter;
    struct plan *plan = read_plan(&points[point], &filter);
    if (filter.probability == 0 || !is_meant(&filter, flags, order, which) || GET(plan->times) == 0 || take_space(plan))
        return false;
    if (filter.interval > 1 && (atomic_fetch_add_explicit(&plan->calls, 1, memory_order_relaxed) + 1) % filter.interval != 0)
        return false;
    if (filter.probability <= dice() || !take_time(plan))
        return false;
    atomic_fetch_add_explicit(&plan->failed, 1, memory_order_relaxed);
    return true;
}
