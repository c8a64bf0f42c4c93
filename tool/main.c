/*
 * The command `tarn`: its verbs, and what holds for all of them.
 *
 * Who may call whom, lowest first: common, text, elf, emit, help; symbols, symbolize; table, preload, launch, slots, figures, input, live; freeze, scan_heap, scan, scan_roots, suppress, leaks_groups, leaks_report;
 * allocators; others, report, json, comparison, compare; maps_areas, maps_pools, maps_report; leaks, run, slabinfo, buddyinfo, maps; main.
 */
#include "allocators.h"
#include "buddyinfo.h"
#include "common.h"
#include "help.h"
#include "leaks.h"
#include "maps.h"
#include "run.h"
#include "slabinfo.h"
#include "symbolize.h"

#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

/*
 * A standard stream that is closed would be given to the next file that is opened here, and a report written
 * into it. Opened close-on-exec, they are closed again for the program, as it was meant.
 */
static void fill_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) != fd)
            return;
}

static const struct {
    const char *name;
    int (*act)(char **argv);
} verbs[] = {
    {"run", tool_run}, {"slabinfo", tool_slabinfo}, {"buddyinfo", tool_buddyinfo}, {"maps", tool_maps}, {"leaks", tool_leaks}};

int main(int argc, char **argv)
{
    fill_standard_streams();
    setlocale(LC_CTYPE, "");
    if (argc < 2) {
        tool_complain("no command is named; use 'tarn run -- PROGRAM', or see 'tarn --help'");
        return TOOL_STATUS_USAGE;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].act(argv + 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return tool_help();
    if (strcmp(argv[1], "--version") == 0)
        return tool_version();
    if (strcmp(argv[1], "--probe") == 0 && argc == 3) /* not for people: see allocators.c */
        return tool_allocator_probe(argv[2]);
    if (strcmp(argv[1], "symbolize") == 0) /* nor this: see symbolize.h */
        return tool_symbolize(argv + 2);
    tool_complain("unknown %s '%s'; see 'tarn --help'", argv[1][0] == '-' ? "option" : "command", argv[1]);
    return TOOL_STATUS_USAGE;
}
