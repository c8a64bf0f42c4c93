/* Threads' lists: exchange with the zones, the registry of threads, ends of threads, forks. */
#include "page/lists.h"

#include "base/bits.h"
#include "page/marks.h"
#include "page/meta.h"
#include "page/mobility.h"

#include <limits.h>
#include <string.h>

enum {
    LEAST_MOST = 8,
    PAGES_FOR_ONE = 256
}; /* a list that would hold fewer is not worth it; pages of a fixed zone for each in a list */

#define TWO(x) x, x
#define NO_LIST                                                                                                                \
    {                                                                                                                          \
        .limit = LONG_MIN                                                                                                      \
    }
#define NO_LISTS                                                                                                               \
    {                                                                                                                          \
        TWO(TWO(NO_LIST))                                                                                                      \
    }

static struct tarn__page_lists unborn = {.list = {TWO(TWO(TWO(TWO(NO_LISTS))))}},
                               ended = {.list = {TWO(TWO(TWO(TWO(NO_LISTS))))}};
TARN__TLS struct tarn__page_lists *tarn__page_lists = &unborn;

struct tarn__lock tarn__zones_lock = TARN__LOCK_INIT(TARN__RANK_ZONES);
static struct tarn__list registry = {&registry, &registry}, spare = {&spare, &spare};
static struct tarn_zone *numbered[TARN__LISTED_ZONES];
static _Atomic uint64_t epoch;
static bool stopped; /* by tarn__lists_stop */

static void begin_lists(struct tarn__page_lists *lists)
{
    memset(lists, 0, offsetof(struct tarn__page_lists, link));
    for (unsigned number = 0; number < TARN__LISTED_ZONES; number++)
        for (unsigned group = 0; group < TARN__LIST_GROUPS; group++)
            lists->list[number][group].limit = LONG_MIN;
    lists->epoch = atomic_load_explicit(&epoch, memory_order_relaxed);
}

static long limit_of(const struct tarn__page_list *list) { return __atomic_load_n(&list->limit, __ATOMIC_RELAXED); }

static void set_limit(struct tarn__page_list *list, long limit) { __atomic_store_n(&list->limit, limit, __ATOMIC_RELAXED); }

/* Pages in a list. Another thread's answer may be behind. */
static size_t held(const struct tarn__page_lists *lists, unsigned number, unsigned group)
{
    const struct tarn__page_list *list = &lists->list[number][group];
    long fill = (long)(tarn__counter_read(&list->frees) - tarn__counter_read(&list->allocs)), limit = limit_of(list);
    if (limit == LONG_MIN)
        return 0;
    long count = (long)__atomic_load_n(&lists->most[number], __ATOMIC_RELAXED) - (limit - fill);
    return count < 0 ? 0 : (size_t)count;
}

/* Takes all pages of a list. The caller's own, or of a thread that does not touch it. */
static struct tarn_page *take_all(struct tarn__page_lists *lists, unsigned number, unsigned group)
{
    struct tarn__page_list *list = &lists->list[number][group];
    struct tarn_page *chain = list->head;
    set_limit(list, limit_of(list) + (chain ? (long)held(lists, number, group) : 0));
    list->head = NULL;
    return chain;
}

static size_t flush_zone(struct tarn__page_lists *lists, unsigned number)
{
    size_t flushed = 0;
    for (unsigned group = 0; group < TARN_MOBILITIES; group++) {
        flushed += held(lists, number, group);
        tarn__block_free_chain(take_all(lists, number, group));
    }
    return flushed;
}

static size_t flush_all(struct tarn__page_lists *lists)
{
    size_t flushed = 0;
    for (unsigned number = 1; number < TARN__LISTED_ZONES; number++)
        flushed += flush_zone(lists, number);
    return flushed;
}

/* Threads */

/* Counts of lists that end go to their zones. Under the registry's lock. */
static void retire_counts(struct tarn__page_lists *lists)
{
    for (unsigned number = 1; number < TARN__LISTED_ZONES; number++)
        for (unsigned group = 0; group < TARN_MOBILITIES && numbered[number]; group++) {
            tarn__atomic_add(&numbered[number]->past_allocations, lists->list[number][group].allocs);
            tarn__atomic_add(&numbered[number]->past_frees, lists->list[number][group].frees);
        }
}

static void detach(struct tarn__thread_exit *exit)
{
    (void)exit;
    struct tarn__page_lists *lists = tarn__page_lists;
    tarn__page_lists = &ended;
    flush_all(lists);
    tarn__lock(&tarn__zones_lock);
    retire_counts(lists);
    tarn__list_remove(&lists->link);
    tarn__list_push_front(&spare, &lists->link);
    tarn__unlock(&tarn__zones_lock);
}

