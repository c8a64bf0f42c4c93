/*
 * From the tables of .eh_frame to a rule; see unwind.h.
 *
 *     _dl_find_object -> .eh_frame_hdr (sorted index) -> FDE of the function -> its CIE
 *                        the CIE's instructions, then the FDE's up to `pc`, are run: what they leave is the rule
 *
 * The tables are trusted as the code beside them is: they are of the same file. Each is read within its bounds all the same.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/unwind.h"

#if TARN__UNWIND

#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#ifdef DLFO_STRUCT_HAS_EH_DBASE

#pragma weak _dl_find_object

#ifdef __x86_64__
enum { REGISTER_FP = 6, REGISTER_SP = 7, REGISTER_RA = 16 };
#else
enum { REGISTER_FP = 29, REGISTER_SP = 31, REGISTER_RA = 30 };
#endif

/* What is to be read, and whether it has not run out. */
struct reader {
    const uint8_t *at, *end;
    bool good;
};

static uint64_t read_fixed(struct reader *from, size_t bytes)
{
    uint64_t value = 0;
    if ((size_t)(from->end - from->at) < bytes) {
        from->good = false;
        from->at = from->end;
        return 0;
    }
    memcpy(&value, from->at, bytes);
    from->at += bytes;
    return value;
}

static uint64_t read_uleb(struct reader *from)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = (uint8_t)read_fixed(from, 1);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

static int64_t read_sleb(struct reader *from)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = (uint8_t)read_fixed(from, 1);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && (byte & 0x40))
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

static void skip(struct reader *from, uint64_t bytes)
{
    if ((uint64_t)(from->end - from->at) < bytes)
        from->good = false;
    from->at = from->good ? from->at + bytes : from->end;
}

/* A value in one of the encodings for pointers: the low four bits say how it is stored, the next three what it is relative to. */
static uint64_t read_encoded(struct reader *from, uint8_t encoding, uintptr_t data)
{
    uintptr_t place = (uintptr_t)from->at;
    uint64_t value = 0;
    switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
        value = read_fixed(from, 8);
        break;
    case 0x01:
        value = read_uleb(from);
        break;
    case 0x02:
        value = read_fixed(from, 2);
        break;
    case 0x03:
        value = read_fixed(from, 4);
        break;
    case 0x09:
        value = (uint64_t)read_sleb(from);
        break;
    case 0x0a:
        value = (uint64_t)(int16_t)read_fixed(from, 2);
        break;
    case 0x0b:
        value = (uint64_t)(int32_t)read_fixed(from, 4);
        break;
    default:
        from->good = false;
    }
    switch (encoding & 0x70) {
    case 0x00:
        return value;
    case 0x10:
        return value + place;
    case 0x30:
        return value + data;
    default:
        from->good = false;
        return 0;
    }
}

/* An entry of .eh_frame: its length of four bytes is read, those of twelve are not in use. */
static struct reader entry_at(const uint8_t *at)
{
    uint32_t length;
    memcpy(&length, at, sizeof length);
    bool good = length > 4 && length < 0xfffffff0;
    return (struct reader){at + 4, at + 4 + (good ? length : 0), good};
}

struct cie {
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding; /* of addresses in its FDEs */
    bool augmented, signal;
    struct reader program;
};

/* What the letters of the augmentation announce. */
static void read_augmentation(struct cie *cie, const char *letters, struct reader *from)
{
    struct reader data = *from;
    uint64_t length = read_uleb(from);
    read_uleb(&data);
    skip(from, length);
    for (; *letters && data.good; letters++) {
        if (*letters == 'R') {
            cie->encoding = (uint8_t)read_fixed(&data, 1);
        } else if (*letters == 'L') {
            read_fixed(&data, 1);
        } else if (*letters == 'P') {
            uint8_t encoding = (uint8_t)read_fixed(&data, 1);
            read_encoded(&data, encoding & 0x0f, 0);
        } else if (*letters == 'S') {
            cie->signal = true;
        } else if (*letters != 'B') { /* it signs return addresses by another key */
            data.good = false;
        }
    }
    from->good &= data.good;
}

