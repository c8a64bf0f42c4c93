/* A program that leaves its functions by longjmp, and frees later. */
#include "correct.h"

#include <setjmp.h>

static jmp_buf back;
static void *volatile kept;

static void leave(void)
{
    kept = hide(malloc(77));
    longjmp(back, 1);
}

int main(void)
{
    for (volatile int i = 0; i < 1000; i++)
        if (setjmp(back) == 0)
            leave();
        else
            free(kept);
}
