#include "os/records.h"

#include "base/bits.h"
#include "os/os.h"
#include "os/thread.h"

enum { FIRST_PLACES = 1024 };

struct tarn__lock tarn__records_lock = TARN__LOCK_INIT(TARN__RANK_RECORDS);

/* Under the lock. */
static struct tarn__record *table;
static size_t places, used; /* used: of any state but NONE */

static size_t table_bytes(size_t count) { return tarn__align_up(count * sizeof *table, tarn__os_page_size()); }

/* Where the record of `p` is, or belongs. */
static struct tarn__record *place_of(const void *p)
{
    size_t at = (size_t)((uint64_t)((uintptr_t)p >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (places - 1);
    while (table[at].state != TARN__RECORD_NONE && tarn__record_start(&table[at]) != p)
        at = (at + 1) & (places - 1);
    return &table[at];
}

static bool stays(const struct tarn__record *record)
{
    return record->state == TARN__RECORD_LIVE || record->state == TARN__RECORD_WAITING;
}

/* A new table where the old one is nearly full: without those that are freed, and of twice the size if that is not enough. */
static bool make_room(void)
{
    struct tarn__record *old = table;
    size_t old_places = places, kept = 0;
    if (old && used < old_places - old_places / 4)
        return true;
    for (size_t i = 0; i < old_places; i++)
        kept += stays(&old[i]);
    size_t count = !old ? FIRST_PLACES : kept >= old_places / 2 ? old_places * 2 : old_places;
    struct tarn__record *new = tarn__os_map(NULL, table_bytes(count), TARN__OS_COMMITTED);
    if (!new)
        return false;
    table = new;
    places = count;
    used = kept;
    for (size_t i = 0; i < old_places; i++)
        if (stays(&old[i]))
            *place_of(tarn__record_start(&old[i])) = old[i];
    if (old)
        tarn__os_unmap(old, table_bytes(old_places));
    return true;
}

bool tarn__record_live(const void *owner, void *p, size_t size, void *extra, uint32_t stack)
{
    tarn__lock(&tarn__records_lock);
    bool fits = make_room();
    if (fits) {
        struct tarn__record *record = place_of(p);
        used += record->state == TARN__RECORD_NONE;
        *record = (struct tarn__record){.hidden = ~(uintptr_t)p,
                                        .owner = owner,
                                        .extra = extra,
                                        .size = size,
                                        .alloc_stack = stack,
                                        .alloc_thread = tarn__thread_id(),
                                        .state = TARN__RECORD_LIVE};
    }
    tarn__unlock(&tarn__records_lock);
    return fits;
}

/* NULL: nothing is known of it. */
static struct tarn__record *find(const void *p)
{
    struct tarn__record *record = table ? place_of(p) : NULL;
    return record && record->state != TARN__RECORD_NONE ? record : NULL;
}

struct tarn__record tarn__record_free(const void *owner, const void *p, enum tarn__record_state state, uint32_t stack)
{
    tarn__lock(&tarn__records_lock);
    struct tarn__record *record = find(p), was = record ? *record : (struct tarn__record){.state = TARN__RECORD_NONE};
    if (was.state == TARN__RECORD_LIVE && (!owner || owner == was.owner)) {
        record->state = (uint8_t)state;
        record->free_stack = stack;
        record->free_thread = tarn__thread_id();
    }
    tarn__unlock(&tarn__records_lock);
    return was;
}

void tarn__record_set(const void *p, enum tarn__record_state state)
{
    tarn__lock(&tarn__records_lock);
    struct tarn__record *record = find(p);
    if (record)
        record->state = (uint8_t)state;
    tarn__unlock(&tarn__records_lock);
}

struct tarn__record tarn__record_of(const void *p)
{
    tarn__lock(&tarn__records_lock);
    const struct tarn__record *record = find(p);
    struct tarn__record copy = record ? *record : (struct tarn__record){.state = TARN__RECORD_NONE};
    tarn__unlock(&tarn__records_lock);
    return copy;
}

static size_t offset_in(const struct tarn__record *record, const char *p) { return (size_t)(p - tarn__record_start(record)); }

/* Of several that had the address one that is in use, else one that waits; of those in front of it the nearest. */
static bool is_nearer(const struct tarn__record *record, const struct tarn__record *than, const char *p)
{
    bool within = offset_in(record, p) < record->size, than_within = offset_in(than, p) < than->size;
    if (than->state == TARN__RECORD_NONE || within != than_within)
        return than->state == TARN__RECORD_NONE || within;
    return within ? record->state < than->state : offset_in(record, p) < offset_in(than, p);
}

struct tarn__record tarn__record_around(const void *p, size_t beyond)
{
    struct tarn__record found = {.state = TARN__RECORD_NONE};
    tarn__lock(&tarn__records_lock);
    for (size_t i = 0; i < places; i++) {
        const struct tarn__record *record = &table[i];
        if (record->state != TARN__RECORD_NONE && offset_in(record, p) < record->size + beyond && is_nearer(record, &found, p))
            found = *record;
    }
    tarn__unlock(&tarn__records_lock);
    return found;
}

struct tarn__record tarn__record_first(const void *owner)
{
    struct tarn__record found = {.state = TARN__RECORD_NONE};
    tarn__lock(&tarn__records_lock);
    for (size_t i = 0; i < places && found.state == TARN__RECORD_NONE; i++)
        if (table[i].state == TARN__RECORD_LIVE && table[i].owner == owner)
            found = table[i];
    tarn__unlock(&tarn__records_lock);
    return found;
}

void tarn__records_end(const void *owner)
{
    tarn__lock(&tarn__records_lock);
    for (size_t i = 0; i < places; i++)
        if (table[i].state != TARN__RECORD_NONE && table[i].owner == owner)
            table[i].state = TARN__RECORD_FREED;
    tarn__unlock(&tarn__records_lock);
}

void tarn__record_tell(struct tarn__suspect *suspect)
{
    if (!suspect->object || tarn__lock_is_mine(&tarn__records_lock))
        return;
    struct tarn__record record = tarn__record_of(suspect->object);
    if (record.state == TARN__RECORD_NONE)
        return;
    suspect->size = record.size;
    suspect->live = record.state == TARN__RECORD_LIVE;
    suspect->alloc_stack = record.alloc_stack;
    suspect->alloc_thread = record.alloc_thread;
    suspect->free_stack = record.free_stack;
    suspect->free_thread = record.free_thread;
}
