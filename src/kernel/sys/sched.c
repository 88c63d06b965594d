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

#include "sys/sched.h"

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

struct task *sched_find(struct task *t, int pid)
{
	return pid ? task_find(t->k, pid) : t;
}

bool sched_same_owner(const struct task *t, const struct task *target)
{
	return t->cred->euid == target->cred->euid || t->cred->euid == target->cred->uid;
}

bool sched_may_nice(struct task *t, struct task *target, int nice)
{
	u64 limit = target->group->limits[RLIMIT_NICE].rlim_cur;

	return (u64)(20 - nice) <= limit || capable(t, CAP_SYS_NICE);
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
	target = sched_find(t, (int)c->arg[0]);
	if (!target)
		return -ESRCH;
	if (!sched_same_owner(t, target) && !capable(t, CAP_SYS_NICE))
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
	target = sched_find(t, (int)c->arg[0]);
	if (!target)
		return -ESRCH;
	size = min(size, (size_t)len);
	if (user_write(t, c->arg[2], target->cpu_mask, size) < 0)
		return -EFAULT;
	return (long)size;
}

long sys_getcpu(struct task *t, struct call *c)
{
	int seen = t->k->trap_ops->cpu(t->thread);
	u32 cpu = seen < 0 ? 0 : (u32)seen % 1024, node = 0;

	/* The stub's word for it, as far as the guest's own mask allows; else a CPU that the thread may be on. */
	if (!(t->cpu_mask[cpu / 64] >> cpu % 64 & 1))
		cpu = 0;
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

/* What is asked for @target: a policy, and whether its children are to begin with none. */
struct schedule {
	int policy, priority, nice;
	bool reset_on_fork;
};

/* 0, or -EPERM (user_check_sched_setscheduler() in Linux's kernel/sched/syscalls.c). */
static int may_schedule(struct task *t, struct task *target, const struct schedule *s)
{
	u64 limit = target->group->limits[RLIMIT_RTPRIO].rlim_cur;

	if (capable(t, CAP_SYS_NICE))
		return 0;
	if (realtime(s->policy)) {
		if (s->policy != target->sched_policy && !limit)
			return -EPERM;
		if (s->priority > target->sched_priority && (u64)s->priority > limit)
			return -EPERM;
	} else if (s->nice < target->nice && !sched_may_nice(t, target, s->nice)) {
		return -EPERM;
	}
	if (target->sched_policy == HUSK_SCHED_IDLE && s->policy != HUSK_SCHED_IDLE &&
	    !sched_may_nice(t, target, target->nice))
		return -EPERM;
	if (!sched_same_owner(t, target) || (target->sched_reset_on_fork && !s->reset_on_fork))
		return -EPERM;
	return 0;
}

static int set_schedule(struct task *t, struct task *target, const struct schedule *s)
{
	int err;

	if (!known_policy(s->policy))
		return -EINVAL;
	if (s->priority < 0 || s->priority > MAX_RT_PRIORITY || realtime(s->policy) != (s->priority != 0))
		return -EINVAL;
	err = may_schedule(t, target, s);
	if (err)
		return err;
	target->sched_policy = s->policy;
	target->sched_priority = s->priority;
	target->sched_reset_on_fork = s->reset_on_fork;
	if (!realtime(s->policy))
		target->nice = s->nice;
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
	target = sched_find(t, pid);
	if (!target)
		return -ESRCH;
	return set_schedule(t, target,
			    &(struct schedule){.policy = policy & ~SCHED_RESET_ON_FORK,
					       .priority = priority,
					       .nice = target->nice,
					       .reset_on_fork = policy & SCHED_RESET_ON_FORK});
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
	target = sched_find(t, pid);
	if (!target)
		return -ESRCH;
	return set_schedule(t, target,
			    &(struct schedule){.policy = target->sched_policy,
					       .priority = priority,
					       .nice = target->nice,
					       .reset_on_fork = target->sched_reset_on_fork});
}

long sys_sched_getscheduler(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0];
	struct task *target = sched_find(t, pid);

	if (pid < 0)
		return -EINVAL;
	if (!target)
		return -ESRCH;
	return target->sched_policy | (target->sched_reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

long sys_sched_getparam(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0];
	struct task *target = sched_find(t, pid);

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
	struct task *target = sched_find(t, pid);
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

#define ATTR_RESET_ON_FORK 1
#define ATTR_KEEP_POLICY   8
#define ATTR_KEEP_PARAMS   16
#define ATTR_FLAGS         (ATTR_RESET_ON_FORK | ATTR_KEEP_POLICY | ATTR_KEEP_PARAMS)

/* Bytes behind what we know must be zero: 0, -E2BIG (and the size that we know is told) or -EFAULT. */
static int read_attr(struct task *t, u64 addr, struct sched_attr_v0 *a)
{
	u32 known = sizeof *a, size;
	u64 more = 0;
	int err = user_get(t, &size, addr);

	if (err)
		return err;
	size = size ? size : known;
	err = size < known || size > PAGE_SIZE ? -E2BIG : user_get(t, a, addr);
	for (u32 at = known; !err && at < size; at += 8) {
		err = user_read(t, &more, addr + at, min(size - at, 8U));
		if (!err && more)
			err = -E2BIG;
	}
	if (err == -E2BIG && user_put(t, addr, &known) < 0)
		return -EFAULT;
	return err;
}

long sys_sched_setattr(struct task *t, struct call *c)
{
	struct sched_attr_v0 a = {0};
	struct schedule s;
	struct task *target;
	int err;

	if (!c->arg[1] || (int)c->arg[0] < 0 || (u32)c->arg[2])
		return -EINVAL;
	err = read_attr(t, c->arg[1], &a);
	if (err)
		return err;
	if ((s32)a.policy < 0)
		return -EINVAL;
	target = sched_find(t, (int)c->arg[0]);
	if (!target)
		return -ESRCH;
	if (a.flags & ~(u64)ATTR_FLAGS)
		return -EINVAL;
	s = (struct schedule){.policy = (int)a.policy,
			      .priority = (int)a.priority,
			      .nice = max(-20, min(a.nice, 19)),
			      .reset_on_fork = a.flags & ATTR_RESET_ON_FORK};
	if (a.flags & ATTR_KEEP_POLICY) {
		s.policy = target->sched_policy;
		s.reset_on_fork = target->sched_reset_on_fork;
	}
	if (a.flags & ATTR_KEEP_PARAMS) {
		s.priority = target->sched_priority;
		s.nice = target->nice;
	}
	return set_schedule(t, target, &s);
}

long sys_sched_getattr(struct task *t, struct call *c)
{
	struct sched_attr_v0 a = {.size = sizeof a};
	u32 size = (u32)c->arg[2];
	struct task *target;

	if (!c->arg[1] || (int)c->arg[0] < 0 || size > PAGE_SIZE || size < sizeof a || (u32)c->arg[3])
		return -EINVAL;
	target = sched_find(t, (int)c->arg[0]);
	if (!target)
		return -ESRCH;
	a.policy = (u32)target->sched_policy;
	a.flags = target->sched_reset_on_fork ? ATTR_RESET_ON_FORK : 0;
	if (realtime(target->sched_policy))
		a.priority = (u32)target->sched_priority;
	else
		a.nice = target->nice;
	return user_put(t, c->arg[1], &a);
}
