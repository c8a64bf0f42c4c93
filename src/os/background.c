/*
 * See background.h. The state is one word, changed by compare-and-swap; the worker runs the job, one run at a time.
 *
 * A need that comes while the function runs may be one that it has not seen; it is then called once more, but in a tenth of a second: threads that free all the
 * time must not keep it running. Where no thread can be made, it is tried again at the first need of the next second.
 *
 * Wrong if: something is left to do, nobody needs anything any more, and the thread is gone; or it wakes though nothing is left.
 */
#include "os/background.h"

#include "os/os.h"
#include "os/lock.h"
#include "os/worker.h"
#include "tarn/background.h"

#include <errno.h>

enum { TICK = 100, TRY_AGAIN = 1000 }; /* milliseconds */

bool (*tarn__background_tick)(void);
_Atomic uint32_t tarn__background_state = TARN__BACKGROUND_OFF;
static _Atomic uint32_t refused; /* when no thread could be made, | 1; 0: it could */

static bool turn(uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(&tarn__background_state, &from, to, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static void run(struct tarn__job *self)
{
    if (!turn(TARN__BACKGROUND_AWAKE, TARN__BACKGROUND_TICKING))
        return;
    bool more = tarn__background_tick && tarn__background_tick();
    if (!more && turn(TARN__BACKGROUND_TICKING, TARN__BACKGROUND_IDLE))
        return;
    if (turn(TARN__BACKGROUND_TICKING, TARN__BACKGROUND_AWAKE) || turn(TARN__BACKGROUND_MISSED, TARN__BACKGROUND_AWAKE))
        tarn__worker_again(self, TICK);
}

static void note_refusal(struct tarn__job *self)
{
    (void)self;
    if (!tarn__forking && !tarn__thread_ending) /* where another thread may have one made at once */
        atomic_store_explicit(&refused, (uint32_t)tarn__os_now() | 1, memory_order_relaxed);
    turn(TARN__BACKGROUND_AWAKE, TARN__BACKGROUND_IDLE);
}

static struct tarn__job job = {.run = run, .stranded = note_refusal};

/* It is AWAKE, by the caller. */
static bool ask(void)
{
    bool begins = tarn__worker_ask(&job);
    if (!begins)
        note_refusal(&job);
    return begins;
}

static bool refused_lately(void)
{
    uint32_t when = atomic_load_explicit(&refused, memory_order_relaxed);
    return when != 0 && ((uint32_t)tarn__os_now() | 1) - when < TRY_AGAIN;
}

void tarn__background_need_slow(void)
{
    if (turn(TARN__BACKGROUND_TICKING, TARN__BACKGROUND_MISSED))
        return;
    if (!refused_lately() && turn(TARN__BACKGROUND_IDLE, TARN__BACKGROUND_AWAKE))
        ask();
}

void tarn__background_begin(void) { turn(TARN__BACKGROUND_OFF, TARN__BACKGROUND_IDLE); }

int tarn_background(int on)
{
    if (!on) {
        atomic_store_explicit(&tarn__background_state, TARN__BACKGROUND_OFF, memory_order_release);
        return 0;
    }
    if (!turn(TARN__BACKGROUND_OFF, TARN__BACKGROUND_AWAKE) || ask())
        return 0;
    turn(TARN__BACKGROUND_IDLE, TARN__BACKGROUND_OFF);
    return -EAGAIN;
}

void tarn__background_child(void)
{
    if (atomic_load_explicit(&tarn__background_state, memory_order_relaxed) != TARN__BACKGROUND_OFF)
        atomic_store_explicit(&tarn__background_state, TARN__BACKGROUND_IDLE, memory_order_relaxed);
    atomic_store_explicit(&refused, 0, memory_order_relaxed);
}
