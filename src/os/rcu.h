/*
 * What tarn's own floors need of grace periods beside tarn/rcu.h: the fork hooks.
 */
#ifndef TARN_OS_RCU_H
#define TARN_OS_RCU_H

#include "os/lock.h"
#include "tarn/rcu.h"

/* For the fork hooks; `tarn__rcu_child` when the locks are free again. In the child the other threads' readers are gone. */
void tarn__rcu_each_lock(void (*act)(struct tarn__lock *));
void tarn__rcu_child(void);

#endif
