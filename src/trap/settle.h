/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting until every thread of a space has been seen: each that ran when the wait began has taken a turn since. What
 * was true of all of them before, a short way that they might have been in or memory that their CPUs had not written
 * yet, is over then.
 *
 * A space counts epochs; a thread notes the epoch when it is decided that, and how, it is given to the guest, which it may have
 * to wait for. A wait begins a new one.
 */
#ifndef HUSK_TRAP_SETTLE_H
#define HUSK_TRAP_SETTLE_H

#include "base/list.h"
#include "trap/trap.h"

struct settle {
	struct list node;
	u64 epoch;
	trap_done_fn *done;
	void *arg;
};

struct settling {
	u64 epoch;
	struct list waits; /* struct settle, in the order of their epochs */
};

void settling_init(struct settling *s);
/* Begins a wait: 0 or -ENOMEM. */
int settle_begin(struct settling *s, trap_done_fn *done, void *arg);
/* The next wait that is over when @oldest is the lowest epoch of the threads that run (~0: none does), taken out of the
 * list; the caller calls back and frees it. NULL: none. */
struct settle *settle_next(struct settling *s, u64 oldest);

#endif
