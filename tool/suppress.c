/*
 * Suppressions; see suppress.h.
 */
#define _GNU_SOURCE 1
#include "suppress.h"

#include "common.h"
#include "leaks_groups.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WRITTEN 12u /* frames of a suppression that is made */

struct reader {
    struct tool_suppressions *to;
    const char *path;
    unsigned line;
};

static char *copy(const char *text)
{
    char *made = strdup(text);
    if (!made)
        tool_die("out of memory");
    return made;
}

static bool wrong(const struct reader *reader, const char *why)
{
    tool_complain("%s:%u: %s; see 'tarn leaks --help'", reader->path, reader->line, why);
    return false;
}

static bool take_kinds(const struct reader *reader, struct tool_suppression *to, char *rest)
{
    for (char *word = strtok(rest, " \t,"); word; word = strtok(NULL, " \t,")) {
        unsigned kind = 0;
        while (kind < TOOL_LEAK_KINDS && strcmp(word, tool_leak_kind_name(kind)) != 0)
            kind++;
        if (kind == TOOL_LEAK_KINDS)
            return wrong(reader, "no kind of leak; there are definite, indirect, possible, reachable");
        to->kinds |= 1u << kind;
    }
    return true;
}

/* `FUNCTION [in MODULE] [from FILE]`; names of C++ may have blanks. */
static bool take_frame(const struct reader *reader, struct tool_pattern *pattern, char *rest)
{
    char *file = strstr(rest, " from "), *module;
    size_t whole = strlen(rest);

    if ((whole >= 3 && strcmp(rest + whole - 3, " in") == 0) || (whole >= 5 && strcmp(rest + whole - 5, " from") == 0))
        return wrong(reader, "a frame is 'at FUNCTION [in MODULE] [from FILE]'");
    if (file) {
        *file = 0;
        pattern->file = copy(file + strlen(" from ") + strspn(file + strlen(" from "), " \t"));
    }
    module = strstr(rest, " in ");
    if (module) {
        *module = 0;
        pattern->module = copy(module + strlen(" in ") + strspn(module + strlen(" in "), " \t"));
    }
    for (size_t length = strlen(rest); length > 0 && strchr(" \t", rest[length - 1]); length--)
        rest[length - 1] = 0;
    for (size_t length = pattern->module ? strlen(pattern->module) : 0;
         length > 0 && strchr(" \t", pattern->module[length - 1]); length--)
        pattern->module[length - 1] = 0;
    if (!*rest || (pattern->module && !*pattern->module) || (pattern->file && !*pattern->file))
        return wrong(reader, "a frame is 'at FUNCTION [in MODULE] [from FILE]'");
    pattern->function = copy(rest);
    return true;
}

static bool take_line(const struct reader *reader, char *line)
{
    struct tool_suppressions *to = reader->to;
    struct tool_suppression *last = to->count > 0 ? &to->all[to->count - 1] : NULL;
    size_t word;
    char *rest;

    line += strspn(line, " \t");
    for (size_t length = strlen(line); length > 0 && strchr(" \t\r\n", line[length - 1]); length--)
        line[length - 1] = 0;
    if (!*line || *line == '#')
        return true;
    word = strcspn(line, " \t");
    rest = line + word + strspn(line + word, " \t");
    if (word == 8 && strncmp(line, "suppress", 8) == 0) {
        to->all = tool_grow(to->all, (to->count + 1) * sizeof *to->all);
        to->all[to->count++] = (struct tool_suppression){.name = copy(*rest ? rest : "unnamed")};
        return true;
    }
    if (!last)
        return wrong(reader, "a suppression begins with 'suppress NAME'");
    if (word == 4 && strncmp(line, "only", 4) == 0)
        return take_kinds(reader, last, rest);
    last->patterns = tool_grow(last->patterns, (last->count + 1) * sizeof *last->patterns);
    last->patterns[last->count] = (struct tool_pattern){.any = strcmp(line, "...") == 0};
    if (last->patterns[last->count++].any)
        return true;
    if (word == 2 && strncmp(line, "at", 2) == 0)
        return take_frame(reader, &last->patterns[last->count - 1], rest);
    return wrong(reader, "a line is 'suppress', 'only', 'at' or '...'");
}

