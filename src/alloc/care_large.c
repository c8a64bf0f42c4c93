#include "alloc/care_large.h"

#include "alloc/realloc.h"
#include "base/fail.h"
#include "base/modes.h"
#include "base/tools.h"
#include "os/os.h"
#include "os/stack.h"
#include "page/meta.h"
#include "slab/debug.h"

#include <string.h>

enum { LEAST_RED = 16, MOST_FOUND = 16, MOST_STEPS = 1 << 20 };

static const size_t filled_most = (size_t)1 << 20;      /* bytes that are poisoned */
static const size_t quarantine_most = (size_t)16 << 20; /* bytes in all */
static const size_t quarantine_block = (size_t)2 << 20; /* of one */

struct tarn__lock tarn__care_large_lock = TARN__LOCK_INIT(TARN__RANK_QUARANTINE);
struct tarn__care_block *tarn__care_buckets[1 << TARN__CARE_BUCKET_BITS];

bool tarn__care_large_any;

static struct tarn__care_block *unused;
static struct tarn__care_block *oldest, *latest; /* in quarantine */
static size_t quarantined;                       /* bytes */

static size_t bucket_of(const void *p)
{
    return (size_t)(((uint64_t)((uintptr_t)p >> TARN__PAGE_BITS) * UINT64_C(0x9e3779b97f4a7c15)) >>
                    (64 - TARN__CARE_BUCKET_BITS));
}

/* The lock is held, as for the next four. */
static struct tarn__care_block *find(const void *p)
{
    struct tarn__care_block *block = tarn__care_buckets[bucket_of(p)];
    while (block && block->object != p)
        block = block->next;
    return block;
}

static void insert(struct tarn__care_block *block)
{
    struct tarn__care_block **bucket = &tarn__care_buckets[bucket_of(block->object)];
    block->next = *bucket;
    *bucket = block;
}

static void drop(struct tarn__care_block *block)
{
    struct tarn__care_block **link = &tarn__care_buckets[bucket_of(block->object)];
    while (*link != block)
        link = &(*link)->next;
    *link = block->next;
    block->state = TARN__CARE_FREE;
}

/* Those that leave, linked by `later`. */
static struct tarn__care_block *make_room(size_t size)
{
    struct tarn__care_block *first = NULL, **end = &first;
    while (oldest && quarantined + size > quarantine_most) {
        struct tarn__care_block *block = oldest;
        oldest = block->later;
        quarantined -= (size_t)(block->end - block->base);
        *end = block;
        end = &block->later;
    }
    *end = NULL;
    return first;
}

static struct tarn__care_block *take_unused(void)
{
    tarn__lock(&tarn__care_large_lock);
    struct tarn__care_block *block = unused;
    if (block)
        unused = block->next;
    tarn__unlock(&tarn__care_large_lock);
    return block ? block : tarn__meta_alloc(sizeof *block, sizeof(void *));
}

static void keep_unused(struct tarn__care_block *block)
{
    tarn__lock(&tarn__care_large_lock);
    block->next = unused;
    unused = block;
    tarn__unlock(&tarn__care_large_lock);
}

static void set_state(struct tarn__care_block *block, enum tarn__care_state state)
{
    tarn__lock(&tarn__care_large_lock);
    block->state = state;
    tarn__unlock(&tarn__care_large_lock);
}

/* What lies in blocks */

static size_t filled(const struct tarn__care_block *block) { return tarn__min(block->asked, filled_most); }

static const void *first_other(const char *from, const char *end, unsigned char value)
{
    while (from < end && (unsigned char)*from == value)
        from++;
    return from < end ? from : NULL;
}

/* Where the left red zone begins that is painted and looked at. */
static char *left_of(const struct tarn__care_block *block)
{
    return block->object - tarn__min((size_t)(block->object - block->base), TARN__PAGE_SIZE);
}

