/* Two threads free the same object, one after the other. */
#include "../pool.h"

static void *release(void *p)
{
    pool_free(p);
    return NULL;
}

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    pool_elsewhere(release, p);
    pool_free(p);
}
