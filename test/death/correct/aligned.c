/* Aligned objects of all kinds, freed, and reallocated. */
#include "correct.h"

int main(void)
{
    for (size_t align = sizeof(void *); align <= (1 << 22); align *= 2)
        for (size_t size = 1; size < 100000; size = size * 7 + 1) {
            void *p, *q = hide(aligned_alloc(align, (size + align - 1) / align * align));
            CHECK(posix_memalign(&p, align, size) == 0 && (uintptr_t)p % align == 0 && (uintptr_t)q % align == 0);
            memset(p, 1, size);
            memset(q, 2, size);
            p = hide(realloc(p, size + 1));
            CHECK(((char *)p)[size - 1] == 1);
            free(p);
            free(q);
        }
    free(hide(valloc(10)));
    free(hide(memalign(64, 10)));
}