static void paint(const struct tarn__care_block *block)
{
    if (!(block->letters & TARN__LETTER_Z))
        return;
    memset(left_of(block), TARN__RED_USED, (size_t)(block->object - left_of(block)));
    memset(block->object + block->asked, TARN__RED_USED, (size_t)(block->end - block->object) - block->asked);
}

/* Tools (base/tools.h): the red zones are shut while the block is live, and all of it while it is in quarantine. */

static void open_block(const struct tarn__care_block *block)
{
    if (tarn__tools_letters())
        tarn__tools_allow(left_of(block), (size_t)(block->end - left_of(block)));
}

static void shut_around(const struct tarn__care_block *block, size_t size)
{
    if (!tarn__tools_letters())
        return;
    tarn__tools_deny(left_of(block), (size_t)(block->object - left_of(block)));
    tarn__tools_deny(block->object + size, (size_t)(block->end - block->object) - size);
}

/* The first byte that is not as it should be, or NULL. */
static const void *find_bad(const struct tarn__care_block *block, enum tarn__crime *crime)
{
    const void *bad = NULL;
    *crime = TARN__RED_ZONE;
    if (tarn__tools)
        tarn__tools_hear(false);
    if (block->letters & TARN__LETTER_Z)
        bad = first_other(left_of(block), block->object, TARN__RED_USED);
    if (!bad && (block->letters & TARN__LETTER_Z))
        bad = first_other(block->object + block->asked, block->end, TARN__RED_USED);
    if (!bad && block->state == TARN__CARE_QUARANTINED && (block->letters & TARN__LETTER_P)) {
        bad = first_other(block->object, block->object + filled(block), TARN__POISON_FREE);
        *crime = TARN__POISONED;
    }
    if (tarn__tools)
        tarn__tools_hear(true);
    return bad;
}

static void track(struct tarn__care_block *block, int which)
{
    if (block->letters & TARN__LETTER_U)
        block->track[which] = (struct tarn__track){tarn__stack_here(0), tarn__thread_id(), (uint32_t)tarn__os_now()};
}

static void describe(const struct tarn__care_block *block, struct tarn__suspect *suspect)
{
    suspect->pool = block->pool;
    suspect->object = block->object;
    suspect->size = block->asked;
    suspect->live = block->state == TARN__CARE_LIVE;
    suspect->alloc_stack = block->track[0].stack;
    suspect->alloc_thread = block->track[0].thread;
    suspect->free_stack = block->track[1].stack;
    suspect->free_thread = block->track[1].thread;
}

bool tarn__care_large_suspect(const void *address, struct tarn__suspect *suspect)
{
    int steps = 0;
    for (size_t i = 0; i < (size_t)1 << TARN__CARE_BUCKET_BITS; i++)
        for (const struct tarn__care_block *block = tarn__care_buckets[i]; block && steps < MOST_STEPS;
             block = block->next, steps++)
            if ((const char *)address >= block->base && (const char *)address < block->end) {
                describe(block, suspect);
                return true;
            }
    return false;
}

static void report(enum tarn__crime crime, const char *where, const struct tarn__care_block *block, const void *bad)
{
    struct tarn__suspect suspect = {0};
    describe(block, &suspect);
    suspect.live = suspect.live || (block->state == TARN__CARE_BUSY && crime != TARN__DOUBLE_FREE);
    suspect.bad = bad;
    if (bad)
        suspect.expected = 256 + (crime == TARN__RED_ZONE ? TARN__RED_USED : TARN__POISON_FREE);
    tarn__report(crime, where, block->object, &suspect);
}

/* Allocation and free */

/* Fills, paints and announces a block that is new. */
static void dress(struct tarn__care_block *block, bool fresh, bool zeroed)
{
    if (fresh && (block->letters & TARN__LETTER_P))
        memset(block->object, TARN__POISON_FRESH, filled(block));
    paint(block);
    track(block, 0);
    shut_around(block, block->asked);
    if (tarn__tools_letters())
        tarn__tools_block(block->object, block->asked, !fresh && zeroed);
}

