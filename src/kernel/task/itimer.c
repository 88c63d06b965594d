/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setitimer(2): ITIMER_REAL by a timer of the service thread, ITIMER_VIRTUAL and ITIMER_PROF by sampling CPU
 * time.
 *
 * Guests run on host threads whose CPU time the kernel can only read. A group of n threads cannot use up a
 * rest of r ns before r/n has passed, so that is when its clock is looked at again, but no more often than
 * Linux's own tick would.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>

#include "task/posix_timer.h"

#define TICK_NS       4000000UL
#define NSEC_PER_USEC 1000UL

static void real_timer_fires(struct timer *timer)
{
	struct thread_group *g = container_of(timer, struct thread_group, real_timer);
	siginfo_t info = signal_info(SIGALRM, SI_KERNEL);
	u64 now = kernel_now(g->k), next = g->real_expires;

	if (g->real_interval) {
		next += g->real_interval;
		if (next <= now)
			next += (now - next) / g->real_interval * g->real_interval + g->real_interval;
		g->real_expires = next;
		timer_arm(g->k, timer, next, real_timer_fires);
	} else {
		g->real_expires = 0;
	}
	signal_send_group(g, &info);
}

static int real_set(struct thread_group *g, const struct itimer *new, struct itimer *old)
{
	u64 now = kernel_now(g->k);

	if (old) {
		old->interval = g->real_interval;
		old->value = 0;
		if (g->real_expires)
			old->value = g->real_expires > now ? g->real_expires - now
							   : NSEC_PER_USEC; /* armed is never 0 */
	}
	if (!new)
		return 0;
	timer_cancel(g->k, &g->real_timer);
	g->real_expires = 0;
	g->real_interval = new->interval;
	if (new->value) {
		if (__builtin_add_overflow(now, new->value, &g->real_expires))
			g->real_expires = ~0UL >> 1;
		timer_arm(g->k, &g->real_timer, g->real_expires, real_timer_fires);
	} else {
		g->real_interval = 0;
	}
	return 0;
}

static u64 cpu_now(const struct cpu_timer *ct)
{
	u64 utime, stime;

	group_times(ct->group, &utime, &stime);
	return ct->which == ITIMER_VIRTUAL ? utime : utime + stime;
}

static void cpu_timer_samples(struct timer *timer);

static void cpu_timer_arm(struct cpu_timer *ct, u64 now)
{
	u64 left = ct->expires > now ? ct->expires - now : 0;

	left /= ct->group->nthreads > 0 ? (u64)ct->group->nthreads : 1;
	timer_arm(ct->group->k, &ct->sample, kernel_now(ct->group->k) + max(left, TICK_NS),
		  cpu_timer_samples);
}

static void cpu_timer_samples(struct timer *timer)
{
	struct cpu_timer *ct = container_of(timer, struct cpu_timer, sample);
	siginfo_t info = signal_info(ct->which == ITIMER_VIRTUAL ? SIGVTALRM : SIGPROF, SI_KERNEL);
	u64 now = cpu_now(ct);

	if (now < ct->expires) {
		cpu_timer_arm(ct, now);
		return;
	}
	if (ct->interval) {
		ct->expires += (now - ct->expires) / ct->interval * ct->interval + ct->interval;
		cpu_timer_arm(ct, now);
	} else {
		ct->expires = 0;
	}
	signal_send_group(ct->group, &info);
}

static int cpu_set(struct thread_group *g, int which, const struct itimer *new, struct itimer *old)
{
	struct posix_timers *ts = g->posix_timers;
	struct cpu_timer *ct;
	u64 now;

	if (!ts && (!new || !new->value)) {
		if (old)
			*old = (struct itimer){0, 0};
		return 0;
	}
	ts = posix_timers_of(g);
	if (!ts)
		return -ENOMEM;
	ct = which == ITIMER_VIRTUAL ? &ts->virt : &ts->prof;
	ct->group = g;
	ct->which = which;
	now = cpu_now(ct);
	if (old) {
		old->interval = ct->interval;
		old->value = !ct->expires ? 0 : ct->expires > now ? ct->expires - now : TICK_NS;
	}
	if (!new)
		return 0;
	timer_cancel(g->k, &ct->sample);
	ct->interval = new->interval;
	ct->expires = 0;
	if (new->value) {
		if (__builtin_add_overflow(now, new->value, &ct->expires))
			ct->expires = ~0UL >> 1;
		cpu_timer_arm(ct, now);
	}
	return 0;
}

int itimer_set(struct thread_group *g, int which, const struct itimer *new, struct itimer *old)
{
	switch (which) {
	case ITIMER_REAL:
		return real_set(g, new, old);
	case ITIMER_VIRTUAL:
	case ITIMER_PROF:
		return cpu_set(g, which, new, old);
	default:
		return -EINVAL;
	}
}
