/* A program with little address space goes on when it gets NULL. */
#include "correct.h"

#include <sys/resource.h>

int main(void)
{
    void *p[4000];
    int got = 0;
    struct rlimit limit = {400 << 20, 400 << 20};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    while (got < 4000 && (p[got] = hide(malloc(200000))))
        memset(p[got++], 1, 200000);
    CHECK(got > 100);
    for (int i = 0; i < got; i++)
        free(p[i]);
    for (int i = 0; i < 1000; i++)
        free(hide(malloc((size_t)i)));
}
