/* Objects copied over each other, whole, and a freed one's words copied before it was freed. */
#include "correct.h"

int main(void)
{
    enum { SIZE = 64, COUNT = 1000 };
    char *p[COUNT], saved[SIZE];
    for (int i = 0; i < COUNT; i++) {
        p[i] = hide(malloc(SIZE));
        memset(p[i], i, SIZE);
    }
    memcpy(saved, p[0], SIZE);
    for (int i = 1; i < COUNT; i++)
        memcpy(p[i], p[i - 1], SIZE);
    for (int i = 0; i < COUNT; i++)
        free(p[i]);
    for (int i = 0; i < COUNT; i++) {
        p[i] = hide(malloc(SIZE));
        memcpy(p[i], saved, SIZE);
    }
    for (int i = COUNT - 1; i >= 0; i--)
        free(p[i]);
}
