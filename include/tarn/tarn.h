/**
 * @file tarn.h
 * All of tarn's public interface.
 */
#ifndef TARN_TARN_H
#define TARN_TARN_H

#include <tarn/alloc.h>
#include <tarn/source.h>
#include <tarn/stats.h>

#define TARN_VERSION_MAJOR 0
#define TARN_VERSION_MINOR 1
#define TARN_VERSION_PATCH 0

#endif
