/*
 * Text for people; see text.h.
 *
 * The locale decides about UTF-8 (main calls setlocale for LC_CTYPE only, so that a decimal point
 * stays a point), the file descriptor about colour and width.
 */
#define _GNU_SOURCE 1
#include "text.h"

#include <inttypes.h>
#include <langinfo.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define WIDTH_DEFAULT 100u /* of a file or pipe */
#define WIDTH_LEAST 72u
#define WIDTH_MOST 120u

void tool_text_open(struct tool_text *text, FILE *out, int fd)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool terminal = isatty(fd);
    struct winsize window;

    text->out = out;
    text->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    text->colour = terminal && (!no_colour || !*no_colour) && term && *term && strcmp(term, "dumb") != 0;
    text->width = WIDTH_DEFAULT;
    if (terminal && ioctl(fd, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
        text->width = window.ws_col;
    if (text->width < WIDTH_LEAST)
        text->width = WIDTH_LEAST;
    if (text->width > WIDTH_MOST)
        text->width = WIDTH_MOST;
    text->dot = text->utf8 ? " · " : "; ";
    text->range = text->utf8 ? " – " : " - ";
    text->ellipsis = text->utf8 ? "…" : "...";
    text->times = text->utf8 ? "×" : "x";
}

const char *tool_on(const struct tool_text *text, enum tool_style style)
{
    static const char *const codes[TOOL_STYLES] = {
        [TOOL_PLAIN] = "",        [TOOL_BOLD] = "\033[1m",   [TOOL_DIM] = "\033[2m",  [TOOL_GOOD] = "\033[1;32m",
        [TOOL_WARN] = "\033[33m", [TOOL_BAD] = "\033[1;31m", [TOOL_BAR] = "\033[36m",
    };
    return text->colour ? codes[style] : "";
}

const char *tool_off(const struct tool_text *text, enum tool_style style)
{
    return text->colour && style != TOOL_PLAIN ? "\033[0m" : "";
}

struct tool_word tool_count(uint64_t n)
{
    struct tool_word word;
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n);
    char *to = word.s;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ' ';
        *to++ = digits[i];
    }
    *to = 0;
    return word;
}

struct tool_word tool_bytes(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct tool_word word;
    double scaled = (double)bytes / 1024;
    unsigned unit = 0;

    if (bytes < 1024) {
        snprintf(word.s, sizeof word.s, "%" PRIu64 " B", bytes);
        return word;
    }
    /* 1023.95 would be printed as 1024.0: the next unit begins where rounding reaches it. */
    while (scaled >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]) {
        scaled /= 1024;
        unit++;
    }
    snprintf(word.s, sizeof word.s, "%.1f %s", scaled, units[unit]);
    return word;
}

struct tool_word tool_time(uint64_t ns)
{
    struct tool_word word;
    uint64_t tenths = (ns + 50000000) / 100000000;

    if (ns == 0)
        strcpy(word.s, "0 ms");
    else if (ns < 1000)
        snprintf(word.s, sizeof word.s, "%" PRIu64 " ns", ns);
    else if (ns < 999950000)
        snprintf(word.s, sizeof word.s, ns < 100000 ? "%.3f ms" : "%.1f ms", (double)ns / 1e6);
    else if (ns < UINT64_C(59999500000))
        snprintf(word.s, sizeof word.s, "%.3f s", (double)ns / 1e9);
    else if (tenths < 36000)
        snprintf(word.s, sizeof word.s, "%" PRIu64 " min %04.1f s", tenths / 600, (double)(tenths % 600) / 10);
    else
        snprintf(word.s, sizeof word.s, "%" PRIu64 " h %02" PRIu64 " min", tenths / 36000, tenths / 600 % 60);
    return word;
}

struct tool_word tool_percent(double fraction)
{
    struct tool_word word;
    snprintf(word.s, sizeof word.s, "%.1f %%", fraction * 100);
    return word;
}

void tool_bar(const struct tool_text *text, char *buffer, unsigned columns, double fraction)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    unsigned filled;

    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    *buffer = 0;
    if (!text->utf8) {
        filled = (unsigned)(fraction * columns + 0.5);
        memset(buffer, '#', filled);
        buffer[filled] = 0;
        return;
    }
    filled = (unsigned)(fraction * columns * 8 + 0.5);
    for (unsigned i = 0; i < filled / 8; i++)
        buffer = stpcpy(buffer, "█");
    strcpy(buffer, eighths[filled % 8]);
}

/* Decodes one character; what cannot be shown is one byte long and yields '?'. */
static size_t next_character(const char *s, wchar_t *character)
{
    mbstate_t state = {0};
    size_t length = mbrtowc(character, s, strlen(s), &state);

    if (length == 0 || length > strlen(s) || wcwidth(*character) < 0) {
        *character = L'?';
        return 1;
    }
    return length;
}

unsigned tool_columns(const char *s)
{
    unsigned columns = 0;
    wchar_t character;

    while (*s) {
        s += next_character(s, &character);
        columns += (unsigned)wcwidth(character);
    }
    return columns;
}

void tool_fact(const struct tool_text *text, struct tool_line *line, const char *separator, enum tool_style style,
               const char *format, ...)
{
    char fact[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fact, sizeof fact, format, arguments);
    va_end(arguments);
    if (line->filled && line->column + tool_columns(separator) + tool_columns(fact) > text->width) {
        fprintf(text->out, "%s\n%*s", *separator == ',' ? "," : "", (int)line->indent, "");
        line->column = line->indent;
    } else if (line->filled) {
        fputs(separator, text->out);
        line->column += tool_columns(separator);
    }
    fprintf(text->out, "%s%s%s", tool_on(text, style), fact, tool_off(text, style));
    line->column += tool_columns(fact);
    line->filled = true;
}

void tool_clean(const struct tool_text *text, char *buffer, size_t size, const char *name, unsigned columns)
{
    size_t tail = strlen(text->ellipsis);
    unsigned tail_columns = text->utf8 ? 1 : 3;
    unsigned left = columns;
    size_t used = 0, cut_at = 0; /* cut_at: the last place where an ellipsis still fits */
    wchar_t character;

    while (*name) {
        size_t length = next_character(name, &character);
        unsigned wide = (unsigned)wcwidth(character);

        if (wide > left || used + length + tail + 1 > size) {
            strcpy(buffer + cut_at, text->ellipsis);
            return;
        }
        if (character == L'?')
            buffer[used] = '?';
        else
            memcpy(buffer + used, name, length);
        used += length;
        left -= wide;
        name += length;
        if (left >= tail_columns)
            cut_at = used;
    }
    buffer[used] = 0;
}

const char *tool_signal_name(int signal)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGQUIT, "QUIT"},     {SIGILL, "ILL"},   {SIGTRAP, "TRAP"}, {SIGABRT, "ABRT"},
        {SIGBUS, "BUS"},   {SIGFPE, "FPE"},   {SIGKILL, "KILL"},     {SIGUSR1, "USR1"}, {SIGSEGV, "SEGV"}, {SIGUSR2, "USR2"},
        {SIGPIPE, "PIPE"}, {SIGALRM, "ALRM"}, {SIGTERM, "TERM"},     {SIGXCPU, "XCPU"}, {SIGXFSZ, "XFSZ"}, {SIGSYS, "SYS"},
        {SIGIO, "IO"},     {SIGPROF, "PROF"}, {SIGVTALRM, "VTALRM"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == signal)
            return names[i].name;
    return "?";
}
