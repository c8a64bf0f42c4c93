/* The C library's questions about the heap: mallinfo2, mallinfo, malloc_info, malloc_stats, mallopt. */
#include "door/door.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

struct mallinfo2_fields {
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

struct mallinfo_fields {
    int arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

/* Fields as the C library documents them; large blocks are its "mmapped" ones. */
TARN__DOOR struct mallinfo2_fields mallinfo2(void)
{
    struct tarn_stats s;
    tarn_stats(&s);
    return (struct mallinfo2_fields){
        .arena = s.held_bytes - s.large_live_bytes,
        .ordblks = s.live_objects - (s.large_allocations - s.large_frees),
        .hblks = s.large_allocations - s.large_frees,
        .hblkhd = s.large_live_bytes,
        .usmblks = s.peak_bytes,
        .uordblks = s.live_bytes,
        .fordblks = s.held_bytes - s.live_bytes,
        .keepcost = s.dirty_bytes,
    };
}

static int clamp(size_t n) { return n > INT_MAX ? INT_MAX : (int)n; }

TARN__DOOR struct mallinfo_fields mallinfo(void)
{
    struct mallinfo2_fields m = mallinfo2();
    return (struct mallinfo_fields){clamp(m.arena),    clamp(m.ordblks), clamp(m.smblks),  clamp(m.hblks),
                                    clamp(m.hblkhd),   clamp(m.usmblks), clamp(m.fsmblks), clamp(m.uordblks),
                                    clamp(m.fordblks), clamp(m.keepcost)};
}

/* XML, as the C library's, with one element for each class that was used. */
TARN__DOOR int malloc_info(int options, FILE *stream)
{
    if (options != 0) {
        errno = EINVAL;
        return -1;
    }
    struct tarn_stats s;
    tarn_stats(&s);
    fprintf(stream, "<malloc version=\"tarn-1\">\n<heap nr=\"0\">\n<sizes>\n");
    for (unsigned i = 0; i < TARN_CLASSES; i++) {
        struct tarn_class_stats c;
        tarn_class_stats(i, &c);
        if (c.allocations || c.slabs)
            fprintf(stream, "<size size=\"%u\" active=\"%llu\" cached=\"%llu\" slabs=\"%llu\"/>\n", c.size,
                    (unsigned long long)(c.allocations - c.frees), (unsigned long long)c.cached, (unsigned long long)c.slabs);
    }
    fprintf(stream, "</sizes>\n</heap>\n");
    fprintf(stream, "<total type=\"large\" count=\"%llu\" size=\"%llu\"/>\n",
            (unsigned long long)(s.large_allocations - s.large_frees), (unsigned long long)s.large_live_bytes);
    fprintf(stream, "<system type=\"current\" size=\"%llu\"/>\n<system type=\"used\" size=\"%llu\"/>\n",
            (unsigned long long)s.held_bytes, (unsigned long long)s.used_bytes);
    fprintf(stream, "<live type=\"current\" size=\"%llu\"/>\n<live type=\"max\" size=\"%llu\"/>\n</malloc>\n",
            (unsigned long long)s.live_bytes, (unsigned long long)s.peak_bytes);
    return 0;
}

TARN__DOOR void malloc_stats(void)
{
    struct tarn_stats s;
    tarn_stats(&s);
    fprintf(stderr,
            "tarn: %llu bytes live in %llu objects, most %llu\n"
            "tarn: %llu bytes held from the system, %llu in use, %llu kept for reuse\n"
            "tarn: %llu allocations, %llu frees, %llu system calls\n",
            (unsigned long long)s.live_bytes, (unsigned long long)s.live_objects, (unsigned long long)s.peak_bytes,
            (unsigned long long)s.held_bytes, (unsigned long long)s.used_bytes, (unsigned long long)s.dirty_bytes,
            (unsigned long long)s.allocations, (unsigned long long)s.frees, (unsigned long long)s.system_calls);
}

/* The parameters tune an allocator of another construction: accepted, without effect. 1 is success. */
TARN__DOOR int mallopt(int parameter, int value)
{
    (void)parameter, (void)value;
    return 1;
}
