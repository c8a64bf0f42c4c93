/*
 * The live format: how a running process on tarn is read from outside, without its cooperation.
 *
 * Each copy of the library holds one `struct tarn_live` in its writable data. It says where the structures are that reports are made of
 * (caches, threads' bins, zones, sections) and where in them the fields are. So a reader needs no knowledge of the library's insides, and a
 * library whose structures have changed is read by the same reader.
 *
 *     reader    /proc/PID/maps        writable mappings of files that are also mapped to be executed
 *               magic, self           found there at a multiple of TARN_LIVE_ALIGN; `self` is its own address, so copies are none
 *               version, bytes        compared before anything else is looked at
 *               sets and fields       followed, every address and count taken as a claim to be checked
 *
 * The process runs meanwhile. What is described is never unmapped, except pages of users; but lists change while they are followed, and
 * counters move between two readings. A reader bounds every walk, checks that each element leads back to the one it was reached
 * from, and reads again when it does not.
 *
 * All integers are the process's own: a reader of another word size or byte order does not find the magic where `self` is right.
 */
#ifndef TARN_FORMAT_LIVE_H
#define TARN_FORMAT_LIVE_H

#include <stddef.h>
#include <stdint.h>

#define TARN_LIVE_MAGIC "tarn live state" /* 16 bytes with its end */
#define TARN_LIVE_MAGIC_BYTES 16
#define TARN_LIVE_VERSION 4u /* changes with this header only, not with the structures it describes */
#define TARN_LIVE_ALIGN 64
#define TARN_LIVE_ORDERS 11u         /* of free blocks: 1 to 1024 pages */
#define TARN_LIVE_GROUPS 3u          /* unmovable, movable, reclaimable */
#define TARN_LIVE_STATES 16u         /* of pages */
#define TARN_LIVE_MOST_BYTES 262144u /* of a structure that is described */
#define TARN_LIVE_OWN 8u             /* ranges of the library's own data */

/* A field of a structure: `count` values of `size` bytes side by side. A count of 0: there is no such field. */
struct tarn_live_field {
    uint32_t offset;
    uint16_t size;
    uint16_t count;
};

#define TARN_LIVE_FIELD(type, member)                                                                                          \
    {                                                                                                                          \
        offsetof(type, member), sizeof(((type *)0)->member), 1                                                                 \
    }
#define TARN_LIVE_ARRAY(type, member)                                                                                          \
    {                                                                                                                          \
        offsetof(type, member), sizeof(((type *)0)->member[0]), sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0])   \
    }

enum tarn_live_shape {
    TARN_LIVE_NONE,
    TARN_LIVE_ONE,   /* `at` is the element */
    TARN_LIVE_TABLE, /* `at` is an array of `count` pointers to elements, NULL where there is none */
    TARN_LIVE_LIST,  /* `at` is the head of a circular list, {next, prev}; `link` is the offset of the links in an element */
};

/* Elements of one kind, `bytes` long each. */
struct tarn_live_set {
    uintptr_t at;
    uint32_t shape, bytes, count, link;
};

/* An object cache. `name` is a pointer to characters, or the characters. */
struct tarn_live_cache {
    struct tarn_live_set set;
    struct tarn_live_field name, zone;
    struct tarn_live_field number;                  /* of its bin in each thread; 0: it has none */
    struct tarn_live_field size, object_size;       /* bytes that an object takes, and as asked for */
    struct tarn_live_field objects, pages;          /* in a slab */
    struct tarn_live_field capacity;                /* objects of a full magazine */
    struct tarn_live_field depot_depth;             /* magazines that its depot may hold */
    struct tarn_live_field depot_objects;           /* that it holds */
    struct tarn_live_field slabs;                   /* held now */
    struct tarn_live_field past_allocs, past_frees; /* not by threads that live */
    struct tarn_live_field flags, references;
    struct tarn_live_field start; /* of the object in its slot */
    struct tarn_live_field
        tail; /* offset from the object of what struct tarn_live_tail describes; 0, or no such field: nothing */
};

/* What is noted of each object of a debugged cache, behind it. */
struct tarn_live_tail {
    uint32_t bytes;
    uint32_t users; /* bit of the cache's flags that says that the last two are there */
    struct tarn_live_field
        asked; /* bytes asked for; the highest of 32 bits is set while the program does not have the object */
    struct tarn_live_field stack; /* number of the stack that allocated it */
    struct tarn_live_field thread;
};

