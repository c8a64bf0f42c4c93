/* The slow half of the fast path, and the life of threads' caches. */
#include "slab/local.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/meta.h"
#include "slab/magazine.h"

enum { QUICK = 64, FIRST_BYTES = 2048, STEPS = 4, WISHES = 8, SELDOM = 16, MOST_SINGLE = 8192 };
enum { GROWN_BYTES = TARN__THREAD_BYTES / 8 * 7 };
/* what is left is for bins of a single object */ /* QUICK: magazines' worth of operations */

static const uint32_t always_full = UINT32_C(3) << 30; /* however many are freed before anything is allocated */

static struct tarn__local unborn, ended;

TARN__TLS struct tarn__local *tarn__self = &unborn;
static TARN__TLS struct tarn__local *poked; /* the thread's own, as tarn__self is another until its next request */

struct tarn__ledger tarn__ledger;
void (*tarn__slow_path_hook)(void);

struct tarn__lock tarn__registry_lock = TARN__LOCK_INIT(TARN__RANK_REGISTRY);
struct tarn__list tarn__registry = {&tarn__registry, &tarn__registry};
static struct tarn__list spare_locals = {&spare_locals, &spare_locals};
_Atomic size_t tarn__threads;

/* What happened to a bin since the last time is entered in the ledger. Returns the operations since. */
static uint64_t note(struct tarn__bin *bin, struct tarn__rear *rear, const struct tarn_cache *cache)
{
    uint64_t allocs = bin->allocs - rear->noted_allocs, frees = bin->frees - rear->noted_frees;
    rear->noted_allocs = bin->allocs;
    rear->noted_frees = bin->frees;
    if (allocs != frees)
        tarn__ledger_note((int64_t)(allocs - frees) * cache->size);
    if (tarn__slow_path_hook)
        tarn__slow_path_hook();
    return allocs + frees;
}

void tarn__local_poke(void)
{
    if (tarn__self == &unborn || tarn__self == &ended)
        return;
    poked = tarn__self;
    tarn__self = &unborn;
}

void tarn__local_unpoke(void)
{
    if (!poked)
        return;
    tarn__self = poked;
    poked = NULL;
}

/* Flush, attach, detach */

static struct tarn_cache *cache_of_number(unsigned number)
{
    return atomic_load_explicit(&tarn__cache_table[number], memory_order_acquire);
}

static unsigned numbers_end(void) { return atomic_load_explicit(&tarn__cache_table_end, memory_order_acquire); }

/* The number after this one; they go round. */
static unsigned number_after(unsigned number) { return number + 1 < numbers_end() ? number + 1 : 1; }

/* Depots hold more than they should: what lay idle in the next few goes to slabs. */
static void relieve_depots(void)
{
    static _Atomic unsigned hand;
    unsigned number = atomic_load_explicit(&hand, memory_order_relaxed);
    for (int i = 0; i < STEPS; i++) {
        struct tarn__pin pin;
        number = number_after(number);
        struct tarn_cache *cache = tarn__cache_pin(&pin, number);
        if (!cache)
            continue;
        tarn__depot_reap(cache, false);
        tarn__cache_unpin(&pin);
    }
    atomic_store_explicit(&hand, number, memory_order_relaxed);
}

/* A magazine goes to the depot. False: it takes no more; then it lets go of what is too many. */
static bool give_to_depot(struct tarn_cache *cache, struct tarn__magazine magazine)
{
    if (tarn__depots_full()) {
        relieve_depots();
        return false;
    }
    bool taken = tarn__depot_push(cache, magazine);
    if (!taken)
        tarn__depot_reap(cache, false);
    return taken;
}

/* Puts a magazine away: to the depot, or to the slabs when `to_slabs` or the depot is full. */
static void put_away(struct tarn_cache *cache, struct tarn__magazine magazine, bool to_slabs)
{
    if (magazine.count > 0 && (to_slabs || !give_to_depot(cache, magazine)))
        tarn__cache_put_magazine(cache, magazine);
    else if (magazine.count == 0 && magazine.head)
        tarn__array_put(cache, magazine.head);
}

