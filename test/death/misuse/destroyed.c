/* Allocates from a pool that was destroyed. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    pool_free(pool_hide(pool_new()));
    pool_end();
    puts(pool_hide(pool_new()) ? "an object" : "no object");
}
