/*
 * Rounding to powers of two, base/bits.h. Rounding up is rounding down of a larger number (same), and so what it gives is what `up` gives: the provers see the
 * first of these as terms, the second as numbers.
 */
#define WORDS_MASK
#include "proof/words.h"

/*@ assigns \nothing; ensures \result == ((uint64_t)(x + (uint64_t)(align - 1)) & (uint64_t)(~(uint64_t)(align - 1))); */
static inline size_t tarn__align_up(size_t x, size_t align);

/*@ requires pow2(align);
  @ assigns \nothing;
  @ ensures \result == (x & (uint64_t)(~(uint64_t)(align - 1)));
  @ ensures \result % align == 0 && \result <= x < \result + align; */
static inline size_t tarn__align_down(size_t x, size_t align);

#include "base/bits.h"

/*@ requires pow2(align); assigns \nothing; ensures \result == 1; */
static bool same(size_t x, size_t align) { return tarn__align_up(x, align) == tarn__align_down(x + (align - 1), align); }

/*@ requires pow2(align) && x + align - 1 <= 0xffffffffffffffff;
  @ assigns \nothing;
  @ ensures \result % align == 0 && x <= \result < x + align; */
static size_t up(size_t x, size_t align) { return tarn__align_down(x + (align - 1), align); }
