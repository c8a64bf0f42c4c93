/*
 * Linear probing (Knuth, The Art of Computer Programming 3, 6.4, algorithms L and R): an entry lies at its home or behind it, with no empty
 * place in between. So a search ends at the first empty place, and a removal moves up what would be cut off.
 */
#include "pool/passed.h"

#include "pool/bytes.h"

static size_t home_of(const struct tarn__passed *passed, const void *p)
{
    uintptr_t mixed = ((uintptr_t)p >> 4) * (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed ^ mixed >> sizeof mixed * 4) & (passed->places - 1);
}

static size_t place_after(const struct tarn__passed *passed, size_t at) { return (at + 1) & (passed->places - 1); }

/* Where `p` is, or the empty place where it belongs. */
static size_t place_of(const struct tarn__passed *passed, const void *p)
{
    size_t at = home_of(passed, p);
    while (passed->table[at].p && passed->table[at].p != p)
        at = place_after(passed, at);
    return at;
}

void tarn__passed_init(struct tarn__passed *passed, const struct tarn_pool_fallback *fallback)
{
    bool none = !fallback->alloc && !fallback->free;
    tarn__bytes_fill(passed, 0, sizeof *passed);
    passed->fallback = none ? tarn__host_fallback : *fallback;
    passed->table = passed->few;
    passed->places = TARN__PASSED_FEW;
}

static bool full(const struct tarn__passed *passed) { return passed->count >= passed->places - passed->places / 4; }

static void move_to(struct tarn__passed *passed, struct tarn__passed_entry *table, size_t places)
{
    struct tarn__passed_entry *old = passed->table;
    size_t old_places = passed->places;
    tarn__bytes_fill(table, 0, places * sizeof *table);
    passed->table = table;
    passed->places = places;
    for (size_t i = 0; i < old_places; i++)
        if (old[i].p)
            table[place_of(passed, old[i].p)] = old[i];
}

/* Makes room for one more entry. The guard is let go of while the fallback is asked, so others may have done it meanwhile. */
static bool make_room(struct tarn__passed *passed, struct tarn__guard *guard)
{
    while (full(passed)) {
        size_t places = passed->places * 2, size = places * sizeof *passed->table;
        tarn__guard_drop(guard);
        struct tarn__passed_entry *table = passed->fallback.alloc(passed->fallback.context, size), *idle = table;
        tarn__guard_take(guard);
        if (!table)
            return !full(passed);
        size_t idle_size = size;
        if (places == passed->places * 2) {
            idle = passed->table == passed->few ? NULL : passed->table;
            idle_size = size / 2;
            move_to(passed, table, places);
        }
        if (idle) {
            tarn__guard_drop(guard);
            tarn__passed_give(passed, idle, idle_size);
            tarn__guard_take(guard);
        }
    }
    return true;
}

void *tarn__passed_alloc(struct tarn__passed *passed, struct tarn__guard *guard, size_t size)
{
    if (!passed->fallback.alloc)
        return NULL;
    tarn__guard_drop(guard);
    void *p = passed->fallback.alloc(passed->fallback.context, size);
    tarn__guard_take(guard);
    if (!p)
        return NULL;
    if (!make_room(passed, guard)) {
        tarn__guard_drop(guard);
        tarn__passed_give(passed, p, size);
        tarn__guard_take(guard);
        return NULL;
    }
    passed->table[place_of(passed, p)] = (struct tarn__passed_entry){p, size};
    passed->count++;
    passed->ever++;
    return p;
}

const struct tarn__passed_entry *tarn__passed_find(const struct tarn__passed *passed, const void *p)
{
    if (!p || passed->count == 0)
        return NULL;
    const struct tarn__passed_entry *entry = &passed->table[place_of(passed, p)];
    return entry->p ? entry : NULL;
}

bool tarn__passed_remove(struct tarn__passed *passed, const void *p, size_t *size)
{
    const struct tarn__passed_entry *entry = tarn__passed_find(passed, p);
    if (!entry)
        return false;
    *size = entry->size;
    size_t hole = (size_t)(entry - passed->table), mask = passed->places - 1;
    for (size_t at = place_after(passed, hole); passed->table[at].p; at = place_after(passed, at)) {
        size_t from_home = (at - home_of(passed, passed->table[at].p)) & mask;
        if (from_home >= ((at - hole) & mask)) {
            passed->table[hole] = passed->table[at];
            hole = at;
        }
    }
    passed->table[hole] = (struct tarn__passed_entry){NULL, 0};
    passed->count--;
    return true;
}

void tarn__passed_end(struct tarn__passed *passed)
{
    if (passed->table != passed->few)
        tarn__passed_give(passed, passed->table, passed->places * sizeof *passed->table);
}

void tarn__passed_each(const struct tarn__passed *passed, tarn_pool_visit *visit, void *context)
{
    for (size_t i = 0; i < passed->places; i++)
        if (passed->table[i].p)
            visit(context, passed->table[i].p, passed->table[i].size);
}

static void add_size(void *sum, void *p, size_t size)
{
    (void)p;
    *(size_t *)sum += size;
}

size_t tarn__passed_bytes(const struct tarn__passed *passed)
{
    size_t sum = 0;
    tarn__passed_each(passed, add_size, &sum);
    return sum;
}

bool tarn__passed_check(const struct tarn__passed *passed)
{
    size_t count = 0;
    for (size_t i = 0; i < passed->places; i++)
        if (passed->table[i].p) {
            count++;
            if (place_of(passed, passed->table[i].p) != i)
                return false;
        }
    return count == passed->count && count <= passed->places - passed->places / 4;
}
