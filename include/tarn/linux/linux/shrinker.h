/* Callbacks that free memory when it is short (tarn/shrinker.h). */
#ifndef TARN_LINUX_SHRINKER_H
#define TARN_LINUX_SHRINKER_H
#define _LINUX_SHRINKER_H

#include <linux/gfp_types.h>

#include "../fill/warn.h"

#include "../../shrinker.h"

#include <stdarg.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mem_cgroup;

#define SHRINK_STOP TARN_SHRINK_STOP
#define SHRINK_EMPTY TARN_SHRINK_EMPTY
#define DEFAULT_SEEKS TARN_DEFAULT_SEEKS

/* There is one node and no control group: nothing follows from these. */
#define SHRINKER_NUMA_AWARE 0x4u
#define SHRINKER_MEMCG_AWARE 0x8u
#define SHRINKER_NONSLAB 0x10u

struct shrink_control {
    gfp_t gfp_mask;
    int nid;
    unsigned long nr_to_scan;
    unsigned long nr_scanned;
    struct mem_cgroup *memcg;
};

struct shrinker {
    unsigned long (*count_objects)(struct shrinker *shrinker, struct shrink_control *control);
    unsigned long (*scan_objects)(struct shrinker *shrinker, struct shrink_control *control);
    long batch;
    int seeks;
    unsigned flags;
    void *private_data;
    void *tarn_internal[4];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct shrink_control) == sizeof(struct tarn_shrink_control), "a control is tarn's control");
_Static_assert(offsetof(struct shrink_control, nr_to_scan) == offsetof(struct tarn_shrink_control, nr_to_scan), "to scan");
_Static_assert(offsetof(struct shrink_control, nr_scanned) == offsetof(struct tarn_shrink_control, nr_scanned), "scanned");
_Static_assert(sizeof(struct shrinker) == sizeof(struct tarn_shrinker), "a shrinker is tarn's shrinker");
_Static_assert(offsetof(struct shrinker, scan_objects) == offsetof(struct tarn_shrinker, scan_objects), "its scan");
_Static_assert(offsetof(struct shrinker, batch) == offsetof(struct tarn_shrinker, batch), "its batch");
_Static_assert(offsetof(struct shrinker, seeks) == offsetof(struct tarn_shrinker, seeks), "its seeks");
_Static_assert(offsetof(struct shrinker, private_data) == offsetof(struct tarn_shrinker, private_data), "its data");
#endif

/* The name is shown up to 31 characters. */
__attribute__((format(printf, 2, 3))) static inline struct shrinker *shrinker_alloc(unsigned int flags, const char *format, ...)
{
    char name[32];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return (struct shrinker *)tarn_shrinker_alloc(flags, name);
}

/* One that lacks a callback is not called. */
static inline void shrinker_register(struct shrinker *shrinker)
{
    (void)tarn_shrinker_register((struct tarn_shrinker *)shrinker);
}

static inline void shrinker_free(struct shrinker *shrinker) { tarn_shrinker_free((struct tarn_shrinker *)shrinker); }

#ifdef __cplusplus
}
#endif

#endif
