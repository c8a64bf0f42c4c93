/* Which slots there are, and which are taken. */
#include "alloc/guard_slots.h"

#include "base/bits.h"
#include "os/os.h"
#include "os/random.h"

#define META_STEP ((size_t)65536)

_Static_assert(TARN__GUARD_SLOTS * sizeof(struct tarn__guard_slot) <= (size_t)1 << TARN__GUARD_META_BITS,
               "descriptors of a group have room");

struct tarn__guard_group tarn__guard_group[TARN__GUARD_GROUPS];
uintptr_t tarn__guard_base;
struct tarn__lock tarn__guard_lock = TARN__LOCK_INIT(TARN__RANK_GUARDED);

static _Atomic uint32_t begun; /* 1: there is a place; 2: there is none */

static bool find_places(void)
{
    uintptr_t meta = tarn__random_place((size_t)TARN__GUARD_GROUPS << TARN__GUARD_META_BITS);
    uintptr_t base = meta ? tarn__random_place((size_t)TARN__GUARD_GROUPS << TARN__GUARD_GROUP_BITS) : 0;
    if (!base)
        return false;
    for (unsigned k = 0; k < TARN__GUARD_GROUPS; k++) {
        struct tarn__guard_group *group = &tarn__guard_group[k];
        bool sample = k == TARN__GUARD_SAMPLE;
        group->slot = (struct tarn__guard_slot *)(meta + ((uintptr_t)k << TARN__GUARD_META_BITS));
        group->stride = (((size_t)1 << (sample ? 0 : k)) + 1) * TARN__PAGE_SIZE;
        size_t fit = (((size_t)1 << TARN__GUARD_GROUP_BITS) - TARN__PAGE_SIZE) / group->stride;
        group->slots = (uint32_t)tarn__min(fit, sample ? TARN__SAMPLE_SLOTS : TARN__GUARD_SLOTS);
    }
    __atomic_store_n(&tarn__guard_base, base, __ATOMIC_RELEASE);
    return true;
}

bool tarn__guard_places(void (*begin)(void))
{
    uint32_t is = atomic_load_explicit(&begun, memory_order_acquire);
    if (is)
        return is == 1;
    tarn__lock(&tarn__guard_lock);
    bool first = begun == 0;
    if (first)
        begun = UINTPTR_MAX > 0xffffffff && find_places() ? 1 : 2;
    tarn__unlock(&tarn__guard_lock);
    if (first && begun == 1)
        begin();
    return begun == 1;
}

/* Under the lock. */
static bool map_descriptor(struct tarn__guard_group *group, uint32_t number)
{
    if ((number + 1) * sizeof *group->slot <= group->mapped)
        return true;
    if (!tarn__os_map((char *)group->slot + group->mapped, META_STEP, TARN__OS_COMMITTED))
        return false;
    group->mapped += META_STEP;
    return true;
}

static struct tarn__guard_slot *pop_oldest(struct tarn__guard_group *group)
{
    struct tarn__guard_slot *slot = group->oldest ? &group->slot[group->oldest - 1] : NULL;
    if (!slot)
        return NULL;
    group->oldest = slot->next;
    if (!group->oldest)
        group->newest = 0;
    return slot;
}

struct tarn__guard_slot *tarn__guard_slot_take(struct tarn__guard_group *group)
{
    struct tarn__guard_slot *slot = NULL;
    tarn__lock(&tarn__guard_lock);
    if (group->used < group->slots && map_descriptor(group, group->used)) {
        slot = &group->slot[group->used];
        __atomic_store_n(&group->used, group->used + 1, __ATOMIC_RELEASE);
    } else {
        slot = pop_oldest(group);
    }
    if (slot)
        slot->state = TARN__GUARD_BUSY;
    tarn__unlock(&tarn__guard_lock);
    return slot;
}

void tarn__guard_give(struct tarn__guard_group *group, struct tarn__guard_slot *slot, enum tarn__guard_state state)
{
    uint32_t number = (uint32_t)(slot - group->slot) + 1;
    tarn__lock(&tarn__guard_lock);
    slot->state = state;
    slot->next = 0;
    if (group->newest)
        group->slot[group->newest - 1].next = number;
    else
        group->oldest = number;
    group->newest = number;
    tarn__unlock(&tarn__guard_lock);
}

struct tarn__guard_group *tarn__guard_group_of(const void *p, size_t *number)
{
    uintptr_t base = __atomic_load_n(&tarn__guard_base, __ATOMIC_ACQUIRE);
    size_t offset = (uintptr_t)p - base, k = offset >> TARN__GUARD_GROUP_BITS;
    if (!base || k >= TARN__GUARD_GROUPS)
        return NULL;
    struct tarn__guard_group *group = &tarn__guard_group[k];
    offset &= ((size_t)1 << TARN__GUARD_GROUP_BITS) - 1;
    *number = offset < TARN__PAGE_SIZE ? 0 : (offset - TARN__PAGE_SIZE) / group->stride;
    return group;
}

static size_t distance(const struct tarn__guard_slot *slot, const char *p)
{
    return p < slot->p ? (size_t)(slot->p - p) : p < slot->p + slot->size ? 0 : (size_t)(p - slot->p - slot->size) + 1;
}

struct tarn__guard_slot *tarn__guard_nearest(const void *p)
{
    size_t number, used;
    struct tarn__guard_group *group = tarn__guard_group_of(p, &number);
    struct tarn__guard_slot *nearest = NULL;
    if (!group)
        return NULL;
    used = __atomic_load_n(&group->used, __ATOMIC_ACQUIRE);
    for (size_t i = number ? number - 1 : 0; i <= number + 1 && i < used; i++) {
        struct tarn__guard_slot *slot = &group->slot[i];
        if (slot->p && (!nearest || distance(slot, p) < distance(nearest, p)))
            nearest = slot;
    }
    return nearest;
}
