/*
 * Where the process's control groups are, and which limits on memory bear on it, in versions 1 and 2 of the kernel's interface, and in mixtures of both.
 *
 *     /proc/self/cgroup       0::/a/b            version 2: the group
 *                             4:memory:/a/b      version 1
 *     /proc/self/mountinfo    … ROOT POINT … - cgroup2 …          where groups below ROOT are files below POINT
 *                             … ROOT POINT … - cgroup … …,memory
 *
 * So the group's directory is POINT and what follows ROOT in the group's name; where the name is not below ROOT (another namespace), it is POINT. Each
 * group above it up to POINT may have a limit too. Those above POINT cannot be seen: of version 1 the highest one that can tells what they allow.
 *
 * One caller at a time, with static memory only: see os/text.h.
 */
#ifndef TARN_OS_CGROUP_H
#define TARN_OS_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

enum { TARN__CGROUP_PATH = 1024, TARN__CGROUP_LEVELS = 8, TARN__CGROUP_MOUNT = 256 };

/* One hierarchy. Zeroed at first. */
struct tarn__cgroup {
    unsigned version;               /* 1 or 2; 0: none was found */
    bool fits;                      /* the group lies below the mount's root */
    char root[TARN__CGROUP_MOUNT];  /* of the mount */
    char point[TARN__CGROUP_MOUNT]; /* where it is mounted */
    char name[TARN__CGROUP_PATH];   /* the group */
    char path[TARN__CGROUP_PATH];   /* its directory; shortened by the paths of groups above */
    uint32_t levels;                /* groups with limits, the nearest first; more than eight do not count */
    struct {
        uint32_t length; /* of `path`: the group's directory */
        uint64_t limit;  /* bytes */
    } level[TARN__CGROUP_LEVELS];
};

/*
 * Finds the group and its limits of version `version`, in a system whose files lie below `prefix`; the mount only if it is not known yet. What is
 * missing or cannot be understood is no group, or no limit.
 */
void tarn__cgroup_find(struct tarn__cgroup *group, unsigned version, const char *prefix);

/* How near the most pressed group is to its limit: 0, 1 (above 3/4) or 2 (above 9/10). Files that the kernel can drop at once do not count. */
int tarn__cgroup_use(const struct tarn__cgroup *group);

/* The least of its limits in bytes; UINT64_MAX: it has none. */
uint64_t tarn__cgroup_limit(const struct tarn__cgroup *group);

/* The path of a file in the group whose directory is the first `length` bytes of the path; false when it is too long. */
bool tarn__cgroup_file(const struct tarn__cgroup *group, uint32_t length, const char *name, char to[TARN__CGROUP_PATH]);

/* Puts three pieces together; false when they are too long. */
bool tarn__cgroup_join(char *to, uint32_t size, const char *first, const char *second, const char *third);

#endif