static bool read_cie(const uint8_t *at, struct cie *cie)
{
    struct reader from = entry_at(at);
    *cie = (struct cie){.augmented = false};
    if (read_fixed(&from, 4) != 0)
        return false;
    uint8_t version = (uint8_t)read_fixed(&from, 1);
    const char *letters = (const char *)from.at;
    while (read_fixed(&from, 1) != 0)
        ;
    cie->code_align = read_uleb(&from);
    cie->data_align = read_sleb(&from);
    uint64_t ra = version == 1 ? read_fixed(&from, 1) : read_uleb(&from);
    if (!from.good || (version != 1 && version != 3) || ra != REGISTER_RA)
        return false;
    if (*letters == 'z') {
        cie->augmented = true;
        read_augmentation(cie, letters + 1, &from);
    } else if (*letters) {
        return false;
    }
    cie->program = from;
    return from.good;
}

/* The registers that matter, and how their value in the caller is found. */
enum how { IN_REGISTER, AT_CFA, AT_FP, UNKNOWN };
struct row {
    enum { CFA_REGISTER, CFA_DEREF, CFA_UNKNOWN } cfa;
    uint64_t base;
    int64_t offset;
    enum how fp, ra;
    int64_t fp_offset, ra_offset;
};

struct machine {
    const struct cie *cie;
    uintptr_t at, pc;
    struct row row, initial, kept[8];
    unsigned depth;
};

static void set_register(struct machine *m, uint64_t number, enum how how, int64_t offset)
{
    if (number == REGISTER_FP) {
        m->row.fp = how;
        m->row.fp_offset = offset;
    } else if (number == REGISTER_RA) {
        m->row.ra = how;
        m->row.ra_offset = offset;
    }
}

static void restore_register(struct machine *m, uint64_t number)
{
    if (number == REGISTER_FP)
        set_register(m, number, m->initial.fp, m->initial.fp_offset);
    else
        set_register(m, number, m->initial.ra, m->initial.ra_offset);
}

/* Of expressions two are known, those of functions that align their stack: the word at base + offset, and base + offset. */
static void cfa_expression(struct machine *m, struct reader *from)
{
    uint64_t length = read_uleb(from);
    struct reader words = *from;
    skip(from, length);
    m->row.cfa = CFA_UNKNOWN;
    uint8_t op = (uint8_t)read_fixed(&words, 1);
    if (op < 0x70 || op > 0x8f) /* DW_OP_breg0 to 31 */
        return;
    m->row.base = op - 0x70u;
    m->row.offset = read_sleb(&words);
    if (words.good && words.at + 1 == from->at && *words.at == 0x06) /* DW_OP_deref, the last */
        m->row.cfa = CFA_DEREF;
}

static void register_expression(struct machine *m, struct reader *from, bool is_value)
{
    uint64_t number = read_uleb(from), length = read_uleb(from);
    struct reader words = *from;
    skip(from, length);
    uint8_t op = (uint8_t)read_fixed(&words, 1);
    int64_t offset = read_sleb(&words);
    bool known = !is_value && op == 0x70 + REGISTER_FP && words.at == from->at;
    set_register(m, number, known ? AT_FP : UNKNOWN, offset);
}

static void cfa_register(struct machine *m, uint64_t base, int64_t offset)
{
    m->row.cfa = CFA_REGISTER;
    m->row.base = base;
    m->row.offset = offset;
}

/* The operations that say where the caller's frame is. False: it is none of them. */
static bool run_cfa(struct machine *m, uint8_t op, struct reader *from)
{
    uint64_t base;
    switch (op) {
    case 0x0c: /* DW_CFA_def_cfa */
        base = read_uleb(from);
        cfa_register(m, base, (int64_t)read_uleb(from));
        return true;
    case 0x12: /* DW_CFA_def_cfa_sf */
        base = read_uleb(from);
        cfa_register(m, base, read_sleb(from) * m->cie->data_align);
        return true;
    case 0x0d: /* DW_CFA_def_cfa_register */
        cfa_register(m, read_uleb(from), m->row.offset);
        return true;
    case 0x0e: /* DW_CFA_def_cfa_offset */
        m->row.offset = (int64_t)read_uleb(from);
        return true;
    case 0x13: /* DW_CFA_def_cfa_offset_sf */
        m->row.offset = read_sleb(from) * m->cie->data_align;
        return true;
    case 0x0f: /* DW_CFA_def_cfa_expression */
        cfa_expression(m, from);
        return true;
    default:
        return false;
    }
}

