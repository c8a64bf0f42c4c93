/* Objects of no bytes differ, and are freed. */
#include "correct.h"

int main(void)
{
    void *p[100];
    for (int i = 0; i < 100; i++)
        p[i] = hide(malloc(0));
    for (int i = 1; i < 100; i++)
        CHECK(p[i] != p[i - 1]);
    for (int i = 0; i < 100; i++)
        free(p[i]);
}
