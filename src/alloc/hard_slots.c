/* The places of hardened mode's slots and descriptors, and the slots that no thread has. */
#include "alloc/hard_slots.h"

#include "alloc/hard.h"
#include "os/os.h"
#include "os/random.h"
#include "page/section.h"

enum {
    GAP_PAGES = 16,
    FIRST_EXTENT = 65536,
    LEAST_SLOTS = 8,
    MOST_EXTENT = 4 << 20,
    META_STEP = 65536,
    AT_ONCE = 65536,
    RIPE_BYTES = 16384,
    WAIT_BYTES = 8192
};

struct tarn__hard_class tarn__hard_class[TARN__CLASSES + 1];
uintptr_t tarn__hard_base;
uint64_t tarn__hard_secret, tarn__hard_factor;
const uint64_t tarn__hard_canary_bits[2] = {UINT64_C(0x3f3f3f3f3f3f3f3f), UINT64_C(0x8080808080808080)};

static struct tarn__lock begin_lock = TARN__LOCK_INIT(TARN__RANK_HARD);
static struct tarn__lock descriptors_lock = TARN__LOCK_INIT(TARN__RANK_HARD);
static char *descriptors_at;
static size_t descriptors_used, descriptors_mapped;
static _Atomic uint32_t begun; /* 1: there is a place; 2: there is none */

/* To ThreadSanitizer a look that is taken back would be a race. */
__attribute__((no_sanitize("thread"))) bool tarn__hard_front_intact(const uint16_t *front, const char *p, size_t slot_size)
{
    if (__atomic_load_n(front, __ATOMIC_ACQUIRE) != TARN__HARD_NEVER)
        return true;
    uint64_t word = __atomic_load_n((const tarn__hard_word *)(p - 8), __ATOMIC_RELAXED);
    if (word == 0 || word == tarn__hard_canary(p - slot_size))
        return true;
    atomic_thread_fence(memory_order_acquire); /* with that in tarn__hard_set_busy */
    return __atomic_load_n(front, __ATOMIC_RELAXED) != TARN__HARD_NEVER;
}

static void set_up(struct tarn__hard_class *class, unsigned number, uintptr_t meta, uint64_t *random, uint32_t *rings)
{
    size_t size = tarn__class_size(number);
    class->base = (char *)(tarn__hard_base + ((uintptr_t)number << TARN__HARD_CLASS_BITS));
    class->at = class->base + (tarn__random_next(random) % GAP_PAGES + 1) * TARN__PAGE_SIZE;
    class->state = (uint16_t *)(meta + ((uintptr_t)number << TARN__HARD_META_BITS));
    class->stack = (uint32_t *)((char *)class->state + ((size_t)1 << (TARN__HARD_META_BITS - 1)));
    class->inverse = ~UINT64_C(0) / size + 1;
    class->size = (uint32_t)size;
    class->ripe_most = (uint32_t)tarn__max(4, tarn__min(TARN__HARD_RIPE_MOST, RIPE_BYTES / size));
    class->wait_most = (uint32_t)tarn__max(2, tarn__min(TARN__HARD_WAIT_MOST, WAIT_BYTES / size));
    class->ring_at = *rings;
    *rings += class->ripe_most + class->wait_most;
    class->random = tarn__random_next(random) | 1;
    tarn__lock_init(&class->lock, TARN__RANK_HARD);
}

static bool find_places(void)
{
    uint32_t rings = 0;
    uint64_t random = tarn__random_seed();
    uintptr_t meta = tarn__random_place((size_t)TARN__HARD_PLACES << TARN__HARD_META_BITS);
    uintptr_t base = meta ? tarn__random_place((size_t)TARN__HARD_PLACES << TARN__HARD_CLASS_BITS) : 0;
    if (!base)
        return false;
    tarn__hard_secret = tarn__random_seed();
    tarn__hard_factor = tarn__random_seed() | 1;
    tarn__hard_base = base;
    descriptors_at = (char *)meta;
    for (unsigned number = 1; number <= TARN__CLASSES; number++)
        set_up(&tarn__hard_class[number], number, meta, &random, &rings);
    TARN__ASSERT(rings <= TARN__HARD_RING_ROOM, "all rings of a thread have room");
    return true;
}

bool tarn__hard_places(void)
{
    uint32_t is = atomic_load_explicit(&begun, memory_order_acquire);
    if (TARN__LIKELY(is != 0))
        return is == 1;
    tarn__lock(&begin_lock);
    is = atomic_load_explicit(&begun, memory_order_relaxed);
    if (!is) {
        is = UINTPTR_MAX > 0xffffffff && find_places() ? 1 : 2;
        atomic_store_explicit(&begun, is, memory_order_release);
    }
    tarn__unlock(&begin_lock);
    return is == 1;
}

/* Maps what is missing of the first `needed` bytes from `base` on, in steps that double. Under the lock of who has them. */
static bool map_up_to(char *base, size_t *mapped, size_t needed, size_t most)
{
    if (needed <= *mapped)
        return true;
    size_t grown = tarn__min(tarn__align_up(tarn__max(needed, *mapped * 2), META_STEP), most);
    if (grown < needed || !tarn__os_map(base + *mapped, grown - *mapped, TARN__OS_COMMITTED))
        return false;
    *mapped = grown;
    return true;
}

