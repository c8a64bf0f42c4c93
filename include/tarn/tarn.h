/**
 * @file tarn.h
 * All of tarn's public interface.
 */
#ifndef TARN_TARN_H
#define TARN_TARN_H

#include "alloc.h"
#include "background.h"
#include "blockpool.h"
#include "bump.h"
#include "cache.h"
#include "classpool.h"
#include "debug.h"
#include "dmapool.h"
#include "fail.h"
#include "genpool.h"
#include "gfp.h"
#include "heap.h"
#include "kmalloc.h"
#include "levelpool.h"
#include "mempool.h"
#include "pages.h"
#include "pool.h"
#include "rcu.h"
#include "region.h"
#include "report.h"
#include "shrinker.h"
#include "source.h"
#include "stats.h"

#define TARN_VERSION_MAJOR 0
#define TARN_VERSION_MINOR 1
#define TARN_VERSION_PATCH 0

#endif
