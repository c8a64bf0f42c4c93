#include "alloc/sample.h"

#include "base/modes.h"
#include "os/random.h"

enum { SLOW = 16, PAUSE = 64 };

bool tarn__only_sampled;
TARN__TLS int64_t tarn__sample_left;

static TARN__TLS uint64_t random_state;
static TARN__TLS uint32_t wished;    /* how often by a free, since the last request that was slow; then frees are not counted */
static TARN__TLS int64_t from;       /* what tarn__sample_left was last set to */
static TARN__TLS uint32_t uncounted; /* frees */

/* 0 … 2n - 2: with the request itself, n on average. */
static int64_t some(void) { return (int64_t)(tarn__random_next(&random_state) % (2 * (uint64_t)tarn__sample_rate - 1)); }

static void set_left(int64_t left) { from = tarn__sample_left = left; }

static void note(void)
{
    if (wished > 0)
        uncounted += (uint32_t)(from - tarn__sample_left);
    from = tarn__sample_left;
}

/* Whether this thread samples already; if not it begins. */
static bool begun(void)
{
    if (TARN__LIKELY(random_state != 0))
        return true;
    random_state = tarn__random_seed() | 1;
    set_left(some());
    return false;
}

/* A thread that frees many in a row is not to do so slowly: after some it goes on for a while. */
void tarn__sample_wish(void)
{
    if (!begun())
        return;
    int64_t owed = tarn__sample_left < -1 ? tarn__sample_left + 1 : -1;
    note();
    set_left(++wished % SLOW ? owed : (int64_t)(tarn__random_next(&random_state) % PAUSE));
}

uint32_t tarn__sample_uncounted(uint32_t most)
{
    note();
    uint32_t taken = (uint32_t)tarn__min(most, uncounted);
    uncounted -= taken;
    return taken;
}

bool tarn__sample_turn(size_t weight, bool fits)
{
    begun();
    note();
    set_left(tarn__sample_left - (int64_t)weight);
    if ((tarn__sample_left >= 0 && wished == 0) || !fits)
        return false;
    set_left((tarn__sample_left < 0 ? tarn__sample_left : 0) + some() + 1);
    wished = 0;
    return true;
}
