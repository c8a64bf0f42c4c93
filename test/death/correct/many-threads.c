/* Many threads that live at once, each with objects of many sizes. */
#include "correct.h"

static void *work(void *argument)
{
    void *p[100];
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 100; i++)
            p[i] = memset(hide(malloc(i * i + 1)), (int)i, i * i + 1);
        for (int i = 0; i < 100; i++)
            free(p[i]);
    }
    return argument;
}

int main(void)
{
    pthread_t thread[64];
    for (int i = 0; i < 64; i++)
        CHECK(pthread_create(&thread[i], NULL, work, NULL) == 0);
    for (int i = 0; i < 64; i++)
        pthread_join(thread[i], NULL);
}
