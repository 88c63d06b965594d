/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private futexes without the kernel: the host's own futex on the guest's own word. All operations on private
 * words go this way, or none (slot.short_ways), since both sides of a wait must meet in the same place.
 *
 * A wait can block, so the interrupt must find its way in: see stub_guest_futex. A relative timeout is made
 * absolute first, so that the call can go on after an interruption that delivered nothing.
 */
#include <asm/errno.h>
#include <linux/futex.h>
#include <linux/time_types.h>

#include "stub/stub.h"

#define NSEC_PER_SEC    1000000000L
#define CLOCK_MONOTONIC 1

static int is_short(const struct slot *slot, u32 command)
{
	if (!(slot->regs[SREG_RSI] & FUTEX_PRIVATE_FLAG))
		return 0;
	switch (command) {
	case FUTEX_WAIT:
		return !(slot->regs[SREG_RSI] & FUTEX_CLOCK_REALTIME);
	case FUTEX_WAKE:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
	case FUTEX_WAKE_BITSET:
		return !(slot->regs[SREG_RSI] & FUTEX_CLOCK_REALTIME);
	case FUTEX_WAIT_BITSET:
		return 1;
	}
	return 0;
}

/* The deadline of a wait with a timeout at @user: 0 or -errno. */
static s64 read_timeout(u64 user, int relative, struct __kernel_timespec *deadline)
{
	struct __kernel_timespec now, ts;

	if (stub_copy(&ts, (void *)user, sizeof ts))
		return -EFAULT;
	if (ts.tv_sec < 0 || (u64)ts.tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (relative) {
		stub_host_clock_gettime(CLOCK_MONOTONIC, &now);
		ts.tv_nsec += now.tv_nsec;
		if (__builtin_add_overflow(ts.tv_sec, now.tv_sec + (ts.tv_nsec >= NSEC_PER_SEC), &ts.tv_sec))
			ts.tv_sec = 0x7fffffffffffffff / NSEC_PER_SEC;
		if (ts.tv_nsec >= NSEC_PER_SEC)
			ts.tv_nsec -= NSEC_PER_SEC;
	}
	*deadline = ts;
	return 0;
}

int stub_short_futex(struct slot *slot, struct ucontext *uc)
{
	u64 *r = slot->regs;
	u64 op = r[SREG_RSI], timeout = r[SREG_R10], val3 = r[SREG_R9];
	u32 command = op & FUTEX_CMD_MASK;
	struct __kernel_timespec deadline;
	s64 result = 0;

	if (!is_short(slot, command))
		return 0;
	slot->timed = 0;
	if ((command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) && timeout) {
		result = read_timeout(timeout, command == FUTEX_WAIT, &deadline);
		timeout = (u64)&deadline;
		slot->timed = 1;
		if (command == FUTEX_WAIT) {
			op = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;
			val3 = FUTEX_BITSET_MATCH_ANY;
		}
	}
	while (!result) {
		store(&slot->in_host_call, 1);
		result = stub_guest_futex(r[SREG_RDI], op, r[SREG_RDX], timeout, r[SREG_R8], val3, slot);
		store(&slot->in_host_call, 0);
		if (result != STUB_ABORTED && result != -EINTR)
			break;
		result = 0;
		if (load(&slot->interrupted) && !stub_turn(slot, uc, EVENT_HOST_CALL))
			return 1;
	}
	r[SREG_RAX] = (u64)result;
	return 1;
}
