/* What the system knows of addresses; see where.h. /proc/self/maps is read line by line. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/where.h"

#include "os/os.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* A line as far as it was read, and what is looked for. */
struct search {
    struct tarn__where *places;
    size_t count;
    char line[512], before[256]; /* path of the mapping before, of a file */
    size_t length;
    uintptr_t base;
    char *directory; /* of the first place's file, if it is wanted */
    size_t room;
};

static const char *read_hex(const char *at, uintptr_t *value)
{
    *value = 0;
    for (;; at++) {
        char digit = *at;
        unsigned n = digit >= '0' && digit <= '9'   ? (unsigned)(digit - '0')
                     : digit >= 'a' && digit <= 'f' ? (unsigned)(digit - 'a') + 10
                                                    : 16;
        if (n == 16)
            return at;
        *value = *value << 4 | n;
    }
}

static void copy_end(struct tarn__where *place, const char *path)
{
    size_t length = strlen(path), room = sizeof place->name - 1;
    place->cut = length > room;
    memcpy(place->name, place->cut ? path + length - room : path, (place->cut ? room : length) + 1);
}

static void take_line(struct search *search)
{
    uintptr_t begin, end;
    search->line[search->length] = 0;
    const char *at = read_hex(search->line, &begin);
    at = read_hex(at + (*at == '-'), &end);
    bool code = at[0] == ' ' && strlen(at) > 4 && at[3] == 'x';
    for (int fields = 0; *at && fields < 4; fields++) { /* mode, offset, device, inode */
        at += *at == ' ';
        at += strcspn(at, " ");
    }
    const char *path = at + strspn(at, " ");
    if (*path == '/' && strncmp(path, search->before, sizeof search->before - 1) != 0) {
        search->base = begin;
        strncpy(search->before, path, sizeof search->before - 1);
    }
    for (size_t i = 0; i < search->count; i++) {
        struct tarn__where *place = &search->places[i];
        if (place->address < begin || place->address >= end)
            continue;
        place->begin = begin;
        place->end = end;
        place->code = code;
        place->base = *path == '/' ? search->base : begin;
        copy_end(place, path);
        const char *slash = i == 0 && search->directory && *path == '/' ? strrchr(path, '/') : NULL;
        if (slash && (size_t)(slash - path) + 2 <= search->room) {
            memcpy(search->directory, path, (size_t)(slash - path) + 1);
            search->directory[slash - path + 1] = 0;
        }
    }
}

static bool take(void *to, const char *bytes, size_t count)
{
    struct search *search = to;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            take_line(search);
            search->length = 0;
        } else if (search->length < sizeof search->line - 1) {
            search->line[search->length++] = bytes[i];
        }
    }
    return true;
}

bool tarn__where_find(struct tarn__where *places, size_t count)
{
    struct search search = {.places = places, .count = count};
    for (size_t i = 0; i < count; i++)
        places[i] = (struct tarn__where){.address = places[i].address};
    return !tarn__os_filtered() && tarn__os_read("/proc/self/maps", take, &search) == 0;
}

bool tarn__where_directory(uintptr_t address, char *path, size_t room)
{
    struct tarn__where place = {.address = address};
    struct search search = {.places = &place, .count = 1, .directory = path, .room = room};
    if (room > 0)
        path[0] = 0;
    return !tarn__os_filtered() && tarn__os_read("/proc/self/maps", take, &search) == 0 && path[0];
}

size_t tarn__where_read(void *to, const void *from, size_t size)
{
    size_t page = tarn__os_page_size(), done = 0;
    int saved = errno;
    if (tarn__os_filtered())
        return 0;
    while (done < size) { /* a page at a time: of one that is not there nothing is copied */
        uintptr_t at = (uintptr_t)from + done;
        size_t piece = page - at % page < size - done ? page - at % page : size - done;
        struct iovec mine = {(char *)to + done, piece}, there = {(void *)at, piece}; /* NOLINT: an address */
        long count = syscall(SYS_process_vm_readv, (long)getpid(), &mine, 1L, &there, 1L, 0L);
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    errno = saved;
    return done;
}
