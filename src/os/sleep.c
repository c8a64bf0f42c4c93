/* The slow halves of sleep.h. */
#include "os/sleep.h"

TARN__TLS struct tarn__sleeper *tarn__asleep;

void tarn__sleep(struct tarn__sleeper *sleeper)
{
    struct tarn__sleeper *outer = tarn__asleep; /* a signal handler that waits interrupted one that does */
    tarn__asleep = sleeper;
    while (!atomic_load_explicit(&sleeper->awake, memory_order_acquire))
        tarn__os_wait(&sleeper->awake, 0);
    tarn__asleep = outer;
}

/* A sleeper is gone as soon as it is marked; the wake-up that follows may then reach a stranger's word, who bears that. */
void tarn__wake_all(struct tarn__sleeper *taken)
{
    while (taken) {
        struct tarn__sleeper *sleeper = taken;
        taken = sleeper->next;
        atomic_store_explicit(&sleeper->awake, 1, memory_order_release);
        tarn__os_wake(&sleeper->awake);
    }
}

void tarn__sleep_child(void)
{
    if (tarn__asleep)
        atomic_store_explicit(&tarn__asleep->awake, 1, memory_order_release);
}
