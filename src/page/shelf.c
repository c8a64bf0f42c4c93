/* Runs kept whole for the next request (shelf.h). */
#include "page/shelf.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/decay.h"

enum { LONGEST_PART = 8, SLACK_PART = 8, USED_PART = 16, LOOK_PAGES = 64 };
static const size_t least_room = ((size_t)1 << 20) / TARN__PAGE_SIZE;

_Static_assert((TARN__SHELVES & (TARN__SHELVES - 1)) == 0 && TARN__SHELVES <= 32, "a thread's shelf is found by a mask");

/* The class of a length: exact below 16 pages, an eighth of a doubling above. */
static unsigned class_of(size_t count)
{
    unsigned log = tarn__log2_floor(count);
    return count < 16 ? (unsigned)count : 16 + (log - 4) * 8 + (unsigned)(count >> (log - 3) & 7);
}

static struct tarn__shelf *mine(const struct tarn_zone *zone)
{
    return &zone->shelves->shelf[tarn__thread_id() & (TARN__SHELVES - 1)];
}

static size_t pages_on(const struct tarn__shelf *shelf) { return atomic_load_explicit(&shelf->pages, memory_order_relaxed); }

static void set_pages(struct tarn__shelf *shelf, size_t pages)
{
    atomic_store_explicit(&shelf->pages, pages, memory_order_relaxed);
}

static void push(struct tarn__shelf *shelf, unsigned class, struct tarn_page *run)
{
    run->lru.next = shelf->list[class];
    shelf->list[class] = run;
    shelf->filled |= UINT64_C(1) << class;
    set_pages(shelf, pages_on(shelf) + run->count);
}

static struct tarn_page *pop(struct tarn__shelf *shelf, unsigned class)
{
    struct tarn_page *run = shelf->list[class];
    shelf->list[class] = run->lru.next;
    if (!run->lru.next)
        shelf->filled &= ~(UINT64_C(1) << class);
    set_pages(shelf, pages_on(shelf) - run->count);
    return run;
}

/* The first of a class, if it is long enough and not too long. */
static struct tarn_page *pop_fitting(struct tarn__shelf *shelf, unsigned class, size_t count)
{
    const struct tarn_page *first = shelf->list[class];
    return first && first->count >= count && first->count <= count + count / SLACK_PART ? pop(shelf, class) : NULL;
}

struct tarn_page *tarn__shelf_take(struct tarn_zone *zone, size_t count)
{
    if (!zone->shelves || count < TARN__SHELF_LEAST || count >= TARN__SHELF_MOST || pages_on(mine(zone)) < count)
        return NULL;
    struct tarn__shelf *shelf = mine(zone);
    unsigned class = class_of(count);
    tarn__lock(&shelf->lock);
    struct tarn_page *run = pop_fitting(shelf, class, count);
    if (!run)
        run = pop_fitting(shelf, class + 1, count);
    if (run) {
        tarn__page_set_state(run, TARN__PAGE_RUN);
        shelf->taken++;
    }
    tarn__unlock(&shelf->lock);
    return run;
}

/* Takes classes off a shelf, in turn, until `room` pages are free or nothing is left. Gives the chain of what they held. */
static struct tarn_page *clear_classes(struct tarn__shelf *shelf, size_t most)
{
    struct tarn_page *chain = NULL;
    while (shelf->filled && pages_on(shelf) > most) {
        uint64_t behind = shelf->filled & ~(UINT64_C(1) << shelf->hand) & ~((UINT64_C(1) << shelf->hand) - 1);
        shelf->hand = (uint8_t)tarn__bit_lowest(behind ? behind : shelf->filled);
        while (shelf->filled >> shelf->hand & 1) {
            struct tarn_page *run = pop(shelf, shelf->hand);
            run->lru.next = chain;
            chain = run;
        }
    }
    return chain;
}

/* The share of each shelf in what all may hold. Under the zone's lock. */
static void set_room(struct tarn_zone *zone)
{
    unsigned begun = (unsigned)__builtin_popcount(atomic_load_explicit(&zone->shelves->begun, memory_order_relaxed));
    size_t room = tarn__max(least_room, tarn__zone_used(zone) / USED_PART / tarn__max(begun, 1));
    atomic_store_explicit(&zone->shelves->room, room, memory_order_relaxed);
}

/* Frees a chain of shelved runs to their zone. Returns how many pages they had. *excess: whether the zone keeps too much now. */
static size_t free_chain(struct tarn_zone *zone, struct tarn_page *chain, bool *excess)
{
    size_t pages = 0;
    tarn__lock(&zone->lock);
    for (struct tarn_page *run = chain, *next; run; run = next) {
        struct tarn__section *section = tarn__page_section(run);
        next = run->lru.next;
        pages += run->count;
        tarn__page_set_state(run, TARN__PAGE_INSIDE);
        tarn__zone_put(section, (size_t)(run - section->page), run->count, true);
    }
    set_room(zone);
    *excess = tarn__idle_excess(zone);
    tarn__unlock(&zone->lock);
    return pages;
}

/* Only then is its memory touched. Several threads may be first at once. */
static void begin(struct tarn__shelves *shelves, struct tarn__shelf *shelf)
{
    uint32_t bit = UINT32_C(1) << (shelf - shelves->shelf);
    if (atomic_load_explicit(&shelves->begun, memory_order_relaxed) & bit)
        return;
    __atomic_store_n(&shelf->lock.rank, (uint16_t)TARN__RANK_SHELF, __ATOMIC_RELAXED);
    atomic_fetch_or_explicit(&shelves->begun, bit, memory_order_relaxed);
}

