/* Writes one byte beyond an object. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    p[POOL_SIZE] = 1;
    pool_free(p);
}
