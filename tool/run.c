/*
 * The verb `run`: takes its options, checks everything that can be checked before something is started,
 * starts it, and has the report written.
 */
#define _GNU_SOURCE 1
#include "run.h"

#include "allocators.h"
#include "common.h"
#include "compare.h"
#include "help.h"
#include "json.h"
#include "leaks_watch.h"
#include "report.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_USUAL 3u
#define ROUNDS_MOST 1000u

struct options {
    bool help;
    bool compare;
    bool json;
    const char *with;
    const char *rounds_text;
    unsigned rounds;
    const char *report;
    bool leaks, children;
    bool leaks_only; /* an option was given that goes with --leaks */
    struct tool_leaks_options leak;
    char **program;
};

/* --- the command line -------------------------------------------------------------------------------- */

/* Takes the value of an option from its word, `name=value`, or the next. Returns 1; 0: another option; -1: no value. */
static int take_value(char ***at, const char *name, const char **value)
{
    size_t length = strlen(name);
    const char *word = **at;

    if (strncmp(word, name, length) != 0 || (word[length] != 0 && word[length] != '='))
        return 0;
    *value = word[length] ? word + length + 1 : *++*at;
    if (*value && **value)
        return 1;
    tool_complain("run: %s needs a value; see 'tarn run --help'", name);
    return -1;
}

/* How many frames of a stack are noted. Returns as take_value. */
static int take_frames(char ***at)
{
    const char *value;
    int taken = take_value(at, "--frames", &value);

    if (taken == 1 &&
        (strspn(value, "0123456789") != strlen(value) || strlen(value) > 2 || atoi(value) < 1 || atoi(value) > 32)) {
        tool_complain("run: --frames takes a number from 1 to 32, not '%s'", value);
        return -1;
    }
    return taken == 1 && setenv("TARN_FRAMES", value, 1) != 0 ? -1 : taken;
}

/* What is left to the library is told it by its variables. Returns as take_value. */
static int take_mode(char ***at)
{
    const char *value;
    int taken;

    if (strcmp(**at, "--harden") == 0)
        return setenv("TARN_HARDEN", "1", 1) == 0 ? 1 : -1;
    if ((taken = take_value(at, "--debug", &value)) == 1) {
        size_t letters = strspn(value, "FZPUQGL");
        if (letters > 0 && (value[letters] == 0 || value[letters] == ',' || value[letters] == ';'))
            return setenv("TARN_DEBUG", value, 1) == 0 ? 1 : -1;
        tool_complain("run: --debug takes letters of FZPUQGL, and names behind commas, not '%s'", value);
        return -1;
    }
    if (taken == 0 && (taken = take_value(at, "--sample", &value)) == 1) {
        if (value[strspn(value, "0123456789")] == 0 && strlen(value) < 10)
            return setenv("TARN_SAMPLE", value, 1) == 0 ? 1 : -1;
        tool_complain("run: --sample takes a number below 1000000000, not '%s'", value);
        return -1;
    }
    return taken;
}

static int take_option(char ***at, struct options *options)
{
    const char *word = **at;
    int taken;

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        options->help = true;
    else if (strcmp(word, "--compare") == 0)
        options->compare = true;
    else if (strcmp(word, "--json") == 0)
        options->json = true;
    else if (strcmp(word, "--leaks") == 0)
        options->leaks = true;
    else if (strcmp(word, "--children") == 0)
        options->leaks_only = options->children = true;
    else if ((taken = tool_leaks_option(at, "run", &options->leak)) != 0 || (taken = take_frames(at)) != 0) {
        options->leaks_only = true;
        return taken == 1 ? 0 : -1;
    } else {
        taken = take_value(at, "--with", &options->with);
        if (taken == 0)
            taken = take_value(at, "--rounds", &options->rounds_text);
        if (taken == 0)
            taken = take_value(at, "--report", &options->report);
        if (taken == 0)
            taken = take_mode(at);
        if (taken == 0)
            tool_complain("run: unknown option '%s'; see 'tarn run --help'", word);
        return taken == 1 ? 0 : -1;
    }
    return 0;
}

static int take_rounds(struct options *options)
{
    const char *text = options->rounds_text;
    char *end = NULL;
    unsigned long rounds;

    if (!text)
        return 0;
    rounds = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
    if (rounds < 1 || rounds > ROUNDS_MOST || *end) {
        tool_complain("run: --rounds takes a number from 1 to %u, not '%s'", ROUNDS_MOST, text);
        return -1;
    }
    options->rounds = (unsigned)rounds;
    return 0;
}

