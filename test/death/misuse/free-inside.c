/* Frees an address in the middle of an object. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    pool_free(p + 32);
}
