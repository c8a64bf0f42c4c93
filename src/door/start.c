/*
 * Start-up of either library. Allocation works before this runs (programs allocate while the loader still runs constructors); what
 * it adds is safety at forks, and, in libtarn-malloc, the publishing of counters.
 */
#include "alloc/heap.h"
#include "os/thread.h"

__attribute__((constructor(200))) static void start(void)
{
    tarn__heap_ready();
    tarn__thread_at_fork(tarn__heap_fork_prepare, tarn__heap_fork_parent, tarn__heap_fork_child);
}
