/*
 * Hands out slots of the window (window.h) in ascending order of address, lowest free first.
 *
 * On 64-bit machines the window begins at a place derived from where the loader put this library, so it moves with the system's
 * address randomisation and stays put without it. Each mapping is asked for at exactly the next free slot. Where the address
 * space is smaller than hoped, or a sanitizer forbids such addresses, the first mapping is placed by the system, the window is laid
 * around it, and from then on the system places every mapping; those that fall outside are refused.
 */
#include "source/window.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "os/os.h"
#include "source/links.h"

enum { TRIES = 4, MOST_FOREIGN = 64 }; /* candidates for the window's place; foreign mappings that one request gets around */

uintptr_t tarn__window_base;
size_t tarn__window_slots = TARN__WINDOW_SLOTS;
struct tarn__lock tarn__window_lock = TARN__LOCK_INIT(TARN__RANK_SOURCE);

static uint64_t taken[TARN__WINDOW_SLOTS / 64]; /* mapped by tarn, or found to belong to others */
static enum { UNPLACED, CHOSEN, BY_SYSTEM } placing;

/* Addresses between the usual places of programs and of the system's mappings on x86-64, and free of sanitizers' shadows. */
static uintptr_t candidate(unsigned attempt)
{
#if UINTPTR_MAX > 0xffffffff
    uint64_t low = UINT64_C(0x1100) << 32, span = UINT64_C(0x4200) << 32;
    uint64_t seed = ((uint64_t)(uintptr_t)taken >> 12) + attempt;
    seed = (seed ^ seed >> 29) * UINT64_C(0xbf58476d1ce4e5b9); /* multiply-xorshift mixing, after Stafford and Steele */
    seed ^= seed >> 32;
    return tarn__align_down((uintptr_t)(low + seed % span), TARN__SLOT_SIZE);
#else
    (void)attempt;
    return 0;
#endif
}

/* The slot whose address is a multiple of `align` and from where `count` are free; TARN__WINDOW_SLOTS if none. */
static size_t find_slots(size_t count, size_t align)
{
    size_t bias = tarn__window_base / TARN__SLOT_SIZE & (align / TARN__SLOT_SIZE - 1);
    return tarn__bits_find_clear_run(taken, TARN__WINDOW_SLOTS, count, align / TARN__SLOT_SIZE, bias);
}

/* Frees read it without a lock; who frees an object has it from someone who knows the base. */
static void set_base(uintptr_t base) { __atomic_store_n(&tarn__window_base, base, __ATOMIC_RELAXED); }

static char *slot_address(size_t slot) { return (char *)(tarn__window_base + slot * TARN__SLOT_SIZE); }

/* Whether there is memory for `size` bytes at all, wherever. */
static bool memory_left(size_t size)
{
    void *elsewhere = tarn__os_map(NULL, size, TARN__OS_COMMITTED);
    return elsewhere && tarn__os_unmap(elsewhere, size) == 0;
}

/* Slots that cannot be mapped together although there is memory: maps them one by one. The first that others occupy is noted. */
static bool map_singly(size_t slot, size_t count)
{
    size_t mapped = 0;
    while (mapped < count && tarn__os_map(slot_address(slot + mapped), TARN__SLOT_SIZE, TARN__OS_COMMITTED))
        mapped++;
    if (mapped == count)
        return true;
    if (mapped > 0)
        tarn__os_unmap(slot_address(slot), mapped * TARN__SLOT_SIZE);
    tarn__bit_set(taken, slot + mapped);
    return false;
}

/* Chosen places: at the lowest free slots. Slots that turn out to be occupied by others are not tried again. */
static void *map_chosen(size_t size, size_t align)
{
    size_t count = size / TARN__SLOT_SIZE;
    for (int i = 0; i < MOST_FOREIGN; i++) {
        size_t slot = find_slots(count, align);
        if (slot >= TARN__WINDOW_SLOTS)
            return NULL;
        bool mapped = tarn__os_map(slot_address(slot), size, TARN__OS_COMMITTED) != NULL;
        if (!mapped && !memory_left(size))
            return NULL;
        if (mapped || map_singly(slot, count)) {
            tarn__bits_set(taken, slot, count);
            return slot_address(slot);
        }
    }
    return NULL;
}

static void *map_by_system(size_t size, size_t align)
{
    char *p = tarn_source_acquire(tarn_source_system(), size, align);
    if (!p)
        return NULL;
    if (placing == UNPLACED) {
        uintptr_t half = (uintptr_t)1 << (TARN__WINDOW_FOUND_BITS - 1);
        set_base(sizeof(uintptr_t) == 4 || (uintptr_t)p < half ? 0 : (uintptr_t)p - half);
        tarn__window_slots = (size_t)1 << (TARN__WINDOW_FOUND_BITS - TARN__SLOT_BITS);
        placing = BY_SYSTEM;
    }
    size_t slot = ((uintptr_t)p - tarn__window_base) / TARN__SLOT_SIZE;
    if ((uintptr_t)p < tarn__window_base || slot + size / TARN__SLOT_SIZE > tarn__window_slots) {
        tarn__os_unmap(p, size);
        return NULL;
    }
    tarn__bits_set(taken, slot, size / TARN__SLOT_SIZE);
    return p;
}

/* The first memory decides where the window is. */
static void *place(size_t size, size_t align)
{
    bool may_choose = sizeof(uintptr_t) > 4 && !TARN__SANITIZE_THREAD; /* that sanitizer admits few addresses */
    for (unsigned i = 0; i < TRIES && may_choose; i++) {
        uintptr_t base = tarn__align_up(candidate(i), align);
        if (tarn__os_map((void *)base, size, TARN__OS_COMMITTED)) {
            set_base(base);
            placing = CHOSEN;
            tarn__bits_set(taken, 0, size / TARN__SLOT_SIZE);
            return (void *)base;
        }
    }
    return map_by_system(size, align);
}

static void *window_acquire(struct tarn_source *source, size_t size, size_t align)
{
    (void)source;
    size = tarn__align_up(size, TARN__SLOT_SIZE);
    align = tarn__max(align, TARN__SLOT_SIZE);
    if (size == 0 || size / TARN__SLOT_SIZE > TARN__WINDOW_SLOTS)
        return NULL;
    tarn__lock(&tarn__window_lock);
    void *p = placing == UNPLACED ? place(size, align)
              : placing == CHOSEN ? map_chosen(size, align)
                                  : map_by_system(size, align);
    tarn__unlock(&tarn__window_lock);
    return p;
}

static int window_release(struct tarn_source *source, void *p, size_t size)
{
    (void)source;
    size_t slot = ((uintptr_t)p - tarn__window_base) / TARN__SLOT_SIZE;
    tarn__lock(&tarn__window_lock);
    int error = tarn__os_unmap(p, size);
    if (!error)
        tarn__bits_clear(taken, slot, size / TARN__SLOT_SIZE);
    tarn__unlock(&tarn__window_lock);
    return error;
}

struct tarn_source *tarn__window_source(void)
{
    static const struct tarn_source_ops ops = {window_acquire, window_release, tarn__pass_purge, tarn__pass_populate,
                                               tarn__pass_move};
    static struct tarn_source source = {&ops, &tarn__system_source};
    return &source;
}
