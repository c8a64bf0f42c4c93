/*
 * `tarn run --compare`; see compare.h.
 *
 * What makes the figures comparable: a first run under the system's malloc warms the file cache and is the one
 * whose output is shown, so that no timed run writes to a terminal; every timed run reads the same input and writes to
 * /dev/null; the allocators take turns, and each round begins with another one, so that a machine that
 * gets slower or faster meanwhile favours none; the median of the rounds counts.
 *
 * tarn publishes its figures in these runs as in any other. That costs it a little and nobody else.
 */
#define _GNU_SOURCE 1
#include "compare.h"

#include "common.h"
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct session {
    const struct tool_compare_plan *plan;
    struct tool_comparison *comparison;
    struct tool_result *last;
    struct tool_input input;
    int null;
    bool terminal; /* progress is a line that is written over; else one line a round */
};

static void show_progress(const struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void show_progress(const struct session *session, const char *format, ...)
{
    char line[256];
    va_list arguments;
    int used = 0;

    if (session->plan->quiet || !session->terminal)
        return;
    used = snprintf(line, sizeof line, "\r\033[K");
    va_start(arguments, format);
    used += vsnprintf(line + used, sizeof line - (size_t)used, format, arguments);
    va_end(arguments);
    (void)tool_write(STDERR_FILENO, line, used < (int)sizeof line ? (size_t)used : sizeof line - 1);
}

static bool is_tarn(const struct tool_contender *contender) { return strcmp(contender->allocator.name, TOOL_TARN) == 0; }

/* One run. The figures of tarn's replace those of its run before. */
static int run_once(struct session *session, struct tool_contender *contender, bool shown, struct tool_outcome *outcome)
{
    struct tool_launch launch = {.argv = session->plan->argv, .out = -1, .err = -1};
    struct tool_slots slots = {.fd = -1};
    int error;

    launch.in = tool_input_open(&session->input);
    launch.preload = contender->allocator.path[0] ? contender->allocator.path : NULL;
    if (!shown)
        launch.out = launch.err = session->null;
    if (is_tarn(contender)) {
        tool_slots_open(&slots);
        launch.snapshot = slots.path;
    }
    error = tool_launch(&launch, outcome);
    close(launch.in);
    if (error)
        tool_die("cannot start a process: %s", strerror(-error));
    if (is_tarn(contender) && !outcome->error) {
        tool_processes_free(&session->last->processes);
        session->last->outcome = *outcome;
        tool_slots_read(&slots, outcome->pid, outcome->end_ns, WIFSIGNALED(outcome->status), &session->last->processes);
    }
    tool_slots_close(&slots);
    return outcome->error;
}

static void record(struct tool_comparison *comparison, struct tool_contender *contender, const struct tool_outcome *outcome)
{
    int status = tool_exit_status(outcome);

    contender->runs[contender->count++] = (struct tool_run){
        .wall_ns = outcome->end_ns - outcome->begin_ns,
        .user_ns = outcome->user_ns,
        .system_ns = outcome->system_ns,
        .peak_resident_bytes = outcome->peak_resident_bytes,
    };
    if (!contender->differs && status != comparison->exit_status) {
        contender->differs = true;
        contender->exit_status = status;
    }
}

/* Returns 0, or the errno with which a run could not be started. Stops early at an interruption. */
static int run_rounds(struct session *session)
{
    struct tool_comparison *comparison = session->comparison;

    for (unsigned round = 0; round < comparison->rounds; round++) {
        for (unsigned i = 0; i < comparison->count; i++) {
            struct tool_contender *contender = &comparison->contenders[(i + round) % comparison->count];
            struct tool_outcome outcome;
            int error;

            show_progress(session, "  round %u of %u: %s", round + 1, comparison->rounds, contender->allocator.name);
            error = run_once(session, contender, false, &outcome);
            if (error)
                return error;
            if (outcome.interrupted) {
                comparison->interrupted = outcome.interrupted;
                return 0;
            }
            record(comparison, contender, &outcome);
        }
        comparison->rounds_done = round + 1;
        if (!session->plan->quiet && !session->terminal)
            tool_complain("round %u of %u done", round + 1, comparison->rounds);
    }
    return 0;
}

/* The run that is shown: its exit status is what the others are held to. */
static int run_first(struct session *session)
{
    struct tool_comparison *comparison = session->comparison;
    struct tool_outcome outcome;
    int error = run_once(session, &comparison->contenders[0], true, &outcome);

    if (error)
        return error;
    comparison->exit_status = tool_exit_status(&outcome);
    comparison->interrupted = outcome.interrupted;
    for (unsigned i = 0; i < comparison->count; i++)
        comparison->contenders[i].exit_status = comparison->exit_status;
    return 0;
}

static int compare_counts(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static struct tool_spread spread(const struct tool_contender *contender, size_t member)
{
    unsigned count = contender->count;
    uint64_t *values = tool_grow(NULL, count * sizeof *values);
    struct tool_spread result = {0};

    for (unsigned i = 0; i < count; i++)
        memcpy(&values[i], (const char *)&contender->runs[i] + member, sizeof values[i]);
    if (count > 0) {
        qsort(values, count, sizeof values[0], compare_counts);
        result.median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
        result.least = values[0];
        result.most = values[count - 1];
    }
    free(values);
    return result;
}

static void summarize(struct tool_comparison *comparison)
{
    for (unsigned i = 0; i < comparison->count; i++) {
        struct tool_contender *contender = &comparison->contenders[i];

        contender->wall_ns = spread(contender, offsetof(struct tool_run, wall_ns));
        contender->user_ns = spread(contender, offsetof(struct tool_run, user_ns));
        contender->system_ns = spread(contender, offsetof(struct tool_run, system_ns));
        contender->peak_resident_bytes = spread(contender, offsetof(struct tool_run, peak_resident_bytes));
    }
}

static void announce(const struct session *session)
{
    const char *preload = getenv("LD_PRELOAD");
    char names[2048] = "";

    if (session->plan->quiet)
        return;
    for (unsigned i = 0; i < session->comparison->count; i++) {
        if (strlen(names) + 80 > sizeof names)
            break;
        strcat(strcat(names, i ? ", " : ""), session->comparison->contenders[i].allocator.name);
    }
    tool_complain("comparing %s", names);
    tool_complain("%u round%s; output is shown of a first run, which is not timed, and discarded after it",
                  session->comparison->rounds, session->comparison->rounds == 1 ? "" : "s");
    if (session->comparison->count == 2 && is_tarn(&session->comparison->contenders[1]))
        tool_complain("no other allocator was found; --with takes the path of one");
    if (preload && *preload)
        tool_complain("LD_PRELOAD is %s already, and stays so in every run, the system's too", preload);
}

int tool_compare(const struct tool_compare_plan *plan, struct tool_comparison *comparison, struct tool_result *last)
{
    struct session session = {.plan = plan, .comparison = comparison, .last = last, .terminal = isatty(STDERR_FILENO)};
    int error;

    *comparison = (struct tool_comparison){.count = plan->allocators->count, .rounds = plan->rounds};
    comparison->contenders = tool_grow(NULL, comparison->count * sizeof *comparison->contenders);
    for (unsigned i = 0; i < comparison->count; i++)
        comparison->contenders[i] = (struct tool_contender){
            .allocator = plan->allocators->all[i],
            .runs = tool_grow(NULL, plan->rounds * sizeof(struct tool_run)),
        };
    session.null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (session.null < 0)
        tool_die("cannot open /dev/null: %s", strerror(errno));
    announce(&session);
    tool_input_take(&session.input, plan->quiet);
    error = run_first(&session);
    if (!error && !comparison->interrupted)
        error = run_rounds(&session);
    show_progress(&session, "%s", "");
    summarize(comparison);
    tool_input_close(&session.input);
    close(session.null);
    return error;
}

void tool_comparison_free(struct tool_comparison *comparison)
{
    for (unsigned i = 0; i < comparison->count; i++)
        free(comparison->contenders[i].runs);
    free(comparison->contenders);
    *comparison = (struct tool_comparison){0};
}
