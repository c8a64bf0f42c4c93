/* Eight threads allocate and free objects that lie beside each other. */
#include "correct.h"

static void *_Atomic slot[64];

static void *trade(void *argument)
{
    uintptr_t seed = (uintptr_t)argument;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        void *was = __atomic_exchange_n((void **)&slot[seed >> 40 & 63], malloc(16 + (seed >> 50 & 63)), __ATOMIC_ACQ_REL);
        free(was);
    }
    return NULL;
}

int main(void)
{
    pthread_t thread[8];
    for (uintptr_t i = 0; i < 8; i++)
        CHECK(pthread_create(&thread[i], NULL, trade, (void *)(i + 1)) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 64; i++)
        free(slot[i]);
}