bool tool_suppressions_read(struct tool_suppressions *suppressions, const char *path)
{
    struct reader reader = {suppressions, path, 0};
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    bool done = true;

    if (!file) {
        tool_complain("cannot read the suppressions in %s: %s", path, strerror(errno));
        return false;
    }
    while (done && getline(&line, &room, file) > 0) {
        reader.line++;
        done = take_line(&reader, line);
    }
    if (done && ferror(file)) {
        tool_complain("cannot read the suppressions in %s: %s", path, strerror(errno));
        done = false;
    }
    free(line);
    fclose(file);
    return done;
}

void tool_suppressions_free(struct tool_suppressions *suppressions)
{
    for (size_t i = 0; i < suppressions->count; i++) {
        for (size_t k = 0; k < suppressions->all[i].count; k++) {
            free(suppressions->all[i].patterns[k].function);
            free(suppressions->all[i].patterns[k].module);
            free(suppressions->all[i].patterns[k].file);
        }
        free(suppressions->all[i].patterns);
        free(suppressions->all[i].name);
    }
    free(suppressions->all);
    *suppressions = (struct tool_suppressions){.all = NULL};
}

/* Whether a name fits a pattern; NULL fits all of them. */
static bool fits(const char *pattern, const char *name, bool path)
{
    if (!pattern)
        return true;
    if (path && name && !strchr(pattern, '/'))
        name = tool_base_name(name);
    return fnmatch(pattern, name ? name : "", 0) == 0;
}

static bool frame_fits(const struct tool_pattern *pattern, const struct tool_frame *frame)
{
    return fits(pattern->function, frame->function, false) && fits(pattern->module, frame->module, true) &&
           fits(pattern->file, frame->file, true);
}

/* As the shell matches: goes back to the last `...` and has it stand for one frame more. */
static bool stack_fits(const struct tool_suppression *one, const struct tool_frame *frames, size_t count)
{
    size_t p = 0, f = 0, any = SIZE_MAX, any_frame = 0;

    while (p < one->count) {
        if (one->patterns[p].any) {
            any = p++;
            any_frame = f;
        } else if (f < count && frame_fits(&one->patterns[p], &frames[f])) {
            p++;
            f++;
        } else if (any != SIZE_MAX && any_frame < count) {
            p = any + 1;
            f = ++any_frame;
        } else {
            return false;
        }
    }
    return one->count > 0;
}

struct tool_suppression *tool_suppression_of(const struct tool_suppressions *suppressions, unsigned kind,
                                             const struct tool_frame *frames, size_t count)
{
    for (size_t i = 0; i < suppressions->count; i++)
        if ((!suppressions->all[i].kinds || (suppressions->all[i].kinds & kind)) &&
            stack_fits(&suppressions->all[i], frames, count))
            return &suppressions->all[i];
    return NULL;
}

/* What means something in a pattern is written so that it does not. */
static void write_pattern(FILE *out, const char *name)
{
    for (; *name; name++) {
        if (strchr("*?[\\", *name))
            fputc('\\', out);
        fputc((unsigned char)*name < ' ' ? '?' : *name, out);
    }
}

void tool_suppression_write(FILE *out, const char *name, const char *kind, const struct tool_frame *frames, size_t count)
{
    fprintf(out, "suppress %s\n    only %s\n", name, kind);
    for (size_t i = 0; i < count && i < MOST_WRITTEN; i++) {
        fputs("    at ", out);
        write_pattern(out, frames[i].function ? frames[i].function : "*");
        if (frames[i].module) {
            fputs(" in ", out);
            write_pattern(out, tool_base_name(frames[i].module));
        }
        fputc('\n', out);
    }
}
