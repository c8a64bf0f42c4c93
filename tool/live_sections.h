/*
 * The sections of a running process's zones: all that its table leads to from addresses.
 */
#ifndef TARN_TOOL_LIVE_SECTIONS_H
#define TARN_TOOL_LIVE_SECTIONS_H

#include "live.h"

struct tool_section {
    uintptr_t at;   /* of its descriptors */
    uintptr_t base; /* its first address */
    size_t slots;
    size_t first, end; /* its pages, of one slot's */
    const char *copy;  /* of its descriptors: as much as was asked for */
};

struct tool_section_visitor {
    uint32_t bytes; /* of a section's descriptors that are to be read */
    void (*section)(const struct tool_section *section, void *context);
    void (*table)(uintptr_t at, uint64_t bytes, void *context); /* a leaf of the table; may be NULL */
    void *context;
};

/* In order of the slots' addresses. What has gone meanwhile is left out. False: the table cannot be read. */
bool tool_sections_each(const struct tool_live *live, const struct tarn_live *root, const struct tool_section_visitor *visitor);

#endif
