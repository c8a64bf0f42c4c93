/*
 * The report for a person; see report.h.
 *
 * The launched program comes first and in full: a heading, a few labelled lines, the table of its size classes
 * laid out as slabtop's, what is still live. The other processes of its tree follow in short. Lines that
 * would say nothing (no failures, no large requests) are left out.
 */
#define _GNU_SOURCE 1
#include "report.h"

#include "common.h"
#include "figures.h"
#include "others.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define CLASS_ROWS 12u /* shown in full; smaller classes are summed up */
#define LIVE_SHOWN 3u
#define BAR_LEAST 8u
#define BAR_MOST 24u

#define INDENT 18u /* of what stands after a label */

static struct tool_line label(const struct tool_text *text, const char *name)
{
    fprintf(text->out, "  %s%-14s%s  ", tool_on(text, TOOL_BOLD), name, tool_off(text, TOOL_BOLD));
    return (struct tool_line){.column = INDENT, .indent = INDENT};
}

/* Ends a line; what follows stands under it. */
static struct tool_line next_line(const struct tool_text *text)
{
    fprintf(text->out, "\n%*s", (int)INDENT, "");
    return (struct tool_line){.column = INDENT, .indent = INDENT};
}

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

static void write_command(const struct tool_text *text, char **argv)
{
    unsigned left = text->width > 12 ? text->width - 8 : 60;

    fprintf(text->out, "\n%starn%s%s", tool_on(text, TOOL_DIM), text->dot, tool_off(text, TOOL_DIM));
    fputs(tool_on(text, TOOL_BOLD), text->out);
    for (unsigned i = 0; argv[i] && left > 4; i++) {
        char word[512];

        if (i > 0) {
            fputc(' ', text->out);
            left--;
        }
        tool_clean(text, word, sizeof word, argv[i], left < 100 ? left : 100);
        fputs(word, text->out);
        left -= tool_columns(word) < left ? tool_columns(word) : left;
        if (left <= 4 && argv[i + 1])
            fputs(text->ellipsis, text->out);
    }
    fprintf(text->out, "%s\n", tool_off(text, TOOL_BOLD));
}

/* "killed by signal 9 (KILL); figures as of the last update, 12 ms before the end" */
static void write_killed(const struct tool_text *text, const struct tool_outcome *outcome, const struct tool_process *process)
{
    fprintf(text->out, "  %skilled by signal %d (%s)%s%s", tool_on(text, TOOL_BAD), WTERMSIG(outcome->status),
            tool_signal_name(WTERMSIG(outcome->status)), WCOREDUMP(outcome->status) ? ", core dumped" : "",
            tool_off(text, TOOL_BAD));
    if (process && process->end == TOOL_END_KILLED)
        fprintf(text->out, "; figures as of the last update, %s before the end%s", tool_time(process->age_ns).s,
                process->torn ? "; last update torn" : "");
    fputc('\n', text->out);
}

static void write_heading(const struct tool_text *text, const struct tool_result *result, const struct tool_process *process)
{
    const struct tool_outcome *outcome = &result->outcome;
    struct tool_line line = {.column = 2, .indent = 2};
    int status = tool_exit_status(outcome);

    write_command(text, result->argv);
    if (WIFSIGNALED(outcome->status))
        write_killed(text, outcome, process);
    fputs("  ", text->out);
    if (!WIFSIGNALED(outcome->status))
        tool_fact(text, &line, text->dot, status ? TOOL_BAD : TOOL_GOOD, "exit status %d", status);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s wall", tool_time(outcome->end_ns - outcome->begin_ns).s);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s user + %s system", tool_time(outcome->user_ns).s,
              tool_time(outcome->system_ns).s);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "peak resident %s", tool_bytes(outcome->peak_resident_bytes).s);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "pid %ld", (long)outcome->pid);
    fputc('\n', text->out);
}

/* Says so where the figures are not of the program that was named, or not those of its end. */
static void write_reservations(const struct tool_text *text, const struct tool_result *result,
                               const struct tool_process *process)
{
    const struct tool_process *first = process;
    char was[128], is[128];

    for (size_t i = 0; i < result->processes.count && first == process; i++)
        if (result->processes.all[i].launched)
            first = &result->processes.all[i];
    if (first != process) {
        tool_clean(text, was, sizeof was, first->figures.program, 24);
        tool_clean(text, is, sizeof is, process->figures.program, 24);
        fprintf(text->out, "  figures of %s, which %s became by exec\n", is, was);
    }
    if (process->end == TOOL_END_UNSEEN)
        fprintf(text->out,
                "  %sfigures as of the last update, %s before the end, which was not seen%s\n"
                "  (it ended by _exit, or became a program that is not on tarn)%s\n",
                tool_on(text, TOOL_WARN), tool_time(process->age_ns).s, process->torn ? "; last update torn" : "",
                tool_off(text, TOOL_WARN));
}

