#include "alloc/ended.h"

#include "alloc/fast.h"
#include "alloc/heaps.h"
#include "alloc/realloc.h"

/* Under tarn__heaps_lock. */
static void *kept[TARN__ENDED_KEPT];
static unsigned next;

static void *exchange(void *p)
{
    tarn__lock(&tarn__heaps_lock);
    void *oldest = kept[next];
    kept[next] = p;
    next = (next + 1) % TARN__ENDED_KEPT;
    tarn__unlock(&tarn__heaps_lock);
    return oldest;
}

void tarn__ended_keep(void *p) { tarn__free(exchange(p)); }

void tarn__ended_empty(void)
{
    for (int i = 0; i < TARN__ENDED_KEPT; i++)
        tarn__free(exchange(NULL));
}

unsigned tarn__ended_of(unsigned class)
{
    unsigned count = 0;
    tarn__lock(&tarn__heaps_lock);
    for (unsigned i = 0; i < TARN__ENDED_KEPT; i++)
        count += kept[i] && tarn__class_at(kept[i]) == class;
    tarn__unlock(&tarn__heaps_lock);
    return count;
}
