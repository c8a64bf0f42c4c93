/**
 * @file api.h
 * What every public header of tarn needs: the mark of an exported function.
 */
#ifndef TARN_API_H
#define TARN_API_H

#if defined(__GNUC__)
#define TARN_API __attribute__((visibility("default")))
#else
#define TARN_API
#endif

#endif
