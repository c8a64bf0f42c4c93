/* Frees an object with a size that it cannot have. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    tarn_free_sized(pool_hide(malloc(100)), 1000);
}
