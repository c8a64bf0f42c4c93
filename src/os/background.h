/*
 * The work that is done at the program's own frees, done beside them: where a program asks for it (tarn_background), the background thread calls a function
 * about ten times a second as long as that says there is more to do. Otherwise there is no thread.
 *
 *     OFF -> IDLE                        tarn_background(1)
 *     IDLE -> AWAKE                      someone needs it: the worker has the job, which waits its tenth of a second, or starts
 *     AWAKE -> TICKING -> AWAKE          the function said there is more, or someone needed it meanwhile (TICKING -> MISSED -> AWAKE)
 *              TICKING -> IDLE           nothing is left; the thread ends when it idled for a fifth of a second
 *     any -> OFF                         tarn_background(0)
 */
#ifndef TARN_OS_BACKGROUND_H
#define TARN_OS_BACKGROUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What is to be done: set once, before the first need. Called on the background thread with no lock held; returns whether it is to be called again in a
 * tenth of a second. What it does not say then, tarn__background_need must say later.
 */
extern bool (*tarn__background_tick)(void);

/* Odd: nobody waits to be told of a need. */
enum {
    TARN__BACKGROUND_IDLE = 0,
    TARN__BACKGROUND_OFF = 1,
    TARN__BACKGROUND_TICKING = 2,
    TARN__BACKGROUND_AWAKE = 3,
    TARN__BACKGROUND_MISSED = 5
};
extern _Atomic uint32_t tarn__background_state;

void tarn__background_need_slow(void);

/* Whether it waits to be told of a need. */
static inline bool tarn__background_waits(void)
{
    return __builtin_expect((atomic_load_explicit(&tarn__background_state, memory_order_relaxed) & 1) == 0, 0);
}

/* There is something for the function to do. One load, unless the thread has to be told. With no lock held: it may begin, which may allocate. */
static inline void tarn__background_need(void)
{
    if (tarn__background_waits())
        tarn__background_need_slow();
}

/* Whether the thread does the work, or is about to: then the program's own frees may leave it alone. */
static inline bool tarn__background_works(void)
{
    return atomic_load_explicit(&tarn__background_state, memory_order_relaxed) > TARN__BACKGROUND_OFF;
}

/* For the door, at the start: as tarn_background(1), but nothing begins before there is a need. */
void tarn__background_begin(void);

/* For the fork hooks; in the child, after tarn__worker_child. The thread begins again at the next need. */
void tarn__background_child(void);

#endif