/* What is noted of debugged blocks of malloc's that are more than a slab's object: lists linked by `next`, from an array of `count` heads. */
struct tarn_live_blocks {
    uintptr_t at;
    uint32_t count, bytes;
    struct tarn_live_field next, base, object; /* base: where its pages begin */
    struct tarn_live_field asked, state, stack;
    uint32_t live, unused; /* the state of one that the program has */
};

/* A thread's bins: an array of `bins` of them, `bin_bytes` apart, by cache number. Their counters are relative to a bin. */
struct tarn_live_thread {
    struct tarn_live_set set;
    uint32_t bins_at, bin_bytes, bins, unused;
    struct tarn_live_field allocs, frees;
};

struct tarn_live_zone {
    struct tarn_live_set set;
    struct tarn_live_field name;
    struct tarn_live_field pages, free_pages, dirty_pages;
    struct tarn_live_field blocks;       /* free blocks by order */
    struct tarn_live_field group_blocks; /* the same by group and order, group after group */
};

/* What a page's state says of the block that begins with it. */
enum tarn_live_use {
    TARN_LIVE_INSIDE, /* none begins here */
    TARN_LIVE_FREE,
    TARN_LIVE_LARGE, /* of malloc: more than a slab's object */
    TARN_LIVE_SLAB,
    TARN_LIVE_PAGES, /* of the program, which asked for pages; references 0: free, in a thread's list */
    TARN_LIVE_HEAP, /* of a heap of the program's: a slab, or a large object; a slab's other pages say so too, but not how many there are */
};

struct tarn_live_state {
    uint8_t use;
    uint8_t by_order; /* 1: it has 2^order pages, and `count` is references; 0: `count` pages */
};

/*
 * Sections: what leads from an address to the descriptors of its pages. `root` is an array of 2^root_bits pointers to leaves, a leaf one of
 * 2^leaf_bits entries; the number of a slot of 2^section_bits bytes is an index into both. An entry is a pointer to a section, or, where its
 * lowest bit is set, to the first of a chain of partial ones. A section of several slots is entered in each.
 */
struct tarn_live_section {
    uintptr_t root;
    uint32_t root_bits, leaf_bits, section_bits, page_bits;
    uint32_t bytes;                           /* of a section's descriptors */
    uint32_t slab_bytes;                      /* of a slab's */
    struct tarn_live_field base, zone, slots; /* first address; slots */
    struct tarn_live_field neighbour;         /* the next of a chain */
    struct tarn_live_field first, end;        /* pages that are there; without these fields, all */
    struct tarn_live_field group;             /* mobility groups of equal parts of a slot, its pageblocks */
    struct tarn_live_field page;              /* descriptors of pages: the array */
    struct tarn_live_field room;              /* one for each unit: the array; a slab's descriptor is at its first unit's */
    uint32_t unit_pages, unused;
    struct tarn_live_field state, order, count; /* of a page */
    struct tarn_live_state states[TARN_LIVE_STATES];
    struct tarn_live_field slab_cache; /* of a slab's descriptor: its cache */
    struct tarn_live_field slab_map; /* bit i of these words: object i is free in the slab; one that is in a magazine is not */
    struct tarn_live_field
        slab_marks; /* pointer to a byte for each object, 1: in use, 0: free wherever it is; NULL, or no such field: only the map tells */
    struct tarn_live_field
        page_owner; /* of a page of a heap: pointer to what describes the slab, or the large object, that it is of */
};

/* What describes a slab, or a large object, of a heap of the program's. It lies in an object of malloc, which is tarn's and not the program's. */
struct tarn_live_piece {
    uint32_t bytes, unused;
    struct tarn_live_field base, size, objects; /* objects 0: one large object */
    struct tarn_live_field free;                /* objects that are */
    uint32_t map_at, unused_too;                /* words: bit i: object i is free */
};

/* Data of the library that lie among the program's and are no place to look for the program's pointers. Bytes 0: there are no more. */
struct tarn_live_own {
    uintptr_t at;
    size_t bytes;
};

