#include "page/letters.h"

#include "base/bits.h"
#include "base/fail.h"
#include "base/modes.h"
#include "os/fault.h"
#include "os/os.h"
#include "os/records.h"
#include "os/stack.h"
#include "page/block.h"
#include "page/lists.h"
#include "page/zones.h"

#include <string.h>

enum { MOST_WAITING = 1024, WAITING_WITHOUT_Q = 64, FRESH = 0x5a, FREED = 0x6b, MOST_GUARDED = 8192, MOST_FOUND = 16 };

static const size_t waiting_most = ((size_t)16 << 20) / TARN__PAGE_SIZE; /* pages */

static const size_t most_guard = (size_t)TARN__PAGE_SIZE << TARN_MAX_PAGE_ORDER; /* bytes */

unsigned tarn__pages_letters;

struct waiting {
    struct tarn_page *page;
    size_t count;
};

struct tarn__lock tarn__letters_lock = TARN__LOCK_INIT(TARN__RANK_QUARANTINE);
static struct waiting ring[MOST_WAITING]; /* under the lock, as the next */
static size_t first, waiting, pages;
static _Atomic size_t guarded;
static const char owner[] = "pages"; /* of records */

void tarn__pages_letters_begin(unsigned letters)
{
    tarn__pages_letters = letters;
    if (letters)
        tarn__lists_stop();
}

static char *address_of(const struct tarn_page *page) { return tarn__page_address(page); }

static size_t guard_bytes(const struct tarn_page *guard) { return (size_t)TARN__PAGE_SIZE << guard->order; }

static bool is_normal(const struct tarn_zone *zone) { return zone == tarn_zone_normal(); }

bool tarn__letters_guard(const struct tarn_zone *zone)
{
    return (tarn__pages_letters & TARN__LETTER_G) && is_normal(zone) && guarded < MOST_GUARDED;
}

static uint32_t stack_here(void) { return tarn__pages_letters & TARN__LETTER_U ? tarn__stack_here(0) : 0; }

void tarn__letters_live(struct tarn_page *page, size_t count, struct tarn_page *guard, bool zero)
{
    size_t bytes = count * TARN__PAGE_SIZE;
    if ((tarn__pages_letters & TARN__LETTER_P) && !zero)
        memset(address_of(page), FRESH, bytes);
    if (guard && tarn__fault_forbid(address_of(guard), guard_bytes(guard)) == 0)
        guarded++;
    tarn__record_live(owner, address_of(page), bytes, guard, stack_here());
}

void tarn__letters_split(struct tarn_page *page, size_t count)
{
    struct tarn__record whole = tarn__record_of(address_of(page));
    for (size_t i = count; whole.state == TARN__RECORD_LIVE && i-- > 0;)
        tarn__record_live(owner, address_of(&page[i]), TARN__PAGE_SIZE, i + 1 == count ? whole.extra : NULL, whole.alloc_stack);
}

/* The first byte that was written to since; NULL: none. */
static const char *spoilt(const struct waiting *one)
{
    const char *from = address_of(one->page), *end = from + one->count * TARN__PAGE_SIZE;
    bool shut = (tarn__pages_letters & TARN__LETTER_G) && is_normal(tarn__page_section(one->page)->zone);
    if (!(tarn__pages_letters & TARN__LETTER_P) || shut)
        return NULL;
    while (from < end && (unsigned char)*from == FREED)
        from++;
    return from < end ? from : NULL;
}

static void report(const struct waiting *one, const char *bad, const char *where)
{
    struct tarn__suspect suspect = {.pool = "pages", .object = address_of(one->page), .bad = bad, .expected = 256 + FREED};
    tarn__record_tell(&suspect);
    tarn__report(TARN__POISONED, where, suspect.object, &suspect);
}

/* To its zone. What faults is opened first; where the system refuses that, it stays as it is for ever. */
static void release(const struct waiting *one)
{
    char *address = address_of(one->page);
    const char *bad = spoilt(one);
    if (bad)
        report(one, bad, "quarantine");
    struct tarn_page *guard = tarn__record_of(address).extra;
    if ((tarn__pages_letters & TARN__LETTER_G) && is_normal(tarn__page_section(one->page)->zone) &&
        tarn__os_commit(address, one->count * TARN__PAGE_SIZE))
        return;
    tarn__record_set(address, TARN__RECORD_FREED);
    if (guard && tarn__os_commit(address_of(guard), guard_bytes(guard)) == 0) {
        guarded--;
        tarn__block_set_references(guard, 0);
        tarn__block_free(guard);
    }
    if (tarn__page_state(one->page) == TARN__PAGE_USER_RUN)
        tarn__pages_free(one->page);
    else
        tarn__block_free(one->page);
}

