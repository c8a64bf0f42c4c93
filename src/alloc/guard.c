/* Guarded objects: requests, frees, sampling. See guard.h. */
#include "alloc/guard.h"

#include "alloc/guard_slots.h"
#include "base/bits.h"
#include "base/fail.h"
#include "base/modes.h"
#include "os/fault.h"
#include "os/os.h"
#include "os/random.h"
#include "os/stack.h"
#include "os/thread.h"

#include <string.h>

/* Of the 65530 mappings that a process may have, some are left to others. */
enum { MOST_LIVE = 60000 };

static _Atomic size_t guarded, unguarded, sampled, unsampled, live;

void tarn__guard_begin(void)
{
    tarn__stack_begin();
    tarn__fault_watch(tarn__guard_seen);
}

static struct tarn__guard_group *group_of_slot(const struct tarn__guard_slot *slot)
{
    unsigned k = (unsigned)(((uintptr_t)slot->p - tarn__guard_base) >> TARN__GUARD_GROUP_BITS);
    return &tarn__guard_group[k];
}

/* The object's place at the end of the slot (of one byte if it has none), and its pages. False: they cannot be mapped. */
static bool place(struct tarn__guard_group *group, struct tarn__guard_slot *slot, size_t size, size_t align)
{
    char *first = tarn__guard_address(group, (size_t)(slot - group->slot)), *end = first + group->stride - TARN__PAGE_SIZE;
    char *p = (char *)tarn__align_down((uintptr_t)end - tarn__max(size, 1), align);
    char *from = (char *)tarn__align_down((uintptr_t)p, TARN__PAGE_SIZE);
    char *to = (char *)tarn__align_up((uintptr_t)p + tarn__max(size, 1), TARN__PAGE_SIZE);
    if (slot->opened) { /* what lies behind its last user is to fault again */
        tarn__os_unmap(first - TARN__PAGE_SIZE, group->stride);
        slot->opened = false;
    }
    if (!tarn__os_map(from, (size_t)(to - from), TARN__OS_COMMITTED))
        return false;
    memset(from, TARN__GUARD_FILL, (size_t)(p - from));
    memset(p + size, TARN__GUARD_FILL, (size_t)(to - p) - size);
    slot->p = p;
    slot->size = size;
    slot->mapped = from;
    slot->pages = (size_t)(to - from) / TARN__PAGE_SIZE;
    return true;
}

static void *alloc_in(struct tarn__guard_group *group, size_t size, size_t align, const char *pool)
{
    struct tarn__guard_slot *slot = live < MOST_LIVE ? tarn__guard_slot_take(group) : NULL;
    if (!slot)
        return NULL;
    if (!place(group, slot, size, align)) {
        tarn__guard_give(group, slot, slot->p ? TARN__GUARD_FREED : TARN__GUARD_EMPTY);
        return NULL;
    }
    strncpy(slot->pool, pool, sizeof slot->pool - 1);
    slot->alloc_stack = tarn__stack_here(1);
    slot->alloc_thread = tarn__thread_id();
    slot->free_stack = slot->free_thread = 0;
    slot->owner = NULL;
    slot->gone = NULL;
    void *p = slot->p;
    slot->state = TARN__GUARD_LIVE;
    guarded++;
    live++;
    return p;
}

void *tarn__guard_alloc(size_t size, size_t align, const char *pool)
{
    size_t room = tarn__align_up(tarn__max(size, 1), align) + (align > TARN__PAGE_SIZE ? align : 0);
    size_t pages = tarn__align_up(room, TARN__PAGE_SIZE) / TARN__PAGE_SIZE;
    unsigned k = tarn__log2_ceil(tarn__max(pages, 1));
    if (room < size || pages == 0 || k > TARN__GUARD_LARGEST || !tarn__guard_places(tarn__guard_begin))
        return NULL;
    void *p = alloc_in(&tarn__guard_group[k], size, align, pool);
    if (!p)
        unguarded++;
    return p;
}

static bool is_filled(const char *from, const char *to)
{
    return from >= to || ((unsigned char)*from == TARN__GUARD_FILL && memcmp(from, from + 1, (size_t)(to - from) - 1) == 0);
}

/* What lies on its pages around it is as it was. */
static const char *first_wrong(const struct tarn__guard_slot *slot)
{
    const char *end = slot->mapped + slot->pages * TARN__PAGE_SIZE;
    if (is_filled(slot->mapped, slot->p) && is_filled(slot->p + slot->size, end))
        return NULL;
    for (const char *at = slot->p + slot->size; at < end; at++)
        if ((unsigned char)*at != TARN__GUARD_FILL)
            return at;
    for (const char *at = slot->p; at-- > slot->mapped;)
        if ((unsigned char)*at != TARN__GUARD_FILL)
            return at;
    return NULL;
}

static void report(enum tarn__crime crime, const char *where, const void *p, const struct tarn__guard_slot *slot,
                   const char *bad)
{
    struct tarn__suspect suspect = {.bad = bad};
    if (slot)
        tarn__guard_tell(slot, &suspect);
    tarn__report(crime, where, p, &suspect);
}

/* Blocks of pools that stand alone go back to these only, by functions that say so. */
static bool is_of_another(const struct tarn__guard_slot *slot, const char *where)
{
    static const char *const alone[] = {"region", "classpool", "levelpool", "blockpool"};
    bool stands_alone = false;
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        stands_alone |= strcmp(slot->pool, alone[i]) == 0;
    return stands_alone && !slot->gone && strncmp(where, "tarn_", 5) != 0;
}