/* Of two threads that free one run at once, one sees it shelved. */
static void mark_shelved(struct tarn_page *run)
{
    if (__atomic_exchange_n(&run->state, (uint8_t)TARN__PAGE_SHELVED, __ATOMIC_RELAXED) != TARN__PAGE_RUN)
        tarn__fail(TARN__INVALID_FREE, "free", tarn__page_address(run));
}

static bool keeps_too_much(struct tarn_zone *zone)
{
    tarn__lock(&zone->lock);
    bool excess = tarn__idle_excess(zone);
    tarn__unlock(&zone->lock);
    return excess;
}

void tarn__shelf_free(struct tarn_page *run)
{
    const struct tarn__section *section = tarn__page_section(run);
    struct tarn_zone *zone = section->zone;
    if (!zone->shelves || section->slots > 1 || run->count < TARN__SHELF_LEAST || run->count >= TARN__SHELF_MOST) {
        tarn__pages_free(run);
        return;
    }
    struct tarn__shelf *shelf = mine(zone);
    struct tarn_page *chain = NULL;
    size_t count = run->count, room = atomic_load_explicit(&zone->shelves->room, memory_order_relaxed);
    size_t had;
    bool excess = false;
    mark_shelved(run);
    begin(zone->shelves, shelf);
    tarn__lock(&shelf->lock);
    shelf->put++;
    had = pages_on(shelf);
    if (count <= room / LONGEST_PART) {
        if (pages_on(shelf) + count > room)
            chain = clear_classes(shelf, room - count);
        push(shelf, class_of(count), run);
    } else {
        run->lru.next = NULL;
        chain = run;
    }
    bool passes = pages_on(shelf) / LOOK_PAGES > had / LOOK_PAGES;
    tarn__unlock(&shelf->lock);
    if (chain)
        free_chain(zone, chain, &excess);
    else if (passes)
        excess = keeps_too_much(zone);
    if (excess)
        tarn__purge_excess(zone);
}

size_t tarn__shelves_empty(struct tarn_zone *zone)
{
    size_t pages = 0;
    bool excess;
    if (!zone->shelves)
        return 0;
    for (uint32_t begun = atomic_load_explicit(&zone->shelves->begun, memory_order_relaxed); begun; begun &= begun - 1) {
        struct tarn__shelf *shelf = &zone->shelves->shelf[__builtin_ctz(begun)];
        tarn__lock(&shelf->lock);
        struct tarn_page *chain = clear_classes(shelf, 0);
        tarn__unlock(&shelf->lock);
        pages += chain ? free_chain(zone, chain, &excess) : 0;
    }
    return pages;
}

size_t tarn__shelves_pages(const struct tarn_zone *zone)
{
    size_t pages = 0;
    uint32_t begun = zone->shelves ? atomic_load_explicit(&zone->shelves->begun, memory_order_relaxed) : 0;
    for (; begun; begun &= begun - 1)
        pages += pages_on(&zone->shelves->shelf[__builtin_ctz(begun)]);
    return pages;
}

struct tarn__shelves_sums tarn__shelves_sum(struct tarn_zone *zone)
{
    struct tarn__shelves_sums sums = {0, 0, 0};
    uint32_t begun = zone->shelves ? atomic_load_explicit(&zone->shelves->begun, memory_order_relaxed) : 0;
    for (; begun; begun &= begun - 1) {
        struct tarn__shelf *shelf = &zone->shelves->shelf[__builtin_ctz(begun)];
        tarn__lock(&shelf->lock);
        sums.pages += pages_on(shelf);
        sums.taken += shelf->taken;
        sums.put += shelf->put;
        tarn__unlock(&shelf->lock);
    }
    return sums;
}

void tarn__shelves_each_lock(struct tarn_zone *zone, void (*act)(struct tarn__lock *))
{
    for (int i = 0; zone->shelves && i < TARN__SHELVES; i++)
        act(&zone->shelves->shelf[i].lock);
}

void tarn__shelves_init(struct tarn_zone *zone, struct tarn__shelves *shelves)
{
    atomic_store_explicit(&shelves->room, least_room, memory_order_relaxed);
    zone->shelves = shelves;
}

static void check_shelf(const struct tarn_zone *zone, const struct tarn__shelf *shelf)
{
    size_t pages = 0;
    for (unsigned class = 0; class < TARN__SHELF_CLASSES; class ++) {
        TARN__ASSERT((shelf->list[class] != NULL) == (shelf->filled >> class & 1),
                     "a shelf's mask tells which classes have runs");
        for (struct tarn_page *run = shelf->list[class]; run; run = run->lru.next) {
            struct tarn__section *section = tarn__page_section(run);
            TARN__ASSERT(section->zone == zone && section->slots == 1, "a shelved run is its zone's, and not mapped alone");
            TARN__ASSERT(tarn__page_state(run) == TARN__PAGE_SHELVED, "a run on a shelf says so");
            TARN__ASSERT(class_of(run->count) == class, "a shelved run is in the class of its length");
            pages += run->count;
        }
    }
    TARN__ASSERT(pages == pages_on(shelf), "the count of a shelf's pages is right");
}

void tarn__shelves_check(struct tarn_zone *zone)
{
    uint32_t begun = zone->shelves ? atomic_load_explicit(&zone->shelves->begun, memory_order_relaxed) : 0;
    for (; begun; begun &= begun - 1) {
        struct tarn__shelf *shelf = &zone->shelves->shelf[__builtin_ctz(begun)];
        tarn__lock(&shelf->lock);
        check_shelf(zone, shelf);
        tarn__unlock(&shelf->lock);
    }
}