static struct tarn__page_lists *obtain(void)
{
    struct tarn__page_lists *lists = NULL;
    tarn__lock(&tarn__zones_lock);
    if (!tarn__list_empty(&spare)) {
        lists = TARN__CONTAINER(spare.next, struct tarn__page_lists, link);
        tarn__list_remove(&lists->link);
    }
    tarn__unlock(&tarn__zones_lock);
    return lists ? lists : tarn__meta_alloc(sizeof *lists, TARN__CACHE_LINE);
}

/* The calling thread's own lists, made at its first exchange. NULL: no memory for them, or the thread has ended them. */
static struct tarn__page_lists *own_lists(void)
{
    static TARN__TLS struct tarn__thread_exit exit = {detach, NULL};
    if (tarn__page_lists == &ended || stopped)
        return NULL;
    if (tarn__page_lists != &unborn)
        return tarn__page_lists;
    struct tarn__page_lists *lists = obtain();
    if (!lists)
        return NULL;
    begin_lists(lists);
    tarn__lock(&tarn__zones_lock);
    tarn__list_push_front(&registry, &lists->link);
    tarn__unlock(&tarn__zones_lock);
    tarn__page_lists = lists; /* before the next line, which may allocate */
    if (tarn__thread_at_exit(&exit) == 0)
        return lists;
    detach(&exit); /* no one would collect its pages: the thread does without */
    return NULL;
}

/* Exchange */

/* Before each exchange: what other threads asked for, and what may not be kept now. The number of the zone's lists; 0: none. */
static unsigned prepare(struct tarn__page_lists *lists, struct tarn_zone *zone)
{
    uint64_t now = atomic_load_explicit(&epoch, memory_order_relaxed);
    unsigned number = atomic_load_explicit(&zone->lists, memory_order_relaxed);
    if (lists->epoch != now) {
        lists->epoch = now;
        flush_all(lists);
    }
    if (number == 0 && zone->number > 0)
        flush_zone(lists, zone->number);
    return number;
}

static struct tarn__page_list *begun(struct tarn__page_lists *lists, struct tarn_zone *zone, unsigned number, unsigned group)
{
    struct tarn__page_list *list = &lists->list[number][group];
    if (list->limit == LONG_MIN) {
        __atomic_store_n(&lists->most[number], zone->list_most, __ATOMIC_RELAXED);
        set_limit(list, (long)(list->frees - list->allocs) + zone->list_most);
    }
    return list;
}

struct tarn_page *tarn__lists_alloc(struct tarn_zone *zone, tarn_gfp_t flags)
{
    struct tarn__page_lists *lists = own_lists();
    unsigned number = lists ? prepare(lists, zone) : 0;
    if (number == 0)
        return NULL;
    unsigned group = tarn__group_of(flags) & atomic_load_explicit(&zone->group_mask, memory_order_relaxed);
    struct tarn__page_list *list = begun(lists, zone, number, group);
    if (!list->head) {
        struct tarn_page *chain;
        size_t taken = tarn__block_batch(zone, flags, tarn__min(TARN__LIST_BATCH, zone->list_most / 2u), 0, &chain);
        set_limit(list, limit_of(list) - (long)taken);
        list->head = chain;
    }
    return tarn__list_pop(list);
}

/* The lower half of a full list, which was not used for longest, goes back. */
static void give_half(struct tarn__page_lists *lists, struct tarn__page_list *list, unsigned number)
{
    long kept = (long)lists->most[number] / 2, gone = (long)lists->most[number] - kept;
    struct tarn_page *last = list->head;
    for (long i = 1; i < kept; i++)
        last = last->lru.next;
    struct tarn_page *chain = last->lru.next;
    last->lru.next = NULL;
    set_limit(list, limit_of(list) + gone);
    tarn__block_free_chain(chain);
}

bool tarn__lists_free(struct tarn_page *page)
{
    struct tarn_zone *zone = tarn__page_section(page)->zone;
    struct tarn__page_lists *lists = own_lists();
    unsigned number = lists ? prepare(lists, zone) : 0;
    if (number == 0)
        return false;
    unsigned home = page->bits >> TARN__PAGE_HOME_SHIFT & atomic_load_explicit(&zone->group_mask, memory_order_relaxed);
    struct tarn__page_list *list = begun(lists, zone, number, home);
    if ((long)(list->frees - list->allocs) >= list->limit)
        give_half(lists, list, number);
    return tarn__list_push(page);
}

size_t tarn__lists_drain(void)
{
    struct tarn__page_lists *lists = tarn__page_lists;
    uint64_t now = atomic_fetch_add_explicit(&epoch, 1, memory_order_relaxed) + 1;
    if (lists == &unborn || lists == &ended)
        return 0;
    lists->epoch = now;
    return flush_all(lists);
}

