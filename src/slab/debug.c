/* Red zones, poison, tracks and states. */
#include "slab/debug.h"

#include "base/bits.h"
#include "base/tools.h"
#include "base/warn.h"
#include "os/os.h"
#include "os/stack.h"
#include "pool/watch.h"
#include "slab/local.h"
#include "slab/quarantine.h"
#include "slab/slabs.h"

#include <string.h>

enum { FREE = 0x0f4ee0f4, LIVE = 0x11fe511f, QUARANTINED = 0x2a4a4a2a, BUSY = 0x3b5e3b5e, MOST_FOUND = 16, INNER = 8 };

#define TURN UINT32_C(0xff) /* of a seal */

static struct tarn__tail *tail_of(const struct tarn_cache *cache, const void *object)
{
    return (struct tarn__tail *)((char *)object + cache->tracks);
}

/* States */

/* The lowest byte is a number that changes each time the object becomes busy. While it is, `asked` may change. */
static uint32_t seal(const void *object, uint32_t asked, uint32_t state)
{
    uint64_t rest = state == BUSY ? 0 : (uint64_t)asked << 32;
    uint64_t mixed = ((uint64_t)(uintptr_t)object ^ rest) * UINT64_C(0x9e3779b97f4a7c15);
    return ((uint32_t)(mixed >> 32) ^ state) & ~TURN;
}

static uint32_t read_seal(const struct tarn_cache *cache, const void *object)
{
    return atomic_load_explicit(&tail_of(cache, object)->seal, memory_order_acquire);
}

static bool is_in(const struct tarn_cache *cache, const void *object, uint32_t state)
{
    return (read_seal(cache, object) & ~TURN) == seal(object, tail_of(cache, object)->asked, state);
}

static void set_state(const struct tarn_cache *cache, const void *object, uint32_t state)
{
    struct tarn__tail *tail = tail_of(cache, object);
    uint32_t turn = (read_seal(cache, object) + (state == BUSY)) & TURN;
    atomic_store_explicit(&tail->seal, seal(object, tail->asked, state) | turn, memory_order_release);
}

/* False: another thread was first, or it was not so. What is written to the object next is not written before. */
static bool make_busy(const struct tarn_cache *cache, const void *object, uint32_t from)
{
    struct tarn__tail *tail = tail_of(cache, object);
    uint32_t was = read_seal(cache, object), busy = seal(object, 0, BUSY) | ((was + 1) & TURN);
    return (was & ~TURN) == seal(object, tail->asked, from) && atomic_compare_exchange_strong(&tail->seal, &was, busy);
}

bool tarn__debug_is_live(const struct tarn_cache *cache, const void *object) { return is_in(cache, object, LIVE); }

/* What was asked for; the cache's size where that was overwritten. */
static size_t asked_of(const struct tarn_cache *cache, const void *object)
{
    return tarn__min(tail_of(cache, object)->asked & ~TARN__ASKED_NOT_LIVE, cache->object_size);
}

/* Tracks */

/* Frames inside of tarn, in front of the user's, are left out where it is known which is the user's. */
static uint32_t stack_from(const void *caller)
{
    uintptr_t frames[TARN__STACK_MOST];
    size_t count = tarn__stack_take(frames, TARN__STACK_MOST, 0), first = 0;
    while (first < tarn__min(count, INNER) && frames[first] != (uintptr_t)caller)
        first++;
    if (first < tarn__min(count, INNER))
        return tarn__stack_keep(frames + first, count - first);
    if (count == 0 && caller)
        frames[count++] = (uintptr_t)caller;
    return tarn__stack_keep(frames, count);
}

static void track(const struct tarn_cache *cache, void *object, int which, const void *caller)
{
    if (cache->flags & TARN_CACHE_STORE_USER)
        tail_of(cache, object)->track[which] =
            (struct tarn__track){stack_from(caller), tarn__thread_id(), (uint32_t)tarn__os_now()};
}

static void describe_track(const char *what, const struct tarn__track *track)
{
    size_t count;
    const uintptr_t *frames = tarn__stack_frames(track->stack, &count);
    if (count > 0)
        tarn__warn("  %s at %p by thread %u, %u ms", what, (void *)frames[0], track->thread, track->when);
}

