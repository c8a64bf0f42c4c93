/* What the surroundings give under this name; else the four that allocation needs: `char *p __free(kfree) = kmalloc(…)`. */
#ifndef TARN_LINUX_CLEANUP_H
#define TARN_LINUX_CLEANUP_H
#pragma GCC system_header

#if __has_include_next(<linux/cleanup.h>)
#include_next <linux/cleanup.h>
#endif

#ifndef DEFINE_FREE
/* The action sees the variable's value as `_T`. */
#define DEFINE_FREE(name, type, action)                                                                                        \
    static inline void __free_##name(void *variable)                                                                           \
    {                                                                                                                          \
        type _T = *(type *)variable;                                                                                           \
        action;                                                                                                                \
    }
#define __free(name) __attribute__((cleanup(__free_##name)))
/* The pointer, which from now on is nobody's to clean up. */
#define no_free_ptr(p)                                                                                                         \
    __extension__({                                                                                                            \
        __typeof__(p) tarn_linux_kept = (p);                                                                                   \
        (p) = NULL;                                                                                                            \
        tarn_linux_kept;                                                                                                       \
    })
#define return_ptr(p) return no_free_ptr(p)
#endif

#endif
