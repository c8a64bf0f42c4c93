/* Threads that are cancelled while they allocate. */
#include "correct.h"

static void *work(void *argument)
{
    for (;;) {
        free(hide(malloc(100)));
        pthread_testcancel();
    }
    return argument;
}

int main(void)
{
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
        usleep(100);
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
}