static void write_memory(const struct tool_text *text, const struct tarn_snapshot *s, const char *when)
{
    struct tool_line line = label(text, "memory");

    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s live at the peak", tool_bytes(s->peak_live_bytes).s);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s live %s in %s object%s", tool_bytes(s->live_bytes).s, when,
              tool_count(s->live_objects).s, plural(s->live_objects));
    fputc('\n', text->out);
}

static void write_requests(const struct tool_text *text, const struct tarn_snapshot *s, const struct tool_figures *figures)
{
    struct tool_line line = label(text, "requests");

    tool_fact(text, &line, ", ", TOOL_BOLD, "%s request%s, %s system call%s", tool_count(figures->requests).s,
              plural(figures->requests), tool_count(figures->calls).s, plural(figures->calls));
    line = next_line(text);
    tool_fact(text, &line, ", ", TOOL_PLAIN, "%s allocation%s", tool_count(s->allocations).s, plural(s->allocations));
    tool_fact(text, &line, ", ", TOOL_PLAIN, "%s free%s", tool_count(s->frees).s, plural(s->frees));
    tool_fact(text, &line, ", ", TOOL_PLAIN, "%s realloc%s in place", tool_count(s->reallocs_in_place).s,
              plural(s->reallocs_in_place));
    if (s->reallocs_moved || s->reallocs_remapped) {
        line = next_line(text);
        tool_fact(text, &line, ", ", TOOL_PLAIN, "%s realloc%s copied", tool_count(s->reallocs_moved).s,
                  plural(s->reallocs_moved));
        tool_fact(text, &line, ", ", TOOL_PLAIN, "%s remapped", tool_count(s->reallocs_remapped).s);
    }
    if (s->failures) {
        line = next_line(text);
        tool_fact(text, &line, ", ", TOOL_BAD, "%s failed", tool_count(s->failures).s);
    }
    fputc('\n', text->out);
    if (!figures->calls)
        return;
    line = label(text, "system calls");
    for (unsigned i = 0; i < TARN_SNAPSHOT_CALLS; i++)
        if (s->calls[i])
            tool_fact(text, &line, ", ", TOOL_PLAIN, "%s %s", tool_call_titles[i], tool_count(s->calls[i]).s);
    fputc('\n', text->out);
}

static void write_fragmentation(const struct tool_text *text, const struct tarn_snapshot *s, const struct tool_figures *figures)
{
    struct tool_line line = label(text, "fragmentation");

    if (figures->has_internal)
        tool_fact(text, &line, ", ", TOOL_PLAIN, "internal %s of all bytes given", tool_percent(figures->internal).s);
    else
        tool_fact(text, &line, ", ", TOOL_PLAIN, "internal unknown: no request was sampled");
    if (figures->has_internal_live)
        tool_fact(text, &line, ", ", TOOL_PLAIN, "%s of those still live", tool_percent(figures->internal_live).s);
    if (figures->has_internal)
        tool_fact(text, &line, " ", TOOL_PLAIN, "(sampled: %s request%s)", tool_count(figures->samples).s,
                  plural(figures->samples));
    line = next_line(text);
    tool_fact(text, &line, ", ", TOOL_PLAIN, "external %s at the peak, of %s in use then",
              tool_percent(figures->external_peak).s, tool_bytes(s->peak_used_bytes).s);
    if (figures->has_external)
        tool_fact(text, &line, ", ", TOOL_PLAIN, "%s of %s now", tool_percent(figures->external).s,
                  tool_bytes(s->used_bytes).s);
    fputc('\n', text->out);
}

static void write_pages(const struct tool_text *text, const struct tarn_snapshot *s)
{
    struct tool_line line = label(text, "pages");

    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s from the system", tool_bytes(s->system_bytes).s);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s given back", tool_bytes(s->returned_bytes).s);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s purged in place", tool_bytes(s->purged_bytes).s);
    line = next_line(text);
    tool_fact(text, &line, ", ", TOOL_PLAIN, "held %s: %s in use", tool_bytes(s->held_bytes).s, tool_bytes(s->used_bytes).s);
    tool_fact(text, &line, ", ", TOOL_PLAIN, "%s free but resident", tool_bytes(s->dirty_bytes).s);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s for tarn itself", tool_bytes(s->metadata_bytes).s);
    fputc('\n', text->out);
}

