/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of a thread group, for this room and the time calls: setitimer(2)'s CPU timers and
 * timer_create(2)'s. */
#ifndef HUSK_KERNEL_TASK_POSIX_TIMER_H
#define HUSK_KERNEL_TASK_POSIX_TIMER_H

#include "task/signal.h"

/* One of ITIMER_VIRTUAL, ITIMER_PROF: counted in CPU time, looked at by a sampling timer. */
struct cpu_timer {
	struct timer sample;
	struct thread_group *group;
	u64 expires, interval; /* of the group's CPU time, ns; expires 0: off */
	int which;
};

struct posix_timer {
	struct list node; /* in posix_timers.all */
	struct thread_group *group;
	int id, clock, notify, target_tid;
	int owner_tid; /* whose CLOCK_THREAD_CPUTIME_ID it counts */
	struct timer timer;
	struct sigqueue signal; /* linked while its signal is pending */
	u64 expires;            /* CLOCK_MONOTONIC (CPU clocks: of that clock), ns; 0: disarmed */
	u64 interval;
	int overrun, last_overrun;
	bool cpu; /* on a CPU clock: sampled */
};

struct posix_timers {
	struct cpu_timer virt, prof;
	struct list all; /* by id */
	int next_id, count;
};

/* The timer with @id of @t's group; NULL. */
struct posix_timer *posix_timer_find(struct task *t, int id);
/* A new disarmed one: 0 or -ENOMEM, -EAGAIN. */
int posix_timer_new(struct task *t, struct posix_timer **out);
void posix_timer_delete(struct posix_timer *pt);
/* timer_settime(2): @value 0 disarms. @absolute: on the timer's clock. */
int posix_timer_set(struct task *t, struct posix_timer *pt, const struct itimer *value, bool absolute);
void posix_timer_get(struct task *t, struct posix_timer *pt, struct itimer *now);

#endif
