/* A library that comes and goes. */
#include "correct.h"

#include <dlfcn.h>

int main(void)
{
    for (int i = 0; i < 20; i++) {
        void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
        CHECK(library && dlsym(library, "cos"));
        CHECK(!dlopen("no-such-library.so", RTLD_NOW) && dlerror());
        dlclose(library);
    }
}
