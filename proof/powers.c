/* Powers of two and rounding, base/bits.h. */
#define WORDS_TEST
#include "proof/words.h"

/*@ assigns \nothing; ensures \result != 0 <==> pow2(x); */
static inline bool tarn__is_pow2(size_t x);

/*@ assigns \nothing; ensures \result <= a && \result <= b && (\result == a || \result == b); */
static inline size_t tarn__min(size_t a, size_t b);

/*@ assigns \nothing; ensures \result >= a && \result >= b && (\result == a || \result == b); */
static inline size_t tarn__max(size_t a, size_t b);

#include "base/bits.h"
