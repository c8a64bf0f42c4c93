/* The table from addresses to sections, and the store of their descriptors. Both are under the descriptors' lock. */
#include "page/section.h"

#include "page/meta.h"

#include <errno.h>
#include <string.h>

_Atomic(struct tarn__leaf *) tarn__sections[1 << TARN__ROOT_BITS];

static struct tarn__list spare = {&spare, &spare};

static struct tarn__section *take_spare(void)
{
    struct tarn__section *section = NULL;
    tarn__lock(&tarn__meta_lock);
    if (!tarn__list_empty(&spare)) {
        section = TARN__CONTAINER(spare.next, struct tarn__section, link);
        tarn__list_remove(&section->link);
    }
    tarn__unlock(&tarn__meta_lock);
    if (section)
        memset(section, 0, offsetof(struct tarn__section, room));
    return section;
}

struct tarn__section *tarn__section_create(struct tarn_zone *zone, char *base, size_t slots)
{
    struct tarn__section *section = take_spare();
    if (!section)
        section = tarn__meta_alloc(TARN__SECTION_META_SIZE, TARN__SECTION_META_SIZE);
    if (section) {
        section->zone = zone;
        section->base = base;
        section->slots = slots;
        section->end = TARN__SECTION_PAGES;
    }
    return section;
}

void tarn__section_destroy(struct tarn__section *section)
{
    tarn__lock(&tarn__meta_lock);
    tarn__list_push_front(&spare, &section->link);
    tarn__unlock(&tarn__meta_lock);
}

/* The leaf for `slot`, made if missing. Whoever loses a race to make it leaves its piece unused: 64 KiB of addresses, once. */
static struct tarn__leaf *leaf_for(uintptr_t slot)
{
    _Atomic(struct tarn__leaf *) *root = &tarn__sections[slot >> TARN__LEAF_BITS];
    struct tarn__leaf *leaf = atomic_load_explicit(root, memory_order_acquire);
    if (leaf)
        return leaf;
    struct tarn__leaf *made = tarn__meta_alloc(sizeof *made, TARN__PAGE_SIZE);
    if (made && !atomic_compare_exchange_strong_explicit(root, &leaf, made, memory_order_acq_rel, memory_order_acquire))
        return leaf;
    return made;
}

static _Atomic(struct tarn__section *) *entry_of(struct tarn__leaf *leaf, uintptr_t slot)
{
    return &leaf->section[slot & ((1 << TARN__LEAF_BITS) - 1)];
}

/* Points the slots of `section` from number `first` below `end` at `value`. */
static int point(struct tarn__section *section, size_t first, size_t end, struct tarn__section *value)
{
    for (size_t i = first; i < end; i++) {
        uintptr_t slot = ((uintptr_t)section->base >> TARN__SECTION_BITS) + i;
        struct tarn__leaf *leaf = leaf_for(slot);
        if (!leaf) {
            point(section, first, i, NULL);
            return -ENOMEM;
        }
        atomic_store_explicit(entry_of(leaf, slot), value, memory_order_release);
    }
    return 0;
}

/* Partial sections. The entry of their slot is changed under the lock, and read without it by who need not look further. */

static struct tarn__section *untagged(struct tarn__section *entry)
{
    return (struct tarn__section *)((uintptr_t)entry & ~(uintptr_t)1);
}

/* Makes an entry lead to a chain: tagged when there are several. */
static void enter(_Atomic(struct tarn__section *) *entry, struct tarn__section *chain)
{
    uintptr_t tag = chain && chain->neighbour ? 1 : 0;
    atomic_store_explicit(entry, (struct tarn__section *)((uintptr_t)chain | tag), memory_order_release);
}

static int publish_partial(struct tarn__section *section)
{
    uintptr_t slot = (uintptr_t)section->base >> TARN__SECTION_BITS;
    struct tarn__leaf *leaf = leaf_for(slot);
    if (!leaf)
        return -ENOMEM;
    tarn__lock(&tarn__meta_lock);
    section->neighbour = untagged(atomic_load_explicit(entry_of(leaf, slot), memory_order_relaxed));
    enter(entry_of(leaf, slot), section);
    tarn__unlock(&tarn__meta_lock);
    return 0;
}

static void withdraw_partial(struct tarn__section *section)
{
    uintptr_t slot = (uintptr_t)section->base >> TARN__SECTION_BITS;
    _Atomic(struct tarn__section *) *entry = entry_of(leaf_for(slot), slot);
    tarn__lock(&tarn__meta_lock);
    struct tarn__section *chain = untagged(atomic_load_explicit(entry, memory_order_relaxed)), **place = &chain;
    while (*place != section)
        place = &(*place)->neighbour;
    *place = section->neighbour;
    section->neighbour = NULL;
    enter(entry, chain);
    tarn__unlock(&tarn__meta_lock);
}

struct tarn__section *tarn__section_among(const void *p)
{
    uintptr_t slot = (uintptr_t)p >> TARN__SECTION_BITS;
    size_t index = ((uintptr_t)p & (TARN__SECTION_SIZE - 1)) >> TARN__PAGE_BITS;
    struct tarn__leaf *leaf = atomic_load_explicit(&tarn__sections[slot >> TARN__LEAF_BITS], memory_order_acquire);
    tarn__lock(&tarn__meta_lock);
    struct tarn__section *section = untagged(atomic_load_explicit(entry_of(leaf, slot), memory_order_relaxed));
    while (section && (index < section->first || index >= section->end))
        section = section->neighbour;
    tarn__unlock(&tarn__meta_lock);
    return section;
}

int tarn__section_publish(struct tarn__section *section)
{
    return tarn__section_whole(section) ? point(section, 0, section->slots, section) : publish_partial(section);
}

void tarn__section_withdraw(struct tarn__section *section)
{
    if (tarn__section_whole(section))
        point(section, 0, section->slots, NULL);
    else
        withdraw_partial(section);
}
