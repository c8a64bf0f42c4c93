/**
 * @file tarn.h
 * All of tarn's public interface.
 */
#ifndef TARN_TARN_H
#define TARN_TARN_H

#include "alloc.h"
#include "cache.h"
#include "dmapool.h"
#include "fail.h"
#include "genpool.h"
#include "gfp.h"
#include "kmalloc.h"
#include "mempool.h"
#include "pages.h"
#include "rcu.h"
#include "shrinker.h"
#include "source.h"
#include "stats.h"

#define TARN_VERSION_MAJOR 0
#define TARN_VERSION_MINOR 1
#define TARN_VERSION_PATCH 0

#endif