/*
 * Stacks that are kept (TARN_DEBUG=U), known by numbers. The word at `at` is the address of the table, 0 while none was kept. In the table is an array of
 * `chunks.count` addresses, 0 where there is no chunk yet. The stack of number n, which is not 0, lies in chunk n >> chunk_bits, at
 * (n & (2^chunk_bits - 1)) * unit bytes; return addresses lie in it, innermost first. It is never moved nor changed.
 */
struct tarn_live_stacks {
    uintptr_t at;
    uint32_t chunk_bits, unit;
    struct tarn_live_field chunks; /* of the table */
    struct tarn_live_field count;  /* of a stack: how many return addresses */
    struct tarn_live_field frames; /* the first of them */
};

/*
 * What is noted of malloc's objects apart from them (TARN_DEBUG=L). The word at `at` is the address of a table, 0 while nothing is noted: of `slots` addresses, one for each
 * 2^slot_bits bytes from the window's beginning on, 0 where nothing is noted yet. There begin words of 32 bits, one for each 2^grain_bits bytes of the slot. An object has those
 * from its own on: the first has the number of the stack that allocated it, 0 if it is not known, and above number_bits, where an object has no other word, how much less than its place was
 * asked for; the second what was asked for, and of whole pages the third the higher half of that. They are of the last object that was there.
 */
struct tarn_live_notes {
    uintptr_t at;
    uint32_t slots, slot_bits, bytes; /* bytes: of a slot's notes */
    uint32_t grain_bits, number_bits, unused;
};

/*
 * Hardened objects (TARN_HARDEN=1). The word at `base` is the address of their place, of 2^place_bits bytes, 0 while there is none. At `classes` are `count` descriptors of classes,
 * `bytes` long each, of which the first is none: slots of `size` bytes from `slots` on, of which `known` may be in use; at `states` begins a number of 16 bits for each, which is `live` or
 * more for one in use, more by the bytes that less was asked for. What is known of them lies within 2^meta_bits bytes, which begin 2^class_meta_bits before the states of class 1. `blocks`
 * is the address of a struct tarn_live_hard_blocks, which describes whole pages.
 */
struct tarn_live_hard {
    uintptr_t base, classes, blocks;
    uint32_t count, bytes, live, place_bits, meta_bits, class_meta_bits;
    struct tarn_live_field slots, states, size, known;
};

/* Lists linked by `next`, from an array of `count` heads. Numbers are offsets of the fields: the object, its pages, how many these are, what was asked for, and the state. */
struct tarn_live_hard_blocks {
    uintptr_t at;
    uint32_t count, bytes, next, object, map, pages, asked, state;
    uint32_t live, unused; /* the state of one that the program has */
};

/* Guarded objects (TARN_DEBUG=G, TARN_SAMPLE): groups of slots, of which `used` are or were. `used` and what else is known lies in places of their own, as of hardened ones. */
struct tarn_live_guarded {
    uintptr_t base, groups;
    uint32_t count, bytes, slot_bytes, live, place_bits, meta_bits; /* meta_bits: of a group's slots' descriptors */
    struct tarn_live_field slots, used;
    struct tarn_live_field object, size, map, pages, state, stack;
};

struct tarn_live {
    char magic[TARN_LIVE_MAGIC_BYTES];
    uint32_t version; /* TARN_LIVE_VERSION */
    uint32_t bytes;   /* of this structure */
    uintptr_t self;   /* its address */
    char library[32]; /* version of the library, as text */
    uintptr_t window; /* where the first address of the heap's window is kept; 0 there: not yet decided */
    uint32_t window_bits, unused;
    struct tarn_live_cache cache;
    struct tarn_live_thread thread;
    struct tarn_live_zone zone;
    struct tarn_live_section section;
    struct tarn_live_stacks stacks;
    struct tarn_live_notes notes;
    struct tarn_live_hard hard;
    struct tarn_live_guarded guarded;
    struct tarn_live_tail tail;
    struct tarn_live_blocks blocks;
    struct tarn_live_piece piece;
    struct tarn_live_set
        chunks; /* of descriptors' memory: pieces of `chunks.bytes` bytes; what lies there points to objects and holds none */
    struct tarn_live_own own[TARN_LIVE_OWN];
};

#endif
