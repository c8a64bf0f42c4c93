/* A child frees what its parent allocated, and the parent frees it too. */
#include "correct.h"

int main(void)
{
    char *small = hide(malloc(50)), *large = hide(malloc(500000));
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            free(small);
            free(large);
            free(hide(malloc(50)));
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    free(small);
    free(large);
}
