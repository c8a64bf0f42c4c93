/* Whoever asks for the usable size may use all of it. */
#include "correct.h"

int main(void)
{
    for (size_t size = 0; size < 200000; size = size * 5 / 4 + 1) {
        char *p = hide(malloc(size)), *q = hide(malloc(size));
        size_t room = malloc_usable_size(p);
        CHECK(room >= size);
        memset(p, 0xff, room);
        memset(q, 0x11, malloc_usable_size(q));
        free(p);
        free(q);
    }
}
