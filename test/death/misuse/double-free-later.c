/* Frees an object again after others were allocated and freed. */
#include "../pool.h"

int main(void)
{
    enum { OTHERS = 20 };
    void *other[OTHERS];
    pool_begin();
    char *p = pool_hide(pool_new());
    for (int i = 0; i < OTHERS; i++)
        other[i] = pool_new();
    pool_free(p);
    for (int i = 0; i < OTHERS; i++)
        pool_free(other[i]);
    pool_free(p);
}
