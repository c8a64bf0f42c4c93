/*
 * The report of leaks, for people and for programs.
 */
#include "leaks.h"

#include "common.h"
#include "emit.h"
#include "scan_heap.h"
#include "text.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define DOCUMENT_VERSION 1 /* counts up only if a field changes its meaning */
#define LINE 160u

static const char *const titles[TOOL_LEAK_KINDS] = {"definitely lost", "indirectly lost", "possibly lost", "still reachable"};

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

/* A name that a terminal shows as it is. */
static void put_clean(FILE *out, const char *name)
{
    for (; *name; name++)
        fputc((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name, out);
}

static void print_sum(FILE *out, const char *title, const struct tool_leak_sum *sum)
{
    fprintf(out, "  %-17s %12" PRIu64 " byte%s in %" PRIu64 " object%s\n", title, sum->bytes, plural(sum->bytes), sum->objects,
            plural(sum->objects));
}

static void print_frames(FILE *out, const struct tool_leak_group *group)
{
    for (size_t i = 0; i < group->frame_count; i++) {
        const struct tool_frame *frame = &group->frames[i];

        fprintf(out, "    #%zu 0x%" PRIxPTR, i, frame->address);
        if (frame->function) {
            fputc(' ', out);
            put_clean(out, frame->function);
        }
        if (frame->file) {
            fputs(" at ", out);
            put_clean(out, frame->file);
            if (frame->line)
                fprintf(out, ":%u", frame->line);
        }
        if (frame->module) {
            fputs(" (", out);
            put_clean(out, tool_base_name(frame->module));
            fprintf(out, "+0x%" PRIxPTR ")", frame->offset);
        }
        fputc('\n', out);
    }
}

static void print_examples(FILE *out, const struct tool_leak_group *group)
{
    for (unsigned i = 0; i < TOOL_LEAK_EXAMPLES && i < group->objects; i++) {
        const struct tool_leak_example *example = &group->examples[i];

        fprintf(out, "    0x%" PRIxPTR " ", example->address);
        for (unsigned k = 0; k < TOOL_LEAK_BYTES; k++)
            if (k < example->length)
                fprintf(out, " %02x", example->bytes[k]);
            else
                fputs("   ", out);
        fputs("  |", out);
        for (unsigned k = 0; k < example->length; k++)
            fputc(isprint(example->bytes[k]) ? example->bytes[k] : '.', out);
        fputs("|\n", out);
    }
    if (group->objects > TOOL_LEAK_EXAMPLES)
        fprintf(out, "    and %" PRIu64 " more\n", group->objects - TOOL_LEAK_EXAMPLES);
}

static void print_group(FILE *out, const struct tool_leak_group *group)
{
    fprintf(out, "\n%" PRIu64 " byte%s in %" PRIu64 " object%s ", group->bytes, plural(group->bytes), group->objects,
            plural(group->objects));
    if (!group->stack)
        fprintf(out, "of %" PRIu64 " ", group->size);
    fputs(titles[group->kind], out);
    if (group->indirect_objects > 0)
        fprintf(out, " (and %" PRIu64 " in %" PRIu64 " indirectly)", group->indirect_bytes, group->indirect_objects);
    if (group->frame_count > 0) {
        fputs(", allocated at:\n", out);
        print_frames(out, group);
    } else {
        fputs(":\n", out);
        print_examples(out, group);
    }
}

static void print_suppressed(FILE *out, const struct tool_leaks_options *options)
{
    for (size_t i = 0; i < options->suppressions.count; i++) {
        const struct tool_suppression *one = &options->suppressions.all[i];
        if (one->objects > 0) {
            fprintf(out, "    %" PRIu64 " byte%s in %" PRIu64 " object%s by ", one->bytes, plural(one->bytes), one->objects,
                    plural(one->objects));
            put_clean(out, one->name);
            fputc('\n', out);
        }
    }
}

static void print_generated(FILE *out, const struct tool_leaks *leaks)
{
    unsigned number = 0;

    for (size_t i = 0; i < leaks->count; i++) {
        const struct tool_leak_group *group = &leaks->groups[i];
        char name[32];
        if (group->suppressed || group->frame_count == 0)
            continue;
        snprintf(name, sizeof name, "leak-%u", ++number);
        fputs(number == 1 ? "\n" : "", out);
        tool_suppression_write(out, name, tool_leak_kind_name(group->kind), group->frames, group->frame_count);
    }
}

void tool_leaks_print(FILE *out, const struct tool_live *live, const struct tool_leaks_options *options,
                      const struct tool_leaks *leaks)
{
    bool untracked = false;

    fprintf(out, "Leaks of process %d (", (int)live->pid);
    put_clean(out, live->program);
    fprintf(out, "), %" PRIu64 " thread%s, stopped for %s\n", leaks->threads, plural(leaks->threads),
            tool_time(leaks->stopped_ns).s);
    for (unsigned kind = 0; kind < TOOL_LEAK_KINDS; kind++)
        print_sum(out, titles[kind], &leaks->sums[kind]);
    if (options->file_count > 0)
        print_sum(out, "suppressed", &leaks->suppressed);
    print_suppressed(out, options);
    if (!leaks->exact)
        fputs(
            "  Objects that are free, but kept back for threads, count as allocated: the library of the process does not "
            "tell.\n",
            out);
    for (size_t i = 0; i < leaks->count; i++)
        if (!leaks->groups[i].suppressed) {
            print_group(out, &leaks->groups[i]);
            untracked |= leaks->groups[i].frame_count == 0;
        }
    if (untracked)
        fputs("\n'tarn run --leaks', or TARN_DEBUG=L in the program's environment, shows where they were allocated.\n", out);
    if (options->generate)
        print_generated(out, leaks);
}

void tool_leaks_print_unused(FILE *out, const struct tool_leaks_options *options)
{
    bool any = false;

    for (size_t i = 0; i < options->suppressions.count; i++)
        if (!options->suppressions.all[i].used) {
            fputs(any ? "" : "\nSuppressions that fitted nothing:\n", out);
            any = true;
            fputs("    ", out);
            put_clean(out, options->suppressions.all[i].name);
            fputc('\n', out);
        }
}

/* JSON */

static void emit_sum(struct tool_emitter *e, const char *name, const struct tool_leak_sum *sum)
{
    tool_emit_open(e, name, '{');
    tool_emit_count(e, "bytes", sum->bytes);
    tool_emit_count(e, "objects", sum->objects);
    tool_emit_close(e, '}');
}

static void emit_frames(struct tool_emitter *e, const struct tool_leak_group *group)
{
    tool_emit_open(e, "stack", '[');
    for (size_t i = 0; i < group->frame_count; i++) {
        const struct tool_frame *frame = &group->frames[i];
        tool_emit_open(e, NULL, '{');
        tool_emit_count(e, "address", frame->address);
        tool_emit_string(e, "function", frame->function);
        tool_emit_string(e, "file", frame->file);
        tool_emit_count(e, "line", frame->line);
        tool_emit_string(e, "module", frame->module);
        tool_emit_count(e, "offset", frame->offset);
        tool_emit_close(e, '}');
    }
    tool_emit_close(e, ']');
}

static void emit_group(struct tool_emitter *e, const struct tool_leak_group *group)
{
    tool_emit_open(e, NULL, '{');
    tool_emit_string(e, "kind", tool_leak_kind_name(group->kind));
    tool_emit_count(e, "bytes", group->bytes);
    tool_emit_count(e, "objects", group->objects);
    tool_emit_count(e, "indirect_bytes", group->indirect_bytes);
    tool_emit_count(e, "indirect_objects", group->indirect_objects);
    tool_emit_string(e, "suppressed_by", group->suppressed ? group->suppressed->name : NULL);
    tool_emit_open(e, "examples", '[');
    for (unsigned i = 0; i < TOOL_LEAK_EXAMPLES && i < group->objects; i++)
        tool_emit_count(e, NULL, group->examples[i].address);
    tool_emit_close(e, ']');
    emit_frames(e, group);
    tool_emit_close(e, '}');
}

void tool_leaks_emit(FILE *out, const struct tool_live *live, const struct tool_leaks_options *options,
                     const struct tool_leaks *leaks)
{
    struct tool_emitter e = {.out = out};

    tool_emit_open(&e, NULL, '{');
    tool_emit_string(&e, "tarn", TARN_VERSION);
    tool_emit_count(&e, "document_version", DOCUMENT_VERSION);
    tool_emit_integer(&e, "pid", live->pid);
    tool_emit_string(&e, "program", live->program);
    tool_emit_count(&e, "threads", leaks->threads);
    tool_emit_count(&e, "stopped_ns", leaks->stopped_ns);
    tool_emit_bool(&e, "exact", leaks->exact);
    for (unsigned kind = 0; kind < TOOL_LEAK_KINDS; kind++)
        emit_sum(&e, tool_leak_kind_name(kind), &leaks->sums[kind]);
    emit_sum(&e, "suppressed", &leaks->suppressed);
    tool_emit_open(&e, "leaks", '[');
    for (size_t i = 0; i < leaks->count; i++)
        emit_group(&e, &leaks->groups[i]);
    tool_emit_close(&e, ']');
    tool_emit_open(&e, "unused_suppressions", '[');
    for (size_t k = 0; k < options->suppressions.count; k++)
        if (!options->suppressions.all[k].used)
            tool_emit_string(&e, NULL, options->suppressions.all[k].name);
    tool_emit_close(&e, ']');
    tool_emit_close(&e, '}');
}