void *tarn__care_large_alloc(const struct tarn__care_want *want,
                             void *(*pages)(const struct tarn__care_want *want, size_t size, size_t align, bool *zeroed),
                             bool *zeroed)
{
    size_t size = want->size, room = tarn__max(size, 1), lead = 0, align = tarn__max(want->align, TARN__PAGE_SIZE);
    if (want->letters & TARN__LETTER_Z) {
        lead = align;
        room += LEAST_RED;
    }
    struct tarn__care_block *block = size <= PTRDIFF_MAX / 4 && align <= PTRDIFF_MAX / 4 ? take_unused() : NULL;
    char *base = block ? pages(want, lead + room, align, zeroed) : NULL;
    if (!base) {
        if (block)
            keep_unused(block);
        return NULL;
    }
    struct tarn_page *run = tarn__run_at(base);
    *block = (struct tarn__care_block){.run = run,
                                       .base = base,
                                       .object = base + lead,
                                       .end = base + run->count * TARN__PAGE_SIZE,
                                       .asked = size,
                                       .letters = want->letters,
                                       .pool = want->pool,
                                       .state = TARN__CARE_LIVE};
    dress(block, want->fresh, *zeroed);
    tarn__lock(&tarn__care_large_lock);
    tarn__care_large_any = true;
    insert(block);
    tarn__unlock(&tarn__care_large_lock);
    return block->object;
}

/* Those that leave quarantine go back to the heap, after a look. */
static void release(struct tarn__care_block *block)
{
    while (block) {
        struct tarn__care_block *later = block->later;
        enum tarn__crime crime;
        const void *bad = find_bad(block, &crime);
        if (bad)
            report(crime, "quarantine", block, bad);
        open_block(block);
        tarn__lock(&tarn__care_large_lock);
        drop(block);
        tarn__unlock(&tarn__care_large_lock);
        tarn__large_free(block->run, false);
        keep_unused(block);
        block = later;
    }
}

static void quarantine(struct tarn__care_block *block)
{
    size_t size = (size_t)(block->end - block->base);
    if (block->letters & TARN__LETTER_P)
        memset(block->object, TARN__POISON_FREE, filled(block));
    shut_around(block, 0);
    tarn__lock(&tarn__care_large_lock);
    struct tarn__care_block *leaving = make_room(size);
    block->state = TARN__CARE_QUARANTINED;
    block->later = NULL;
    if (oldest)
        latest->later = block;
    else
        oldest = block;
    latest = block;
    quarantined += size;
    tarn__unlock(&tarn__care_large_lock);
    release(leaving);
}

/* The block that begins at `p`, busy if it was live; NULL: none. */
static struct tarn__care_block *claim(const void *p, bool *was_live)
{
    tarn__lock(&tarn__care_large_lock);
    struct tarn__care_block *block = find(p);
    *was_live = block && block->state == TARN__CARE_LIVE;
    if (*was_live)
        block->state = TARN__CARE_BUSY;
    tarn__unlock(&tarn__care_large_lock);
    return block;
}

/* A block that is live, as it should be, and busy from now on. NULL: there is none, or it was reported; then *reported. */
static struct tarn__care_block *claim_sound(const void *p, const char *where, bool *reported)
{
    bool was_live;
    enum tarn__crime crime;
    struct tarn__care_block *block = claim(p, &was_live);
    const void *bad = was_live ? find_bad(block, &crime) : NULL;
    *reported = block && (!was_live || bad);
    if (bad)
        report(crime, where, block, bad);
    else if (block && !was_live)
        report(TARN__DOUBLE_FREE, where, block, NULL);
    if (bad)
        set_state(block, TARN__CARE_LIVE);
    return *reported ? NULL : block;
}

