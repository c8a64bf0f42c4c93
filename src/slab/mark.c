/* The table of units, and the store of marks. */
#include "slab/mark.h"

#include "base/bits.h"
#include "os/os.h"
#include "page/meta.h"
#include "slab/cache.h"
#include "tarn/source.h"

#include <string.h>

enum {
    STEP = 1 << 18, /* bytes by which the table grows, if the system's pages are not larger: 2 GiB of objects */
    GRAIN = 256,    /* marks take a number of these */
    CHUNK_GRAINS = 256,
    VISITS = 16,     /* of chunks, before a new one is made */
    EMPTY_KEPT = 4,  /* chunks that hold nothing and are resident */
    EMPTY_SHARE = 8, /* and one more for so many that there are */
};

/* Memory for marks: a bitmap of grains, the first of which holds this. */
struct chunk {
    struct tarn__list link; /* in `open`, or `clean`; in none while it is full */
    uint32_t used;
    uint64_t map[CHUNK_GRAINS / 64];
};

#define CHUNK_SIZE ((size_t)CHUNK_GRAINS * GRAIN)
#define TABLE_BYTES (TARN__UNITS * sizeof(uintptr_t))
#define FOUND_BYTES (((size_t)1 << (TARN__WINDOW_FOUND_BITS - TARN__UNIT_BITS)) * sizeof(uintptr_t))

size_t tarn__units_end, tarn__units_gate;
static bool shut;
uintptr_t *tarn__units, tarn__units_from_0;

static struct tarn__list open = {&open, &open}, clean = {&clean, &clean};
static size_t chunks, empty_chunks; /* all; in `open` and without marks */

/* The table. The lock is held. */

static void use_table(uintptr_t table, size_t bytes)
{
    tarn__meta_note(bytes - tarn__units_end * sizeof(uintptr_t));
    tarn__units = (uintptr_t *)table;
    tarn__units_from_0 = table - (tarn__window_base >> TARN__UNIT_BITS) * sizeof(uintptr_t);
    __atomic_store_n(&tarn__units_end, bytes / sizeof(uintptr_t), __ATOMIC_RELEASE);
    if (!shut)
        __atomic_store_n(&tarn__units_gate, bytes / sizeof(uintptr_t), __ATOMIC_RELEASE);
}

void tarn__units_shut(void)
{
    shut = true;
    tarn__units_gate = 0;
}

static bool begin_table(void)
{
    void *table = tarn__os_map(NULL, FOUND_BYTES, TARN__OS_COMMITTED);
    if (table)
        use_table((uintptr_t)table, FOUND_BYTES);
    return table != NULL;
}

/* Makes the table reach so many units. False: no memory. */
static bool reach(size_t units)
{
    size_t had = tarn__units_end * sizeof(uintptr_t), step = tarn__max(STEP, tarn__os_page_size());
    size_t bytes = tarn__align_up(units * sizeof(uintptr_t), step);
    uintptr_t table = tarn__window_base - TABLE_BYTES;
    if (units <= tarn__units_end)
        return true;
    if (tarn__window_base > TABLE_BYTES && tarn__os_map((void *)(table + had), bytes - had, TARN__OS_COMMITTED)) {
        use_table(table, bytes);
        return true;
    }
    return had == 0 && begin_table();
}

static void set_entry(size_t unit, uintptr_t entry) { __atomic_store_n(&tarn__units[unit], entry, __ATOMIC_RELEASE); }

/* Marks */

/* Whether frees are to find the cache by the table. What lies outside of the window is found by the section table. */
static bool is_entered(const struct tarn__slab *slab)
{
    return slab->cache->marked && tarn__unit_of(slab->base) < tarn__window_slots * TARN__SECTION_UNITS;
}

static size_t number_of(const struct tarn__slab *slab)
{
    return slab->cache->marked ? tarn__min(slab->cache->tag, TARN__SHARED_TAG) : 0;
}

static size_t places_of(const struct tarn__slab *slab)
{
    return slab->cache->marked ? (TARN__UNIT_SIZE - 1) / slab->cache->size + 1 : 1;
}

/* Where a slab of few objects has room for its marks: behind the words of its bitmap. NULL: it has not. */
static uint8_t *within(struct tarn__slab *slab)
{
    uintptr_t from = (uintptr_t)&slab->map[(slab->cache->objects + 63) / 64], end = (uintptr_t)&slab->map[TARN__SLAB_WORDS];
    uintptr_t marks = tarn__align_down(from, GRAIN) + number_of(slab);
    marks += marks < from ? GRAIN : 0;
    return marks + places_of(slab) <= end ? (uint8_t *)marks : NULL;
}

/* In grains, with what is in front of the first mark. One for each place that an address in the unit can have. */
static size_t length_of(const struct tarn__slab *slab) { return (number_of(slab) + places_of(slab) + GRAIN - 1) / GRAIN; }

/* Chunks. The lock is held. */

