/*
 * Start-up of either library. Allocation works before this runs (programs allocate while the loader still runs constructors); what
 * it adds is safety at forks, what the environment asks for, and, in libtarn-malloc, the publishing of counters.
 */
#include "alloc/care.h"
#include "alloc/guard.h"
#include "alloc/heap.h"
#include "base/tools.h"
#include "os/background.h"
#include "os/pressure.h"
#include "os/stack.h"
#include "os/thread.h"
#include "pool/watch.h"
#include "slab/notes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* NULL in set-user-ID programs, as for what is not set. */
static const char *value_of(const char *name) { return getauxval(AT_SECURE) ? NULL : getenv(name); }

/* 1 or 0, as the environment says by just that; else `otherwise`, as it is in set-user-ID programs. */
static bool option(const char *name, bool otherwise)
{
    const char *value = value_of(name);
    return !value ? otherwise : strcmp(value, "1") == 0 ? true : strcmp(value, "0") == 0 ? false : otherwise;
}

/* TARN_FRAMES: how many frames of a stack are noted with the letter L. False: it is no number of them. */
static bool read_frames(void)
{
    const char *value = value_of("TARN_FRAMES");
    char *end = NULL;
    unsigned long frames = value && *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;
    if (!value || !*value)
        return true;
    if (frames < 1 || frames > TARN__STACK_MOST || *end)
        return false;
    tarn__note_frames = (unsigned)frames;
    return true;
}

/* A variable that is set asks for an answer, so what is not understood is said on standard error. */
static void read_modes(void)
{
    static const char message[] =
        "tarn: TARN_DEBUG, TARN_HARDEN, TARN_SAMPLE or TARN_FRAMES has a value that is not understood; what is, is in force\n";
    bool understood = read_frames();
    if ((tarn__modes_set(value_of("TARN_DEBUG"), value_of("TARN_HARDEN"), value_of("TARN_SAMPLE")) || !understood) &&
        write(2, message, sizeof message - 1) < 0)
        return; /* nobody listens */
}

__attribute__((constructor(200))) static void start(void)
{
    tarn__heap_ready();
    read_modes();
    tarn__tools_begin();
    tarn__modes_any = tarn__modes_any || tarn__tools_letters();
    if (tarn__modes_any)
        tarn__care_begin();
    tarn__watch_guard_alloc = tarn__guard_alloc;
    tarn__watch_guard_free = tarn__guard_free;
    tarn__watch_guard_own = tarn__guard_own;
    tarn__watch_guard_owner = tarn__guard_owner;
    tarn__thread_at_fork(tarn__heap_fork_prepare, tarn__heap_fork_parent, tarn__heap_fork_child);
    tarn__pressure_begin(option("TARN_PRESSURE", true));
    if (option("TARN_BACKGROUND", false))
        tarn__background_begin();
}

__attribute__((destructor(200))) static void end(void)
{
    if (tarn__modes_any)
        tarn__care_end();
}
