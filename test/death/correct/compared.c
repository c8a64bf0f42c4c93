/* Addresses of freed objects are compared with others, which C allows nobody and everybody does. */
#include "correct.h"

int main(void)
{
    uintptr_t old = (uintptr_t)hide(malloc(64));
    free((void *)old);
    void *p[200];
    int same = 0;
    for (int i = 0; i < 200; i++) {
        p[i] = hide(malloc(64));
        same += (uintptr_t)p[i] == old;
    }
    CHECK(same <= 1);
    for (int i = 0; i < 200; i++)
        free(p[i]);
}