/* All that a thread has of a cache: its bin, as one or two magazines, the spare one, and what was set apart. */
enum { HOLDING = 4 };
struct holding {
    struct tarn__magazine magazine[HOLDING];
};

/* Takes it from the thread. */
static struct holding take_all(struct tarn__bin *bin, struct tarn__rear *rear, const struct tarn_cache *cache)
{
    struct holding all = {{{NULL, 0}, {NULL, 0}, rear->spare, rear->foreign}};
    rear->spare = rear->foreign = tarn__no_magazine;
    if (rear->apart)
        return all;
    if (cache->linked && rear->capacity > 0 && tarn__bin_count(bin, rear, cache) > rear->capacity)
        all.magazine[1] = tarn__bin_split(bin, rear, cache);
    all.magazine[0] = tarn__bin_take(bin, rear, cache);
    return all;
}

static void put_all_away(struct tarn_cache *cache, struct holding all, bool to_slabs)
{
    for (int i = 0; i < HOLDING; i++)
        put_away(cache, all.magazine[i], to_slabs);
}

/* Objects, or arrays for them. */
static bool holds_any(const struct tarn__bin *bin, const struct tarn__rear *rear)
{
    return bin->head || rear->spare.head || rear->foreign.head;
}

static void empty_bin(struct tarn__local *local, struct tarn_cache *cache, bool to_slabs)
{
    put_all_away(cache, take_all(&local->bin[cache->number], &local->rear[cache->number], cache), to_slabs);
}

/* How large a thread's magazines are */

/* Whoever destroys a cache changes what other threads have, while these go on with other caches. */
static void change_room(struct tarn__local *local, size_t more, size_t less)
{
    if (more != less)
        atomic_fetch_add_explicit(&local->room, more - less, memory_order_relaxed);
}

static bool has_room(struct tarn__local *local, size_t bytes, size_t most)
{
    return atomic_load_explicit(&local->room, memory_order_relaxed) + bytes <= most;
}

/* Of a bin that is empty or becomes larger. */
static void set_capacity(struct tarn__local *local, const struct tarn_cache *cache, uint32_t capacity)
{
    struct tarn__bin *bin = &local->bin[cache->number];
    struct tarn__rear *rear = &local->rear[cache->number];
    if (cache->linked && !rear->apart)
        tarn__bin_set_most(bin, rear, capacity);
    if (!cache->linked && bin->room > 0)
        bin->room = capacity;
    change_room(local, tarn__room_of(cache, capacity), tarn__room_of(cache, rear->capacity));
    rear->capacity = capacity;
}

/* Whether a bin has a larger capacity than it needs: it was not used since it was last asked, or its magazines move seldom. */
static bool has_to_spare(const struct tarn__bin *bin, struct tarn__rear *rear)
{
    uint64_t used = bin->allocs + bin->frees, since = used - rear->noted_allocs - rear->noted_frees;
    bool unused = used == rear->seen;
    rear->seen = used;
    return rear->capacity > 0 && (unused || (rear->capacity > 1 && since > 2 * QUICK * (uint64_t)rear->capacity));
}

/* The next bin but `number` gives half of its room, if it has to spare. */
static void ask_next(struct tarn__local *local, unsigned number)
{
    struct tarn__pin pin;
    local->hand = number_after(local->hand);
    struct tarn_cache *cache = local->hand != number ? tarn__cache_pin(&pin, local->hand) : NULL;
    if (!cache)
        return;
    struct tarn__bin *bin = &local->bin[local->hand];
    struct tarn__rear *rear = &local->rear[local->hand];
    if (has_to_spare(bin, rear)) {
        empty_bin(local, cache, false);
        if (!holds_any(bin, rear)) /* a destructor may have used it */
            set_capacity(local, cache, rear->capacity / 2);
    }
    tarn__cache_unpin(&pin);
}

/* Whether so many bytes more are within what a thread may hold. If not, those who have to spare are asked, but not each time. */
static bool find_room(struct tarn__local *local, unsigned number, size_t bytes)
{
    if (!has_room(local, bytes, GROWN_BYTES) && ++local->wishes % WISHES == 0)
        ask_next(local, number);
    return has_room(local, bytes, GROWN_BYTES);
}

