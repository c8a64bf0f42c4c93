/*
 * Control groups: see cgroup.h. The kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst describe the files.
 *
 * What a group uses includes pages of files, with which any program that reads and writes fills its group up to the limit; that is no shortage. So
 * near the limit those pages that were not used lately (inactive_file) are subtracted, as Kubernetes does before it evicts anybody.
 * Wrong if: a group is short of memory though a quarter of it are such pages.
 */
#include "os/cgroup.h"

#include "os/text.h"

#include <stddef.h>
#include <string.h>

/* What version 1 has for no limit, on machines with any size of pages, and more than any machine has. */
static const uint64_t none = (uint64_t)1 << 62;

static char file[TARN__CGROUP_PATH];

bool tarn__cgroup_join(char *to, uint32_t size, const char *first, const char *second, const char *third)
{
    size_t a = strlen(first), b = strlen(second), c = strlen(third);
    bool fits = a < size && b < size && c < size && a + b + c < size;
    *to = 0;
    if (fits) {
        memcpy(to, first, a);
        memcpy(to + a, second, b);
        memcpy(to + a + b, third, c + 1);
    }
    return fits;
}

bool tarn__cgroup_file(const struct tarn__cgroup *group, uint32_t length, const char *name, char to[TARN__CGROUP_PATH])
{
    size_t rest = strlen(name);
    if (length + 1 + rest >= TARN__CGROUP_PATH)
        return false;
    memcpy(to, group->path, length);
    to[length] = '/';
    memcpy(to + length + 1, name, rest + 1);
    return true;
}

static uint64_t number_in(const struct tarn__cgroup *group, uint32_t length, const char *name, uint64_t otherwise)
{
    return tarn__cgroup_file(group, length, name, file) ? tarn__text_number(file, otherwise) : otherwise;
}

static uint64_t field_in(const struct tarn__cgroup *group, uint32_t length, const char *name, uint64_t otherwise)
{
    return tarn__cgroup_file(group, length, "memory.stat", file) ? tarn__text_field(file, name, otherwise) : otherwise;
}

/* Whether a word is among those that commas part. */
static bool has_word(const char *list, const char *end, const char *word)
{
    size_t length = strlen(word);
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma ? comma : end;
        if ((size_t)(stop - list) == length && memcmp(list, word, length) == 0)
            return true;
        list = stop + 1;
    }
    return false;
}

/* "ID:CONTROLLERS:NAME" */
static bool take_name(void *to, char *text)
{
    struct tarn__cgroup *group = to;
    char *list = strchr(text, ':'), *colon = list ? strchr(list + 1, ':') : NULL;
    if (!colon)
        return true;
    bool wanted =
        group->version == 2 ? text[0] == '0' && list == text + 1 && colon == list + 1 : has_word(list + 1, colon, "memory");
    return !wanted || !tarn__cgroup_join(group->name, sizeof group->name, colon + 1, "", "");
}

