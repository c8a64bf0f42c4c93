/* Frees what is no address. */
#include "../pool.h"

int main(void)
{
    pool_begin();
    pool_free((void *)(uintptr_t)0x123456789010);
}
