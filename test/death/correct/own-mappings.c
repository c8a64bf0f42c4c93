/* A program that maps, moves and unmaps memory of its own, and moves its break. */
#include "correct.h"

#include <sys/mman.h>

int main(void)
{
    for (int i = 0; i < 200; i++) {
        char *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(m != MAP_FAILED);
        void *p = hide(malloc(300000));
        m = mremap(m, 1 << 20, 4 << 20, MREMAP_MAYMOVE);
        CHECK(m != MAP_FAILED);
        free(p);
        munmap(m, 4 << 20);
        CHECK(sbrk(4096) != (void *)-1);
    }
}
