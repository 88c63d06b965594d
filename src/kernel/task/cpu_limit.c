/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RLIMIT_CPU (setrlimit(2); kernel/time/posix-cpu-timers.c, check_process_timers()): SIGXCPU when the group has used
 * up its soft limit and again with each second more, which the soft limit moves up by; SIGKILL at the hard limit.
 *
 * Time is sampled, as for the CPU timers (itimer.c).
 */
#include <signal.h>
#include <sys/resource.h>

#include "task/life.h"
#include "task/signal.h"

#define NSEC    1000000000UL
#define TICK_NS 4000000UL

static void limit_samples(struct timer *timer);

static u64 limit_ns(rlim_t seconds)
{
	return seconds >= RLIM_INFINITY / NSEC ? ~0UL : seconds * NSEC;
}

static void look_again(struct thread_group *g, u64 used)
{
	const struct rlimit *l = &g->limits[RLIMIT_CPU];
	u64 next = min(limit_ns(l->rlim_cur), limit_ns(l->rlim_max)), left = next > used ? next - used : 0;

	if (next == ~0UL)
		return;
	/* @n threads use up a rest in the n-th part of its time at the earliest. */
	left /= g->nthreads > 0 ? (u64)g->nthreads : 1;
	timer_arm(g->k, &g->cpu_limit, kernel_now(g->k) + max(left, TICK_NS), limit_samples);
}

static void limit_samples(struct timer *timer)
{
	struct thread_group *g = container_of(timer, struct thread_group, cpu_limit);
	struct rlimit *l = &g->limits[RLIMIT_CPU];
	siginfo_t info = signal_info(SIGXCPU, SI_KERNEL);
	u64 utime, stime, used;

	group_times(g, &utime, &stime);
	used = utime + stime;
	if (used >= limit_ns(l->rlim_max)) {
		info = signal_info(SIGKILL, SI_KERNEL);
		signal_send_group(g, &info);
		return;
	}
	if (used >= limit_ns(l->rlim_cur)) {
		l->rlim_cur++;
		signal_send_group(g, &info);
	}
	look_again(g, used);
}

void cpu_limit_changed(struct thread_group *g)
{
	const struct rlimit *l = &g->limits[RLIMIT_CPU];
	u64 utime, stime;

	timer_cancel(g->k, &g->cpu_limit);
	if (l->rlim_cur == RLIM_INFINITY && l->rlim_max == RLIM_INFINITY)
		return;
	group_times(g, &utime, &stime);
	look_again(g, utime + stime);
}
