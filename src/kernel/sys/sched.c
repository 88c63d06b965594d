/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls about scheduling. The host schedules the guests' threads: policies, priorities and CPU masks
 * are kept and told as they were set, with Linux's permissions, and have no effect on the host.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "task/life.h"

#define MAX_RT_PRIORITY     99
#define RR_INTERVAL_NS      100000000L
#define FAIR_INTERVAL_NS    3000000L
#define HUSK_SCHED_BATCH    3
#define HUSK_SCHED_IDLE     5
#define HUSK_SCHED_DEADLINE 6

long sys_sched_yield(struct task *t, struct call *c)
{
	/* The turn itself has given others the processor. */
	return 0;
}

static struct task *find(struct task *t, int pid)
{
	return pid ? task_find(t->k, pid) : t;
}

static bool same_owner(const struct task *t, const struct task *target)
{
	return t->cred->euid == target->cred->euid || t->cred->euid == target->cred->uid;
}

/* ---- affinity ---- */

/* Bytes of a mask that names every CPU. */
static size_t mask_size(const struct kernel *k)
{
	return (size_t)(k->ncpus + 63) / 64 * 8;
}

long sys_sched_setaffinity(struct task *t, struct call *c)
{
	size_t len = min((size_t)(u32)c->arg[1], sizeof t->cpu_mask);
	struct task *target;
	u64 mask[16] = {0}, any = 0;
	int err = user_read(t, mask, c->arg[2], len);

	if (err)
		return err;
	target = find(t, (int)c->arg[0]);
	if (!target)
		return -ESRCH;
	if (!same_owner(t, target) && !capable(t, CAP_SYS_NICE))
		return -EPERM;
	for (int cpu = 0; cpu < 1024; cpu++) {
		if (cpu >= t->k->ncpus)
			mask[cpu / 64] &= ~(1UL << cpu % 64);
	}
	for (int i = 0; i < 16; i++)
		any |= mask[i];
	if (!any)
		return -EINVAL;
	memcpy(target->cpu_mask, mask, sizeof mask);
	return 0;
}

long sys_sched_getaffinity(struct task *t, struct call *c)
{
	u32 len = (u32)c->arg[1];
	size_t size = mask_size(t->k);
	struct task *target;

	if ((u64)len * 8 < (u64)t->k->ncpus || len % sizeof(u64))
		return -EINVAL;
	target = find(t, (int)c->arg[0]);
	if (!target)
		return -ESRCH;
	size = min(size, (size_t)len);
	if (user_write(t, c->arg[2], target->cpu_mask, size) < 0)
		return -EFAULT;
	return (long)size;
}

long sys_getcpu(struct task *t, struct call *c)
{
	u32 cpu = 0, node = 0;

	/* The vDSO knows better; this answers who asks by a call: a CPU that the thread may be on. */
	while (cpu < 1023 && !(t->cpu_mask[cpu / 64] >> cpu % 64 & 1))
		cpu++;
	if (c->arg[0] && user_put(t, c->arg[0], &cpu) < 0)
		return -EFAULT;
	if (c->arg[1] && user_put(t, c->arg[1], &node) < 0)
		return -EFAULT;
	return 0;
}

/* ---- policies ---- */

static bool realtime(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool known_policy(int policy)
{
	return policy == SCHED_OTHER || realtime(policy) || policy == HUSK_SCHED_BATCH ||
	       policy == HUSK_SCHED_IDLE;
}

static int may_schedule(struct task *t, struct task *target, int policy, int priority)
{
	u64 limit = target->group->limits[RLIMIT_RTPRIO].rlim_cur;

	if (capable(t, CAP_SYS_NICE))
		return 0;
	if (realtime(policy)) {
		if (policy != target->sched_policy && !limit)
			return -EPERM;
		if (priority > target->sched_priority && (u64)priority > limit)
			return -EPERM;
	}
	return same_owner(t, target) ? 0 : -EPERM;
}

static int set_policy(struct task *t, struct task *target, int policy, int priority, bool reset_on_fork)
{
	int err;

	if (!known_policy(policy))
		return -EINVAL;
	if (priority < 0 || priority > MAX_RT_PRIORITY || realtime(policy) != (priority != 0))
		return -EINVAL;
	err = may_schedule(t, target, policy, priority);
	if (err)
		return err;
	target->sched_policy = policy;
	target->sched_priority = priority;
	return 0;
}

long sys_sched_setscheduler(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0], policy = (int)c->arg[1], priority, err;
	struct task *target;

	if (policy < 0 || !c->arg[2] || pid < 0)
		return -EINVAL;
	err = user_get(t, &priority, c->arg[2]);
	if (err)
		return err;
	target = find(t, pid);
	if (!target)
		return -ESRCH;
	return set_policy(t, target, policy & ~SCHED_RESET_ON_FORK, priority, policy & SCHED_RESET_ON_FORK);
}