/*
 * Magazines moved after only `operations` since they did last: larger ones would have to less often. Not so early that what they hold, and
 * nobody uses, would be more than a quarter of all that passed: each page of it is touched.
 */
static void adapt(struct tarn__local *local, const struct tarn_cache *cache, uint64_t operations)
{
    struct tarn__rear *rear = &local->rear[cache->number];
    uint32_t larger = (uint32_t)tarn__min(2 * rear->capacity, cache->capacity);
    uint64_t many = QUICK * (uint64_t)rear->capacity, ever = (uint64_t)rear->noted_allocs + rear->noted_frees;
    if (operations < many && ever >= many && larger > rear->capacity &&
        find_room(local, cache->number, tarn__room_of(cache, larger) - tarn__room_of(cache, rear->capacity)))
        set_capacity(local, cache, larger);
}

/*
 * A capacity to begin with, of at most `bound`, for a bin that has none. Where there is no room it is a single object, or mostly none if that is large: then
 * objects go to and fro one by one, and the bin asks again now and then, so that those who are used more in the end have it.
 */
static void grant(struct tarn__local *local, const struct tarn_cache *cache, uint32_t bound)
{
    const struct tarn__bin *bin = &local->bin[cache->number];
    uint32_t capacity = (uint32_t)tarn__min(tarn__max(FIRST_BYTES / cache->size, 1), tarn__min(cache->capacity, bound));
    bool fits = has_room(local, tarn__room_of(cache, capacity), GROWN_BYTES);
    if (!fits && (bin->allocs + bin->frees) % SELDOM == 0)
        fits = find_room(local, cache->number, tarn__room_of(cache, capacity));
    if (!fits) {
        capacity = 1;
        fits = cache->keeps || (cache->size <= MOST_SINGLE && has_room(local, cache->size, TARN__THREAD_BYTES));
    }
    if (fits && local->rear[cache->number].capacity == 0)
        set_capacity(local, cache, capacity);
}

static void begin_bin(struct tarn__local *local, const struct tarn_cache *cache)
{
    struct tarn__rear *rear = &local->rear[cache->number];
    rear->begun = true;
    rear->epoch = atomic_load_explicit(&cache->epoch, memory_order_relaxed);
    rear->apart = true;
    if (cache->linked)
        local->bin[cache->number].limit = always_full;
    if (cache->linked)
        local->bin[cache->number].inverse = cache->inverse;
}

/* Moves a thread's counts to the cache, and makes its bin, which is empty, one of zeros. */
static void end_bin(struct tarn__local *local, struct tarn_cache *cache)
{
    struct tarn__bin *bin = &local->bin[cache->number];
    struct tarn__rear *rear = &local->rear[cache->number];
    if (!rear->begun)
        return;
    change_room(local, 0, tarn__room_of(cache, rear->capacity));
    uint64_t allocs = bin->allocs - rear->noted_allocs, frees = bin->frees - rear->noted_frees;
    tarn__ledger_note((int64_t)(allocs - frees) * cache->size);
    tarn__atomic_add(&cache->past_allocs, bin->allocs);
    tarn__atomic_add(&cache->past_frees, bin->frees);
    tarn__atomic_add(&cache->past_samples, rear->samples);
    tarn__atomic_add(&cache->past_sampled_bytes, rear->sampled_bytes);
    tarn__atomic_add(&cache->past_reallocs, rear->reallocs);
    *bin = (struct tarn__bin){0};
    *rear = (struct tarn__rear){0};
}