void tarn__debug_describe(const struct tarn_cache *cache, const void *object)
{
    const struct tarn__tail *tail = tail_of(cache, object);
    tarn__warn("  object %p of cache %s, %u bytes", object, cache->name, cache->object_size);
    if (cache->flags & TARN_CACHE_STORE_USER) {
        describe_track("allocated", &tail->track[0]);
        describe_track("freed", &tail->track[1]);
    }
}

static void describe_to(const struct tarn_cache *cache, const void *object, struct tarn__suspect *suspect)
{
    const struct tarn__tail *tail = tail_of(cache, object);
    suspect->pool = cache->name;
    suspect->object = object;
    suspect->size = asked_of(cache, object);
    suspect->live = is_in(cache, object, LIVE);
    if (!(cache->flags & TARN_CACHE_STORE_USER))
        return;
    suspect->alloc_stack = tail->track[0].stack;
    suspect->alloc_thread = tail->track[0].thread;
    suspect->free_stack = tail->track[1].stack;
    suspect->free_thread = tail->track[1].thread;
}

bool tarn__debug_suspect(const void *address, struct tarn__suspect *suspect)
{
    const struct tarn__slab *slab = tarn__slab_around(address);
    const struct tarn_cache *cache = slab ? slab->cache : NULL;
    if (!cache || !(cache->flags & TARN__DEBUG_FLAGS))
        return false;
    size_t index = tarn__object_index(cache, (size_t)((const char *)address - slab->base));
    if (index >= cache->objects)
        return false;
    describe_to(cache, tarn__object_at(slab, index), suspect);
    if (index == 0)
        return true;
    struct tarn__suspect front = {0};
    describe_to(cache, tarn__object_at(slab, index - 1), &front);
    suspect->neighbour = front.object;
    suspect->neighbour_size = front.size;
    suspect->neighbour_live = front.live;
    suspect->neighbour_stack = front.alloc_stack;
    return true;
}

/* Returns only where the user's handler has it so. */
static void report(enum tarn__crime crime, const char *where, const void *object, const void *bad, uint16_t expected)
{
    struct tarn__suspect suspect = {0};
    tarn__debug_suspect(object, &suspect);
    suspect.bad = bad;
    suspect.expected = expected;
    if (tarn__warns())
        tarn__debug_describe(tarn__slab_around(object)->cache, object);
    tarn__report(crime, where, object, &suspect);
}

/* Red zones, poison */

/* The first byte that is not `value`, or NULL. */
static const void *first_other(const unsigned char *p, size_t size, unsigned char value)
{
    for (; size > 0 && *p == value; size--)
        p++;
    return size > 0 ? p : NULL;
}

static void paint(const struct tarn_cache *cache, char *object, size_t asked, unsigned char colour)
{
    if (!(cache->flags & TARN_CACHE_RED_ZONE))
        return;
    memset(object - cache->start, colour, cache->start);
    memset(object + asked, colour, cache->tracks - asked);
}

/* The first byte of a red zone that has not its colour, or NULL. */
static const void *unpainted(const struct tarn_cache *cache, const void *object, size_t asked, unsigned char colour)
{
    const unsigned char *p = object;
    if (!(cache->flags & TARN_CACHE_RED_ZONE))
        return NULL;
    const void *bad = first_other(p - cache->start, cache->start, colour);
    return bad ? bad : first_other(p + asked, cache->tracks - asked, colour);
}

/* A constructed object keeps its state, and one that readers may still look at its contents: neither is poisoned. */
static bool is_poisoning(const struct tarn_cache *cache)
{
    return (cache->flags & TARN_CACHE_POISON) && !cache->ctor && !(cache->flags & TARN_CACHE_TYPESAFE_BY_RCU);
}

static void poison(const struct tarn_cache *cache, unsigned char *object)
{
    if (!is_poisoning(cache))
        return;
    memset(object, TARN__POISON_FREE, cache->object_size - 1);
    object[cache->object_size - 1] = TARN__POISON_END;
}

static const void *unpoisoned(const struct tarn_cache *cache, const unsigned char *object)
{
    size_t last = cache->object_size - 1;
    if (!is_poisoning(cache))
        return NULL;
    const void *bad = first_other(object, last, TARN__POISON_FREE);
    return bad || object[last] == TARN__POISON_END ? bad : object + last;
}

/* Tools */

