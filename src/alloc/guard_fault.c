/* What an access to guarded memory that faulted was. Runs in a signal handler: takes no lock and allocates nothing. */
#include "alloc/guard.h"
#include "alloc/guard_slots.h"
#include "base/bits.h"
#include "base/fail.h"
#include "os/os.h"
#include "page/letters.h"

void tarn__guard_tell(const struct tarn__guard_slot *slot, struct tarn__suspect *suspect)
{
    suspect->pool = slot->pool;
    suspect->object = slot->p;
    suspect->size = slot->size;
    suspect->live = slot->state == TARN__GUARD_LIVE;
    suspect->alloc_stack = slot->alloc_stack;
    suspect->alloc_thread = slot->alloc_thread;
    suspect->free_stack = slot->free_stack;
    suspect->free_thread = slot->free_thread;
}

bool tarn__guard_describe(const void *p, struct tarn__suspect *suspect)
{
    size_t number;
    if (!tarn__guard_group_of(p, &number))
        return false;
    struct tarn__guard_slot *slot = tarn__guard_nearest(p);
    if (slot)
        tarn__guard_tell(slot, suspect);
    return true;
}

/* Whoever was told, and says to go on, goes on with a page of zeros there. */
static bool open_page(void *address)
{
    size_t number;
    struct tarn__guard_group *group = tarn__guard_group_of(address, &number);
    void *page = (void *)tarn__align_down((uintptr_t)address, TARN__PAGE_SIZE);
    if (!tarn__os_map(page, TARN__PAGE_SIZE, TARN__OS_COMMITTED) && tarn__os_commit(page, TARN__PAGE_SIZE))
        return false;
    for (size_t i = number ? number - 1 : 0; i <= number + 1 && i < group->used; i++)
        group->slot[i].opened = true;
    return true;
}

bool tarn__guard_seen(void *address)
{
    const char *p = address;
    struct tarn__suspect suspect = {0};
    struct tarn__guard_slot *slot = tarn__guard_nearest(p);
    if (!slot && tarn__letters_seen(address))
        return true;
    if (!slot || slot->state == TARN__GUARD_BUSY)
        return false;
    tarn__guard_tell(slot, &suspect);
    if (suspect.live && p >= slot->p && p < slot->p + slot->size)
        return false; /* it is there: the fault was another one */
    tarn__report(suspect.live ? TARN__OUT_OF_BOUNDS : TARN__USE_AFTER_FREE, "access", p, &suspect);
    return open_page(address);
}
