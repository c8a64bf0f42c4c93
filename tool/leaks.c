/*
 * The verb `leaks`; see leaks.h.
 */
#include "leaks.h"

#include "common.h"
#include "help.h"
#include "symbols.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 16, FOUND = 4096 };

/* Options */

static int take_value(char ***at, const char *verb, const char *name, const char **value)
{
    size_t length = strlen(name);
    const char *word = **at;

    if (strncmp(word, name, length) != 0 || (word[length] != 0 && word[length] != '='))
        return 0;
    *value = word[length] ? word + length + 1 : (*at)[1] ? *++*at : NULL;
    if (*value && **value)
        return 1;
    tool_complain("%s: %s needs a value; see 'tarn %s --help'", verb, name, verb);
    return -1;
}

int tool_leaks_option(char ***at, const char *verb, struct tool_leaks_options *options)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--show-reachable", &options->reachable},
                 {"--show-indirect", &options->indirect},
                 {"--gen-suppressions", &options->generate},
                 {"--strict", &options->strict}};
    const char *file = NULL;
    int taken;

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(**at, flags[i].name) == 0) {
            *flags[i].flag = true;
            return 1;
        }
    taken = take_value(at, verb, "--suppressions", &file);
    if (taken == 0)
        return take_value(at, verb, "--error-exitcode", &options->status_text);
    if (taken == 1 && options->file_count == TOOL_SUPPRESSION_FILES) {
        tool_complain("%s: more than %u files of suppressions", verb, TOOL_SUPPRESSION_FILES);
        return -1;
    }
    if (taken == 1)
        options->files[options->file_count++] = file;
    return taken;
}

bool tool_leaks_prepare(struct tool_leaks_options *options, const char *verb)
{
    const char *text = options->status_text;
    char *end = NULL;
    unsigned long status = text && isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;

    if (text && (!end || *end || status > 255)) {
        tool_complain("%s: --error-exitcode takes a number from 0 to 255, not '%s'", verb, text);
        return false;
    }
    options->status = (int)status;
    for (unsigned i = 0; i < options->file_count; i++)
        if (!tool_suppressions_read(&options->suppressions, options->files[i]))
            return false;
    return true;
}

void tool_leaks_done(struct tool_leaks_options *options) { tool_suppressions_free(&options->suppressions); }

/* Names */

static char *copy(const char *text)
{
    char *made = text ? strdup(text) : NULL;
    if (text && !made)
        tool_die("out of memory");
    return made;
}

/* Frames of the library itself, which every stack begins with, say nothing. */
static bool is_ours(const struct tool_live *live, const struct tool_place *place)
{
    for (unsigned i = 0; i < live->count && place->module; i++)
        if (strcmp(place->module, live->roots[i].path) == 0 && strncmp(tool_base_name(place->module), "libtarn", 7) == 0)
            return true;
    return place->function && strncmp(place->function, "tarn_", 5) == 0;
}

/* What was found last at an address of this place in the table: stacks have most of their frames in common. */
struct found {
    uintptr_t address;
    size_t count;
    struct tool_place places[PLACES];
};

struct names {
    struct tool_symbols *symbols;
    struct found *table; /* of FOUND */
};

static const struct found *find(const struct names *names, uintptr_t address)
{
    struct found *found = &names->table[(address ^ address >> 12) % FOUND];

    if (found->address != address || found->count == 0) {
        found->address = address;
        found->count = tool_symbols_find(names->symbols, address - 1, found->places, PLACES);
    }
    return found;
}

/* What calls main says nothing. */
static bool is_last(const struct tool_place *place) { return place->function && strcmp(place->function, "main") == 0; }

/* Each address may be several frames, where calls were inlined. */
static void name_frames(const struct tool_live *live, const struct names *names, struct tool_leak_group *group)
{
    struct tool_frame *named = NULL;
    size_t count = 0;

    for (size_t i = 0; i < group->frame_count; i++) {
        uintptr_t address = group->frames[i].address;
        const struct found *at = find(names, address);
        const struct tool_place *places = at->places;
        size_t found = at->count;

        if (count == 0 && i + 1 < group->frame_count && is_ours(live, &places[found - 1]))
            continue;
        named = tool_grow(named, (count + found) * sizeof *named);
        for (size_t k = 0; k < found; k++)
            named[count++] = (struct tool_frame){.address = address,
                                                 .function = copy(places[k].function),
                                                 .file = copy(places[k].file),
                                                 .line = places[k].line,
                                                 .module = copy(places[k].module),
                                                 .offset = (uintptr_t)places[k].offset + 1};
        if (is_last(&places[found - 1]))
            break;
    }
    free(group->frames);
    group->frames = named;
    group->frame_count = count;
}

