/* A pool's elements (mempool/reserve.h). */
#include "mempool/reserve.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/fail.h"
#include "base/modes.h"
#include "base/tools.h"
#include "mempool/mempool.h"
#include "os/records.h"
#include "os/stack.h"

#include <string.h>

enum { POISON_FREE = 0x6b, POISON_END = 0xa5, POISON_IN_USE = 0x5a, FEW = 16 };

_Atomic uint32_t tarn__mempool_forks;

void tarn__mempool_lock(struct tarn_mempool *pool)
{
    tarn__lock(tarn__mempool_lock_of(pool));
    if (TARN__UNLIKELY(pool->forks != tarn__mempool_forks_now())) {
        tarn__list_init(tarn__mempool_queue(pool));
        pool->forks = tarn__mempool_forks_now();
    }
}

void tarn__mempool_unlock(struct tarn_mempool *pool)
{
    tarn__mempool_write(&pool->missing, pool->min_nr - pool->curr_nr);
    tarn__unlock(tarn__mempool_lock_of(pool));
}

static unsigned char *memory_of(const struct tarn_mempool *pool, void *element)
{
    return pool->memory ? pool->memory(element) : element;
}

/* Whether a tool is told that nobody may use what the reserve holds. */
static bool is_watched(const struct tarn_mempool *pool) { return tarn__tools_letters() && pool->element_size > 0; }

void tarn__reserve_open(const struct tarn_mempool *pool)
{
    for (int i = 0; is_watched(pool) && i < pool->curr_nr; i++)
        tarn__tools_allow(memory_of(pool, pool->elements[i]), pool->element_size);
}

void tarn__reserve_shut(const struct tarn_mempool *pool)
{
    for (int i = 0; is_watched(pool) && i < pool->curr_nr; i++)
        tarn__tools_deny(memory_of(pool, pool->elements[i]), pool->element_size);
}

void tarn__reserve_poison(const struct tarn_mempool *pool, void *element)
{
    unsigned char *bytes = memory_of(pool, element);
    memset(bytes, POISON_FREE, pool->element_size - 1);
    bytes[pool->element_size - 1] = POISON_END;
}

static void verify_poison(const struct tarn_mempool *pool, void *element, struct tarn__reserve_finding *found)
{
    unsigned char *bytes = memory_of(pool, element);
    for (size_t i = 0; i < pool->element_size; i++) {
        unsigned expected = i + 1 < pool->element_size ? POISON_FREE : POISON_END;
        if (TARN__UNLIKELY(bytes[i] != expected)) {
            if (!found->bad)
                *found = (struct tarn__reserve_finding){element, &bytes[i], pool->element_size, (uint16_t)(256 + expected)};
            return; /* what was written stays to be looked at */
        }
    }
    memset(bytes, POISON_IN_USE, pool->element_size);
}

void tarn__reserve_tell(const struct tarn__reserve_finding *found)
{
    struct tarn__suspect suspect = {.bad = found->bad, .expected = found->expected};
    if (TARN__UNLIKELY(found->bad != NULL))
        tarn__report(TARN__POISONED, "tarn_mempool_alloc", found->element, &suspect);
}

void tarn__mempool_note(struct tarn_mempool *pool, void *element)
{
    uint32_t stack = tarn__letters_for("mempool") & TARN__LETTER_U ? tarn__stack_here(0) : 0;
    if (element)
        tarn__record_live(pool, element, tarn__max(pool->element_size, 1), NULL, stack);
}

bool tarn__mempool_note_free(struct tarn_mempool *pool, void *element)
{
    uint32_t stack = tarn__letters_for("mempool") & TARN__LETTER_U ? tarn__stack_here(0) : 0;
    struct tarn__record was = tarn__record_free(pool, element, TARN__RECORD_FREED, stack);
    bool twice = was.state == TARN__RECORD_FREED && was.owner == pool && !tarn__mempool_backend_of(pool);
    if (twice) {
        struct tarn__suspect suspect = {.pool = "mempool", .object = element};
        tarn__record_tell(&suspect);
        tarn__report(TARN__DOUBLE_FREE, "tarn_mempool_free", element, &suspect);
    }
    return !twice;
}

static bool is_there(const struct tarn_mempool *pool, const void *element)
{
    for (int i = 0; i < pool->curr_nr; i++)
        if (TARN__UNLIKELY(pool->elements[i] == element))
            return true;
    return false;
}

static enum tarn__mempool_kept keep(const struct tarn_mempool *pool, void *element, bool kept)
{
    const struct tarn__mempool_backend *backend = tarn__mempool_backend_of(pool);
    return backend && backend->keep ? backend->keep(element, kept) : TARN__MEMPOOL_UNKNOWN;
}

bool tarn__reserve_add(struct tarn_mempool *pool, void *element)
{
    enum tarn__mempool_kept kept = keep(pool, element, true);
    bool looks = kept == TARN__MEMPOOL_UNKNOWN && (pool->curr_nr <= FEW || (pool->flags & TARN__MEMPOOL_POISON));
    if (TARN__UNLIKELY(kept == TARN__MEMPOOL_WAS_FREE || (looks && is_there(pool, element))))
        return false;
    if (is_watched(pool))
        tarn__tools_deny(memory_of(pool, element), pool->element_size);
    pool->elements[pool->curr_nr] = element;
    tarn__mempool_write(&pool->curr_nr, pool->curr_nr + 1);
    return true;
}

void *tarn__reserve_remove(struct tarn_mempool *pool, struct tarn__reserve_finding *found)
{
    tarn__mempool_write(&pool->curr_nr, pool->curr_nr - 1);
    void *element = pool->elements[pool->curr_nr];
    keep(pool, element, false);
    if (is_watched(pool))
        tarn__tools_allow(memory_of(pool, element), pool->element_size);
    if (TARN__UNLIKELY(pool->flags & TARN__MEMPOOL_POISON))
        verify_poison(pool, element, found);
    if (is_watched(pool))
        tarn__tools_fresh(memory_of(pool, element), pool->element_size);
    return element;
}
