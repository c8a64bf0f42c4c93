/* The text of a report, line by line; see reporttext.h. */
#include "os/reporttext.h"

#include "os/lookup.h"
#include "os/message.h"

#include <string.h>

enum { FIRST_BYTES = 16, FAR = 4096 };

static void add_head(struct tarn__message *to, const struct tarn__report_work *work)
{
    tarn__add(to, "tarn: ");
    tarn__add(to, tarn__crime_text(work->crime));
    tarn__add(to, " (");
    tarn__add(to, work->report.function);
    tarn__add(to, " of ");
    tarn__add_address(to, (uintptr_t)work->report.address);
    tarn__add(to, ", thread ");
    tarn__add_count(to, work->report.here.thread);
    tarn__add(to, ")\n");
}

static void add_size(struct tarn__message *to, size_t size)
{
    tarn__add_count(to, size);
    tarn__add(to, size == 1 ? " byte" : " bytes");
}

/* Where the address lies, as seen from the object. */
static void add_offset(struct tarn__message *to, const struct tarn_report *report)
{
    uintptr_t address = (uintptr_t)report->address, object = (uintptr_t)report->object;
    if (address == object)
        return;
    tarn__add(to, "  address is ");
    if (address < object) {
        add_size(to, object - address);
        tarn__add(to, " in front of it\n");
    } else if (address - object < report->size) {
        add_size(to, address - object);
        tarn__add(to, " inside it\n");
    } else {
        add_size(to, address - object - report->size);
        tarn__add(to, " behind it\n");
    }
}

static void add_first_bytes(struct tarn__message *to, const struct tarn_report *report)
{
    unsigned char bytes[FIRST_BYTES];
    size_t wanted = report->size < FIRST_BYTES ? report->size : FIRST_BYTES;
    size_t count = tarn__where_read(bytes, report->object, wanted);
    if (count == 0)
        return;
    tarn__add(to, "  first bytes");
    for (size_t i = 0; i < count; i++) {
        tarn__add(to, " ");
        tarn__add_number(to, bytes[i], 16, 2);
    }
    tarn__add(to, " |");
    for (size_t i = 0; i < count; i++)
        tarn__add_bytes(to, bytes[i] >= 0x20 && bytes[i] < 0x7f ? (const char *)&bytes[i] : ".", 1);
    tarn__add(to, "|\n");
}

static void add_bad(struct tarn__message *to, const struct tarn__report_work *work)
{
    const struct tarn_report *report = &work->report;
    unsigned char byte;
    if (!report->bad)
        return;
    tarn__add(to, "  first wrong byte at ");
    if (report->object) {
        intptr_t offset = (intptr_t)((uintptr_t)report->bad - (uintptr_t)report->object);
        tarn__add(to, offset < 0 ? "offset -" : "offset ");
        tarn__add_count(to, (uint64_t)(offset < 0 ? -offset : offset));
    } else {
        tarn__add_address(to, (uintptr_t)report->bad);
    }
    if (tarn__where_read(&byte, report->bad, 1) == 1) {
        tarn__add(to, ": ");
        tarn__add_number(to, byte, 16, 2);
        if (work->suspect.expected) {
            tarn__add(to, ", not ");
            tarn__add_number(to, work->suspect.expected & 0xff, 16, 2);
        }
    }
    tarn__add(to, "\n");
}

static void add_object(struct tarn__message *to, const struct tarn__report_work *work)
{
    const struct tarn_report *report = &work->report;
    if (report->object) {
        tarn__add(to, "  object ");
        tarn__add_address(to, (uintptr_t)report->object);
        if (report->size > 0) {
            tarn__add(to, " of ");
            add_size(to, report->size);
        }
        if (report->pool) {
            tarn__add(to, ", of ");
            tarn__add(to, report->pool);
        }
        tarn__add(to, report->live ? ", in use\n" : ", free\n");
        add_offset(to, report);
        add_first_bytes(to, report);
    } else if (report->pool) {
        tarn__add(to, "  the address is no object's, but lies in ");
        tarn__add(to, report->pool);
        tarn__add(to, "\n");
    }
    add_bad(to, work);
    if (report->neighbour) {
        tarn__add(to, "  neighbour in front ");
        tarn__add_address(to, (uintptr_t)report->neighbour);
        tarn__add(to, " of ");
        add_size(to, report->neighbour_size);
        tarn__add(to, report->neighbour_live ? ", in use\n" : ", free\n");
    }
}

static void add_file(struct tarn__message *to, const struct tarn__where *place)
{
    tarn__add(to, place->cut ? "..." : "");
    tarn__add(to, place->name);
}

/* Of an address that is no object's: what else lies there. */
static void add_place(struct tarn__message *to, const struct tarn__where *place)
{
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
    tarn__add(to, "  the address ");
    if (place->address < FAR) {
        tarn__add(to, "is that of no memory");
    } else if (!place->end) {
        tarn__add(to, "is not mapped");
    } else if (sp >= place->begin && sp < place->end) {
        tarn__add(to, "lies in the stack of this thread");
    } else if (strcmp(place->name, "[stack]") == 0) {
        tarn__add(to, "lies in the stack of the first thread");
    } else if (strcmp(place->name, "[heap]") == 0) {
        tarn__add(to, "lies in the heap of another malloc (brk)");
    } else if (place->cut || place->name[0] == '/') {
        tarn__add(to, place->code ? "lies in the code of " : "lies in the data of ");
        add_file(to, place);
    } else if (place->name[0]) {
        tarn__add(to, "lies in ");
        tarn__add(to, place->name);
    } else {
        tarn__add(to, "lies in a mapping of the program's own");
    }
    tarn__add(to, "\n");
}