static int take_options(char **argv, struct options *options)
{
    *options = (struct options){.rounds = ROUNDS_USUAL};
    for (; *argv && **argv == '-' && argv[0][1]; argv++) {
        if (strcmp(*argv, "--") == 0) {
            argv++;
            break;
        }
        if (take_option(&argv, options) != 0)
            return -1;
        if (options->help)
            return 0;
    }
    if (!*argv || !**argv) {
        tool_complain("run: no program is named; use 'tarn run -- PROGRAM ARGUMENTS'");
        return -1;
    }
    options->program = argv;
    if (!options->compare && (options->with || options->rounds_text)) {
        tool_complain("run: %s goes with --compare; see 'tarn run --help'", options->with ? "--with" : "--rounds");
        return -1;
    }
    if ((options->leaks_only && !options->leaks) || (options->leaks && options->compare)) {
        tool_complain(options->leaks ? "run: --leaks does not go with --compare; see 'tarn run --help'"
                                     : "run: this option goes with --leaks; see 'tarn run --help'");
        return -1;
    }
    options->leak.json = options->json;
    return options->leaks && !tool_leaks_prepare(&options->leak, "run") ? -1 : take_rounds(options);
}

/* --- starting ---------------------------------------------------------------------------------------- */

static int explain_failure(const struct tool_result *result, int error)
{
    const char *name = result->argv[0];

    /* execvp says so as well of a directory in PATH that may not be searched, wherever the program is missing. */
    if (error == EACCES && !strchr(name, '/') && !result->program.path[0] && !result->program.refused)
        error = ENOENT;
    if (error == ENOENT && result->program.interpreter[0])
        tool_complain("cannot run %s: its interpreter %s is not there", name, result->program.interpreter);
    else if (error == ENOENT && result->program.path[0])
        tool_complain("cannot run %s: its loader %s is not there", name, result->program.loader);
    else if (error == ENOENT)
        tool_complain("cannot run %s: %s", name, strchr(name, '/') ? "no such file" : "not found in PATH");
    else
        tool_complain("cannot run %s: %s", name, strerror(error));
    return error == ENOENT || error == ENOTDIR ? TOOL_STATUS_NOT_FOUND : TOOL_STATUS_NOT_EXECUTABLE;
}

/* Returns the errno with which the program could not be started, or 0. */
static int run_plain(struct tool_result *result, struct tool_leaks_watch *watch)
{
    struct tool_launch launch = {.argv = result->argv, .preload = result->library, .in = -1, .out = -1, .err = -1};
    struct tool_slots slots;
    int error;

    if (result->program.obstacle == TOOL_FOREIGN)
        launch.file = result->program.path;
    if (watch) {
        launch.leaks = watch->name;
        launch.debug = watch->debug;
        launch.attend = tool_leaks_watch_attend;
        launch.context = watch;
    }
    tool_slots_open(&slots);
    launch.snapshot = slots.path;
    error = tool_launch(&launch, &result->outcome);
    if (error)
        tool_die("cannot start a process: %s", strerror(-error));
    if (!result->outcome.error)
        tool_slots_read(&slots, result->outcome.pid, result->outcome.end_ns, WIFSIGNALED(result->outcome.status),
                        &result->processes);
    tool_slots_close(&slots);
    return result->outcome.error;
}

/* Keeps the allocators that can be preloaded. Returns 0, or the exit status if one that matters cannot. */
static int try_allocators(struct tool_allocators *allocators, const struct options *options)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < allocators->count; i++) {
        const struct tool_allocator *allocator = &allocators->all[i];

        if (tool_allocator_loads(allocator)) {
            allocators->all[kept++] = *allocator;
            continue;
        }
        if (options->with || strcmp(allocator->name, TOOL_TARN) == 0) {
            tool_complain("run: --compare: the loader does not accept %s (%s)", allocator->path, allocator->name);
            return options->with ? TOOL_STATUS_USAGE : TOOL_STATUS_TROUBLE;
        }
        if (!options->json || options->report)
            tool_complain("%s is left out: the loader does not accept %s", allocator->name, allocator->path);
    }
    allocators->count = kept;
    return 0;
}

/* --- reporting --------------------------------------------------------------------------------------- */

