/*
 * Start-up of either library. Allocation works before this runs (programs allocate while the loader still runs constructors); what
 * it adds is safety at forks, what the environment asks for, and, in libtarn-malloc, the publishing of counters.
 */
#include "alloc/heap.h"
#include "os/background.h"
#include "os/pressure.h"
#include "os/thread.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

/* 1 or 0, as the environment says by just that; else `otherwise`, as it is in set-user-ID programs. */
static bool option(const char *name, bool otherwise)
{
    const char *value = getauxval(AT_SECURE) ? NULL : getenv(name);
    return !value ? otherwise : strcmp(value, "1") == 0 ? true : strcmp(value, "0") == 0 ? false : otherwise;
}

__attribute__((constructor(200))) static void start(void)
{
    tarn__heap_ready();
    tarn__thread_at_fork(tarn__heap_fork_prepare, tarn__heap_fork_parent, tarn__heap_fork_child);
    tarn__pressure_begin(option("TARN_PRESSURE", true));
    if (option("TARN_BACKGROUND", false))
        tarn__background_begin();
}