/* What it has of a cache that is being destroyed is collected by who does that, from the registry or from here. */
static void detach(struct tarn__thread_exit *exit)
{
    (void)exit;
    tarn__local_unpoke();
    struct tarn__local *local = tarn__self;
    tarn__self = &ended;
    for (unsigned i = 1; i < numbers_end(); i++) {
        struct tarn__pin pin;
        struct tarn_cache *cache = tarn__cache_pin(&pin, i); /* before a look at the bin: who destroys the cache changes it */
        if (!cache)
            continue;
        if (local->rear[i].begun) {
            note(&local->bin[i], &local->rear[i], cache);
            empty_bin(local, cache, false);
        }
        tarn__cache_unpin(&pin);
    }
    tarn__lock(&tarn__registry_lock);
    for (unsigned i = 1; i < numbers_end(); i++)
        if (cache_of_number(i) && !holds_any(&local->bin[i], &local->rear[i]))
            end_bin(local, cache_of_number(i));
    tarn__list_remove(&local->link);
    tarn__list_push_front(&spare_locals, &local->link);
    tarn__threads--;
    tarn__unlock(&tarn__registry_lock);
}

static void enrol(struct tarn__local *local)
{
    tarn__list_push_front(&tarn__registry, &local->link);
    tarn__threads++;
}

/*
 * The first thread's cache is part of the image; the others' are kept for the next thread when their own ends. What may still hold
 * objects is always on one of the lists, for who destroys a cache to find it.
 */
static struct tarn__local *enrol_spare(void)
{
    static struct tarn__local first;
    static bool first_taken;
    struct tarn__local *local = NULL;
    tarn__lock(&tarn__registry_lock);
    if (!first_taken) {
        first_taken = true;
        local = &first;
    } else if (!tarn__list_empty(&spare_locals)) {
        local = TARN__CONTAINER(spare_locals.next, struct tarn__local, link);
        tarn__list_remove(&local->link);
    }
    if (local)
        enrol(local);
    tarn__unlock(&tarn__registry_lock);
    return local;
}

static struct tarn__local *enrol_new(void)
{
    struct tarn__local *local = tarn__meta_alloc(sizeof *local, TARN__CACHE_LINE);
    if (!local)
        return NULL;
    tarn__lock(&tarn__registry_lock);
    enrol(local);
    tarn__unlock(&tarn__registry_lock);
    return local;
}

/* Gives the calling thread its own bins. False: no memory for them, or the thread has ended them. */
static bool attach(void)
{
    tarn__local_unpoke();
    if (tarn__self != &unborn)
        return tarn__self != &ended;
    struct tarn__local *local = enrol_spare();
    if (!local)
        local = enrol_new();
    if (!local)
        return false;
    tarn__self = local; /* before the next line, which may allocate */
    static TARN__TLS struct tarn__thread_exit exit = {detach, NULL};
    if (tarn__thread_at_exit(&exit) == 0)
        return true;
    detach(&exit); /* no one would collect its magazines: the thread does without */
    return false;
}

/* Reaping */

/*
 * Before the heap takes pages it never had: what lies in magazines goes back to slabs, for slabs that become empty are pages for
 * others. Each time what lies idle: a bin of this thread that was not used since the last time, and what a depot held all the
 * while. When the heap has grown by an eighth since it was last done, all of it: magazines hold objects from everywhere, and a few
 * of them keep many slabs from being empty.
 */
/* Threads without bins of their own have the shared ones here, which are nobody's to write. */
static void reap_bin(struct tarn__local *local, struct tarn_cache *cache, bool all)
{
    struct tarn__bin *bin = &local->bin[cache->number];
    struct tarn__rear *rear = &local->rear[cache->number];
    if (!rear->begun)
        return;
    uint64_t used = bin->allocs + bin->frees;
    bool empties = (all || used == rear->reaped) && holds_any(bin, rear);
    rear->reaped = used;
    if (empties)
        empty_bin(local, cache, true);
}

static void reap(bool all)
{
    for (unsigned i = 1; i < numbers_end(); i++) {
        struct tarn__pin pin;
        struct tarn_cache *cache = tarn__cache_pin(&pin, i);
        if (cache) {
            reap_bin(tarn__self, cache, all);
            tarn__depot_reap(cache, all);
            tarn__cache_unpin(&pin);
        }
    }
}

/* Allocation */

/* When the cache has asked for all that threads have (tarn_cache_shrink), gives it. */
static void heed(struct tarn__rear *rear, struct tarn_cache *cache)
{
    uint32_t epoch = atomic_load_explicit(&cache->epoch, memory_order_relaxed);
    if (rear->epoch == epoch)
        return;
    rear->epoch = epoch;
    empty_bin(tarn__self, cache, true);
}

