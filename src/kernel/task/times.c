/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU times and other usage of tasks and groups, from the host.
 *
 * A group's time is that of its host process; what earlier host processes (before an exec) used is kept in
 * the group. The total is exact; how it divides into user and system time comes from the host's ticks, and is
 * looked at only when there is enough of it to matter.
 *
 * Linux: a vfork child has times of its own at once. Here: until it execs it runs in its parent's host
 * process, whose time counts for the parent.
 */
#include <sys/time.h>
#include <time.h>

#include "host/proc.h"
#include "mm/mm.h"
#include "task/life.h"

#define TICK_NS       10000000UL
#define SPLIT_FROM_NS (2 * TICK_NS)

static bool group_space(const struct thread_group *g, const struct mm *mm, struct hostpid *pid)
{
	if (!mm || !mm->space || mm->space->dead || g->borrows_space)
		return false;
	*pid = g->k->trap_ops->pid(mm->space);
	return pid->pid > 0;
}

/* Divides @total as @usage does. */
static void split(u64 total, const struct host_usage *usage, u64 *utime, u64 *stime)
{
	u64 ticks = usage->utime_ticks + usage->stime_ticks;

	if (!ticks) {
		*utime = total;
		*stime = 0;
		return;
	}
	*stime = (u64)((double)total * (double)usage->stime_ticks / (double)ticks);
	*utime = total - *stime;
}

static void space_times(struct hostpid pid, u64 *utime, u64 *stime)
{
	struct host_usage usage = {0};
	u64 total = 0;

	if (host_process_cpu(pid, &total) < 0)
		total = 0;
	if (total >= SPLIT_FROM_NS)
		(void)host_usage(pid, (struct hostpid){0}, &usage);
	split(total, &usage, utime, stime);
}

static struct mm *group_mm(struct thread_group *g)
{
	struct task *t;

	list_for_each (t, &g->threads, group_node) {
		if (t->mm)
			return t->mm;
	}
	return NULL;
}

void group_times(struct thread_group *g, u64 *utime, u64 *stime)
{
	struct hostpid pid;
	u64 u = 0, s = 0;

	if (group_space(g, group_mm(g), &pid))
		space_times(pid, &u, &s);
	*utime = g->utime_ns + u;
	*stime = g->stime_ns + s;
}

static bool thread_cpu(const struct task *t, u64 *ns, struct hostpid *pid, struct hostpid *tid)
{
	if (!t->thread || !t->mm || !t->mm->space || t->mm->space->dead)
		return false;
	*pid = t->k->trap_ops->pid(t->mm->space);
	*tid = t->k->trap_ops->tid(t->thread);
	return pid->pid > 0 && tid->pid > 0 && host_thread_cpu(*pid, *tid, ns) == 0;
}

void task_times(struct task *t, u64 *utime, u64 *stime)
{
	struct host_usage usage = {0};
	struct hostpid pid, tid;
	u64 total, u = 0, s = 0;

	if (!t->group->threaded && !t->group->borrows_space) {
		group_times(t->group, utime, stime);
		return;
	}
	if (thread_cpu(t, &total, &pid, &tid)) {
		total = total > t->cpu_base ? total - t->cpu_base : 0;
		if (total >= SPLIT_FROM_NS)
			(void)host_usage(pid, tid, &usage);
		split(total, &usage, &u, &s);
	}
	*utime = t->utime_ns + u;
	*stime = t->stime_ns + s;
}

void task_times_start(struct task *t, bool reused_thread)
{
	struct hostpid pid, tid;
	u64 ns;

	t->start_ns = kernel_now(t->k);
	t->cpu_base = 0;
	if (reused_thread && thread_cpu(t, &ns, &pid, &tid))
		t->cpu_base = ns;
}

void group_times_close(struct thread_group *g, struct mm *mm)
{
	struct host_usage usage = {0};
	struct hostpid pid;
	u64 total = 0, u, s, peak;

	if (!group_space(g, mm, &pid))
		return;
	if (host_process_cpu(pid, &total) < 0)
		return;
	/* Short lives are not worth the look into /proc: their faults and memory stay uncounted. */
	if (total >= SPLIT_FROM_NS) {
		(void)host_usage(pid, (struct hostpid){0}, &usage);
		if (host_process_peak(pid, &peak) == 0)
			g->maxrss_kb = max(g->maxrss_kb, peak);
	}
	split(total, &usage, &u, &s);
	g->utime_ns += u;
	g->stime_ns += s;
	g->min_flt += usage.min_flt;
	g->maj_flt += usage.maj_flt;
}

static struct timeval timeval_of(u64 ns)
{
	return (struct timeval){(time_t)(ns / 1000000000), (suseconds_t)(ns % 1000000000 / 1000)};
}

void group_rusage(struct thread_group *g, int who, struct rusage *r)
{
	u64 utime = 0, stime = 0, min_flt = 0, maj_flt = 0, peak = 0;
	struct host_usage usage;
	struct hostpid pid;

	if (who != RUSAGE_CHILDREN) {
		group_times(g, &utime, &stime);
		min_flt = g->min_flt;
		maj_flt = g->maj_flt;
		peak = g->maxrss_kb;
		if (group_space(g, group_mm(g), &pid)) {
			if (host_usage(pid, (struct hostpid){0}, &usage) == 0) {
				min_flt += usage.min_flt;
				maj_flt += usage.maj_flt;
			}
			u64 now = 0;
			if (host_process_peak(pid, &now) == 0)
				peak = max(peak, now);
		}
		r->ru_nvcsw += (long)g->nvcsw;
		r->ru_nivcsw += (long)g->nivcsw;
	}
	if (who != RUSAGE_SELF) {
		utime += g->cutime_ns;
		stime += g->cstime_ns;
		min_flt += g->cmin_flt;
		maj_flt += g->cmaj_flt;
		peak = max(peak, g->cmaxrss_kb);
		r->ru_nvcsw += (long)g->cnvcsw;
		r->ru_nivcsw += (long)g->cnivcsw;
	}
	r->ru_utime = timeval_of(utime);
	r->ru_stime = timeval_of(stime);
	r->ru_minflt = (long)min_flt;
	r->ru_majflt = (long)maj_flt;
	r->ru_maxrss = (long)peak;
}

void task_rusage(struct task *t, struct rusage *r)
{
	u64 utime, stime, peak = 0;
	struct hostpid pid;

	task_times(t, &utime, &stime);
	r->ru_utime = timeval_of(utime);
	r->ru_stime = timeval_of(stime);
	if (group_space(t->group, t->mm, &pid))
		(void)host_process_peak(pid, &peak);
	r->ru_maxrss = (long)max(peak, t->group->maxrss_kb);
	r->ru_nvcsw = (long)t->nvcsw;
	r->ru_nivcsw = (long)t->nivcsw;
}

/* Those of the living, and of the ended who were waited for by one of them. */
void all_times(struct kernel *k, u64 *utime, u64 *stime)
{
	struct thread_group *g;
	u64 u, s;

	*utime = *stime = 0;
	for (g = group_next(k, 0); g; g = group_next(k, g->tgid)) {
		group_times(g, &u, &s);
		*utime += u + g->cutime_ns;
		*stime += s + g->cstime_ns;
	}
}
