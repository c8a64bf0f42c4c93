/* Requests that cannot be met get NULL and ENOMEM, and what was there stays. */
#include "correct.h"

int main(void)
{
    volatile size_t most = SIZE_MAX; /* the compiler knows of such sizes, too */
    char *p = hide(malloc(100));
    memset(p, 7, 100);
    errno = 0;
    CHECK(!hide(malloc(most / 2)) && errno == ENOMEM);
    CHECK(!hide(malloc(most)));
    CHECK(!hide(calloc(most / 2, 3)));
    CHECK(!hide(reallocarray(p, most / 2, 3)));
    CHECK(!hide(realloc(p, most - 100)));
    CHECK(!hide(aligned_alloc(4096, most - 8000)));
    for (int i = 0; i < 100; i++)
        CHECK(p[i] == 7);
    free(p);
}
