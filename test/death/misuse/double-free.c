/* Frees an object twice in a row. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    pool_free(p);
    pool_free(p);
}
