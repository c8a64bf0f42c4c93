/* Reallocates an object so that it moves, and frees the old address. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(realloc(malloc(100), 100)), *wall = malloc(100);
    char *q = pool_hide(realloc(p, 5000));
    pool_free(p);
    free(q);
    free(wall);
}
