/* What calloc gives is zero, also where freed objects were full. */
#include "correct.h"

int main(void)
{
    for (int round = 0; round < 20; round++)
        for (size_t size = 1; size < 400000; size = size * 2 + 1) {
            char *p = hide(calloc(1, size));
            for (size_t i = 0; i < size; i++)
                CHECK(p[i] == 0);
            memset(p, 0xee, size);
            free(p);
        }
}
