/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of processes (pidfd_open, pidfd_getfd, setns), and the comparison of what processes have (kcmp). */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>

#include "task/life.h"
#include "task/trace.h"
#include "vfs/file.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#define NAMESPACES                                                                                    \
	(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWTIME | \
	 CLONE_NEWUSER | CLONE_NEWUTS)

long sys_pidfd_open(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0], err;
	u32 flags = (u32)c->arg[1];
	struct thread_group *g;
	struct file *f;

	if (flags & ~(u32)O_NONBLOCK)
		return -EINVAL;
	if (pid <= 0)
		return -EINVAL;
	g = group_find(t->k, pid);
	if (!g)
		/* Linux 6.1: a thread that is no leader is not found by pidfd_open(). */
		return task_find(t->k, pid) ? -EINVAL : -ESRCH;
	err = pidfd_new(g, flags, &f);
	return err < 0 ? err : fd_install(t, f, true);
}

/* kernel/pid.c: __pidfd_fget() */
long sys_pidfd_getfd(struct task *t, struct call *c)
{
	struct thread_group *g;
	struct file *f, *pidfd;
	long r;

	if ((u32)c->arg[2])
		return -EINVAL;
	r = fd_get(t, (int)c->arg[0], &pidfd);
	if (r)
		return r;
	g = pidfd_group(pidfd);
	if (!g)
		r = -EBADF;
	else if (!g->leader)
		r = -ESRCH;
	else if (task_may_access(t, g->leader, HUSK_ACCESS_ATTACH))
		r = -EPERM;
	else if (!g->leader->files)
		r = -ESRCH;
	else if ((int)c->arg[1] < 0 || fdtable_next(g->leader->files, (int)c->arg[1], &f) != (int)c->arg[1])
		r = -EBADF;
	else
		r = fd_install(t, file_get(f), true);
	file_put(pidfd);
	return r;
}

/* What is wrong with the request is told first; the namespaces are those that there are. */
long sys_setns(struct task *t, struct call *c)
{
	u32 flags = (u32)c->arg[1], type;
	struct file *f;
	long r = fd_get(t, (int)c->arg[0], &f);

	if (r)
		return r;
	if (file_is_namespace(f, &type))
		r = flags && flags != type ? -EINVAL : -EPERM;
	else if (!pidfd_group(f) || !flags || flags & ~(u32)NAMESPACES)
		r = -EINVAL;
	else
		r = pidfd_group(f)->leader ? -EPERM : -ESRCH;
	file_put(f);
	return r == -EPERM ? call_refuse(t, r) : r;
}

/* ---- kcmp ---- */

/* 0: the same, 1: @a is before @b, 2: behind it, in an order that tells nothing of places in memory. */
static long compare(const void *a, const void *b)
{
	u64 x = (u64)a * 0x9e3779b97f4a7c15UL, y = (u64)b * 0x9e3779b97f4a7c15UL;

	return x < y ? 1 : x > y ? 2 : 0;
}

static struct file *file_of(struct task *t, u64 fd)
{
	struct file *f;

	return t->files && fd <= INT32_MAX && fdtable_next(t->files, (int)fd, &f) == (int)fd ? f : NULL;
}

static long compare_files(struct task *a, u64 fd_a, struct task *b, u64 fd_b)
{
	struct file *f = file_of(a, fd_a), *g = file_of(b, fd_b);

	return f && g ? compare(f, g) : -EBADF;
}

long sys_kcmp(struct task *t, struct call *c)
{
	struct task *a = task_find(t->k, (int)c->arg[0]), *b = task_find(t->k, (int)c->arg[1]);

	if (!a || !b)
		return -ESRCH;
	if (task_may_access(t, a, 0) || task_may_access(t, b, 0))
		return -EPERM;
	switch ((int)c->arg[2]) {
	case KCMP_FILE:
		return compare_files(a, c->arg[3], b, c->arg[4]);
	case KCMP_VM:
		return compare(a->mm, b->mm);
	case KCMP_FILES:
		return compare(a->files, b->files);
	case KCMP_FS:
		return compare(a->fs, b->fs);
	case KCMP_SIGHAND:
		return compare(a->sighand, b->sighand);
	case KCMP_IO:
	case KCMP_SYSVSEM:
		return 0; /* nobody has any */
	case KCMP_EPOLL_TFD:
		return -EOPNOTSUPP;
	}
	return -EINVAL;
}