/* Those that say where registers are. */
static void run_register(struct machine *m, uint8_t op, struct reader *from)
{
    uint64_t number;
    switch (op) {
    case 0x05: /* DW_CFA_offset_extended */
        number = read_uleb(from);
        set_register(m, number, AT_CFA, (int64_t)read_uleb(from) * m->cie->data_align);
        break;
    case 0x11: /* DW_CFA_offset_extended_sf */
        number = read_uleb(from);
        set_register(m, number, AT_CFA, read_sleb(from) * m->cie->data_align);
        break;
    case 0x06: /* DW_CFA_restore_extended */
        restore_register(m, read_uleb(from));
        break;
    case 0x07: /* DW_CFA_undefined */
        set_register(m, read_uleb(from), UNKNOWN, 0);
        break;
    case 0x08: /* DW_CFA_same_value */
        set_register(m, read_uleb(from), IN_REGISTER, 0);
        break;
    case 0x09: /* DW_CFA_register */
    case 0x14: /* DW_CFA_val_offset */
        set_register(m, read_uleb(from), UNKNOWN, 0);
        read_uleb(from);
        break;
    case 0x15: /* DW_CFA_val_offset_sf */
        set_register(m, read_uleb(from), UNKNOWN, 0);
        read_sleb(from);
        break;
    case 0x10: /* DW_CFA_expression */
    case 0x16: /* DW_CFA_val_expression */
        register_expression(m, from, op == 0x16);
        break;
    default:
        from->good = false;
    }
}

/* Moves on to the place that the operation names. False: it is none of those that do. */
static bool run_advance(struct machine *m, uint8_t op, struct reader *from)
{
    if (op >> 6 == 1)
        m->at += (op & 0x3fu) * m->cie->code_align;
    else if (op == 0x01) /* DW_CFA_set_loc */
        m->at = read_encoded(from, m->cie->encoding, 0);
    else if (op >= 0x02 && op <= 0x04) /* DW_CFA_advance_loc1, 2, 4 */
        m->at += read_fixed(from, (size_t)1 << (op - 2)) * m->cie->code_align;
    else
        return false;
    return true;
}

static void run(struct machine *m, struct reader *from)
{
    while (from->good && from->at < from->end) {
        uint8_t op = (uint8_t)read_fixed(from, 1);
        if (run_advance(m, op, from)) {
            if (m->at > m->pc)
                return;
        } else if (op >> 6 == 2) { /* DW_CFA_offset */
            set_register(m, op & 0x3f, AT_CFA, (int64_t)read_uleb(from) * m->cie->data_align);
        } else if (op >> 6 == 3) { /* DW_CFA_restore */
            restore_register(m, op & 0x3f);
        } else if (op == 0x0a) { /* DW_CFA_remember_state */
            from->good &= m->depth < sizeof m->kept / sizeof *m->kept;
            if (from->good)
                m->kept[m->depth++] = m->row;
        } else if (op == 0x0b) { /* DW_CFA_restore_state */
            from->good &= m->depth > 0;
            if (from->good)
                m->row = m->kept[--m->depth];
        } else if (op == 0x2e) { /* DW_CFA_GNU_args_size */
            read_uleb(from);
        } else if (op != 0x00 && op != 0x2d && !run_cfa(m, op, from)) { /* 0x2d: return addresses are signed; see stack.c */
            run_register(m, op, from);
        }
    }
}

/* A slot in words, if it is one; what was found at the frame pointer's place is at the same one by a frame that begins with it. */
static bool slot_of(enum how how, int64_t offset, int64_t *slot)
{
    *slot = how == AT_CFA ? offset / 8 : 0;
    return how == IN_REGISTER || (how == AT_CFA && offset % 8 == 0 && *slot >= INT16_MIN && *slot <= INT16_MAX && *slot != 0);
}

static tarn__rule pack(const struct row *row)
{
    int64_t fp = 0, ra = 0;
    bool by_fp = row->base == REGISTER_FP, realigned = row->cfa == CFA_DEREF && row->fp == AT_FP && row->fp_offset == 0;
    if (row->cfa == CFA_UNKNOWN || (row->base != REGISTER_FP && row->base != REGISTER_SP))
        return TARN__RULE_END;
    if (!realigned && !slot_of(row->fp, row->fp_offset, &fp))
        return TARN__RULE_END;
    if (!slot_of(row->ra, row->ra_offset, &ra) || row->offset < -(1 << 21) || row->offset >= 1 << 21)
        return TARN__RULE_END;
    if (realigned && !by_fp)
        return TARN__RULE_END;
    enum tarn__rule_kind kind = row->cfa == CFA_DEREF ? TARN__RULE_DEREF : TARN__RULE_PLAIN;
    if (kind == TARN__RULE_DEREF && !realigned)
        return TARN__RULE_END;
    return (uint64_t)row->offset << 42 | (uint64_t)(uint16_t)fp << 26 | (uint64_t)(uint16_t)ra << 10 | (by_fp ? 4u : 0u) | kind;
}

