/**
 * @file tarn.h
 * All of tarn's public interface.
 */
#ifndef TARN_TARN_H
#define TARN_TARN_H

#include <tarn/alloc.h>
#include <tarn/cache.h>
#include <tarn/dmapool.h>
#include <tarn/fail.h>
#include <tarn/genpool.h>
#include <tarn/gfp.h>
#include <tarn/kmalloc.h>
#include <tarn/mempool.h>
#include <tarn/pages.h>
#include <tarn/rcu.h>
#include <tarn/shrinker.h>
#include <tarn/source.h>
#include <tarn/stats.h>

#define TARN_VERSION_MAJOR 0
#define TARN_VERSION_MINOR 1
#define TARN_VERSION_PATCH 0

#endif
