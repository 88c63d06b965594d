/* SPDX-License-Identifier: Apache-2.0 */
/* Timeouts and signal masks as the poll family passes them. */
#ifndef HUSK_KERNEL_SYS_TIMEOUT_H
#define HUSK_KERNEL_SYS_TIMEOUT_H

#include "core/task.h"

struct timeout {
	u64 deadline; /* CLOCK_MONOTONIC ns; 0: none */
	bool zero;    /* do not wait at all */
};

/* Where the time that is left goes when the call ends. */
struct timeout_back {
	u64 addr, deadline; /* addr 0: nowhere */
	bool timeval;
};

/* A timeout in milliseconds, negative for none. */
struct timeout timeout_from_ms(struct task *t, int ms);
/* A struct timespec (timeval) at @addr, 0 for none: 0, -EFAULT, -EINVAL or CALL_FETCH. @back is filled too. */
long timeout_read_timespec(struct task *t, u64 addr, struct timeout *to, struct timeout_back *back);
long timeout_read_timeval(struct task *t, u64 addr, struct timeout *to, struct timeout_back *back);
/* Writes what is left, and returns what becomes of @ret: a call whose timeout was updated is not restarted
 * unless the update succeeded (fs/select.c). */
long timeout_write_back(struct task *t, const struct timeout_back *back, long ret);

/* A signal mask at @addr (0: *given is false): 0, -EINVAL for a wrong @size, -EFAULT or CALL_FETCH. */
long sigmask_read(struct task *t, u64 addr, u64 size, u64 *mask, bool *given);

#endif
