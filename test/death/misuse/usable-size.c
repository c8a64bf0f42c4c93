/* Asks for the size of a freed object. */
#include "../pool.h"

#include <malloc.h>

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    pool_free(p);
    printf("%zu\n", malloc_usable_size(p));
}