/* Takes out the one that waits longest, if it is one too many; of `zone`, if that is not NULL, and `all`. */
static bool take_out(struct waiting *one, bool all)
{
    bool with_q = tarn__pages_letters & TARN__LETTER_Q;
    tarn__lock(&tarn__letters_lock);
    bool takes =
        waiting > 0 && (all || waiting == MOST_WAITING || (with_q ? pages > waiting_most : waiting > WAITING_WITHOUT_Q));
    if (takes) {
        *one = ring[first];
        first = (first + 1) % MOST_WAITING;
        waiting--;
        pages -= one->count;
    }
    tarn__unlock(&tarn__letters_lock);
    return takes;
}

bool tarn__letters_take(struct tarn_page *page, size_t count)
{
    struct waiting one;
    char *address = address_of(page);
    struct tarn__record was = tarn__record_free(owner, address, TARN__RECORD_WAITING, stack_here());
    if (was.state != TARN__RECORD_LIVE) /* from before the letters were known */
        return false;
    bool shut = (tarn__pages_letters & TARN__LETTER_G) && is_normal(tarn__page_section(page)->zone);
    if (shut)
        tarn__fault_forbid(address, count * TARN__PAGE_SIZE);
    else if (tarn__pages_letters & TARN__LETTER_P)
        memset(address, FREED, count * TARN__PAGE_SIZE);
    while (take_out(&one, false))
        release(&one);
    tarn__lock(&tarn__letters_lock);
    bool fits = waiting < MOST_WAITING;
    if (fits) {
        ring[(first + waiting++) % MOST_WAITING] = (struct waiting){page, count};
        pages += count;
    }
    tarn__unlock(&tarn__letters_lock);
    if (!fits)
        release(&(struct waiting){page, count});
    return true;
}

bool tarn__letters_waits(const struct tarn_page *page)
{
    return tarn__pages_letters && tarn__record_of(address_of(page)).state == TARN__RECORD_WAITING;
}

void tarn__letters_empty(const struct tarn_zone *zone)
{
    struct waiting one;
    for (size_t most = waiting; most > 0 && take_out(&one, true); most--)
        if (!zone || tarn__page_section(one.page)->zone == zone) {
            release(&one);
        } else {
            tarn__lock(&tarn__letters_lock);
            ring[(first + waiting++) % MOST_WAITING] = one;
            pages += one.count;
            tarn__unlock(&tarn__letters_lock);
        }
}

size_t tarn__letters_look(const char *where)
{
    struct waiting found[MOST_FOUND];
    const char *bad[MOST_FOUND];
    size_t count = 0;
    tarn__lock(&tarn__letters_lock);
    for (size_t i = 0; i < waiting && count < MOST_FOUND; i++) {
        found[count] = ring[(first + i) % MOST_WAITING];
        bad[count] = spoilt(&found[count]);
        count += bad[count] != NULL;
    }
    tarn__unlock(&tarn__letters_lock);
    for (size_t i = 0; i < count; i++)
        report(&found[i], bad[i], where);
    return count;
}

bool tarn__letters_seen(void *address)
{
    if (!(tarn__pages_letters & TARN__LETTER_G) || tarn__lock_is_mine(&tarn__records_lock))
        return false;
    struct tarn__record record = tarn__record_around(address, most_guard);
    size_t offset = (size_t)((char *)address - tarn__record_start(&record));
    bool within = offset < record.size, waits = record.state == TARN__RECORD_WAITING && within;
    bool beyond = !within && record.extra && offset < record.size + guard_bytes(record.extra);
    if (record.owner != owner || record.state == TARN__RECORD_FREED || !(waits || beyond))
        return false;
    struct tarn__suspect suspect = {.pool = "pages", .object = tarn__record_start(&record)};
    tarn__record_tell(&suspect);
    tarn__report(waits ? TARN__USE_AFTER_FREE : TARN__OUT_OF_BOUNDS, "access", address, &suspect);
    return tarn__os_commit((void *)tarn__align_down((uintptr_t)address, TARN__PAGE_SIZE), TARN__PAGE_SIZE) == 0;
}
