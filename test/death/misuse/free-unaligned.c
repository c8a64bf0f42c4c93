/* Frees an address that is one byte too large. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    pool_free(p + 1);
}
