/* Destroys a pool of which an object is in use. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    pool_end();
    (void)p;
}
