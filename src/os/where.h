/*
 * What the system knows of addresses: whether something is mapped there, and of which file. For reports: nothing is allocated and no lock taken.
 */
#ifndef TARN_OS_WHERE_H
#define TARN_OS_WHERE_H

#include "os/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tarn__where {
    uintptr_t address;
    uintptr_t begin, end; /* of the mapping; 0: none */
    uintptr_t base;       /* where the file's first mapping begins */
    char name[64];        /* end of the file's path, or what the system calls the mapping; empty: it has no name */
    bool cut, code;       /* more of the path is in front; it may be executed */
};

/* Fills in all but the addresses, which are given. Returns whether the system told. */
bool tarn__where_find(struct tarn__where *places, size_t count);

/* Copies what can be read, which may be nothing. Returns how many bytes. Never faults. */
size_t tarn__where_read(void *to, const void *from, size_t size);

/* The directory of the file that has this address, with its slash; false: it is not known, or too long. */
bool tarn__where_directory(uintptr_t address, char *path, size_t room);

#endif