static void write_large(const struct tool_text *text, const struct tarn_snapshot *s)
{
    struct tool_line line;

    if (!s->large_allocations)
        return;
    line = label(text, "large requests");
    tool_fact(text, &line, ", ", TOOL_PLAIN, "%s", tool_count(s->large_allocations).s);
    tool_fact(text, &line, ", ", TOOL_PLAIN, "%s given back", tool_count(s->large_frees).s);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s live in %s", tool_count(s->large_live_objects).s,
              tool_bytes(s->large_live_bytes).s);
    if (s->large_rounded_bytes >= s->large_requested_bytes && s->large_rounded_bytes)
        tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s lost to whole pages",
                  tool_percent(1 - (double)s->large_requested_bytes / (double)s->large_rounded_bytes).s);
    fputc('\n', text->out);
}

struct live {
    char name[32];
    uint64_t objects, bytes;
};

static int compare_live(const void *a, const void *b)
{
    const struct live *x = a, *y = b;

    return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->name, y->name);
}

static void write_live(const struct tool_text *text, const struct tarn_snapshot *s)
{
    struct live all[TARN_SNAPSHOT_CLASSES + 1];
    struct tool_line line;
    unsigned count = 0;

    for (uint32_t i = 0; i < s->classes; i++) {
        uint64_t active = tool_class_active(&s->class[i]);

        if (!active)
            continue;
        all[count] = (struct live){.objects = active, .bytes = active * s->class[i].size};
        snprintf(all[count++].name, sizeof all[0].name, "malloc-%u", s->class[i].size);
    }
    if (s->large_live_objects) {
        all[count] = (struct live){.objects = s->large_live_objects, .bytes = s->large_live_bytes};
        snprintf(all[count++].name, sizeof all[0].name, "large");
    }
    if (!count)
        return;
    qsort(all, count, sizeof all[0], compare_live);
    line = label(text, "still live");
    for (unsigned i = 0; i < count && i < LIVE_SHOWN; i++)
        tool_fact(text, &line, ", ", TOOL_PLAIN, "%s %s %s = %s", all[i].name, text->times, tool_count(all[i].objects).s,
                  tool_bytes(all[i].bytes).s);
    if (count > LIVE_SHOWN)
        tool_fact(text, &line, ", ", TOOL_PLAIN, "%s", text->ellipsis);
    fputc('\n', text->out);
}

/* --- size classes ------------------------------------------------------------------------------------ */

/* A row of the table: a size class, or (class NULL) the large blocks that are live. */
struct row {
    const struct tarn_snapshot_class *class;
    uint64_t objects, bytes;
};

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (!x->class || !y->class)
        return x->class ? 1 : -1;
    if (x->class->allocations != y->class->allocations)
        return x->class->allocations < y->class->allocations ? 1 : -1;
    return x->class->size < y->class->size ? -1 : x->class->size > y->class->size;
}

static void add_class(struct tool_table *table, const struct row *row)
{
    uint64_t active = tool_class_active(row->class);
    double use = row->objects ? (double)active / (double)row->objects : 0;

    tool_table_add(table, TOOL_PLAIN, "%s", tool_count(row->objects).s);
    tool_table_add(table, TOOL_PLAIN, "%s", tool_count(active).s);
    tool_table_add(table, TOOL_PLAIN, "%.0f%%", 100 * (use > 1 ? 1 : use));
    tool_table_add(table, TOOL_PLAIN, "%s B", tool_count(row->class->size).s);
    tool_table_add(table, TOOL_PLAIN, "%s", tool_count(row->class->slabs).s);
    tool_table_add(table, TOOL_PLAIN, "%s", tool_count(row->class->slab_objects).s);
    tool_table_add(table, TOOL_PLAIN, "%s", tool_bytes(row->bytes).s);
    tool_table_add(table, TOOL_PLAIN, "malloc-%u", row->class->size);
}

static void add_large(struct tool_table *table, const struct row *row)
{
    tool_table_add(table, TOOL_PLAIN, "%s", tool_count(row->objects).s);
    tool_table_add(table, TOOL_PLAIN, "%s", tool_count(row->objects).s);
    tool_table_add(table, TOOL_PLAIN, "100%%");
    for (int i = 0; i < 3; i++)
        tool_table_add(table, TOOL_DIM, "-");
    tool_table_add(table, TOOL_PLAIN, "%s", tool_bytes(row->bytes).s);
    tool_table_add(table, TOOL_PLAIN, "large");
}

/* Bars are drawn to the scale of the first row, the largest, and are as long as the line leaves room for. */
static void fill_table(const struct tool_text *text, struct tool_table *table, const struct row *rows, unsigned count,
                       uint64_t whole, unsigned bar)
{
    for (unsigned i = 0; i < count; i++) {
        char drawn[3 * BAR_MOST + 4];

        if (rows[i].class)
            add_class(table, &rows[i]);
        else
            add_large(table, &rows[i]);
        tool_table_add(table, TOOL_PLAIN, "%.0f%%", whole ? 100 * (double)rows[i].bytes / (double)whole : 0);
        tool_bar(text, drawn, bar, rows[0].bytes ? (double)rows[i].bytes / (double)rows[0].bytes : 0);
        tool_table_add(table, TOOL_BAR, "%s", drawn);
    }
}

