/* An address that is used again and again, freed once each time, by turns of two threads. */
#include "correct.h"

static void *release(void *p)
{
    free(p);
    return NULL;
}

int main(void)
{
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        void *p = hide(malloc(48)), *q = hide(malloc(48));
        CHECK(pthread_create(&thread, NULL, release, p) == 0);
        free(q);
        pthread_join(thread, NULL);
    }
}
