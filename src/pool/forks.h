/*
 * For fork hooks: the built-in locks of pools.
 */
#ifndef TARN_POOL_FORKS_H
#define TARN_POOL_FORKS_H

#include "os/lock.h"

/* `act` on the lock of the list, and on that of each pool. A walk that releases begins with what it took. */
void tarn__guards_each_lock(void (*act)(struct tarn__lock *));

/* The same for what is known of watched pools (watch.c); the former does it, too. */
void tarn__watch_each_lock(void (*act)(struct tarn__lock *));

#endif