long sys_sched_setparam(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0], priority, err;
	struct task *target;

	if (!c->arg[1] || pid < 0)
		return -EINVAL;
	err = user_get(t, &priority, c->arg[1]);
	if (err)
		return err;
	target = find(t, pid);
	if (!target)
		return -ESRCH;
	return set_policy(t, target, target->sched_policy, priority, false);
}

long sys_sched_getscheduler(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0];
	struct task *target = find(t, pid);

	if (pid < 0)
		return -EINVAL;
	return target ? target->sched_policy : -ESRCH;
}

long sys_sched_getparam(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0];
	struct task *target = find(t, pid);

	if (!c->arg[1] || pid < 0)
		return -EINVAL;
	return target ? user_put(t, c->arg[1], &target->sched_priority) : -ESRCH;
}

static long priority_bound(int policy, int of_realtime)
{
	if (realtime(policy))
		return of_realtime;
	return known_policy(policy) || policy == HUSK_SCHED_DEADLINE ? 0 : -EINVAL;
}

long sys_sched_get_priority_max(struct task *t, struct call *c)
{
	return priority_bound((int)c->arg[0], MAX_RT_PRIORITY);
}

long sys_sched_get_priority_min(struct task *t, struct call *c)
{
	return priority_bound((int)c->arg[0], 1);
}

long sys_sched_rr_get_interval(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0];
	struct task *target = find(t, pid);
	struct timespec interval = {0, FAIR_INTERVAL_NS};

	if (pid < 0)
		return -EINVAL;
	if (!target)
		return -ESRCH;
	if (target->sched_policy == SCHED_RR)
		interval.tv_nsec = RR_INTERVAL_NS;
	else if (target->sched_policy == SCHED_FIFO)
		interval.tv_nsec = 0;
	return user_put(t, c->arg[1], &interval);
}

/* The first form of struct sched_attr (SCHED_ATTR_SIZE_VER0). */
struct sched_attr_v0 {
	u32 size, policy;
	u64 flags;
	s32 nice;
	u32 priority;
	u64 runtime, deadline, period;
};

static int may_nice(struct task *t, struct task *target, int nice);

long sys_sched_setattr(struct task *t, struct call *c)
{
	struct sched_attr_v0 a = {0};
	struct task *target;
	int err;

	if (!c->arg[1] || (int)c->arg[0] < 0 || (u32)c->arg[2])
		return -EINVAL;
	err = user_read(t, &a.size, c->arg[1], sizeof a.size);
	if (err)
		return err;
	if (a.size && (a.size < sizeof a || a.size > PAGE_SIZE))
		return -E2BIG;
	err = user_get(t, &a, c->arg[1]);
	if (err)
		return err;
	target = find(t, (int)c->arg[0]);
	if (!target)
		return -ESRCH;
	if ((s32)a.policy < 0 || a.nice < -20 || a.nice > 19)
		return -EINVAL;
	if (!realtime((int)a.policy)) {
		err = a.nice < target->nice ? may_nice(t, target, a.nice) : 0;
		if (err)
			return -EPERM;
	}
	err = set_policy(t, target, (int)a.policy, (int)a.priority, a.flags & 1);
	if (!err && !realtime((int)a.policy))
		target->nice = a.nice;
	return err;
}