void tarn__lists_stop(void)
{
    stopped = true;
    tarn__lists_drain();
    struct tarn__page_lists *lists = tarn__page_lists;
    if (lists == &unborn || lists == &ended)
        return;
    for (unsigned number = 0; number < TARN__LISTED_ZONES; number++)
        for (unsigned group = 0; group < TARN__LIST_GROUPS; group++)
            set_limit(&lists->list[number][group], LONG_MIN);
}

/* Zones */

void tarn__lists_enter(struct tarn_zone *zone)
{
    size_t most = zone->fixed ? tarn__min(zone->pages / PAGES_FOR_ONE, TARN__LIST_MOST) : TARN__LIST_MOST;
    for (unsigned number = 1; number < TARN__LISTED_ZONES && most >= LEAST_MOST && !zone->number; number++)
        if (!numbered[number]) {
            numbered[number] = zone;
            zone->number = (uint8_t)number;
            zone->list_most = (uint16_t)most;
        }
    tarn__marks_moved(zone);
}

void tarn__lists_leave(struct tarn_zone *zone)
{
    unsigned number = zone->number;
    for (struct tarn__list *link = registry.next; number > 0 && link != &registry; link = link->next) {
        struct tarn__page_lists *lists = TARN__CONTAINER(link, struct tarn__page_lists, link);
        for (unsigned group = 0; group < TARN_MOBILITIES; group++)
            lists->list[number][group] = (struct tarn__page_list)NO_LIST;
    }
    if (number > 0)
        numbered[number] = NULL;
    zone->number = 0;
    atomic_store_explicit(&zone->lists, 0, memory_order_relaxed);
}

struct tarn__lists_sums tarn__lists_sum(struct tarn_zone *zone)
{
    struct tarn__lists_sums sums = {0, 0, 0};
    tarn__lock(&tarn__zones_lock);
    for (struct tarn__list *link = registry.next; zone->number > 0 && link != &registry; link = link->next) {
        struct tarn__page_lists *lists = TARN__CONTAINER(link, struct tarn__page_lists, link);
        for (unsigned group = 0; group < TARN_MOBILITIES; group++) {
            sums.held += held(lists, zone->number, group);
            sums.allocs += tarn__counter_read(&lists->list[zone->number][group].allocs);
            sums.frees += tarn__counter_read(&lists->list[zone->number][group].frees);
        }
    }
    tarn__unlock(&tarn__zones_lock);
    sums.allocs += atomic_load_explicit(&zone->past_allocations, memory_order_relaxed);
    sums.frees += atomic_load_explicit(&zone->past_frees, memory_order_relaxed);
    return sums;
}

/* Puts one chain before another. */
static struct tarn_page *join(struct tarn_page *chain, struct tarn_page *before)
{
    struct tarn_page *last = before;
    while (last && last->lru.next)
        last = last->lru.next;
    if (last)
        last->lru.next = chain;
    return before ? before : chain;
}

struct tarn_page *tarn__lists_empty(struct tarn_zone *zone)
{
    struct tarn_page *chain = NULL;
    tarn__lock(&tarn__zones_lock);
    for (struct tarn__list *link = registry.next; zone->number > 0 && link != &registry; link = link->next)
        for (unsigned group = 0; group < TARN_MOBILITIES; group++)
            chain = join(chain, take_all(TARN__CONTAINER(link, struct tarn__page_lists, link), zone->number, group));
    tarn__unlock(&tarn__zones_lock);
    return chain;
}

/* Forks */

/* Of a list whose thread was stopped anywhere, what can be trusted: free pages of the zone, no more than it can hold. */
static struct tarn_page *trusted(struct tarn_page *head, const struct tarn_zone *zone, uint32_t most)
{
    struct tarn_page *last = NULL;
    for (struct tarn_page *page = head; page && most > 0; page = page->lru.next, most--) {
        if (tarn__page_state(page) != TARN__PAGE_BLOCK || tarn__block_references(page) != 0 ||
            tarn__page_section(page)->zone != zone)
            break;
        last = page;
    }
    if (!last)
        return NULL;
    last->lru.next = NULL;
    return head;
}

static void adopt(struct tarn__page_lists *lists)
{
    for (unsigned number = 1; number < TARN__LISTED_ZONES; number++)
        for (unsigned group = 0; group < TARN_MOBILITIES && numbered[number]; group++) {
            struct tarn__page_list *list = &lists->list[number][group];
            tarn__block_free_chain(trusted(list->head, numbered[number], lists->most[number]));
            list->head = NULL;
        }
}

void tarn__lists_adopt_orphans(void)
{
    for (struct tarn__list *link = registry.next, *next; link != &registry; link = next) {
        struct tarn__page_lists *lists = TARN__CONTAINER(link, struct tarn__page_lists, link);
        next = link->next;
        if (lists == tarn__page_lists)
            continue;
        adopt(lists);
        retire_counts(lists);
        tarn__list_remove(&lists->link);
        tarn__list_push_front(&spare, &lists->link);
    }
}
