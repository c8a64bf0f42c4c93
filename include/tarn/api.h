/**
 * @file api.h
 * What every public header of tarn needs: the mark of an exported function, and that of a member whose alignment is given.
 */
#ifndef TARN_API_H
#define TARN_API_H

#if defined(__GNUC__)
#define TARN_API __attribute__((visibility("default")))
#define TARN_ALIGNED(bytes) __attribute__((aligned(bytes)))
#else
#define TARN_API
#define TARN_ALIGNED(bytes)
#endif

#endif
