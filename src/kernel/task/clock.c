/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks as guests name them: the host's wall and monotonic clocks, and CPU clocks of processes and threads.
 *
 * A negative id names the CPU clock of any process or thread (clock_getcpuclockid(3)): the pid's complement
 * in the upper bits, then whether it is a thread's, then which time: 0 user and system, 1 user, 2 the
 * scheduler's.
 */
#include <errno.h>
#include <time.h>

#include "task/signal.h"

#define CLOCK_TAI_ID 11

static s64 group_clock(struct thread_group *g, int kind)
{
	u64 utime, stime;

	group_times(g, &utime, &stime);
	return (s64)(kind == 1 ? utime : utime + stime);
}

static s64 thread_clock(struct task *t, int kind)
{
	u64 utime, stime;

	task_times(t, &utime, &stime);
	return (s64)(kind == 1 ? utime : utime + stime);
}

static int clock_read_dynamic(struct task *t, int clock, s64 *ns)
{
	int pid = ~(clock >> 3), kind = clock & 3;
	struct task *target = pid ? task_find(t->k, pid) : t;
	struct thread_group *g = pid ? group_find(t->k, pid) : t->group;

	if (kind == 3)
		return -EINVAL;
	if (clock & 4) {
		if (!target || target->group != t->group)
			return -EINVAL;
		*ns = thread_clock(target, kind);
		return 0;
	}
	if (!g)
		return -EINVAL;
	*ns = group_clock(g, kind);
	return 0;
}

/* Clocks that would wake a sleeping machine show what their plain kin show, without a call to the host. */
static int plain(int clock)
{
	if (clock == CLOCK_REALTIME_ALARM)
		return CLOCK_REALTIME;
	return clock == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME : clock;
}

int clock_read(struct task *t, int clock, s64 *ns)
{
	struct timespec ts;

	if (clock < 0)
		return clock_read_dynamic(t, clock, ns);
	if (clock == CLOCK_PROCESS_CPUTIME_ID) {
		*ns = group_clock(t->group, 2);
		return 0;
	}
	if (clock == CLOCK_THREAD_CPUTIME_ID) {
		*ns = thread_clock(t, 2);
		return 0;
	}
	if (clock > CLOCK_TAI_ID || clock == 10 || clock_gettime(plain(clock), &ts) < 0)
		return -EINVAL;
	*ns = ts.tv_sec * 1000000000 + ts.tv_nsec;
	return 0;
}

int clock_to_monotonic(struct kernel *k, int clock, s64 ns, u64 *mono)
{
	u64 now = kernel_now(k);
	struct timespec ts;
	s64 left;

	switch (clock) {
	case CLOCK_MONOTONIC:
		*mono = ns > 0 ? (u64)ns : 1;
		return 0;
	case CLOCK_REALTIME:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
	case CLOCK_TAI_ID:
		break;
	case CLOCK_PROCESS_CPUTIME_ID:
		return -EOPNOTSUPP;
	default:
		return clock < 0 ? -EOPNOTSUPP : -EINVAL;
	}
	if (clock_gettime(plain(clock), &ts) < 0)
		return -EINVAL;
	if (__builtin_sub_overflow(ns, ts.tv_sec * 1000000000 + ts.tv_nsec, &left))
		left = ns;
	if (left < 0)
		*mono = 1;
	else if (__builtin_add_overflow(now, (u64)left, mono))
		*mono = ~0UL >> 1;
	if (!*mono)
		*mono = 1;
	return 0;
}
