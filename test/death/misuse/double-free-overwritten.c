/* Frees an object, writes all over it, and frees it again. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    pool_free(p);
    memset(p + 32, 0x55, 32);
    pool_free(p);
}