/* From a new slab; when there is no memory for one, what this thread and the depots hold goes back first, of all caches. */
static size_t take_new(struct tarn_cache *cache, void **objects, size_t wanted, tarn_gfp_t flags)
{
    size_t got = tarn__cache_take_new(cache, objects, wanted, flags);
    if (got == 0) {
        reap(true);
        got = tarn__cache_take(cache, objects, wanted);
    }
    return got > 0 ? got : tarn__cache_take_new(cache, objects, wanted, flags);
}

/* Objects to take from slabs: as many as there is room for, so that the way is worth it; but for arrays, which have room for a magazine only. */
static size_t refill(const struct tarn__rear *rear, const struct tarn_cache *cache)
{
    size_t room = cache->linked && rear->capacity > 1 ? 2 * (size_t)rear->capacity : rear->capacity;
    return tarn__min(tarn__max(room, 1), TARN__MAGAZINE_MOST);
}

/* Of a magazine that another thread filled, what fits here. */
static struct tarn__magazine cut(const struct tarn__rear *rear, struct tarn_cache *cache, struct tarn__magazine magazine)
{
    size_t most = refill(rear, cache);
    if (cache->linked && magazine.count > most)
        put_away(cache, tarn__magazine_split(&magazine, (uint32_t)most), false);
    return magazine;
}

/* The next magazine: the spare one, one of the depot, or one made of objects from slabs. Its count is 0 if there is no memory. */
static struct tarn__magazine next_magazine(struct tarn__bin *bin, struct tarn__rear *rear, struct tarn_cache *cache,
                                           tarn_gfp_t flags)
{
    heed(rear, cache);
    struct tarn__magazine magazine = rear->spare;
    if (magazine.count > 0) {
        rear->spare = tarn__no_magazine;
        return magazine;
    }
    adapt(tarn__self, cache, note(bin, rear, cache));
    if (rear->capacity == 0)
        grant(tarn__self, cache, UINT32_MAX);
    magazine = tarn__depot_pop(cache);
    if (magazine.count > 0)
        return cut(rear, cache, magazine);
    void *objects[TARN__MAGAZINE_MOST];
    size_t wanted = refill(rear, cache);
    size_t got = tarn__cache_take(cache, objects, wanted);
    if (got == 0) {
        if (tarn__zone_must_grow(cache->zone))
            reap(tarn__zone_grew(cache->zone));
        got = take_new(cache, objects, wanted, flags);
    }
    if (got > 0)
        magazine = tarn__magazine_make(cache, objects, got);
    for (size_t i = magazine.count; i < got; i++) /* no memory for an array */
        tarn__cache_put(cache, objects[i]);
    return magazine;
}

void *tarn__direct_alloc(struct tarn_cache *cache, tarn_gfp_t flags)
{
    void *object;
    if (tarn__cache_take(cache, &object, 1) == 0 && take_new(cache, &object, 1, flags) == 0)
        return NULL;
    tarn__atomic_add(&cache->past_allocs, 1);
    tarn__ledger_note((int64_t)cache->size);
    return tarn__object_mark(object, true);
}

/* Whether the calling thread has a bin of this cache; begins it. */
static bool has_bin(struct tarn_cache *cache)
{
    if (cache->number == 0 || ((tarn__self == &unborn || tarn__self == &ended) && !attach()))
        return false;
    if (!tarn__self->rear[cache->number].begun) {
        begin_bin(tarn__self, cache);
        grant(tarn__self, cache, UINT32_MAX);
    }
    return true;
}

/* A magazine takes the place of an empty one, whose array is spare. */
static void replace(struct tarn__bin *bin, struct tarn__rear *rear, struct tarn_cache *cache, struct tarn__magazine magazine)
{
    struct tarn__magazine empty = rear->apart ? tarn__no_magazine : tarn__bin_take(bin, rear, cache);
    tarn__bin_install(bin, rear, cache, magazine);
    if (rear->spare.head)
        put_away(cache, empty, false);
    else
        rear->spare = empty;
}

