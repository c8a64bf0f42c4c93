/* Writes to an object after it was freed. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    pool_free(p);
    p[40] = 1;
    for (int i = 0; i < 2000; i++)
        pool_free(pool_hide(pool_new()));
}