static int open_report(const struct options *options)
{
    int fd = STDERR_FILENO;

    if (options->report) {
        fd = open(options->report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
        if (fd < 0)
            tool_complain("run: cannot open %s for the report: %s", options->report, strerror(errno));
    }
    return fd;
}

/* Composes the report in memory, so that it is one piece even where others write to the same place. */
static void write_report(const struct options *options, int fd, const struct tool_result *result,
                         const struct tool_comparison *comparison, int status)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    struct tool_text style;
    int error;

    if (!out)
        tool_die("out of memory");
    tool_text_open(&style, out, fd);
    if (options->json) {
        tool_json(out, result, comparison, status);
    } else {
        if (comparison)
            tool_comparison_report(&style, comparison);
        if (result->outcome.pid)
            tool_report(&style, result);
    }
    if (fclose(out) != 0)
        tool_die("out of memory");
    error = tool_write(fd, text, length);
    if (error)
        tool_complain("cannot write the report%s%s: %s", options->report ? " to " : "", options->report ? options->report : "",
                      strerror(-error));
    free(text);
}

/* --- the two ways ------------------------------------------------------------------------------------ */

static int run_and_report(const struct options *options, struct tool_result *result, int fd)
{
    int error = run_plain(result, NULL);
    int status;

    if (error)
        return explain_failure(result, error);
    status = tool_exit_status(&result->outcome);
    write_report(options, fd, result, NULL, status);
    return status;
}

/* With --leaks: the report is written while the program waits at its end. */
static int run_for_leaks(const struct options *options, struct tool_result *result, int fd)
{
    struct tool_leaks_watch watch = {.options = &options->leak, .socket = -1, .children = options->children, .report = fd};
    int error, status;

    if (!tool_leaks_watch_open(&watch))
        return TOOL_STATUS_TROUBLE;
    error = run_plain(result, &watch);
    if (error) {
        tool_leaks_watch_close(&watch);
        return explain_failure(result, error);
    }
    status = tool_exit_status(&result->outcome);
    if (!watch.checked && WIFSIGNALED(result->outcome.status))
        tool_complain("no leaks were looked for: signal %s ended %s before its exit",
                      tool_signal_name(WTERMSIG(result->outcome.status)), result->argv[0]);
    else if (!watch.checked)
        tool_complain("no leaks were looked for in %s: it is not on tarn, became another program, or filters its system calls",
                      result->argv[0]);
    tool_leaks_watch_end(&watch);
    tool_leaks_watch_close(&watch);
    return watch.leaks && options->leak.status ? options->leak.status : status;
}

static int compare_and_report(const struct options *options, struct tool_result *result, int fd,
                              const struct tool_allocators *allocators)
{
    struct tool_compare_plan plan = {
        .argv = result->argv,
        .allocators = allocators,
        .rounds = options->rounds,
        .quiet = options->json && !options->report,
    };
    struct tool_comparison comparison;
    int error = tool_compare(&plan, &comparison, result);
    int status;

    if (error) {
        tool_comparison_free(&comparison);
        return explain_failure(result, error);
    }
    status = comparison.interrupted ? 128 + comparison.interrupted : comparison.exit_status;
    write_report(options, fd, result, &comparison, status);
    tool_comparison_free(&comparison);
    return status;
}

static int choose_allocators(const struct options *options, const char *library, struct tool_allocators *allocators)
{
    if (!options->with) {
        tool_allocators_find(allocators, library);
        return 0;
    }
    return tool_allocators_choose(allocators, options->with, library) == 0 ? 0 : TOOL_STATUS_USAGE;
}

int tool_run(char **argv)
{
    static struct tool_allocators allocators;
    static struct tool_result result;
    static char library[PATH_MAX]; /* the result refers to it */
    char why[3 * PATH_MAX];
    struct options options;
    int fd, status;

    if (take_options(argv, &options) != 0)
        return TOOL_STATUS_USAGE;
    if (options.help)
        return tool_help_run();
    if (tool_find_library(library) != 0)
        return TOOL_STATUS_TROUBLE;
    if (options.compare && (status = choose_allocators(&options, library, &allocators)) != 0)
        return status;
    fd = open_report(&options);
    if (fd < 0)
        return TOOL_STATUS_TROUBLE;
    result.argv = options.program;
    tool_inspect(result.argv[0], &result.program);
    result.library = tool_preload_harms(&result.program) ? NULL : library;
    tool_hold_signals();
    if (options.compare && result.program.obstacle != TOOL_FREE) {
        tool_explain(&result.program, why, sizeof why);
        if (!options.json || options.report)
            tool_complain("nothing to compare: %s", why);
        options.compare = false;
    }
    if (options.compare && (status = try_allocators(&allocators, &options)) != 0)
        return status;
    status = options.compare ? compare_and_report(&options, &result, fd, &allocators)
             : options.leaks ? run_for_leaks(&options, &result, fd)
                             : run_and_report(&options, &result, fd);
    tool_leaks_done(&options.leak);
    tool_processes_free(&result.processes);
    return status;
}
