/* GLib's slices. Since version 2.76 they are malloc; this says which is here by its figures. */
#include "pools.h"

#include <glib.h>

static void *take(size_t size) { return g_slice_alloc(size); }
static void give(void *p, size_t size) { g_slice_free1(size, p); }

int main(void)
{
    const struct pools_peer peer = {take, give, NULL};
    pools_pair("glib", peer);
    pools_batches("glib", peer);
    pools_random("glib", peer, "random-128", 128);
    pools_random("glib", peer, "random-1024", 1024);
    pools_arena("glib", peer);
    return 0;
}