void *tarn__hard_descriptors(size_t size)
{
    void *p = NULL;
    size = tarn__align_up(size, TARN__CACHE_LINE);
    tarn__lock(&descriptors_lock);
    if (map_up_to(descriptors_at, &descriptors_mapped, descriptors_used + size, (size_t)1 << TARN__HARD_META_BITS)) {
        p = descriptors_at + descriptors_used;
        descriptors_used += size;
    }
    tarn__unlock(&descriptors_lock);
    return p;
}

size_t tarn__hard_descriptors_mapped(void) { return __atomic_load_n(&descriptors_mapped, __ATOMIC_RELAXED); }

/* The next extent: as much as the class has, within bounds, and an unmapped gap behind it. False: no memory, or no place. */
static bool grow(struct tarn__hard_class *class)
{
    size_t size = tarn__max(class->mapped, tarn__max(FIRST_EXTENT, (size_t) class->size * LEAST_SLOTS));
    size = tarn__align_up(tarn__min(size, MOST_EXTENT), TARN__PAGE_SIZE);
    size_t gap = (tarn__random_next(&class->random) % GAP_PAGES + 1) * TARN__PAGE_SIZE;
    size_t from = (size_t)(class->at - class->base), to = from + size;
    if (to + gap + class->size > (size_t)1 << TARN__HARD_CLASS_BITS)
        return false;
    uint32_t first = (uint32_t)((from + class->size - 1) / class->size), end = (uint32_t)(to / class->size);
    if (!map_up_to((char *)class->state, &class->state_mapped, end * sizeof *class->state,
                   (size_t)1 << (TARN__HARD_META_BITS - 1)) ||
        !tarn__os_map(class->at, size, TARN__OS_COMMITTED))
        return false;
    if ((size_t)first * class->size == from)
        tarn__hard_set(&class->state[first - 1], TARN__HARD_GAP);
    class->populated = class->at;
    class->at += size + gap;
    class->mapped += size;
    class->next = first;
    class->end = end;
    atomic_store_explicit(&class->known, end, memory_order_release);
    return true;
}

/* Those freed last: they are in the processor's caches; chance comes from the rings. */
static uint32_t take_freed(struct tarn__hard_class *class, uint32_t *slots, uint32_t wanted)
{
    uint32_t taken = (uint32_t)tarn__min(wanted, class->count);
    class->count -= taken;
    memcpy(slots, class->stack + class->count, taken * sizeof *slots);
    return taken;
}

static uint32_t take_new(struct tarn__hard_class *class, uint32_t *slots, uint32_t wanted)
{
    uint32_t taken = 0;
    if (class->next < class->end || grow(class))
        while (taken < wanted && class->next < class->end)
            slots[taken++] = class->next++;
    return taken;
}

/* What is to be had from the system at once, as more is wanted of the class than its first extent: up to `end`; NULL: nothing yet. */
static char *next_pages(struct tarn__hard_class *class, char **end)
{
    char *from = class->populated, *extent = tarn__hard_slot(class, class->end);
    if (class->mapped <= FIRST_EXTENT || tarn__hard_slot(class, class->next) <= from || from >= extent)
        return NULL;
    *end = (char *)tarn__min((uintptr_t)from + AT_ONCE, tarn__align_down((uintptr_t)extent, TARN__PAGE_SIZE));
    class->populated = *end;
    return from < *end ? from : NULL;
}

uint32_t tarn__hard_take(struct tarn__hard_class *class, uint32_t *slots, uint32_t wanted)
{
    char *pages = NULL, *end;
    tarn__lock(&class->lock);
    uint32_t taken = class->count > 0 ? take_freed(class, slots, wanted) : 0;
    if (taken == 0) {
        taken = take_new(class, slots, wanted);
        pages = next_pages(class, &end);
    }
    tarn__unlock(&class->lock);
    if (pages)
        tarn__os_populate(pages, (size_t)(end - pages)); /* if not, page faults do */
    return taken;
}

void tarn__hard_give(struct tarn__hard_class *class, const uint32_t *slots, uint32_t count)
{
    tarn__lock(&class->lock);
    if (map_up_to((char *)class->stack, &class->stack_mapped, (class->count + count) * sizeof *slots,
                  (size_t)1 << (TARN__HARD_META_BITS - 1))) {
        memcpy(class->stack + class->count, slots, count * sizeof *slots);
        class->count += count;
    }
    tarn__unlock(&class->lock);
}

void tarn__hard_slots_each_lock(void (*act)(struct tarn__lock *))
{
    act(&begin_lock);
    if (atomic_load_explicit(&begun, memory_order_acquire) != 1)
        return;
    for (unsigned number = 1; number <= TARN__CLASSES; number++)
        act(&tarn__hard_class[number].lock);
    act(&descriptors_lock);
}
