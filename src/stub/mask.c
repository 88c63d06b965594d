/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread's signal mask, changed without the kernel.
 *
 * While the thread runs, the mask is the word in its slot. Who sends it a signal decides by that word, and no signal is
 * lost between the two: the kernel writes what is pending into slot->pending, then reads slot->mask; here slot->mask is
 * written, then slot->pending read. One of them sees the other's word. So either the sender finds the signal unblocked,
 * and interrupts the thread, or the thread finds that it has unblocked a pending signal, and takes a turn on its way out,
 * which is where Linux delivers it: behind the call, with the call's result.
 *
 * slot->pending may tell of signals that somebody else has taken meanwhile; that costs a turn. slot->mask_changed tells
 * the kernel at the next turn to look at the mask.
 */
#include <asm/signal.h>

#include "stub/stub.h"

#define SIGSET_SIZE 8
#define UNMASKABLE  (1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1))

void stub_set_mask(struct slot *slot, u64 mask)
{
	slot->mask_changed = 1;
	store(&slot->mask, mask);
	if (load(&slot->pending) & ~mask)
		store(&slot->interrupted, 1);
}

/* The mask that @how makes of @old and @set: 1, or 0 where there is no such way. */
static int combine(int how, u64 old, u64 set, u64 *mask)
{
	switch (how) {
	case SIG_BLOCK:
		*mask = old | set;
		return 1;
	case SIG_UNBLOCK:
		*mask = old & ~set;
		return 1;
	case SIG_SETMASK:
		*mask = set;
		return 1;
	}
	return 0;
}

/* Linux writes the old mask behind the change, and leaves the change when that fails. Here it is written first, so that
 * nothing has happened yet when the kernel is to do all of it. */
int stub_short_sigprocmask(struct slot *slot)
{
	u64 *r = slot->regs, old = slot->mask, mask = old, set;

	if (r[SREG_R10] != SIGSET_SIZE)
		return 0;
	if (r[SREG_RSI]) {
		if (r[SREG_RSI] >= HUSK_GUEST_TOP || stub_copy(&set, (void *)r[SREG_RSI], sizeof set) ||
		    !combine((int)r[SREG_RDI], old, set & ~UNMASKABLE, &mask))
			return 0;
	}
	if (r[SREG_RDX] &&
	    (r[SREG_RDX] >= HUSK_GUEST_TOP || stub_copy((void *)r[SREG_RDX], &old, sizeof old)))
		return 0;
	if (mask != old)
		stub_set_mask(slot, mask);
	r[SREG_RAX] = 0;
	return 1;
}
