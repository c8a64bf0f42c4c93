/* Objects filled with what debuggers fill with are objects like others. */
#include "correct.h"

int main(void)
{
    static const unsigned char fill[] = {0, 0x5a, 0x6b, 0xa5, 0xbb, 0xcc, 0xdd, 0xde, 0xef, 0xff};
    for (unsigned round = 0; round < sizeof fill; round++)
        for (size_t size = 1; size < 100000; size = size * 3 / 2 + 1) {
            char *p = hide(malloc(size)), *q = hide(malloc(size));
            memset(p, fill[round], size);
            memset(q, fill[round], size);
            free(p);
            p = hide(realloc(q, 2 * size));
            memset(p, fill[round], 2 * size);
            free(p);
        }
}