/*
 * Where AddressSanitizer or memcheck watches, nobody may use the red zones, nor what lies in objects that are free; the tail anybody may. Whoever has
 * an object busy opens its slot and shuts it again; who only looks is not heard meanwhile, as others may be using the slot. Objects that are
 * constructed, or that readers may still look at, are always open, and not announced.
 */
static bool is_announced(const struct tarn_cache *cache)
{
    return cache->watched && !cache->ctor && !(cache->flags & TARN_CACHE_TYPESAFE_BY_RCU);
}

static void open_slot(const struct tarn_cache *cache, const char *object)
{
    if (cache->watched)
        tarn__tools_allow(object - cache->start, cache->start + cache->tracks);
}

/* With an object in it whose user may use `size` bytes. */
static void shut_zones(const struct tarn_cache *cache, const char *object, size_t size)
{
    if (!cache->watched)
        return;
    tarn__tools_deny(object - cache->start, cache->start);
    tarn__tools_deny(object + size, cache->tracks - size);
}

static void shut_slot(const struct tarn_cache *cache, const char *object)
{
    shut_zones(cache, object, is_announced(cache) ? 0 : cache->object_size);
}

static void announce(const struct tarn_cache *cache, const char *object, size_t size)
{
    shut_zones(cache, object, size);
    if (is_announced(cache) && cache->exact)
        tarn__tools_block(object, size, false);
    else if (is_announced(cache))
        tarn__tools_hand_out(cache, object, size, false);
}

static void announce_end(const struct tarn_cache *cache, const char *object)
{
    if (is_announced(cache) && cache->exact)
        tarn__tools_block_end(object);
    else if (is_announced(cache))
        tarn__tools_take_back(cache, object, cache->object_size);
    open_slot(cache, object);
}

static void hear(const struct tarn_cache *cache, bool on)
{
    if (cache->watched)
        tarn__tools_hear(on);
}

/* What can be found of one object. `crime` means something if `bad` is not NULL. */
struct finding {
    const void *object, *bad;
    enum tarn__crime crime;
    uint16_t expected; /* fail.h */
};

/* What a user can have spoilt of an object that is in a state that is not live. */
static struct finding look_at_free(const struct tarn_cache *cache, const void *object, uint32_t state)
{
    hear(cache, false);
    struct finding found = {object, unpainted(cache, object, cache->object_size, TARN__RED_FREE), TARN__RED_ZONE,
                            256 + TARN__RED_FREE};
    const char *last = (const char *)object + cache->object_size - 1;
    if (!found.bad && !is_in(cache, object, state)) {
        found.bad = tail_of(cache, object);
        found.expected = 0;
    }
    if (!found.bad) {
        found.bad = unpoisoned(cache, object);
        found.crime = TARN__POISONED;
        found.expected = 256 + (found.bad == last ? TARN__POISON_END : TARN__POISON_FREE);
    }
    hear(cache, true);
    return found;
}

static struct finding look_at_live(const struct tarn_cache *cache, const void *object)
{
    size_t asked = asked_of(cache, object);
    hear(cache, false);
    struct finding found = {object, unpainted(cache, object, asked, TARN__RED_USED), TARN__RED_ZONE, 256 + TARN__RED_USED};
    hear(cache, true);
    if (!found.bad && !is_in(cache, object, LIVE)) {
        found.bad = tail_of(cache, object);
        found.expected = 0;
    }
    return found;
}

/* Whether nothing was found. */
static bool tell(struct finding found, const char *where)
{
    if (found.bad)
        report(found.crime, where, found.object, found.bad, found.expected);
    return !found.bad;
}

void tarn__debug_prepare(const struct tarn_cache *cache, char *base)
{
    size_t tail = cache->flags & TARN_CACHE_STORE_USER ? sizeof(struct tarn__tail) : TARN__TAIL_SMALL;
    for (size_t i = 0; i < cache->objects; i++) {
        char *object = base + i * cache->size + cache->start;
        memset(tail_of(cache, object), 0, tail);
        tail_of(cache, object)->asked = cache->object_size | TARN__ASKED_NOT_LIVE;
        paint(cache, object, cache->object_size, TARN__RED_FREE);
        poison(cache, (unsigned char *)object);
        set_state(cache, object, FREE);
        shut_slot(cache, object);
    }
}

void tarn__debug_leave(const struct tarn_cache *cache, const char *base)
{
    for (size_t i = 0; i < cache->objects; i++) {
        const char *object = base + i * cache->size + cache->start;
        tell(look_at_free(cache, object, FREE), "slab_release");
        open_slot(cache, object);
    }
}

