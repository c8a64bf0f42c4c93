/* A buffer that grows and shrinks keeps its bytes. */
#include "correct.h"

int main(void)
{
    unsigned char *p = NULL;
    size_t size = 0;
    for (unsigned i = 0; i < 3000; i++) {
        size_t next = (i * 7919u) % 60000 + 1;
        p = hide(realloc(p, next));
        for (size_t j = 0; j < size && j < next; j += 97)
            CHECK(p[j] == (unsigned char)j);
        for (size_t j = 0; j < next; j++)
            p[j] = (unsigned char)j;
        size = next;
    }
    free(p);
}
