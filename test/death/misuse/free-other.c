/* Frees a block of a region that somebody else has. */
#include "../pool.h"

static char other_memory[65536];

int main(void)
{
    pool_begin();
    struct tarn_region *other = tarn_region_create(other_memory, sizeof other_memory, NULL);
    pool_free(pool_hide(tarn_region_alloc(other, 100)));
}