/* Allocation and free */

static void *dress(struct tarn_cache *cache, void *object, size_t asked, const void *caller)
{
    tell(look_at_free(cache, object, FREE), cache->exact ? "malloc" : "cache_alloc");
    open_slot(cache, object);
    set_state(cache, object, BUSY);
    atomic_thread_fence(memory_order_seq_cst); /* with that in `settled` */
    tail_of(cache, object)->asked = (uint32_t)asked;
    if (cache->exact && is_poisoning(cache))
        memset(object, TARN__POISON_FRESH, cache->object_size);
    paint(cache, object, asked, TARN__RED_USED);
    track(cache, object, 0, caller);
    announce(cache, object, asked);
    set_state(cache, object, LIVE);
    return object;
}

/* A guarded object of the cache was freed, by whichever function. */
static void guarded_gone(void *owner, size_t size)
{
    struct tarn_cache *cache = owner;
    (void)size;
    tarn__atomic_add(&cache->past_frees, 1);
    tarn__ledger_note(-(int64_t)cache->size);
}

static void *alloc_guarded(struct tarn_cache *cache)
{
    void *object = tarn__watch_guard_alloc ? tarn__watch_guard_alloc(cache->object_size, cache->align, cache->name) : NULL;
    if (!object)
        return NULL;
    tarn__watch_guard_own(object, cache, guarded_gone);
    tarn__atomic_add(&cache->past_allocs, 1);
    tarn__ledger_note((int64_t)cache->size);
    return object;
}

bool tarn__debug_free_guarded(struct tarn_cache *cache, void *object)
{
    if (!tarn__watch_guard_free)
        return false;
    const void *owner = tarn__watch_guard_owner(object, guarded_gone);
    if (owner && cache && owner != cache) {
        tarn__report(TARN__WRONG_CACHE, "cache_free", object, NULL);
        return true;
    }
    return (owner || (cache && cache->guarded)) && tarn__watch_guard_free(object, TARN__ANY_SIZE, "cache_free");
}

void *tarn__debug_alloc(struct tarn_cache *cache, tarn_gfp_t flags, const void *caller)
{
    void *guarded = cache->guarded ? alloc_guarded(cache) : NULL;
    if (guarded)
        return guarded;
    return tarn__debug_alloc_exact(cache, cache->object_size, flags, caller);
}

void *tarn__debug_alloc_exact(struct tarn_cache *cache, size_t size, tarn_gfp_t flags, const void *caller)
{
    void *object = tarn__local_alloc(cache, size, flags);
    return object ? dress(cache, object, size, caller) : NULL;
}

/* Whether an object of the cache is live and as it should be. */
static bool is_sound(const struct tarn_cache *cache, const void *object, const char *where)
{
    if (is_in(cache, object, LIVE))
        return tell(look_at_live(cache, object), where);
    const struct tarn__slab *slab = tarn__slab_of(object);
    if (!slab) {
        tarn__report(TARN__INVALID_FREE, where, object, NULL);
        return false;
    }
    if (is_in(cache, object, FREE) || is_in(cache, object, QUARANTINED) || is_in(cache, object, BUSY) ||
        tarn__object_is_free(slab, object)) {
        report(TARN__DOUBLE_FREE, where, object, NULL, 0);
        return false;
    }
    return tell(look_at_live(cache, object), where);
}

void tarn__debug_check(const struct tarn_cache *cache, const void *object)
{
    if (tarn__debug_is_live(cache, object))
        tell(look_at_live(cache, object), "cache_free");
}

size_t tarn__debug_size(const struct tarn_cache *cache, const void *object, const char *where)
{
    if (!is_sound(cache, object, where))
        return SIZE_MAX;
    return cache->flags & TARN_CACHE_RED_ZONE ? asked_of(cache, object) : cache->object_size;
}

bool tarn__debug_has_size(const struct tarn_cache *cache, const void *object, size_t size, const char *where)
{
    bool has = !is_in(cache, object, LIVE) || asked_of(cache, object) == size;
    if (!has)
        report(TARN__WRONG_SIZE, where, object, NULL, 0);
    return has;
}