static size_t find_run(const struct chunk *chunk, size_t length)
{
    size_t at =
        CHUNK_GRAINS - chunk->used < length ? CHUNK_GRAINS : tarn__bits_find_clear_run(chunk->map, CHUNK_GRAINS, length, 1, 0);
    return at < CHUNK_GRAINS ? at : 0; /* the first grain is never free */
}

static void *cut(struct chunk *chunk, size_t at, size_t length)
{
    empty_chunks -= chunk->used == 1;
    chunk->used += (uint32_t)length;
    tarn__bits_set(chunk->map, at, length);
    if (chunk->used == CHUNK_GRAINS)
        tarn__list_remove(&chunk->link);
    return memset((char *)chunk + at * GRAIN, 0, length * GRAIN);
}

static void add(struct chunk *chunk)
{
    tarn__list_push_front(&open, &chunk->link);
    empty_chunks++;
}

/* From one of the first `visits` chunks, or one that is clean. NULL: none has room. */
static void *pop(size_t length, size_t visits)
{
    for (struct tarn__list *link = open.next; link != &open && visits > 0; link = link->next, visits--) {
        struct chunk *chunk = TARN__CONTAINER(link, struct chunk, link);
        size_t at = find_run(chunk, length);
        if (at)
            return cut(chunk, at, length);
    }
    if (tarn__list_empty(&clean))
        return NULL;
    struct chunk *chunk = TARN__CONTAINER(clean.next, struct chunk, link);
    tarn__list_remove(&chunk->link);
    add(chunk);
    return cut(chunk, 1, length);
}

/* True: it is empty, one too many, and on no list: to be purged. */
static bool put(struct chunk *chunk, size_t at, size_t length)
{
    if (chunk->used == CHUNK_GRAINS)
        tarn__list_push_front(&open, &chunk->link);
    chunk->used -= (uint32_t)length;
    tarn__bits_clear(chunk->map, at, length);
    if (chunk->used > 1)
        return false;
    if (empty_chunks >= EMPTY_KEPT + chunks / EMPTY_SHARE) {
        tarn__list_remove(&chunk->link);
        return true;
    }
    empty_chunks++;
    return false;
}

/* Marks. The lock is not held. */

static void *take(size_t length)
{
    tarn__lock(&tarn__meta_lock);
    void *marks = pop(length, VISITS);
    tarn__unlock(&tarn__meta_lock);
    struct chunk *made = marks ? NULL : tarn__meta_alloc(CHUNK_SIZE, CHUNK_SIZE);
    if (marks)
        return marks;
    tarn__lock(&tarn__meta_lock);
    if (made) {
        *made = (struct chunk){.used = 1, .map = {1}};
        chunks++;
        add(made);
    }
    marks = pop(length, SIZE_MAX);
    tarn__unlock(&tarn__meta_lock);
    return marks;
}

/* All but the chunk's first page. */
static void purge(struct chunk *chunk)
{
    size_t page = tarn__max(tarn__os_page_size(), TARN__PAGE_SIZE);
    if (page < CHUNK_SIZE)
        tarn_source_purge(tarn_source_system(), (char *)chunk + page, CHUNK_SIZE - page);
    tarn__lock(&tarn__meta_lock);
    tarn__list_push_front(&clean, &chunk->link);
    tarn__unlock(&tarn__meta_lock);
}

static void give_back(struct tarn__slab *slab)
{
    if (slab->marks == within(slab))
        return;
    uintptr_t marks = (uintptr_t)slab->marks - number_of(slab), in_chunk = marks & (CHUNK_SIZE - 1);
    struct chunk *chunk = (struct chunk *)(marks - in_chunk);
    tarn__lock(&tarn__meta_lock);
    bool too_many = put(chunk, in_chunk / GRAIN, length_of(slab));
    tarn__unlock(&tarn__meta_lock);
    if (too_many)
        purge(chunk);
}

/* Lets the table lead to them. */
static bool enter(const struct tarn__slab *slab)
{
    size_t unit = tarn__unit_of(slab->base);
    tarn__lock(&tarn__meta_lock);
    bool reached = reach(unit + 1);
    tarn__unlock(&tarn__meta_lock);
    if (reached)
        set_entry(unit, (uintptr_t)slab->marks);
    return reached;
}

bool tarn__marks_begin(struct tarn__slab *slab)
{
    slab->marks = within(slab);
    if (slab->marks) {
        memset(slab->marks, 0, places_of(slab));
    } else {
        char *marks = take(length_of(slab));
        slab->marks = (uint8_t *)(marks ? marks + number_of(slab) : NULL);
    }
    if (!slab->marks || !is_entered(slab) || enter(slab))
        return slab->marks != NULL;
    give_back(slab);
    return false;
}

void tarn__marks_end(struct tarn__slab *slab)
{
    if (is_entered(slab))
        set_entry(tarn__unit_of(slab->base), 0);
    give_back(slab);
}