/* Frames by module and offset. Those within tarn's own library are left out in front. */
static void add_plain_frames(struct tarn__message *to, const struct tarn_report_stack *stack, const struct tarn__where *places,
                             const struct tarn__where *own)
{
    size_t first = 0;
    bool library = places && strstr(own->name, "libtarn") != NULL;
    while (library && first < stack->count && places[first].end && places[first].base == own->base)
        first++;
    if (first == stack->count)
        first = 0;
    for (size_t i = first; i < stack->count; i++) {
        const char *slash = places ? strrchr(places[i].name, '/') : NULL;
        tarn__add(to, "    #");
        tarn__add_count(to, i - first);
        tarn__add(to, " ");
        tarn__add_address(to, stack->frames[i]);
        if (places && places[i].end && places[i].name[0]) {
            tarn__add(to, " (");
            tarn__add(to, slash ? slash + 1 : places[i].name);
            tarn__add(to, "+");
            tarn__add_address(to, stack->frames[i] - places[i].base);
            tarn__add(to, ")");
        }
        tarn__add(to, "\n");
    }
}

/* The lines of the next stack that the command wrote. Returns where the one after it begins. */
static const char *add_looked_up(struct tarn__message *to, const char *at, const char *end)
{
    while (at < end && *at != '\n') {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((line ? line : end) - at);
        tarn__add(to, "    ");
        tarn__add_bytes(to, at, length);
        tarn__add(to, "\n");
        at += length + (line != NULL);
    }
    return at < end ? at + 1 : at;
}

static const char *verb_of(enum tarn__crime crime)
{
    switch (crime) {
    case TARN__DOUBLE_FREE:
        return "freed again";
    case TARN__INVALID_FREE:
    case TARN__WRONG_SIZE:
    case TARN__WRONG_CACHE:
    case TARN__WRONG_ORDER:
        return "freed";
    case TARN__USE_AFTER_FREE:
    case TARN__OUT_OF_BOUNDS:
        return "accessed";
    case TARN__DESTROYED_POOL:
    case TARN__DATA_RACE:
        return "used";
    case TARN__LIVE_OBJECTS:
        return "ended";
    default:
        return "found";
    }
}

static void add_title(struct tarn__message *to, const char *what, unsigned thread)
{
    tarn__add(to, "  ");
    tarn__add(to, what);
    if (thread) {
        tarn__add(to, " by thread ");
        tarn__add_count(to, thread);
    }
    tarn__add(to, ":\n");
}

struct titled {
    const char *title;
    const struct tarn_report_stack *stack;
};

/* The address, tarn's own code, and all frames: one reading of the system's list tells of all. */
static void find_places(struct tarn__report_work *work, const struct titled *stacks)
{
    size_t n = 2;
    work->places[0].address = (uintptr_t)work->report.address;
    work->places[1].address = (uintptr_t)&tarn__report_compose;
    for (size_t i = 0; i < TARN__REPORT_STACKS; i++)
        for (size_t k = 0; k < stacks[i].stack->count; k++)
            work->places[n++].address = stacks[i].stack->frames[k] - 1;
    work->places_known = tarn__where_find(work->places, n);
}

static void look_up(struct tarn__report_work *work, const struct titled *stacks)
{
    struct tarn__lookup_stack wanted[TARN__REPORT_STACKS];
    for (size_t i = 0; i < TARN__REPORT_STACKS; i++)
        wanted[i] = (struct tarn__lookup_stack){stacks[i].stack->frames, stacks[i].stack->count};
    work->looked_length =
        tarn__lookup(wanted, TARN__REPORT_STACKS, work->lines, sizeof work->lines, work->arguments, sizeof work->arguments);
    work->looked = true;
}

static void add_stacks(struct tarn__message *to, struct tarn__report_work *work, const struct titled *stacks)
{
    const char *at = work->lines, *end = work->lines + (work->looked ? work->looked_length : 0);
    size_t place = 2;
    for (size_t i = 0; i < TARN__REPORT_STACKS; i++) {
        const struct tarn_report_stack *stack = stacks[i].stack;
        if (stack->count > 0 || (i > 0 && stack->thread))
            add_title(to, stacks[i].title, stack->thread);
        if (end > work->lines)
            at = add_looked_up(to, at, end);
        else
            add_plain_frames(to, stack, work->places_known ? work->places + place : NULL, &work->places[1]);
        place += stack->count;
    }
}

void tarn__report_compose(struct tarn__report_work *work, bool symbols)
{
    const struct tarn_report *report = &work->report;
    bool twice = work->crime == TARN__DOUBLE_FREE;
    const struct titled stacks[TARN__REPORT_STACKS] = {
        {verb_of(work->crime), &report->here},
        {twice ? "freed first" : "freed", &report->freed},
        {"allocated", &report->allocated},
        {"neighbour allocated", &report->neighbour_allocated},
    };
    struct tarn__message to = {work->text, 0, sizeof work->text};
    if (!work->places_known)
        find_places(work, stacks);
    if (symbols && !work->looked)
        look_up(work, stacks);
    add_head(&to, work);
    add_object(&to, work);
    if (!report->object && !report->pool && work->places_known && work->crime != TARN__NO_CACHE)
        add_place(&to, &work->places[0]);
    add_stacks(&to, work, stacks);
    if (report->object && report->allocated.count == 0)
        tarn__add(&to, twice || !report->live ? "  TARN_DEBUG=U shows where it was allocated and freed first\n"
                                              : "  TARN_DEBUG=U shows where it was allocated\n");
}