bool tarn__debug_resize(struct tarn_cache *cache, void *object, size_t size)
{
    if (!is_sound(cache, object, "realloc") || !make_busy(cache, object, LIVE))
        return false;
    size_t had = asked_of(cache, object);
    tail_of(cache, object)->asked = (uint32_t)size;
    if (cache->watched) {
        tarn__tools_allow((char *)object - cache->start, cache->start);
        tarn__tools_allow((char *)object + tarn__min(had, size), cache->tracks - tarn__min(had, size));
    }
    paint(cache, object, size, TARN__RED_USED);
    if (size > had && is_poisoning(cache))
        memset((char *)object + had, TARN__POISON_FRESH, size - had);
    shut_zones(cache, object, size);
    if (is_announced(cache))
        tarn__tools_block_resize(object, had, size);
    set_state(cache, object, LIVE);
    return true;
}

/*
 * Whether an object that is freed goes into quarantine: each, or the last of its slab. Others may put objects back meanwhile, so the latter is a guess.
 */
static bool waits(const struct tarn_cache *cache, const void *object)
{
    if (!tarn__quarantine_takes(cache->size))
        return false;
    if (cache->flags & TARN_CACHE_QUARANTINE)
        return true;
    const struct tarn__slab *slab = cache->flags & TARN__LAST_WAITS && is_poisoning(cache) ? tarn__slab_of(object) : NULL;
    return slab && __atomic_load_n(&slab->free, __ATOMIC_RELAXED) + 1 >= cache->objects;
}

void tarn__debug_free(struct tarn_cache *cache, void *object, const void *caller)
{
    const char *where = cache->exact ? "free" : "cache_free";
    if (!is_sound(cache, object, where))
        return;
    if (!make_busy(cache, object, LIVE)) {
        report(TARN__DOUBLE_FREE, where, object, NULL, 0);
        return;
    }
    announce_end(cache, object);
    tail_of(cache, object)->asked |= TARN__ASKED_NOT_LIVE;
    track(cache, object, 1, caller);
    paint(cache, object, cache->object_size, TARN__RED_FREE);
    poison(cache, object);
    shut_slot(cache, object);
    bool stays = waits(cache, object);
    set_state(cache, object, stays ? QUARANTINED : FREE);
    if (!stays) {
        tarn__local_free(cache, object);
        return;
    }
    tarn__atomic_add(&cache->past_frees, 1);
    tarn__ledger_note(-(int64_t)cache->size);
    tarn__quarantine_add(object, cache->size);
}

void tarn__debug_release(void *object)
{
    struct tarn_cache *cache = tarn__slab_around(object)->cache;
    tell(look_at_free(cache, object, QUARANTINED), "quarantine");
    set_state(cache, object, FREE);
    tarn__cache_put(cache, object);
}

/* Looking at all */

/* Of an object that others may be using meanwhile. */
static struct finding look(const struct tarn_cache *cache, const void *object)
{
    static const uint32_t states[] = {LIVE, FREE, QUARANTINED, BUSY};
    struct tarn__tail *tail = tail_of(cache, object);
    struct finding found = {object, NULL, TARN__RED_ZONE, 0};
    uint32_t before = atomic_load(&tail->seal), asked = tail->asked, state = 0;
    for (int i = 0; i < 4; i++)
        if ((before & ~TURN) == seal(object, asked, states[i]))
            state = states[i];
    if (state == BUSY)
        return found;
    if (state == 0)
        found.bad = tail;
    else
        found = state == LIVE ? look_at_live(cache, object) : look_at_free(cache, object, state);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&tail->seal) != before || tail->asked != asked)
        found.bad = NULL;
    return found;
}

struct look {
    struct tarn_cache *cache;
    size_t count;
    struct finding found[MOST_FOUND];
};

static void look_at_slab(struct tarn__slab *slab, void *context)
{
    struct look *look_at = context;
    for (size_t i = 0; i < look_at->cache->objects && look_at->count < MOST_FOUND; i++) {
        struct finding found = look(look_at->cache, tarn__object_at(slab, i));
        if (found.bad)
            look_at->found[look_at->count++] = found;
    }
}

size_t tarn__debug_look(struct tarn_cache *cache, const char *where)
{
    struct look all = {.cache = cache};
    tarn__lock(&cache->slabs_lock);
    tarn__slabs_each(cache, look_at_slab, &all);
    tarn__unlock(&cache->slabs_lock);
    for (size_t i = 0; i < all.count; i++)
        tell(all.found[i], where);
    return all.count;
}
