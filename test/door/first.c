/* A library that early.c is linked with: its constructor runs before that of anything preloaded. */
#include "check.h"

static void *objects[50];

__attribute__((constructor)) static void begin(void)
{
    for (unsigned i = 0; i < 50; i++) {
        objects[i] = i % 2 ? malloc(i * 1000) : calloc(i, 1000);
        stamp(objects[i], i * 1000, i);
        free(malloc(100));
    }
}

bool first_objects(void);
bool first_objects(void)
{
    bool right = true;
    for (unsigned i = 0; i < 50; i++) {
        right &= stamped(objects[i], i * 1000, i);
        free(objects[i]);
    }
    return right;
}
