/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may look into whom: ids, capabilities, whether the target may be dumped, Yama (kernel/ptrace.c,
 * security/commoncap.c, security/yama/yama_lsm.c).
 *
 * Yama's scope is 0 at first, Debian's default: a process may trace all others of its user. It can be raised by
 * /proc/sys/kernel/yama/ptrace_scope.
 */
#include <errno.h>
#include <linux/capability.h>

#include "mm/mm.h"
#include "task/trace.h"

static bool same_ids(const struct task *t, const struct cred *tc, u32 mode)
{
	const struct cred *c = t->cred;
	u32 uid = mode & HUSK_ACCESS_FS ? c->fsuid : c->uid, gid = mode & HUSK_ACCESS_FS ? c->fsgid : c->gid;

	return uid == tc->euid && uid == tc->suid && uid == tc->uid && gid == tc->egid && gid == tc->sgid &&
	       gid == tc->gid;
}

static bool descends_from(const struct thread_group *g, const struct thread_group *ancestor)
{
	for (; g; g = g->parent)
		if (g == ancestor)
			return true;
	return false;
}

/* Whether @t's process traces @target already, or @target said by PR_SET_PTRACER that it, or an ancestor of it, may
 * (ptracer_exception_found()). */
static bool is_chosen(const struct task *t, const struct task *target)
{
	const struct thread_group *asked = target->group, *g;

	if (target->trace && target->trace->tracer->group == t->group)
		return true;
	if (asked->ptracer == -1)
		return true;
	g = asked->ptracer ? group_find(t->k, asked->ptracer) : NULL;
	return g && g->start_ns == asked->ptracer_start_ns && descends_from(t->group, g);
}

static int yama_allows(const struct task *t, const struct task *target)
{
	switch (t->k->ptrace_scope) {
	case 0:
		return 0;
	case 1:
		if (descends_from(target->group, t->group) || is_chosen(t, target))
			return 0;
		/* fall through */
	case 2:
		return capable(t, CAP_SYS_PTRACE) ? 0 : -EPERM;
	}
	return -EPERM;
}

bool trace_parent_may(const struct task *parent, const struct task *t)
{
	int scope = t->k->ptrace_scope;

	if ((t->cred->cap_permitted & ~parent->cred->cap_permitted) && !capable(parent, CAP_SYS_PTRACE))
		return false;
	return scope < 2 || (scope == 2 && capable(parent, CAP_SYS_PTRACE));
}

int task_may_access(struct task *t, struct task *target, u32 mode)
{
	const struct cred *c = t->cred, *tc = target->cred;
	u64 caps = mode & HUSK_ACCESS_FS ? c->cap_effective : c->cap_permitted;

	if (t->group == target->group)
		return 0;
	if (!same_ids(t, tc, mode) && !capable(t, CAP_SYS_PTRACE))
		return -EPERM;
	if (target->mm && target->mm->dumpable != 1 && !capable(t, CAP_SYS_PTRACE))
		return -EPERM;
	if ((tc->cap_permitted & ~caps) && !capable(t, CAP_SYS_PTRACE))
		return -EPERM;
	return mode & HUSK_ACCESS_ATTACH ? yama_allows(t, target) : 0;
}