void *tarn__local_alloc(struct tarn_cache *cache, size_t requested, tarn_gfp_t flags)
{
    if (!has_bin(cache))
        return tarn__direct_alloc(cache, flags);
    struct tarn__bin *bin = &tarn__self->bin[cache->number];
    struct tarn__rear *rear = &tarn__self->rear[cache->number];
    if (tarn__bin_is_empty(bin, cache)) {
        struct tarn__magazine magazine = next_magazine(bin, rear, cache, flags);
        if (!tarn__bin_is_empty(bin, cache)) /* a constructor or a shrinker that used the cache has filled the bin */
            put_away(cache, magazine, true);
        else if (magazine.count > 0)
            replace(bin, rear, cache, magazine);
        else
            return NULL;
        tarn__counter_add(&rear->samples, 1);
        tarn__counter_add(&rear->sampled_bytes, requested);
    }
    return tarn__object_mark(tarn__bin_pop(bin, cache), true);
}

/* Free */

/* The cache loses nearly all it had: what this thread and the depot keep of it goes to its slabs. */
static void shed(struct tarn__rear *rear, struct tarn_cache *cache, uint32_t bound)
{
    empty_bin(tarn__self, cache, true);
    tarn__depot_reap(cache, true);
    if (bound < rear->capacity && !holds_any(&tarn__self->bin[cache->number], rear))
        set_capacity(tarn__self, cache, bound);
}

/*
 * A full bin becomes the spare magazine; what was that, if it is full too, goes to the depot, and with it what was set apart. Of a list that has grown
 * beyond a magazine the older half becomes the spare one.
 */
static void rotate(struct tarn__bin *bin, struct tarn__rear *rear, struct tarn_cache *cache)
{
    struct tarn__magazine spare = rear->spare, foreign = rear->foreign;
    if (cache->linked && tarn__bin_count(bin, rear, cache) > rear->capacity) {
        rear->spare = tarn__bin_split(bin, rear, cache);
        tarn__bin_set_most(bin, rear, rear->capacity);
    } else {
        rear->spare = tarn__bin_take(bin, rear, cache);
        tarn__bin_install(bin, rear, cache, spare.count > 0 ? tarn__no_magazine : spare);
    }
    if (rear->capacity == 1 && spare.count == 0) {
        spare = rear->spare;
        rear->spare = tarn__no_magazine;
    }
    if (spare.count == 0)
        return;
    rear->foreign = tarn__no_magazine;
    adapt(tarn__self, cache, note(bin, rear, cache));
    put_away(cache, spare, false);
    put_away(cache, foreign, false);
}

/* In a bin that is full. False: the cache is shedding, and nothing of it should be held any more. */
static bool make_room(struct tarn__bin *bin, struct tarn__rear *rear, struct tarn_cache *cache)
{
    if (rear->spare.count == 0 && rear->capacity > 1) { /* nothing leaves the thread */
        rotate(bin, rear, cache);
        return true;
    }
    size_t own = tarn__bin_count(bin, rear, cache) + rear->spare.count + rear->foreign.count;
    uint32_t bound = tarn__cache_bound(cache, own);
    if (bound < rear->capacity)
        shed(rear, cache, bound);
    else if (rear->capacity > 0)
        rotate(bin, rear, cache);
    if (rear->capacity == 0 && bound > 0)
        grant(tarn__self, cache, bound);
    return rear->capacity > 0;
}

/* Before the first allocation: see local.h. */
static bool set_apart(struct tarn__bin *bin, struct tarn__rear *rear, struct tarn_cache *cache, void *object)
{
    if (!tarn__magazine_push(cache, &rear->foreign, object))
        return false;
    tarn__counter_add(&bin->frees, 1);
    if (rear->foreign.count >= rear->capacity)
        tarn__bin_install(bin, rear, cache, tarn__no_magazine);
    return true;
}

/* To its slab at once, in a bin without capacity. */
static void pass_on(struct tarn__bin *bin, struct tarn__rear *rear, struct tarn_cache *cache, void *object)
{
    tarn__cache_put(cache, object);
    tarn__counter_add(&bin->frees, 1);
    if (cache->linked)
        bin->limit++;
    if (bin->frees - rear->noted_frees >= SELDOM)
        note(bin, rear, cache);
}