/* The FDE of the last function that begins at or before `pc`, by the index; NULL: there is no index of the one kind that is in use. */
static const uint8_t *find_fde(const uint8_t *index, uintptr_t pc)
{
    struct reader from = {index, index + 4 + 16, true};
    uint32_t head = (uint32_t)read_fixed(&from, 4);
    if ((head & 0xff) != 1 || head >> 24 != 0x3b) /* pairs of 4 bytes, relative to the index */
        return NULL;
    read_encoded(&from, (uint8_t)(head >> 8), (uintptr_t)index);
    uint64_t count = read_encoded(&from, (uint8_t)(head >> 16), (uintptr_t)index);
    if (!from.good || count == 0)
        return NULL;
    int64_t wanted = (int64_t)(pc - (uintptr_t)index);
    int32_t pair[2];
    uint64_t low = 0, high = count;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        memcpy(pair, from.at + middle * sizeof pair, sizeof pair);
        if (pair[0] <= wanted)
            low = middle;
        else
            high = middle;
    }
    memcpy(pair, from.at + low * sizeof pair, sizeof pair);
    return pair[0] <= wanted ? index + pair[1] : NULL;
}

static tarn__rule run_fde(const uint8_t *fde, uintptr_t pc)
{
    struct cie cie;
    struct reader from = entry_at(fde);
    const uint8_t *place = from.at;
    uint32_t back = (uint32_t)read_fixed(&from, 4);
    if (!from.good || back == 0 || !read_cie(place - back, &cie))
        return TARN__RULE_END;
    uintptr_t begin = read_encoded(&from, cie.encoding, 0);
    uint64_t length = read_encoded(&from, cie.encoding & 0x0f, 0);
    if (cie.augmented)
        skip(&from, read_uleb(&from));
    if (!from.good || pc - begin >= length)
        return TARN__RULE_END;
    if (cie.signal)
        return TARN__RULE_SIGNAL;
    struct machine m = {.cie = &cie, .at = 0, .pc = UINTPTR_MAX, .row = {.cfa = CFA_UNKNOWN}};
    run(&m, &cie.program);
    m.initial = m.row;
    m.at = begin;
    m.pc = pc;
    run(&m, &from);
    return cie.program.good && from.good ? pack(&m.row) : TARN__RULE_END;
}

/*
 * Modules that were seen in pieces of 64 KiB of addresses, so that one that has come in another's place is noticed. Entries are hints: two threads may
 * mix theirs, which makes rules be forgotten once too often.
 */
enum { SEEN = 1024 };
static _Atomic uint64_t seen[SEEN], age;

static void notice(uintptr_t pc, const struct dl_find_object *object)
{
    uint64_t module = (uintptr_t)object->dlfo_map_start * 0x9e3779b97f4a7c15u ^
                      (uintptr_t)object->dlfo_map_end * 0xc2b2ae3d27d4eb4fu ^
                      (uintptr_t)object->dlfo_link_map * 0x165667b19e3779f9u ^ (uintptr_t)object->dlfo_eh_frame;
    uint64_t piece = pc >> 16, entry = (module & ~(uint64_t)0xffff) | (piece / SEEN & 0xffff);
    uint64_t was = atomic_exchange_explicit(&seen[piece % SEEN], entry, memory_order_relaxed);
    if (was && was != entry && (was & 0xffff) == (entry & 0xffff))
        atomic_fetch_add_explicit(&age, 1, memory_order_relaxed);
}

bool tarn__rules_there(void) { return _dl_find_object != NULL; }

uint64_t tarn__rule_age(void) { return atomic_load_explicit(&age, memory_order_relaxed); }

tarn__rule tarn__rule_find(uintptr_t pc)
{
    struct dl_find_object object;
    if (!_dl_find_object || _dl_find_object((void *)pc, &object) != 0) /* NOLINT: an address */
        return TARN__RULE_FOREIGN;
    notice(pc, &object);
    const uint8_t *fde = object.dlfo_eh_frame ? find_fde(object.dlfo_eh_frame, pc) : NULL;
    return fde ? run_fde(fde, pc) : TARN__RULE_END;
}

#else /* a C library that has no such function */
bool tarn__rules_there(void) { return false; }
tarn__rule tarn__rule_find(uintptr_t pc) { return (void)pc, TARN__RULE_END; }
#endif

#else
bool tarn__rules_there(void) { return false; }
tarn__rule tarn__rule_find(uintptr_t pc) { return (void)pc, TARN__RULE_END; }
#endif
