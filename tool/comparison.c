/*
 * The table of `tarn run --compare`; see compare.h.
 *
 * The best time and the best memory are marked by a sign, not by colour alone. An allocator under which the
 * program ended otherwise than under the system's has its figures shown and no ratio: it did other work.
 */
#define _GNU_SOURCE 1
#include "compare.h"

#include "table.h"

static const struct tool_column columns[] = {
    {"ALLOCATOR", true}, {"WALL TIME", false}, {"MIN", false},      {"MAX", false},   {"RATIO", false}, {"", true},
    {"USER", false},     {"SYSTEM", false},    {"PEAK RSS", false}, {"RATIO", false}, {"", true},
};

#define COLUMNS (sizeof columns / sizeof columns[0])

static bool counts(const struct tool_contender *contender) { return contender->count > 0 && !contender->differs; }

static void find_best(const struct tool_comparison *comparison, const struct tool_contender **fastest,
                      const struct tool_contender **smallest)
{
    *fastest = *smallest = NULL;
    for (unsigned i = 0; i < comparison->count; i++) {
        const struct tool_contender *contender = &comparison->contenders[i];

        if (!counts(contender))
            continue;
        if (!*fastest || contender->wall_ns.median < (*fastest)->wall_ns.median)
            *fastest = contender;
        if (!*smallest || contender->peak_resident_bytes.median < (*smallest)->peak_resident_bytes.median)
            *smallest = contender;
    }
}

/* A ratio and, in a column of its own so that the numbers align, the mark of the best. */
static void add_ratio(struct tool_table *table, const struct tool_text *text, bool known, uint64_t value, uint64_t system,
                      bool best)
{
    enum tool_style style = best ? TOOL_GOOD : TOOL_PLAIN;

    if (known && system)
        tool_table_add(table, style, "%.2f", (double)value / (double)system);
    else
        tool_table_add(table, style, "-");
    tool_table_add(table, style, "%s", !best ? "" : text->utf8 ? "◂" : "*");
}

static void add_row(struct tool_table *table, const struct tool_text *text, const struct tool_contender *contender,
                    const struct tool_contender *system, bool fastest, bool smallest)
{
    bool known = counts(contender) && counts(system);
    enum tool_style style = contender->differs ? TOOL_BAD : fastest || smallest ? TOOL_BOLD : TOOL_PLAIN;
    char name[4 * 32 + 8];

    tool_clean(text, name, sizeof name, contender->allocator.name, 32);
    tool_table_add(table, style, "%s", name);
    tool_table_add(table, fastest ? TOOL_GOOD : TOOL_PLAIN, "%s", tool_time(contender->wall_ns.median).s);
    tool_table_add(table, TOOL_DIM, "%s", tool_time(contender->wall_ns.least).s);
    tool_table_add(table, TOOL_DIM, "%s", tool_time(contender->wall_ns.most).s);
    add_ratio(table, text, known, contender->wall_ns.median, system->wall_ns.median, fastest);
    tool_table_add(table, TOOL_PLAIN, "%s", tool_time(contender->user_ns.median).s);
    tool_table_add(table, TOOL_PLAIN, "%s", tool_time(contender->system_ns.median).s);
    tool_table_add(table, smallest ? TOOL_GOOD : TOOL_PLAIN, "%s", tool_bytes(contender->peak_resident_bytes.median).s);
    add_ratio(table, text, known, contender->peak_resident_bytes.median, system->peak_resident_bytes.median, smallest);
}

/* Whether another allocator's times reach into those of the fastest: then its lead may be chance. */
static bool is_close(const struct tool_comparison *comparison, const struct tool_contender *fastest)
{
    for (unsigned i = 0; i < comparison->count; i++) {
        const struct tool_contender *contender = &comparison->contenders[i];

        if (contender != fastest && counts(contender) && contender->wall_ns.least <= fastest->wall_ns.most)
            return true;
    }
    return false;
}

static void write_notes(const struct tool_text *text, const struct tool_comparison *comparison,
                        const struct tool_contender *fastest)
{
    fprintf(text->out, "  %s%s best%sratios are to the system's malloc%smedians of %u run%s each%s\n", tool_on(text, TOOL_DIM),
            text->utf8 ? "◂" : "*", text->dot, text->dot, comparison->rounds_done, comparison->rounds_done == 1 ? "" : "s",
            tool_off(text, TOOL_DIM));
    if (comparison->rounds_done == 1)
        fprintf(text->out, "  %sone run each says little about times: more rounds tell how far they scatter%s\n",
                tool_on(text, TOOL_DIM), tool_off(text, TOOL_DIM));
    else if (fastest && is_close(comparison, fastest))
        fprintf(text->out, "  %sthe fastest's times overlap with another's: its lead may be chance%s\n",
                tool_on(text, TOOL_DIM), tool_off(text, TOOL_DIM));
    for (unsigned i = 0; i < comparison->count; i++) {
        const struct tool_contender *contender = &comparison->contenders[i];

        if (contender->differs)
            fprintf(text->out, "  %s%s: exit status %d, not %d as under the system's malloc; no measure%s\n",
                    tool_on(text, TOOL_BAD), contender->allocator.name, contender->exit_status, comparison->exit_status,
                    tool_off(text, TOOL_BAD));
    }
}

void tool_comparison_report(const struct tool_text *text, const struct tool_comparison *comparison)
{
    const struct tool_contender *fastest, *smallest;
    struct tool_table table;

    if (comparison->interrupted)
        fprintf(text->out, "\n  %sinterrupted in round %u of %u%s\n", tool_on(text, TOOL_WARN), comparison->rounds_done + 1,
                comparison->rounds, tool_off(text, TOOL_WARN));
    if (comparison->rounds_done == 0)
        return;
    find_best(comparison, &fastest, &smallest);
    fputc('\n', text->out);
    tool_table_open(&table, columns, COLUMNS);
    for (unsigned i = 0; i < comparison->count; i++) {
        const struct tool_contender *contender = &comparison->contenders[i];

        add_row(&table, text, contender, &comparison->contenders[0], contender == fastest, contender == smallest);
    }
    tool_table_print(&table, text);
    tool_table_close(&table);
    write_notes(text, comparison, fastest);
}
