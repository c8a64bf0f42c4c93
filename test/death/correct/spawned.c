/* Programs started from it, by posix_spawn and system. */
#include "correct.h"

#include <spawn.h>

int main(void)
{
    extern char **environ;
    char name[] = "true", *arguments[] = {name, NULL};
    for (int i = 0; i < 10; i++) {
        pid_t child;
        int status;
        CHECK(posix_spawnp(&child, "true", NULL, NULL, arguments, environ) == 0);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        free(hide(malloc(100)));
    }
    CHECK(system("true") == 0);
}