static void print_rows(const struct tool_text *text, const struct row *rows, unsigned count, uint64_t whole)
{
    static const struct tool_column columns[] = {
        {"OBJS", false},     {"ACTIVE", false},     {"USE", false}, {"OBJ SIZE", false}, {"SLABS", false},
        {"OBJ/SLAB", false}, {"CACHE SIZE", false}, {"NAME", true}, {"SHARE", false},    {"", true},
    };
    struct tool_table table;
    unsigned bar = 0, width;

    tool_table_open(&table, columns, 10);
    fill_table(text, &table, rows, count, whole, 0); /* without bars, to see what they may take */
    width = tool_table_width(&table, tool_table_width(&table, false) + BAR_LEAST > text->width);
    tool_table_close(&table);
    if (width + 1 < text->width)
        bar = text->width - width < BAR_MOST ? text->width - width : BAR_MOST;
    tool_table_open(&table, columns, 10);
    fill_table(text, &table, rows, count, whole, bar);
    tool_table_print(&table, text);
    tool_table_close(&table);
}

static void write_classes(const struct tool_text *text, const struct tarn_snapshot *s)
{
    struct row rows[TARN_SNAPSHOT_CLASSES + 1];
    unsigned count = 0, shown;
    uint64_t rest = 0, whole = 0;

    for (uint32_t i = 0; i < s->classes; i++)
        if (s->class[i].allocations || s->class[i].slabs)
            rows[count++] = (struct row){&s->class[i], tool_class_objects(&s->class[i]), tool_class_bytes(&s->class[i])};
    if (s->large_live_objects)
        rows[count++] = (struct row){NULL, s->large_live_objects, s->large_live_bytes};
    if (!count)
        return;
    qsort(rows, count, sizeof rows[0], compare_rows);
    shown = count > CLASS_ROWS + 1 ? CLASS_ROWS : count; /* a single row is shown in the room its summary would take */
    for (unsigned i = 0; i < count; i++) {
        whole += rows[i].bytes;
        rest += i < shown ? 0 : rows[i].bytes;
    }
    fputc('\n', text->out);
    print_rows(text, rows, shown, whole);
    if (shown < count)
        fprintf(text->out, "  %s and %u smaller classes, %s\n", text->ellipsis, count - shown, tool_bytes(rest).s);
}

/* --- the whole --------------------------------------------------------------------------------------- */

static void write_launched(const struct tool_text *text, const struct tool_result *result, const struct tool_process *process)
{
    const struct tarn_snapshot *snapshot = &process->figures;
    struct tool_figures figures;

    tool_figure_out(snapshot, &figures);
    write_reservations(text, result, process);
    fputc('\n', text->out);
    write_memory(text, snapshot, process->end == TOOL_END_EXITED ? "at exit" : "at the last update");
    write_live(text, snapshot);
    write_requests(text, snapshot, &figures);
    write_fragmentation(text, snapshot, &figures);
    write_pages(text, snapshot);
    write_large(text, snapshot);
    write_classes(text, snapshot);
}

static void write_absence(const struct tool_text *text, const struct tool_result *result)
{
    char why[3 * PATH_MAX], shown[3 * PATH_MAX];

    fprintf(text->out, "\n  %sNot on tarn:%s ", tool_on(text, TOOL_WARN), tool_off(text, TOOL_WARN));
    if (result->program.obstacle != TOOL_FREE) {
        tool_explain(&result->program, why, sizeof why);
        tool_clean(text, shown, sizeof shown, why, 1000);
        fprintf(text->out,
                "%s.\n  The program ran on its own malloc; time and peak resident memory above "
                "are what can be said.\n",
                shown);
        return;
    }
    fprintf(text->out,
            "the program published no figures, though libtarn-malloc.so was put in LD_PRELOAD.\n"
            "  It may have left by exec with another environment, or its loader may have refused\n"
            "  the library (it says so on standard error). Time and peak resident memory above are\n"
            "  what can be said.\n");
}

void tool_report(const struct tool_text *text, const struct tool_result *result)
{
    const struct tool_process *launched = tool_launched(&result->processes);

    write_heading(text, result, launched);
    if (launched)
        write_launched(text, result, launched);
    else
        write_absence(text, result);
    tool_report_others(text, &result->processes);
    fputc('\n', text->out);
}