long sys_sched_getattr(struct task *t, struct call *c)
{
	struct sched_attr_v0 a = {.size = sizeof a};
	u32 size = (u32)c->arg[2];
	struct task *target;

	if (!c->arg[1] || (int)c->arg[0] < 0 || size > PAGE_SIZE || size < sizeof a || (u32)c->arg[3])
		return -EINVAL;
	target = find(t, (int)c->arg[0]);
	if (!target)
		return -ESRCH;
	a.policy = (u32)target->sched_policy;
	if (realtime(target->sched_policy))
		a.priority = (u32)target->sched_priority;
	else
		a.nice = target->nice;
	return user_put(t, c->arg[1], &a);
}

/* ---- nice ---- */

/* 0, or -EACCES when @nice is better than what the target's limit allows. */
static int may_nice(struct task *t, struct task *target, int nice)
{
	u64 limit = target->group->limits[RLIMIT_NICE].rlim_cur;

	return (u64)(20 - nice) <= limit || capable(t, CAP_SYS_NICE) ? 0 : -EACCES;
}

static long set_one(struct task *t, struct task *target, int nice, long so_far)
{

	if (t->cred->euid != target->cred->uid && !same_owner(t, target) && !capable(t, CAP_SYS_NICE))
		return -EPERM;
	if (nice < target->nice && may_nice(t, target, nice))
		return -EACCES;
	target->nice = nice;
	return so_far == -ESRCH ? 0 : so_far;
}

static bool in_set(const struct thread_group *g, int which, u32 who)
{
	return which == PRIO_PGRP ? g->pgid == (int)who : g->leader->cred->uid == who;
}

static u32 default_who(struct task *t, int which, u32 who)
{
	if (which == PRIO_PGRP && !who)
		return (u32)t->group->pgid;
	if (which == PRIO_USER && !who)
		return t->cred->uid;
	return who;
}

long sys_setpriority(struct task *t, struct call *c)
{
	int which = (int)c->arg[0], nice = (int)c->arg[2];
	u32 who = (u32)c->arg[1];
	struct thread_group *g;
	struct task *target;
	long r = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	nice = max(-20, min(nice, 19));
	if (which == PRIO_PROCESS) {
		target = find(t, (int)who);
		return target ? set_one(t, target, nice, r) : -ESRCH;
	}
	who = default_who(t, which, who);
	for (g = group_next(t->k, 0); g; g = group_next(t->k, g->tgid)) {
		if (!in_set(g, which, who))
			continue;
		list_for_each (target, &g->threads, group_node)
			r = set_one(t, target, nice, r);
	}
	return r;
}

long sys_getpriority(struct task *t, struct call *c)
{
	int which = (int)c->arg[0];
	u32 who = (u32)c->arg[1];
	struct thread_group *g;
	struct task *target;
	long best = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	if (which == PRIO_PROCESS) {
		target = find(t, (int)who);
		return target ? 20 - target->nice : -ESRCH;
	}
	who = default_who(t, which, who);
	for (g = group_next(t->k, 0); g; g = group_next(t->k, g->tgid)) {
		if (!in_set(g, which, who))
			continue;
		list_for_each (target, &g->threads, group_node)
			best = max(best, 20L - target->nice);
	}
	return best;
}

/* ioprio_set(2): kept for nobody, since the host orders the disk; only checked. */
long sys_ioprio_set(struct task *t, struct call *c)
{
	int which = (int)c->arg[0], class = (int)c->arg[2] >> 13;

	if (which < 1 || which > 3 || class < 0 || class > 3)
		return -EINVAL;
	if (class == 1 && !capable(t, CAP_SYS_NICE))
		return -EPERM;
	return which == 1 && !find(t, (int)c->arg[1]) ? -ESRCH : 0;
}

long sys_ioprio_get(struct task *t, struct call *c)
{
	int which = (int)c->arg[0];

	if (which < 1 || which > 3)
		return -EINVAL;
	return which == 1 && !find(t, (int)c->arg[1]) ? -ESRCH : 0;
}

long sys_membarrier(struct task *t, struct call *c)
{
	if ((u32)c->arg[1])
		return -EINVAL;
	/* MEMBARRIER_CMD_QUERY: none. Programs fall back on fences. */
	return (int)c->arg[0] ? -EINVAL : 0;
}