/* The live slot whose object begins at `p`, now BUSY if `take`; NULL: there is none, which was reported. */
static struct tarn__guard_slot *live_at(const void *p, const char *where, bool take)
{
    struct tarn__guard_slot *slot = tarn__guard_nearest(p);
    bool starts = slot && slot->p == p, is_live = false, foreign = starts && is_of_another(slot, where);
    tarn__lock(&tarn__guard_lock);
    if (starts) {
        is_live = slot->state == TARN__GUARD_LIVE;
        if (is_live && take && !foreign)
            slot->state = TARN__GUARD_BUSY;
    }
    tarn__unlock(&tarn__guard_lock);
    if (is_live && !foreign)
        return slot;
    report(is_live ? TARN__WRONG_CACHE : starts ? TARN__DOUBLE_FREE : TARN__INVALID_FREE, where, p, slot, NULL);
    return NULL;
}

bool tarn__guard_free(void *p, size_t size, const char *where)
{
    size_t number;
    if (!tarn__guard_group_of(p, &number))
        return false;
    struct tarn__guard_slot *slot = live_at(p, where, true);
    if (!slot)
        return true;
    bool wrong_size = size != (size_t)-1 && size != slot->size;
    const char *bad = first_wrong(slot);
    if (wrong_size || bad) {
        slot->state = TARN__GUARD_LIVE;
        report(wrong_size ? TARN__WRONG_SIZE : TARN__RED_ZONE, where, p, slot, bad);
        return true;
    }
    slot->free_stack = tarn__stack_here(0);
    slot->free_thread = tarn__thread_id();
    size_t bytes = slot->pages * TARN__PAGE_SIZE;
    if (tarn__os_unmap(slot->mapped, bytes) && tarn__fault_forbid(slot->mapped, bytes) == 0)
        slot->opened = true; /* to be unmapped before the next use */
    live--;
    void *owner = slot->owner;
    void (*gone)(void *, size_t) = slot->gone;
    size_t had = slot->size;
    tarn__guard_give(group_of_slot(slot), slot, TARN__GUARD_FREED);
    if (gone)
        gone(owner, had);
    return true;
}

void tarn__guard_own(void *p, void *owner, void (*gone)(void *owner, size_t size))
{
    struct tarn__guard_slot *slot = tarn__guard_nearest(p);
    TARN__ASSERT(slot && slot->p == p, "what gets an owner is a guarded object");
    slot->owner = owner;
    slot->gone = gone;
}

void *tarn__guard_owner(const void *p, void (*gone)(void *owner, size_t size))
{
    const struct tarn__guard_slot *slot = tarn__guard_nearest(p);
    return slot && slot->p == p && slot->gone == gone && slot->state == TARN__GUARD_LIVE ? slot->owner : NULL;
}

bool tarn__guard_size(const void *p, const char *where, size_t *size)
{
    size_t number;
    if (!tarn__guard_group_of(p, &number))
        return false;
    struct tarn__guard_slot *slot = live_at(p, where, false);
    *size = slot ? slot->size : 0;
    return true;
}

bool tarn__guard_is_live(const void *p)
{
    const struct tarn__guard_slot *slot = tarn__guard_nearest(p);
    return slot && slot->p == p && slot->state == TARN__GUARD_LIVE;
}

static struct tarn__guard_slot *first_slot(const void *owner)
{
    for (size_t k = 0; tarn__guard_base && k < TARN__GUARD_GROUPS; k++)
        for (size_t i = 0; i < tarn__guard_group[k].used; i++) {
            struct tarn__guard_slot *slot = &tarn__guard_group[k].slot[i];
            if (slot->state == TARN__GUARD_LIVE && slot->gone && slot->owner == owner)
                return slot;
        }
    return NULL;
}

void *tarn__guard_first(const void *owner)
{
    struct tarn__guard_slot *slot = first_slot(owner);
    return slot ? slot->p : NULL;
}

void tarn__guard_disown(const void *owner)
{
    for (struct tarn__guard_slot *slot; (slot = first_slot(owner)) != NULL;)
        slot->gone = NULL;
}

/* Under the lock a live object stays mapped. */
size_t tarn__guard_check(void)
{
    size_t found = 0;
    for (size_t k = 0; tarn__guard_base && k < TARN__GUARD_GROUPS; k++) {
        struct tarn__guard_group *group = &tarn__guard_group[k];
        for (size_t i = 0; i < group->used; i++) {
            tarn__lock(&tarn__guard_lock);
            const char *bad = group->slot[i].state == TARN__GUARD_LIVE ? first_wrong(&group->slot[i]) : NULL;
            tarn__unlock(&tarn__guard_lock);
            if (!bad)
                continue;
            found++;
            report(TARN__RED_ZONE, "check", group->slot[i].p, &group->slot[i], bad);
        }
    }
    return found;
}

/* Sampling */

void *tarn__sample_alloc(size_t size, size_t align, const char *pool)
{
    if (tarn__align_up(size, align) > TARN__PAGE_SIZE || size > TARN__PAGE_SIZE || align > TARN__PAGE_SIZE ||
        !tarn__guard_places(tarn__guard_begin))
        return NULL;
    void *p = alloc_in(&tarn__guard_group[TARN__GUARD_SAMPLE], size, align, pool);
    if (p)
        sampled++;
    else
        unsampled++;
    return p;
}

void tarn__guard_stats(struct tarn__guard_stats *stats)
{
    *stats = (struct tarn__guard_stats){
        .live = live, .guarded = guarded, .unguarded = unguarded, .sampled = sampled, .unsampled = unsampled};
    for (size_t k = 0; tarn__guard_base && k < TARN__GUARD_GROUPS; k++)
        stats->freed += tarn__guard_group[k].used;
    stats->freed -= stats->live;
}

void tarn__guard_each_lock(void (*act)(struct tarn__lock *)) { act(&tarn__guard_lock); }
