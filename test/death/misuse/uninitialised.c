/* Uses an object that nobody wrote to, which held a secret before. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    char *p = pool_hide(pool_new());
    memset(p, 's', POOL_SIZE);
    pool_free(p);
    p = pool_hide(pool_new());
    puts(((volatile char *)p)[50] == 's' ? "the secret is there" : "there is no secret");
}