static void name_all(const struct tool_live *live, struct tool_leaks *leaks)
{
    struct names names = {.symbols = leaks->stacks ? tool_symbols_open(live->pid, true) : NULL};

    if (!names.symbols)
        return;
    names.table = tool_grow(NULL, FOUND * sizeof *names.table);
    memset(names.table, 0, FOUND * sizeof *names.table);
    for (size_t i = 0; i < leaks->count; i++)
        name_frames(live, &names, &leaks->groups[i]);
    free(names.table);
    tool_symbols_close(names.symbols);
}

/* Finding */

static unsigned wanted_kinds(const struct tool_leaks_options *options)
{
    return 1u << TOOL_LEAK_DEFINITE | 1u << TOOL_LEAK_POSSIBLE | (options->indirect ? 1u << TOOL_LEAK_INDIRECT : 0) |
           (options->reachable ? 1u << TOOL_LEAK_REACHABLE : 0);
}

/* With the process held still. */
static bool scan_stopped(const struct tool_live *live, const struct tool_frozen *frozen,
                         const struct tool_leaks_options *options, struct tool_leaks *leaks)
{
    struct tool_mappings mappings;
    struct tool_heap heap = {.live = NULL};
    struct tool_scan scan = {.live = live, .mappings = &mappings, .heap = &heap, .strict = options->strict};
    bool done = tool_mappings_read(live, false, &mappings) && mappings.count > 0 && tool_heap_read(live, &heap) &&
                tool_scan(&scan, frozen);

    if (done)
        tool_leaks_group(&scan, wanted_kinds(options), leaks);
    tool_scan_free(&scan);
    tool_heap_free(&heap);
    tool_mappings_free(&mappings);
    return done;
}

int tool_leaks_find(const struct tool_live *live, const struct tool_leaks_options *options, struct tool_leaks *leaks)
{
    struct tool_frozen frozen;
    uint64_t begin = tool_now(), threads;
    int status = tool_freeze(live, &frozen);
    bool done;

    *leaks = (struct tool_leaks){.groups = NULL};
    if (status != 0)
        return status;
    threads = frozen.count;
    done = scan_stopped(live, &frozen, options, leaks);
    if (!done)
        status = tool_live_failed(live);
    tool_thaw(&frozen);
    if (!done)
        return status;
    leaks->stopped_ns = tool_now() - begin;
    leaks->threads = threads;
    name_all(live, leaks);
    tool_leaks_merge(leaks);
    tool_leaks_suppress(leaks, &options->suppressions);
    return 0;
}

bool tool_leaks_count(const struct tool_leaks *leaks)
{
    return leaks->sums[TOOL_LEAK_DEFINITE].objects + leaks->sums[TOOL_LEAK_POSSIBLE].objects > 0;
}

/* The command line */

static bool take_arguments(char **argv, struct tool_leaks_options *options, const char **pid, bool *help)
{
    for (; *argv; argv++) {
        int taken = (*argv)[0] == '-' ? tool_leaks_option(&argv, "leaks", options) : 0;

        if (taken < 0)
            return false;
        if (taken > 0)
            continue;
        if (strcmp(*argv, "--json") == 0) {
            options->json = true;
        } else if (strcmp(*argv, "--help") == 0 || strcmp(*argv, "-h") == 0) {
            *help = true;
        } else if ((*argv)[0] == '-') {
            tool_complain("unknown option '%s'; see 'tarn leaks --help'", *argv);
            return false;
        } else if (*pid) {
            tool_complain("one process at a time, not '%s' and '%s'", *pid, *argv);
            return false;
        } else {
            *pid = *argv;
        }
    }
    if (!*pid && !*help)
        tool_complain("no process is named; use 'tarn leaks PID'");
    return *pid || *help;
}

int tool_leaks(char **argv)
{
    struct tool_leaks_options options = {.json = false};
    struct tool_leaks leaks = {.groups = NULL};
    struct tool_live live;
    const char *pid = NULL;
    bool help = false;
    int status;

    if (!take_arguments(argv, &options, &pid, &help))
        return TOOL_STATUS_USAGE;
    if (help)
        return tool_help_leaks();
    if (!tool_leaks_prepare(&options, "leaks"))
        return TOOL_STATUS_USAGE;
    status = tool_live_open(&live, pid);
    if (status == 0) {
        status = tool_leaks_find(&live, &options, &leaks);
        if (status == 0) {
            (options.json ? tool_leaks_emit : tool_leaks_print)(stdout, &live, &options, &leaks);
            if (!options.json)
                tool_leaks_print_unused(stdout, &options);
            status = tool_live_finish();
        }
        if (status == 0 && tool_leaks_count(&leaks))
            status = options.status;
        tool_leaks_free(&leaks);
        tool_live_close(&live);
    }
    tool_leaks_done(&options);
    return status;
}
