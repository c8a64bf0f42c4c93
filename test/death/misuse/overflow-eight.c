/* Writes eight bytes beyond an object. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    memset(p + POOL_SIZE, 1, 8);
    pool_free(p);
}
