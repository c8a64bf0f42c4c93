#include "os/stack.h"

void tarn__stack_begin(void) {}

size_t tarn__stack_take(uintptr_t *frames, size_t most, size_t skip)
{
    (void)frames, (void)most, (void)skip;
    return 0;
}

uint32_t tarn__stack_keep(const uintptr_t *frames, size_t count)
{
    (void)frames, (void)count;
    return 0;
}

uint32_t tarn__stack_here(size_t skip)
{
    uintptr_t frames[TARN__STACK_MOST];
    return tarn__stack_keep(frames, tarn__stack_take(frames, TARN__STACK_MOST, skip));
}

const uintptr_t *tarn__stack_frames(uint32_t number, size_t *count)
{
    (void)number;
    *count = 0;
    return NULL;
}
