/* Threads end with destructors that free and allocate, and leave objects to others. */
#include "correct.h"

static pthread_key_t key;

static void last(void *p)
{
    free(p);
    free(hide(malloc(100)));
    static __thread int again;
    if (again++ < 2)
        pthread_setspecific(key, hide(malloc(30)));
}

static void *work(void *argument)
{
    pthread_setspecific(key, hide(malloc(20)));
    free(argument);
    return hide(malloc(40));
}

int main(void)
{
    CHECK(pthread_key_create(&key, last) == 0);
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        void *left;
        CHECK(pthread_create(&thread, NULL, work, hide(malloc(60))) == 0 && pthread_join(thread, &left) == 0);
        free(left);
    }
}
