/* Frees a variable of the stack. */
#include "../pool.h"

int main(void)
{
    char here[64];
    pool_begin();
    pool_free(pool_hide(here));
}
