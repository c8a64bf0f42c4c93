/*
 * What is left of heaps and dma pools that have ended: the latest are kept for a while, so that who uses one nevertheless is told, and does not find another's
 * object there. A pool that has ended says so in a field that its requests look at anyway. What is kept counts as free, as it is nobody's.
 */
#ifndef TARN_ALLOC_ENDED_H
#define TARN_ALLOC_ENDED_H

enum { TARN__ENDED_KEPT = 16 };

/* Takes an object of tarn_malloc, which is freed when so many others have come after it. Any thread; takes tarn__heaps_lock, and no lock may be held. */
void tarn__ended_keep(void *p);

/* Frees what is kept. The same. */
void tarn__ended_empty(void);

/* How many are kept that are objects of a size class. Takes tarn__heaps_lock. */
unsigned tarn__ended_of(unsigned class);

#endif
