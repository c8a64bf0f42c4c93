/* free leaves errno as it was. */
#include "correct.h"

int main(void)
{
    for (size_t size = 1; size < (64 << 20); size *= 5) {
        void *p = hide(malloc(size));
        errno = 1234;
        free(p);
        CHECK(errno == 1234);
    }
}
