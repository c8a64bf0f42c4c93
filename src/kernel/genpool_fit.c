/*
 * The search algorithms of gen_pool: they read a chunk's bitmap while others change it, so each word is read once and atomically.
 *
 * What they find is a proposal; genpool.c claims it by compare-and-swap and asks again when somebody was faster.
 */
#include "tarn/genpool.h"

#include "base/bits.h"
#include "base/warn.h"

#include <limits.h>

#define WORD_BITS (CHAR_BIT * sizeof(long))

/* First bit from `from` on whose value is `value`; `limit` if there is none below it. Relaxed: the claim's acquire is what orders. */
static unsigned long find_bit(const unsigned long *map, unsigned long from, unsigned long limit, bool value)
{
    while (from < limit) {
        unsigned long word = __atomic_load_n(&map[from / WORD_BITS], __ATOMIC_RELAXED);
        word = (value ? word : ~word) >> (from % WORD_BITS);
        if (word) {
            from += (unsigned long)__builtin_ctzl(word);
            return from < limit ? from : limit;
        }
        from = (from / WORD_BITS + 1) * WORD_BITS;
    }
    return limit;
}

/* First run of `count` clear bits from `at` on whose index, plus `bias`, is a multiple of `align`, a power of two; `size` if there is none. */
static unsigned long find_gap(const unsigned long *map, unsigned long size, unsigned long at, unsigned long count,
                              unsigned long align, unsigned long bias)
{
    while (at < size) {
        at = find_bit(map, at, size, false);
        at = tarn__align_up(at + bias, align) - bias;
        if (at >= size || count > size - at)
            break;
        unsigned long taken = find_bit(map, at, at + count, true);
        if (taken == at + count)
            return at;
        at = taken + 1;
    }
    return size;
}

unsigned long tarn_gen_pool_first_fit(unsigned long *map, unsigned long size, unsigned long start, unsigned count, void *data,
                                      struct tarn_gen_pool *pool, unsigned long start_addr)
{
    (void)data, (void)pool, (void)start_addr;
    return find_gap(map, size, start, count, 1, 0);
}

unsigned long tarn_gen_pool_first_fit_align(unsigned long *map, unsigned long size, unsigned long start, unsigned count,
                                            void *data, struct tarn_gen_pool *pool, unsigned long start_addr)
{
    const struct tarn_gen_pool_align *wish = data;
    int order = tarn_gen_pool_order(pool);
    unsigned long unit = 1ul << order, align = wish->align == 0 ? 1 : (unsigned long)wish->align;
    if (wish->align < 0 || !tarn__is_pow2(align)) {
        tarn__warn("gen_pool: an alignment of %d is no power of two", wish->align);
        return size;
    }
    if (start_addr & (tarn__min(align, unit) - 1))
        return size; /* no unit of this chunk is aligned so */
    if (align <= unit)
        return find_gap(map, size, start, count, 1, 0);
    return find_gap(map, size, start, count, align >> order, (start_addr & (align - 1)) >> order);
}

unsigned long tarn_gen_pool_first_fit_order_align(unsigned long *map, unsigned long size, unsigned long start, unsigned count,
                                                  void *data, struct tarn_gen_pool *pool, unsigned long start_addr)
{
    (void)data, (void)pool, (void)start_addr;
    return find_gap(map, size, start, count, 1ul << tarn__log2_ceil(count), 0);
}

unsigned long tarn_gen_pool_fixed_alloc(unsigned long *map, unsigned long size, unsigned long start, unsigned count, void *data,
                                        struct tarn_gen_pool *pool, unsigned long start_addr)
{
    (void)start_addr;
    const struct tarn_gen_pool_fixed *wish = data;
    int order = tarn_gen_pool_order(pool);
    unsigned long at = wish->offset >> order;
    if (wish->offset & ((1ul << order) - 1)) {
        tarn__warn("gen_pool: an offset of %lu is no multiple of %lu", wish->offset, 1ul << order);
        return size;
    }
    if (at < start || at >= size || count > size - at)
        return size;
    return find_bit(map, at, at + count, true) == at + count ? at : size;
}

unsigned long tarn_gen_pool_best_fit(unsigned long *map, unsigned long size, unsigned long start, unsigned count, void *data,
                                     struct tarn_gen_pool *pool, unsigned long start_addr)
{
    (void)data, (void)pool, (void)start_addr;
    unsigned long best = size, least = ULONG_MAX;
    unsigned long at = find_gap(map, size, start, count, 1, 0);
    while (at < size && least > count) {
        unsigned long end = find_bit(map, at + count, size, true);
        if (end - at < least) {
            least = end - at;
            best = at;
        }
        at = find_gap(map, size, end, count, 1, 0);
    }
    return best;
}
