/*
 * The processes that the launched program started; see others.h.
 *
 * A compiler driver has four children, a build has hundreds: a few lines for each of a few, one line in a
 * table for each of more, and of very many only the largest, with the rest counted by name.
 *
 * The counters of a forked child go on from its parent's at the fork. So they are never added up with
 * others; what would count the same request twice is not printed.
 */
#define _GNU_SOURCE 1
#include "others.h"

#include "common.h"
#include "figures.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

#define FEW 5u         /* described one by one */
#define TABLE_ROWS 20u /* one line each */
#define NAME_COLUMNS 24u

static const char *end_title(const struct tool_process *process)
{
    switch (process->end) {
    case TOOL_END_EXITED:
        return "exited";
    case TOOL_END_KILLED:
        return "killed";
    case TOOL_END_RUNNING:
        return "still running";
    case TOOL_END_UNSEEN:
        return "end not seen";
    case TOOL_END_REPLACED:
        return "replaced";
    }
    return "?";
}

static const char *moment(const struct tool_process *process)
{
    switch (process->end) {
    case TOOL_END_EXITED:
        return "at exit";
    case TOOL_END_RUNNING:
        return "so far";
    default:
        return "at the last update";
    }
}

static const struct tarn_snapshot_class *largest_class(const struct tarn_snapshot *snapshot)
{
    const struct tarn_snapshot_class *largest = NULL;

    for (uint32_t i = 0; i < snapshot->classes; i++)
        if (!largest || tool_class_bytes(&snapshot->class[i]) > tool_class_bytes(largest))
            largest = &snapshot->class[i];
    return largest && tool_class_bytes(largest) ? largest : NULL;
}

/* Begins a line of facts, indented under the name of its process. */
static struct tool_line next_line(const struct tool_text *text, unsigned indent)
{
    fprintf(text->out, "\n%*s", (int)indent, "");
    return (struct tool_line){.column = indent, .indent = indent};
}

static void write_one_heading(const struct tool_text *text, const struct tool_process *process)
{
    struct tool_line line = next_line(text, 2);
    char name[256];

    tool_clean(text, name, sizeof name, process->figures.program, 63);
    tool_fact(text, &line, text->dot, TOOL_BOLD, "%s", name);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "pid %ld", (long)process->figures.pid);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s", end_title(process));
    if (process->end == TOOL_END_RUNNING)
        tool_fact(text, &line, ", ", TOOL_PLAIN, "figures so far");
    if (process->end == TOOL_END_UNSEEN)
        tool_fact(text, &line, ", ", TOOL_PLAIN, "figures as of the last update%s", process->torn ? " (torn)" : "");
    if (process->figures.origin == TARN_SNAPSHOT_FORK)
        tool_fact(text, &line, text->dot, TOOL_PLAIN, "forked: counts go on from its parent's");
}

static void write_one(const struct tool_text *text, const struct tool_process *process)
{
    const struct tarn_snapshot *s = &process->figures;
    const struct tarn_snapshot_class *largest = largest_class(s);
    struct tool_figures figures;
    struct tool_line line;

    tool_figure_out(s, &figures);
    write_one_heading(text, process);
    line = next_line(text, 4);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s live at the peak", tool_bytes(s->peak_live_bytes).s);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s live %s in %s object%s", tool_bytes(s->live_bytes).s, moment(process),
              tool_count(s->live_objects).s, s->live_objects == 1 ? "" : "s");
    line = next_line(text, 4);
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s requests, %s system call%s", tool_count(figures.requests).s,
              tool_count(figures.calls).s, figures.calls == 1 ? "" : "s");
    tool_fact(text, &line, text->dot, TOOL_PLAIN, "%s from the system, %s given back", tool_bytes(s->system_bytes).s,
              tool_bytes(s->returned_bytes).s);
    line = next_line(text, 4);
    if (figures.has_internal)
        tool_fact(text, &line, text->dot, TOOL_PLAIN, "fragmentation %s internal, %s external at the peak",
                  tool_percent(figures.internal).s, tool_percent(figures.external_peak).s);
    if (largest)
        tool_fact(text, &line, text->dot, TOOL_PLAIN, "largest size-%u, %s", largest->size,
                  tool_bytes(tool_class_bytes(largest)).s);
    fputc('\n', text->out);
}

