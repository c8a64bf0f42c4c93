/*
 * What a reader of the running process finds: format/live.h says how. This is the only place that knows both the library's structures and
 * that format; a field that moves is followed by offsetof, one that goes is to be dropped here, and readers do without.
 *
 * Nothing here runs. The addresses are put in by the loader, so the root is whole before the program's first instruction.
 */
#include "format/live.h"

#include "alloc/care_large.h"
#include "alloc/guard_slots.h"
#include "alloc/hard_large.h"
#include "alloc/hard_slots.h"
#include "alloc/heap.h"
#include "alloc/heaps.h"
#include "os/kept.h"
#include "page/meta.h"
#include "page/zones.h"
#include "slab/notes.h"

extern struct tarn_live tarn__live __attribute__((aligned(TARN_LIVE_ALIGN)));

__attribute__((used)) struct tarn_live tarn__live = {
    .magic = TARN_LIVE_MAGIC,
    .version = TARN_LIVE_VERSION,
    .bytes = sizeof tarn__live,
    .self = (uintptr_t)&tarn__live,
    .library = TARN_VERSION,
    .window = (uintptr_t)&tarn__window_base,
    .window_bits = TARN__WINDOW_BITS,
    .cache =
        {
            .set = {(uintptr_t)&tarn__caches, TARN_LIVE_LIST, sizeof(struct tarn_cache), 0, offsetof(struct tarn_cache, all)},
            .name = TARN_LIVE_ARRAY(struct tarn_cache, name),
            .zone = TARN_LIVE_FIELD(struct tarn_cache, zone),
            .number = TARN_LIVE_FIELD(struct tarn_cache, number),
            .size = TARN_LIVE_FIELD(struct tarn_cache, size),
            .object_size = TARN_LIVE_FIELD(struct tarn_cache, object_size),
            .objects = TARN_LIVE_FIELD(struct tarn_cache, objects),
            .pages = TARN_LIVE_FIELD(struct tarn_cache, pages),
            .capacity = TARN_LIVE_FIELD(struct tarn_cache, capacity),
            .depot_depth = TARN_LIVE_FIELD(struct tarn_cache, depot_depth),
            .depot_objects = TARN_LIVE_FIELD(struct tarn_cache, depot_objects),
            .slabs = TARN_LIVE_FIELD(struct tarn_cache, slabs),
            .past_allocs = TARN_LIVE_FIELD(struct tarn_cache, past_allocs),
            .past_frees = TARN_LIVE_FIELD(struct tarn_cache, past_frees),
            .flags = TARN_LIVE_FIELD(struct tarn_cache, flags),
            .references = TARN_LIVE_FIELD(struct tarn_cache, references),
            .start = TARN_LIVE_FIELD(struct tarn_cache, start),
            .tail = TARN_LIVE_FIELD(struct tarn_cache, tracks),
        },
    .thread =
        {
            .set = {(uintptr_t)&tarn__registry, TARN_LIVE_LIST, sizeof(struct tarn__local), 0,
                    offsetof(struct tarn__local, link)},
            .bins_at = offsetof(struct tarn__local, bin),
            .bin_bytes = sizeof(struct tarn__bin),
            .bins = TARN__CACHES,
            .allocs = TARN_LIVE_FIELD(struct tarn__bin, allocs),
            .frees = TARN_LIVE_FIELD(struct tarn__bin, frees),
        },
    .zone =
        {
            .set = {(uintptr_t)&tarn__zones, TARN_LIVE_LIST, sizeof(struct tarn_zone), 0, offsetof(struct tarn_zone, link)},
            .name = TARN_LIVE_FIELD(struct tarn_zone, name),
            .pages = TARN_LIVE_FIELD(struct tarn_zone, pages),
            .free_pages = TARN_LIVE_FIELD(struct tarn_zone, free_pages),
            .dirty_pages = TARN_LIVE_FIELD(struct tarn_zone, dirty_pages),
            .blocks = TARN_LIVE_ARRAY(struct tarn_zone, blocks),
            .group_blocks = {offsetof(struct tarn_zone, group_blocks), sizeof(size_t), TARN_MOBILITIES *TARN__ORDERS},
        },
    .section =
        {
            .root = (uintptr_t)tarn__sections,
            .root_bits = TARN__ROOT_BITS,
            .leaf_bits = TARN__LEAF_BITS,
            .section_bits = TARN__SECTION_BITS,
            .page_bits = TARN__PAGE_BITS,
            .bytes = sizeof(struct tarn__section),
            .slab_bytes = sizeof(struct tarn__slab),
            .base = TARN_LIVE_FIELD(struct tarn__section, base),
            .zone = TARN_LIVE_FIELD(struct tarn__section, zone),
            .slots = TARN_LIVE_FIELD(struct tarn__section, slots),
            .neighbour = TARN_LIVE_FIELD(struct tarn__section, neighbour),
            .first = TARN_LIVE_FIELD(struct tarn__section, first),
            .end = TARN_LIVE_FIELD(struct tarn__section, end),
            .group = TARN_LIVE_ARRAY(struct tarn__section, group),
            .page = TARN_LIVE_ARRAY(struct tarn__section, page),
            .room = TARN_LIVE_ARRAY(struct tarn__section, room),
            .unit_pages = TARN__UNIT_PAGES,
            .state = TARN_LIVE_FIELD(struct tarn_page, state),
            .order = TARN_LIVE_FIELD(struct tarn_page, order),
            .count = TARN_LIVE_FIELD(struct tarn_page, count),
            .states =
                {
                    [TARN__PAGE_FREE] = {TARN_LIVE_FREE, 1},
                    [TARN__PAGE_RUN] = {TARN_LIVE_LARGE, 0},
                    [TARN__PAGE_SHELVED] = {TARN_LIVE_FREE, 0},
                    [TARN__PAGE_SLAB] = {TARN_LIVE_SLAB, 0},
                    [TARN__PAGE_BLOCK] = {TARN_LIVE_PAGES, 1},
                    [TARN__PAGE_USER_RUN] = {TARN_LIVE_PAGES, 0},
                    [TARN__PAGE_HEAP] = {TARN_LIVE_HEAP, 0},
                },
            .slab_cache = TARN_LIVE_FIELD(struct tarn__slab, cache),
            .slab_map = TARN_LIVE_ARRAY(struct tarn__slab, map),
            .slab_marks = TARN_LIVE_FIELD(struct tarn__slab, marks),
            .page_owner = TARN_LIVE_FIELD(struct tarn_page, lru.next),
        },
    .notes =
        {
            .at = (uintptr_t)&tarn__notes,
            .slots = TARN__WINDOW_SLOTS,
            .slot_bits = TARN__SLOT_BITS,
            .bytes = TARN__NOTES_BYTES,
            .grain_bits = TARN__NOTE_GRAIN_BITS,
            .number_bits = TARN__NOTE_NUMBER_BITS,
        },
    .hard =
        {
            .base = (uintptr_t)&tarn__hard_base,
            .classes = (uintptr_t)tarn__hard_class,
            .blocks = (uintptr_t)&tarn__hard_large_map,
            .count = TARN__CLASSES + 1,
            .bytes = sizeof(struct tarn__hard_class),
            .live = TARN__HARD_LIVE,
            .place_bits = TARN__HARD_CLASS_BITS + 7,
            .meta_bits = TARN__HARD_META_BITS + 7,
            .class_meta_bits = TARN__HARD_META_BITS,
            .slots = TARN_LIVE_FIELD(struct tarn__hard_class, base),
            .states = TARN_LIVE_FIELD(struct tarn__hard_class, state),
            .size = TARN_LIVE_FIELD(struct tarn__hard_class, size),
            .known = TARN_LIVE_FIELD(struct tarn__hard_class, known),
        },
    .guarded =
        {
            .base = (uintptr_t)&tarn__guard_base,
            .groups = (uintptr_t)tarn__guard_group,
            .count = TARN__GUARD_GROUPS,
            .bytes = sizeof(struct tarn__guard_group),
            .slot_bytes = sizeof(struct tarn__guard_slot),
            .live = TARN__GUARD_LIVE,
            .place_bits = TARN__GUARD_GROUP_BITS + 5,
            .meta_bits = TARN__GUARD_META_BITS,
            .slots = TARN_LIVE_FIELD(struct tarn__guard_group, slot),
            .used = TARN_LIVE_FIELD(struct tarn__guard_group, used),
            .object = TARN_LIVE_FIELD(struct tarn__guard_slot, p),
            .size = TARN_LIVE_FIELD(struct tarn__guard_slot, size),
            .map = TARN_LIVE_FIELD(struct tarn__guard_slot, mapped),
            .pages = TARN_LIVE_FIELD(struct tarn__guard_slot, pages),
            .state = TARN_LIVE_FIELD(struct tarn__guard_slot, state),
            .stack = TARN_LIVE_FIELD(struct tarn__guard_slot, alloc_stack),
        },
    .tail =
        {
            .bytes = sizeof(struct tarn__tail),
            .users = TARN_CACHE_STORE_USER,
            .asked = TARN_LIVE_FIELD(struct tarn__tail, asked),
            .stack = TARN_LIVE_FIELD(struct tarn__tail, track[0].stack),
            .thread = TARN_LIVE_FIELD(struct tarn__tail, track[0].thread),
        },
    .blocks =
        {
            .at = (uintptr_t)tarn__care_buckets,
            .count = 1u << TARN__CARE_BUCKET_BITS,
            .bytes = sizeof(struct tarn__care_block),
            .next = TARN_LIVE_FIELD(struct tarn__care_block, next),
            .base = TARN_LIVE_FIELD(struct tarn__care_block, base),
            .object = TARN_LIVE_FIELD(struct tarn__care_block, object),
            .asked = TARN_LIVE_FIELD(struct tarn__care_block, asked),
            .state = TARN_LIVE_FIELD(struct tarn__care_block, state),
            .stack = TARN_LIVE_FIELD(struct tarn__care_block, track[0].stack),
            .live = TARN__CARE_LIVE,
        },
    .piece =
        {
            .bytes = sizeof(struct tarn__piece),
            .base = TARN_LIVE_FIELD(struct tarn__piece, base),
            .size = TARN_LIVE_FIELD(struct tarn__piece, size),
            .objects = TARN_LIVE_FIELD(struct tarn__piece, objects),
            .free = TARN_LIVE_FIELD(struct tarn__piece, free),
            .map_at = offsetof(struct tarn__piece, map),
        },
    .chunks = {(uintptr_t)tarn__meta_chunks, TARN_LIVE_TABLE, TARN__META_MAPPED, TARN__META_CHUNKS, 0},
    .own =
        {
            {(uintptr_t)tarn__sections, sizeof tarn__sections},
            {(uintptr_t)tarn__meta_chunks, sizeof tarn__meta_chunks},
            {(uintptr_t)tarn__hard_class, sizeof tarn__hard_class},
            {(uintptr_t)tarn__guard_group, sizeof tarn__guard_group},
        },
    .stacks =
        {
            .at = (uintptr_t)&tarn__kept,
            .chunk_bits = TARN__KEPT_CHUNK_UNITS_BITS,
            .unit = TARN__KEPT_UNIT,
            .chunks = TARN_LIVE_ARRAY(struct tarn__kept, chunk),
            .count = TARN_LIVE_FIELD(struct tarn__kept_stack, count),
            .frames = {offsetof(struct tarn__kept_stack, frames), sizeof(uintptr_t), 1},
        },
};

_Static_assert(TARN__HARD_PLACES == 1 << 7 && TARN__GUARD_GROUPS == 1 << 5, "places are as long as is told");
_Static_assert(sizeof(struct tarn_live_hard_blocks) == sizeof(struct tarn__hard_large_map) &&
                   offsetof(struct tarn_live_hard_blocks, live) == offsetof(struct tarn__hard_large_map, live),
               "whole pages are told of in the same words");
_Static_assert(TARN__ORDERS == TARN_LIVE_ORDERS && TARN_MOBILITIES == TARN_LIVE_GROUPS, "readers know orders and groups");
_Static_assert(sizeof(struct tarn__local) <= TARN_LIVE_MOST_BYTES && sizeof(struct tarn__section) <= TARN_LIVE_MOST_BYTES,
               "readers take structures of such lengths");
