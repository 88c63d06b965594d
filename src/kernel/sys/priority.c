/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls about priorities: nice values and those for the disk. Kept and told, without effect on the host.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include "sys/sched.h"

/* ---- nice ---- */

static long set_one(struct task *t, struct task *target, int nice, long so_far)
{
	if (t->cred->euid != target->cred->uid && !sched_same_owner(t, target) && !capable(t, CAP_SYS_NICE))
		return -EPERM;
	if (nice < target->nice && !sched_may_nice(t, target, nice))
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
		target = sched_find(t, (int)who);
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
		target = sched_find(t, (int)who);
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

/* ---- the disk ---- */

#define IO_CLASS_REALTIME    1
#define IO_CLASS_BEST_EFFORT 2
#define IO_CLASS_IDLE        3

enum { IO_WHO_PROCESS = 1, IO_WHO_PGRP, IO_WHO_USER };

/* 0, or what Linux refuses the value with (ioprio_check_cap()). */
static int check_ioprio(struct task *t, int value)
{
	switch (value >> 13 & 7) {
	case 0:
		return value & 7 ? -EINVAL : 0;
	case IO_CLASS_REALTIME:
		return capable(t, CAP_SYS_NICE) || capable(t, CAP_SYS_ADMIN) ? 0 : -EPERM;
	case IO_CLASS_BEST_EFFORT:
	case IO_CLASS_IDLE:
		return 0;
	}
	return -EINVAL;
}

/* The next group after @g that @which and @who mean: PRIO_ numbers are one less than these. */
static struct thread_group *next_group(struct task *t, struct thread_group *g, int which, u32 who)
{
	do
		g = group_next(t->k, g ? g->tgid : 0);
	while (g && !in_set(g, which - 1, who));
	return g;
}

static int set_ioprio(struct task *t, struct task *target, int value)
{
	if (target->cred->uid != t->cred->euid && target->cred->uid != t->cred->uid &&
	    !capable(t, CAP_SYS_NICE))
		return -EPERM;
	target->ioprio = (u16)value;
	return 0;
}

long sys_ioprio_set(struct task *t, struct call *c)
{
	int which = (int)c->arg[0], value = (int)c->arg[2], err = check_ioprio(t, value);
	struct task *target;
	u32 who;

	if (err)
		return err;
	if (which < IO_WHO_PROCESS || which > IO_WHO_USER)
		return -EINVAL;
	if (which == IO_WHO_PROCESS) {
		target = sched_find(t, (int)c->arg[1]);
		return target ? set_ioprio(t, target, value) : -ESRCH;
	}
	who = default_who(t, which - 1, (u32)c->arg[1]);
	err = -ESRCH;
	for (struct thread_group *g = NULL; (g = next_group(t, g, which, who));) {
		list_for_each (target, &g->threads, group_node) {
			err = set_ioprio(t, target, value);
			if (err)
				return err;
		}
	}
	return err;
}

/* The better of two: a lower number is, and none at all counts as best effort in the middle (ioprio_best()). */
static int better(int a, int b)
{
	const int middle = IO_CLASS_BEST_EFFORT << 13 | 4;

	a = a >> 13 ? a : middle;
	b = b >> 13 ? b : middle;
	return min(a, b);
}

long sys_ioprio_get(struct task *t, struct call *c)
{
	int which = (int)c->arg[0], best = -ESRCH;
	struct task *target;
	u32 who;

	if (which < IO_WHO_PROCESS || which > IO_WHO_USER)
		return -EINVAL;
	if (which == IO_WHO_PROCESS) {
		target = sched_find(t, (int)c->arg[1]);
		return target ? target->ioprio : -ESRCH;
	}
	who = default_who(t, which - 1, (u32)c->arg[1]);
	for (struct thread_group *g = NULL; (g = next_group(t, g, which, who));)
		list_for_each (target, &g->threads, group_node)
			best = best < 0 ? target->ioprio : better(best, target->ioprio);
	return best;
}