void tarn__local_free(struct tarn_cache *cache, void *object)
{
    if (!has_bin(cache)) {
        tarn__direct_free(cache, object);
        return;
    }
    struct tarn__bin *bin = &tarn__self->bin[cache->number];
    struct tarn__rear *rear = &tarn__self->rear[cache->number];
    while (!rear->apart &&
           tarn__bin_count(bin, rear, cache) >= tarn__bin_most(rear, cache)) { /* destructors may fill it meanwhile */
        heed(rear, cache);
        if (!make_room(bin, rear, cache)) {
            pass_on(bin, rear, cache, object);
            return;
        }
    }
    bool done = rear->apart ? set_apart(bin, rear, cache, object) : tarn__bin_push(bin, rear, cache, object);
    if (!done)
        tarn__direct_free(cache, object);
}

void tarn__local_flush_cache(struct tarn_cache *cache)
{
    tarn__local_unpoke();
    if (cache->number && tarn__self->rear[cache->number].begun)
        empty_bin(tarn__self, cache, true);
}

void tarn__local_flush(void)
{
    for (unsigned i = 1; i < numbers_end(); i++) {
        struct tarn__pin pin;
        struct tarn_cache *cache = tarn__cache_pin(&pin, i);
        if (cache) {
            tarn__local_flush_cache(cache);
            tarn__cache_unpin(&pin);
        }
    }
}

/* Takes what the first thread that has any of a cache has of it. False: all are empty. */
static bool take_from_any(struct tarn_cache *cache, struct holding *all)
{
    struct tarn__list *const lists[] = {&tarn__registry, &spare_locals};
    bool found = false;
    tarn__lock(&tarn__registry_lock);
    for (int i = 0; i < 2 && !found; i++)
        for (struct tarn__list *link = lists[i]->next; link != lists[i] && !found; link = link->next) {
            struct tarn__local *local = TARN__CONTAINER(link, struct tarn__local, link);
            found = holds_any(&local->bin[cache->number], &local->rear[cache->number]);
            if (found)
                *all = take_all(&local->bin[cache->number], &local->rear[cache->number], cache);
        }
    tarn__unlock(&tarn__registry_lock);
    return found;
}

void tarn__local_collect(struct tarn_cache *cache)
{
    struct holding all;
    while (cache->number && take_from_any(cache, &all))
        put_all_away(cache, all, true);
}

void tarn__local_forget(struct tarn_cache *cache)
{
    if (cache->number == 0)
        return;
    tarn__lock(&tarn__registry_lock);
    for (struct tarn__list *link = tarn__registry.next; link != &tarn__registry; link = link->next)
        end_bin(TARN__CONTAINER(link, struct tarn__local, link), cache);
    for (struct tarn__list *link = spare_locals.next; link != &spare_locals; link = link->next)
        end_bin(TARN__CONTAINER(link, struct tarn__local, link), cache);
    tarn__unlock(&tarn__registry_lock);
}

/* Forks */

static void adopt(struct tarn__local *local)
{
    for (unsigned i = 1; i < numbers_end(); i++) {
        struct tarn_cache *cache = cache_of_number(i);
        if (!cache || !local->rear[i].begun)
            continue;
        put_away(cache, tarn__bin_trusted(&local->bin[i], cache), true);
        end_bin(local, cache);
    }
}

/*
 * In the child of a fork only the forking thread lives on. The magazines in use of the others go back to the slabs; their
 * spare ones and what they set apart, whose exchange cannot be told from half done, are lost to the child: at most two magazines
 * for each class and thread.
 */
void tarn__local_adopt_orphans(void)
{
    tarn__local_unpoke();
    for (struct tarn__list *link = tarn__registry.next, *next; link != &tarn__registry; link = next) {
        struct tarn__local *local = TARN__CONTAINER(link, struct tarn__local, link);
        next = link->next;
        if (local == tarn__self)
            continue;
        adopt(local);
        tarn__list_remove(&local->link);
        tarn__list_push_front(&spare_locals, &local->link);
        tarn__threads--;
    }
}