bool tarn__care_large_free(void *p, size_t size, const char *where)
{
    bool reported;
    struct tarn__care_block *block = claim_sound(p, where, &reported);
    if (!block) {
        struct tarn__suspect suspect = {0};
        if (!reported && tarn__run_at(p) && tarn__care_large_suspect(p, &suspect)) { /* a left red zone's beginning */
            tarn__report(TARN__INVALID_FREE, where, p, &suspect);
            reported = true;
        }
        return reported;
    }
    if (size != SIZE_MAX && size != block->asked) {
        set_state(block, TARN__CARE_LIVE);
        report(TARN__WRONG_SIZE, where, block, NULL);
        return true;
    }
    track(block, 1);
    if (tarn__tools_letters())
        tarn__tools_block_end(block->object);
    open_block(block);
    if ((block->letters & TARN__LETTER_Q) && (size_t)(block->end - block->base) <= quarantine_block) {
        quarantine(block);
        return true;
    }
    tarn__lock(&tarn__care_large_lock);
    drop(block);
    tarn__unlock(&tarn__care_large_lock);
    if (block->letters & TARN__LETTER_P)
        memset(block->object, TARN__POISON_FREE, filled(block));
    tarn__large_free(block->run, false);
    keep_unused(block);
    return true;
}

bool tarn__care_large_has(const void *p)
{
    tarn__lock(&tarn__care_large_lock);
    bool has = find(p) != NULL;
    tarn__unlock(&tarn__care_large_lock);
    return has;
}

static size_t usable(const struct tarn__care_block *block)
{
    return block->letters & TARN__LETTER_Z ? block->asked : (size_t)(block->end - block->object);
}

size_t tarn__care_large_size(const void *p, const char *where)
{
    bool reported;
    struct tarn__care_block *block = claim_sound(p, where, &reported);
    size_t size = block ? usable(block) : SIZE_MAX;
    if (block)
        set_state(block, TARN__CARE_LIVE);
    return size;
}

bool tarn__care_large_resize(void *p, size_t size)
{
    bool reported;
    struct tarn__care_block *block = claim_sound(p, "realloc", &reported);
    if (!block)
        return false;
    size_t room = (size_t)(block->end - block->object), red = block->letters & TARN__LETTER_Z ? LEAST_RED : 0;
    bool fits = size <= room - red && size >= room / 2 && size > TARN__SMALL_MOST;
    if (fits) {
        size_t stays = tarn__min(block->asked, size);
        if (tarn__tools_letters()) {
            tarn__tools_allow(left_of(block), (size_t)(block->object - left_of(block)));
            tarn__tools_allow(block->object + stays, room - stays);
            tarn__tools_block_resize(block->object, block->asked, size);
        }
        block->asked = size;
        paint(block);
        shut_around(block, size);
    }
    set_state(block, TARN__CARE_LIVE);
    return fits;
}

/* Looking at all */

struct finding {
    struct tarn__care_block *block;
    const void *bad;
    enum tarn__crime crime;
};

size_t tarn__care_large_look(const char *where)
{
    struct finding found[MOST_FOUND];
    size_t count = 0;
    tarn__lock(&tarn__care_large_lock);
    for (size_t i = 0; i < (size_t)1 << TARN__CARE_BUCKET_BITS; i++)
        for (struct tarn__care_block *block = tarn__care_buckets[i]; block && count < MOST_FOUND; block = block->next) {
            bool settled = block->state == TARN__CARE_LIVE || block->state == TARN__CARE_QUARANTINED;
            found[count].block = block;
            found[count].bad = settled ? find_bad(block, &found[count].crime) : NULL;
            count += found[count].bad != NULL;
        }
    tarn__unlock(&tarn__care_large_lock);
    for (size_t i = 0; i < count; i++)
        report(found[i].crime, where, found[i].block, found[i].bad);
    return count;
}

void tarn__care_large_empty(void)
{
    tarn__lock(&tarn__care_large_lock);
    struct tarn__care_block *leaving = make_room(quarantine_most + 1);
    tarn__unlock(&tarn__care_large_lock);
    release(leaving);
}
