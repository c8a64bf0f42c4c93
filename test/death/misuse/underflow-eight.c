/* Writes eight bytes in front of an object. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *q = pool_hide(pool_new()), *p = pool_hide(pool_new());
    memset(p - 8, 1, 8);
    pool_free(p);
    pool_free(q);
}
