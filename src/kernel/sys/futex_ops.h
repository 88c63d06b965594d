/* SPDX-License-Identifier: Apache-2.0 */
/* What the futex calls share: decoded arguments, deadlines, atomic changes of a word in guest memory. */
#ifndef HUSK_KERNEL_SYS_FUTEX_OPS_H
#define HUSK_KERNEL_SYS_FUTEX_OPS_H

#include "task/futex.h"

struct futex_args {
	u64 addr, timeout, addr2;
	u32 val, val3;
	int command;
	bool private, realtime;
};

/* An ordered compare-and-exchange. It outlives the call that ordered it, when that is cut short by its task's
 * end. */
struct futex_change {
	struct trap_word word;
	struct task *task; /* NULL: nobody waits for it any more */
	/* The stub is done: @old is what the word was, or a negative errno. */
	void (*then)(struct task *t, s64 old);
};

/* Orders it with the calling task's thread; *out is valid until then() is called. 0 or -errno. */
int futex_change(struct task *t, u64 addr, u32 old, u32 new, void (*then)(struct task *t, s64 old),
		 struct futex_change **out);
/* The call ends: then() is not to be called. @change: nullable. */
void futex_change_forget(struct futex_change *change);

/* FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI */
long futex_lock_pi(struct task *t, struct call *c, struct futex_args *a);
long futex_unlock_pi(struct task *t, struct call *c, struct futex_args *a);

#endif
