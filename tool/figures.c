/*
 * Derived figures; see figures.h.
 *
 * Internal fragmentation. A request of n bytes is served with an object of a larger size. The exact n is
 * known for a sample of the requests, so for class c
 *
 *      waste(c) = 1 - sampled_bytes / (sampled * size)
 *
 * and the whole is the mean of waste(c) over the classes that have samples, each weighted by the bytes
 * that it gave. Large requests are not sampled but summed: their waste is 1 - requested / rounded.
 */
#include "figures.h"

#define PAGE_BYTES UINT64_C(4096)

const char *const tool_call_titles[TARN_SNAPSHOT_CALLS] = {
    [TARN_CALL_MAP] = "mmap",        [TARN_CALL_UNMAP] = "munmap",      [TARN_CALL_PROTECT] = "mprotect",
    [TARN_CALL_PURGE] = "purge",     [TARN_CALL_POPULATE] = "populate", [TARN_CALL_MOVE] = "mremap",
    [TARN_CALL_WAIT] = "futex wait", [TARN_CALL_WAKE] = "futex wake",
};

const char *const tool_call_keys[TARN_SNAPSHOT_CALLS] = {
    [TARN_CALL_MAP] = "map",     [TARN_CALL_UNMAP] = "unmap",       [TARN_CALL_PROTECT] = "protect",
    [TARN_CALL_PURGE] = "purge", [TARN_CALL_POPULATE] = "populate", [TARN_CALL_MOVE] = "move",
    [TARN_CALL_WAIT] = "wait",   [TARN_CALL_WAKE] = "wake",
};

uint64_t tool_class_objects(const struct tarn_snapshot_class *class) { return class->slabs * class->slab_objects; }

uint64_t tool_class_active(const struct tarn_snapshot_class *class)
{
    /* Counters of a process that still runs are read one after the other: a free may be seen before its allocation. */
    return class->allocations > class->frees ? class->allocations - class->frees : 0;
}

uint64_t tool_class_bytes(const struct tarn_snapshot_class *class)
{
    uint64_t slab = (uint64_t) class->slab_objects * class->size;

    return class->slabs * ((slab + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
}

struct mean {
    double weighted;
    double weight;
};

static void add(struct mean *mean, double value, double weight)
{
    mean->weighted += value * weight;
    mean->weight += weight;
}

static double waste(double asked, double given)
{
    double fraction = 1 - asked / given;

    return fraction < 0 ? 0 : fraction;
}

static void figure_internal(const struct tarn_snapshot *snapshot, struct tool_figures *figures)
{
    struct mean ever = {0, 0}, live = {0, 0};

    for (uint32_t i = 0; i < snapshot->classes; i++) {
        const struct tarn_snapshot_class *class = &snapshot->class[i];
        double fraction;

        if (!class->sampled || !class->size)
            continue;
        figures->samples += class->sampled;
        fraction = waste((double)class->sampled_bytes, (double)class->sampled * class->size);
        add(&ever, fraction, (double)class->allocations * class->size);
        add(&live, fraction, (double)tool_class_active(class) * class->size);
    }
    if (snapshot->large_rounded_bytes) {
        double fraction = waste((double)snapshot->large_requested_bytes, (double)snapshot->large_rounded_bytes);

        add(&ever, fraction, (double)snapshot->large_rounded_bytes);
        add(&live, fraction, (double)snapshot->large_live_bytes);
    }
    figures->has_internal = ever.weight > 0;
    figures->has_internal_live = live.weight > 0;
    figures->internal = ever.weight > 0 ? ever.weighted / ever.weight : 0;
    figures->internal_live = live.weight > 0 ? live.weighted / live.weight : 0;
}

void tool_figure_out(const struct tarn_snapshot *snapshot, struct tool_figures *figures)
{
    *figures = (struct tool_figures){0};
    figures->requests = snapshot->allocations + snapshot->frees + snapshot->reallocs_in_place;
    for (unsigned i = 0; i < TARN_SNAPSHOT_CALLS; i++)
        figures->calls += snapshot->calls[i];
    figure_internal(snapshot, figures);
    if (snapshot->peak_used_bytes > snapshot->peak_live_bytes)
        figures->external_peak = 1 - (double)snapshot->peak_live_bytes / (double)snapshot->peak_used_bytes;
    if (snapshot->used_bytes > 0) {
        figures->has_external = true;
        if (snapshot->used_bytes > snapshot->live_bytes)
            figures->idle_bytes = snapshot->used_bytes - snapshot->live_bytes;
        figures->external = (double)figures->idle_bytes / (double)snapshot->used_bytes;
    }
}
