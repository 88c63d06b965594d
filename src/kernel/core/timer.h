/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of the service thread: a function called at or after a CLOCK_MONOTONIC time. */
#ifndef HUSK_KERNEL_CORE_TIMER_H
#define HUSK_KERNEL_CORE_TIMER_H

#include "base/rbtree.h"

struct kernel;

struct timer {
	struct rb_node node;
	u64 expires; /* ns; 0 while not armed */
	void (*func)(struct timer *timer);
};

/* Arms (or moves) @timer for @expires (CLOCK_MONOTONIC, ns, not 0). Embedded and owned by the caller, who
 * must cancel it before it goes away. */
void timer_arm(struct kernel *k, struct timer *timer, u64 expires, void (*func)(struct timer *));
void timer_cancel(struct kernel *k, struct timer *timer);
/* Calls what is due at @now. */
void timers_run(struct kernel *k, u64 now);
/* When the next one is due; ~0: none. */
u64 timers_next(const struct kernel *k);

#endif
