/* SPDX-License-Identifier: Apache-2.0 */
/* System calls about limits and usage: rlimits, rusage, times. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/times.h>

#include "mm/leave.h"
#include "task/life.h"

#define CAP_SYS_RESOURCE 24
#define HUSK_NR_OPEN     1048576 /* fs.nr_open */
#define TICK_NS          10000000UL

/* Sets @resource of @g (@new nullable) after reading it into *old. */
static void counted_again(void *arg, long result)
{
}

/* The group's memory calls are to be looked at by the new limit: also of who has leave to make them alone. */
static void limit_memory(struct task *t, struct thread_group *g)
{
	struct mm *mm = NULL;
	struct task *thread;

	list_for_each (thread, &g->threads, group_node)
		if (thread->mm)
			mm = thread->mm;
	if (!mm)
		return;
	mm_leave_revoke(mm);
	if (g != t->group && mm->space && !mm->space->dead)
		(void)t->k->trap_ops->settle(mm->space, counted_again, NULL);
}

static int do_limit(struct task *t, struct thread_group *g, u32 resource, const struct rlimit *new,
		    struct rlimit *old)
{
	struct rlimit *limit;

	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	limit = &g->limits[resource];
	if (new) {
		if (new->rlim_cur > new->rlim_max)
			return -EINVAL;
		if (resource == RLIMIT_NOFILE && new->rlim_max > HUSK_NR_OPEN)
			return -EPERM;
		if (new->rlim_max > limit->rlim_max && !capable(t, CAP_SYS_RESOURCE))
			return -EPERM;
	}
	if (old)
		*old = *limit;
	if (new) {
		*limit = *new;
		if (resource == RLIMIT_CPU)
			cpu_limit_changed(g);
		if (resource == RLIMIT_AS || resource == RLIMIT_DATA)
			limit_memory(t, g);
	}
	return 0;
}

long sys_getrlimit(struct task *t, struct call *c)
{
	struct rlimit value;
	int err = do_limit(t, t->group, (u32)c->arg[0], NULL, &value);

	return err ? err : user_put(t, c->arg[1], &value);
}

long sys_setrlimit(struct task *t, struct call *c)
{
	struct rlimit value;
	int err = user_get(t, &value, c->arg[1]);

	return err ? err : do_limit(t, t->group, (u32)c->arg[0], &value, NULL);
}

static bool may_limit(const struct task *t, const struct task *target)
{
	const struct cred *c = t->cred, *tc = target->cred;

	if (t->group == target->group)
		return true;
	if (c->uid == tc->euid && c->uid == tc->suid && c->uid == tc->uid && c->gid == tc->egid &&
	    c->gid == tc->sgid && c->gid == tc->gid)
		return true;
	return capable(t, CAP_SYS_RESOURCE);
}

long sys_prlimit64(struct task *t, struct call *c)
{
	struct rlimit new, old;
	struct task *target;
	int err = 0;

	if (c->arg[2])
		err = user_get(t, &new, c->arg[2]);
	if (err)
		return err;
	target = (int)c->arg[0] ? task_find(t->k, (int)c->arg[0]) : t;
	if (!target)
		return -ESRCH;
	if (!may_limit(t, target))
		return -EPERM;
	err = do_limit(t, target->group, (u32)c->arg[1], c->arg[2] ? &new : NULL, &old);
	if (!err && c->arg[3])
		err = user_put(t, c->arg[3], &old);
	return err;
}

long sys_getrusage(struct task *t, struct call *c)
{
	int who = (int)c->arg[0];
	struct rusage r;

	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	memset(&r, 0, sizeof r);
	if (who == RUSAGE_THREAD)
		task_rusage(t, &r);
	else
		group_rusage(t->group, who, &r);
	return user_put(t, c->arg[1], &r);
}

long sys_times(struct task *t, struct call *c)
{
	u64 utime, stime;
	struct tms tms;

	if (c->arg[0]) {
		group_times(t->group, &utime, &stime);
		tms.tms_utime = (clock_t)(utime / TICK_NS);
		tms.tms_stime = (clock_t)(stime / TICK_NS);
		tms.tms_cutime = (clock_t)(t->group->cutime_ns / TICK_NS);
		tms.tms_cstime = (clock_t)(t->group->cstime_ns / TICK_NS);
		if (user_put(t, c->arg[0], &tms) < 0)
			return -EFAULT;
	}
	return (long)((kernel_now(t->k) - t->k->boot_ns) / TICK_NS);
}