static void write_table(const struct tool_text *text, const struct tool_process *const *others, size_t rows)
{
    static const struct tool_column columns[] = {
        {"PID", false},       {"PROGRAM", true},      {"REQUESTS", false}, {"CALLS", false},
        {"PEAK LIVE", false}, {"LIVE AT END", false}, {"TAKEN", false},    {"END", true},
    };
    struct tool_table table;

    fputc('\n', text->out);
    tool_table_open(&table, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < rows; i++) {
        const struct tarn_snapshot *s = &others[i]->figures;
        struct tool_figures figures;
        char name[4 * NAME_COLUMNS + 8];

        tool_figure_out(s, &figures);
        tool_clean(text, name, sizeof name, s->program, NAME_COLUMNS);
        tool_table_add(&table, TOOL_PLAIN, "%ld", (long)s->pid);
        tool_table_add(&table, TOOL_PLAIN, "%s", name);
        tool_table_add(&table, TOOL_PLAIN, "%s", tool_count(figures.requests).s);
        tool_table_add(&table, TOOL_PLAIN, "%s", tool_count(figures.calls).s);
        tool_table_add(&table, TOOL_PLAIN, "%s", tool_bytes(s->peak_live_bytes).s);
        tool_table_add(&table, TOOL_PLAIN, "%s", tool_bytes(s->live_bytes).s);
        tool_table_add(&table, TOOL_PLAIN, "%s", tool_bytes(s->system_bytes).s);
        tool_table_add(&table, others[i]->end == TOOL_END_EXITED ? TOOL_PLAIN : TOOL_WARN, "%s%s", end_title(others[i]),
                       s->origin == TARN_SNAPSHOT_FORK ? ", forked" : "");
    }
    tool_table_print(&table, text);
    tool_table_close(&table);
}

static int compare_names(const void *a, const void *b)
{
    const struct tool_process *x = *(const struct tool_process *const *)a;
    const struct tool_process *y = *(const struct tool_process *const *)b;

    return strcmp(x->figures.program, y->figures.program);
}

static int compare_peaks(const void *a, const void *b)
{
    const struct tool_process *x = *(const struct tool_process *const *)a;
    const struct tool_process *y = *(const struct tool_process *const *)b;

    if (x->figures.peak_live_bytes != y->figures.peak_live_bytes)
        return x->figures.peak_live_bytes < y->figures.peak_live_bytes ? 1 : -1;
    return x < y ? -1 : x > y; /* both lie in one array, in the order of their beginning */
}

/* "… and 280 smaller: as × 93, cc1 × 94, sh × 93" */
static void write_rest(const struct tool_text *text, const struct tool_process **rest, size_t count)
{
    unsigned kinds = 0;

    qsort(rest, count, sizeof rest[0], compare_names);
    fprintf(text->out, "  %s and %s smaller:", text->ellipsis, tool_count(count).s);
    for (size_t i = 0, next; i < count; i = next) {
        char name[4 * NAME_COLUMNS + 8];

        for (next = i; next < count && compare_names(&rest[next], &rest[i]) == 0; next++)
            continue;
        if (++kinds > 8) {
            fprintf(text->out, ", %s", text->ellipsis);
            break;
        }
        tool_clean(text, name, sizeof name, rest[i]->figures.program, NAME_COLUMNS);
        fprintf(text->out, "%s %s %s %s", kinds > 1 ? "," : "", name, text->times, tool_count(next - i).s);
    }
    fputc('\n', text->out);
}

/* Over the programs that began by exec: their counts have no request in common. */
static void write_totals(const struct tool_text *text, const struct tool_processes *processes)
{
    uint64_t requests = 0, calls = 0, programs = 0, forked = 0;

    for (size_t i = 0; i < processes->count; i++) {
        struct tool_figures figures;

        if (processes->all[i].figures.origin == TARN_SNAPSHOT_FORK) {
            forked += processes->all[i].end != TOOL_END_REPLACED;
            continue;
        }
        tool_figure_out(&processes->all[i].figures, &figures);
        requests += figures.requests;
        calls += figures.calls;
        programs++;
    }
    fprintf(text->out, "\n  %s%s program%s in all%s  %s requests, %s system calls\n", tool_on(text, TOOL_BOLD),
            tool_count(programs).s, programs == 1 ? "" : "s", tool_off(text, TOOL_BOLD), tool_count(requests).s,
            tool_count(calls).s);
    if (forked)
        fprintf(text->out, "  not added: %s forked without exec, whose counts go on from their parents'\n",
                tool_count(forked).s);
}

void tool_report_others(const struct tool_text *text, const struct tool_processes *processes)
{
    const struct tool_process **others = tool_grow(NULL, processes->count * sizeof *others);
    size_t count = 0;

    for (size_t i = 0; i < processes->count; i++) {
        const struct tool_process *process = &processes->all[i];

        if (!process->launched && process->end != TOOL_END_REPLACED && process->figures.allocations)
            others[count++] = process;
    }
    if (count > 0)
        fprintf(text->out, "\n%s%s other process%s%s", tool_on(text, TOOL_BOLD), tool_count(count).s, count == 1 ? "" : "es",
                tool_off(text, TOOL_BOLD));
    if (count > FEW) {
        size_t rows = count > TABLE_ROWS + 1 ? TABLE_ROWS : count;

        qsort(others, count, sizeof others[0], compare_peaks);
        fprintf(text->out, "%sby peak live memory\n", text->dot);
        write_table(text, others, rows);
        if (rows < count)
            write_rest(text, others + rows, count - rows);
        write_totals(text, processes);
    } else {
        if (count > 0)
            fputc('\n', text->out);
        for (size_t i = 0; i < count; i++)
            write_one(text, others[i]);
    }
    if (processes->without_slot)
        fprintf(text->out, "\n  %s further processes are not shown: no slot was left for their figures\n",
                tool_count(processes->without_slot).s);
    free(others);
}
