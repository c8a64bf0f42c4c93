/* Frees static data. */
#include "../pool.h"

static char there[64];

int main(void)
{
    pool_begin();
    pool_free(pool_hide(there + 16));
}
