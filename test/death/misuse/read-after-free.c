/* Reads an object after it was freed, and finds the secret there. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    memset(p, 's', POOL_SIZE);
    pool_free(p);
    puts(((volatile char *)p)[50] == 's' ? "the secret is there" : "there is no secret");
}
