/* A pool's elements (mempool/reserve.h). */
#include "mempool/reserve.h"

#include "base/atomic.h"
#include "base/fail.h"

#include <string.h>

enum { POISON_FREE = 0x6b, POISON_END = 0xa5, POISON_IN_USE = 0x5a };

_Atomic uint32_t tarn__mempool_forks;

void tarn__mempool_lock(struct tarn_mempool *pool)
{
    tarn__lock(tarn__mempool_lock_of(pool));
    if (TARN__UNLIKELY(pool->forks != tarn__mempool_forks_now())) {
        tarn__list_init(tarn__mempool_queue(pool));
        pool->forks = tarn__mempool_forks_now();
    }
}

void tarn__mempool_unlock(struct tarn_mempool *pool) { tarn__unlock(tarn__mempool_lock_of(pool)); }

static unsigned char *memory_of(const struct tarn_mempool *pool, void *element)
{
    return pool->memory ? pool->memory(element) : element;
}

void tarn__reserve_poison(const struct tarn_mempool *pool, void *element)
{
    unsigned char *bytes = memory_of(pool, element);
    memset(bytes, POISON_FREE, pool->element_size - 1);
    bytes[pool->element_size - 1] = POISON_END;
}

static void verify_poison(const struct tarn_mempool *pool, void *element)
{
    unsigned char *bytes = memory_of(pool, element);
    for (size_t i = 0; i < pool->element_size; i++)
        if (TARN__UNLIKELY(bytes[i] != (i + 1 < pool->element_size ? POISON_FREE : POISON_END)))
            tarn__fail(TARN__POISONED, "tarn_mempool_alloc", element);
    memset(bytes, POISON_IN_USE, pool->element_size);
}

static void verify_is_new(const struct tarn_mempool *pool, const void *element)
{
    for (int i = 0; i < pool->curr_nr; i++)
        if (TARN__UNLIKELY(pool->elements[i] == element))
            tarn__fail(TARN__DOUBLE_FREE, "tarn_mempool_free", element);
}

void tarn__reserve_add(struct tarn_mempool *pool, void *element)
{
    if (TARN__UNLIKELY(pool->flags & TARN__MEMPOOL_POISON))
        verify_is_new(pool, element);
    pool->elements[pool->curr_nr] = element;
    tarn__mempool_write(&pool->curr_nr, pool->curr_nr + 1);
}

void *tarn__reserve_remove(struct tarn_mempool *pool)
{
    tarn__mempool_write(&pool->curr_nr, pool->curr_nr - 1);
    void *element = pool->elements[pool->curr_nr];
    if (TARN__UNLIKELY(pool->flags & TARN__MEMPOOL_POISON))
        verify_poison(pool, element);
    return element;
}