/* Spaces and such are written as \ooo. In place. */
static void unescape(char *text)
{
    char *to = text;
    for (; *text; text++) {
        bool escaped = text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' &&
                       text[3] >= '0' && text[3] <= '7';
        *to++ = escaped ? (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0')) : *text;
        text += escaped ? 3 : 0;
    }
    *to = 0;
}

/* What follows the mount's root in the group's name; NULL: it is not below it. */
static const char *below(const char *name, const char *root)
{
    const char *rest = tarn__text_after(name, strcmp(root, "/") == 0 ? "" : root);
    return rest && (*rest == 0 || *rest == '/') && !strstr(rest, "/..") ? rest : NULL;
}

enum { ROOT = 3, POINT = 4, FIELDS = 5 };

/* "ID PARENT DEVICE ROOT POINT OPTIONS … - TYPE SOURCE OPTIONS". Of several mounts the first that shows the group is taken, else the first. */
static bool take_mount(void *to, char *text)
{
    struct tarn__cgroup *group = to;
    char *dash = strstr(text, " - "), *field[FIELDS];
    if (!dash)
        return true;
    const char *kind = tarn__text_after(dash, group->version == 2 ? " - cgroup2 " : " - cgroup ");
    const char *options = kind ? strchr(kind, ' ') : NULL;
    if (!options || (group->version == 1 && !has_word(options + 1, options + strlen(options), "memory")))
        return true;
    for (int i = 0; i < FIELDS; i++) {
        field[i] = text;
        text = strchr(text, ' ');
        if (!text || text > dash)
            return true;
        *text++ = 0;
    }
    unescape(field[ROOT]);
    unescape(field[POINT]);
    bool fits = below(group->name, field[ROOT]) != NULL;
    if ((group->point[0] && !fits) || strlen(field[ROOT]) >= sizeof group->root || strlen(field[POINT]) >= sizeof group->point)
        return true;
    strcpy(group->root, field[ROOT]);
    strcpy(group->point, field[POINT]);
    group->fits = fits;
    return !fits;
}

static void add_level(struct tarn__cgroup *group, uint32_t length, bool highest)
{
    uint64_t limit = number_in(group, length, group->version == 2 ? "memory.max" : "memory.limit_in_bytes", UINT64_MAX);
    uint64_t other = UINT64_MAX;
    if (group->version == 2)
        other = number_in(group, length, "memory.high", UINT64_MAX);
    else if (highest)
        other = field_in(group, length, "hierarchical_memory_limit", UINT64_MAX);
    limit = other < limit ? other : limit;
    if (limit < none && group->levels < TARN__CGROUP_LEVELS) {
        group->level[group->levels].length = length;
        group->level[group->levels++].limit = limit;
    }
}

/* The directory above, not above `top`. */
static uint32_t shorten(const char *path, uint32_t length, uint32_t top)
{
    while (length > top && path[--length] != '/')
        ;
    return length;
}

static void find_levels(struct tarn__cgroup *group, uint32_t top)
{
    uint32_t length = (uint32_t)strlen(group->path);
    for (;;) {
        uint32_t above = shorten(group->path, length, top);
        /* In version 1, groups may not bear on those below them. */
        bool highest = length == top || (group->version == 1 && number_in(group, above, "memory.use_hierarchy", 1) == 0);
        add_level(group, length, highest);
        if (highest)
            return;
        length = above;
    }
}

void tarn__cgroup_find(struct tarn__cgroup *group, unsigned version, const char *prefix)
{
    group->version = version;
    group->levels = 0;
    group->name[0] = 0;
    group->path[0] = 0;
    if (tarn__cgroup_join(file, sizeof file, prefix, "/proc/self/cgroup", ""))
        tarn__text_lines(file, take_name, group);
    if (group->name[0] && !group->point[0] && tarn__cgroup_join(file, sizeof file, prefix, "/proc/self/mountinfo", ""))
        tarn__text_lines(file, take_mount, group);
    const char *rest = below(group->name, group->root);
    if (!group->name[0] || !group->point[0] ||
        !tarn__cgroup_join(group->path, sizeof group->path, prefix, group->point, rest ? rest : "")) {
        group->version = 0;
        return;
    }
    size_t length = strlen(group->path), top = strlen(prefix) + strlen(group->point);
    while (length > top && group->path[length - 1] == '/')
        group->path[--length] = 0;
    find_levels(group, (uint32_t)top);
}

static int use_of(uint64_t use, uint64_t limit) { return use > limit - limit / 10 ? 2 : use > limit - limit / 4 ? 1 : 0; }

uint64_t tarn__cgroup_limit(const struct tarn__cgroup *group)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < group->levels; i++)
        least = group->level[i].limit < least ? group->level[i].limit : least;
    return least;
}

int tarn__cgroup_use(const struct tarn__cgroup *group)
{
    bool second = group->version == 2;
    int most = 0;
    for (uint32_t i = 0; i < group->levels; i++) {
        uint32_t length = group->level[i].length;
        uint64_t limit = group->level[i].limit;
        uint64_t use = number_in(group, length, second ? "memory.current" : "memory.usage_in_bytes", 0);
        if (use_of(use, limit) == 0)
            continue;
        uint64_t unused = field_in(group, length, second ? "inactive_file" : "total_inactive_file", 0);
        int level = use_of(use > unused ? use - unused : 0, limit);
        most = level > most ? level : most;
    }
    return most;
}
