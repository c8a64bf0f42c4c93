/* The table from addresses to sections, and the store of their descriptors. Both are under the descriptors' lock. */
#include "page/section.h"

#include "base/bits.h"
#include "os/os.h"
#include "page/meta.h"
#include "tarn/source.h"

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

/* What is not needed to keep it among spare ones is given back: all but its first page, where the system's pages are not larger. */
static void purge(struct tarn__section *section)
{
    size_t page = tarn__max(tarn__os_page_size(), TARN__PAGE_SIZE);
    if (page < TARN__SECTION_META_SIZE && offsetof(struct tarn__section, page) < page)
        tarn_source_purge(tarn_source_system(), (char *)section + page, TARN__SECTION_META_SIZE - page);
}

void tarn__section_destroy(struct tarn__section *section)
{
    purge(section);
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

static uintptr_t slot_of(const void *p) { return (uintptr_t)p >> TARN__SECTION_BITS; }

/* Chains. The entry of a slot is changed under the lock, and read without it by who need not look further. */

static struct tarn__section *untagged(struct tarn__section *entry)
{
    return (struct tarn__section *)((uintptr_t)entry & ~(uintptr_t)1);
}

static struct tarn__section *chain_of(_Atomic(struct tarn__section *) *entry)
{
    return untagged(atomic_load_explicit(entry, memory_order_relaxed));
}

/* Makes an entry lead to a chain: tagged when there are several. */
static void enter(_Atomic(struct tarn__section *) *entry, struct tarn__section *chain)
{
    uintptr_t tag = chain && chain->neighbour ? 1 : 0;
    atomic_store_explicit(entry, (struct tarn__section *)((uintptr_t)chain | tag), memory_order_release);
}

/* A section of several slots came fresh from the system, so it is the last of each chain that it is in, and one link is enough. */
static void push(_Atomic(struct tarn__section *) *entry, struct tarn__section *section)
{
    section->neighbour = section->slots == 1 ? chain_of(entry) : NULL;
    enter(entry, section);
}

static void take_out(_Atomic(struct tarn__section *) *entry, const struct tarn__section *section)
{
    struct tarn__section *chain = chain_of(entry), **place = &chain;
    while (*place && *place != section)
        place = &(*place)->neighbour;
    if (*place)
        *place = section->neighbour;
    enter(entry, chain);
}

int tarn__section_publish(struct tarn__section *section)
{
    uintptr_t first = slot_of(section->base);
    for (size_t i = 0; i < section->slots; i++)
        if (!leaf_for(first + i))
            return -ENOMEM;
    tarn__lock(&tarn__meta_lock);
    for (size_t i = 0; i < section->slots; i++)
        push(entry_of(leaf_for(first + i), first + i), section);
    tarn__unlock(&tarn__meta_lock);
    return 0;
}

void tarn__section_withdraw(struct tarn__section *section)
{
    uintptr_t first = slot_of(section->base);
    tarn__lock(&tarn__meta_lock);
    for (size_t i = 0; i < section->slots; i++)
        take_out(entry_of(leaf_for(first + i), first + i), section);
    section->neighbour = NULL;
    tarn__unlock(&tarn__meta_lock);
}

/* The first of a slot's chain, or NULL. Any slot may be asked for. The lock is held. */
static struct tarn__section *first_in(uintptr_t slot)
{
    if (slot >> (TARN__ROOT_BITS + TARN__LEAF_BITS))
        return NULL;
    struct tarn__leaf *leaf = atomic_load_explicit(&tarn__sections[slot >> TARN__LEAF_BITS], memory_order_acquire);
    return leaf ? chain_of(entry_of(leaf, slot)) : NULL;
}

struct tarn__section *tarn__section_among(const void *p, const struct tarn_zone *zone)
{
    size_t index = ((uintptr_t)p & (TARN__SECTION_SIZE - 1)) >> TARN__PAGE_BITS;
    tarn__lock(&tarn__meta_lock);
    struct tarn__section *section = first_in(slot_of(p));
    while (section && (index < section->first || index >= section->end || (zone && section->zone != zone)))
        section = section->neighbour;
    tarn__unlock(&tarn__meta_lock);
    return section;
}

bool tarn__section_beneath(const struct tarn__section *section)
{
    tarn__lock(&tarn__meta_lock);
    struct tarn__section *found = first_in(slot_of(section->base));
    while (found && found != section)
        found = found->neighbour;
    tarn__unlock(&tarn__meta_lock);
    return found;
}
