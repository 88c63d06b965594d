/* SPDX-License-Identifier: Apache-2.0 */
/* System calls about processes: making them, replacing them, ending them, waiting for them, their groups. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "core/call_table.h"
#include "task/life.h"
#include "task/signal.h"
#include "task/wait.h"
#include "vfs/file.h"

#define MAX_PIDS_SET 32

/* ---- ids ---- */

long sys_getpid(struct task *t, struct call *c)
{
	return t->group->tgid;
}

long sys_gettid(struct task *t, struct call *c)
{
	return t->tid;
}

long sys_getppid(struct task *t, struct call *c)
{
	return t->group->parent ? t->group->parent->tgid : HUSK_INIT_PID;
}

long sys_getpgrp(struct task *t, struct call *c)
{
	return t->group->pgid;
}

static struct thread_group *find_or_self(struct task *t, int pid)
{
	struct task *other;

	if (!pid)
		return t->group;
	other = task_find(t->k, pid);
	return other ? other->group : NULL;
}

long sys_getpgid(struct task *t, struct call *c)
{
	struct thread_group *g = find_or_self(t, (int)c->arg[0]);

	return g ? g->pgid : -ESRCH;
}

long sys_getsid(struct task *t, struct call *c)
{
	struct thread_group *g = find_or_self(t, (int)c->arg[0]);

	return g ? g->sid : -ESRCH;
}

long sys_setpgid(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0], pgid = (int)c->arg[1];
	struct thread_group *g, *self = t->group, *other;

	if (!pid)
		pid = self->tgid;
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	g = group_find(t->k, pid);
	if (!g)
		return task_find(t->k, pid) ? -EINVAL : -ESRCH;
	if (g->parent == self) {
		if (g->sid != self->sid)
			return -EPERM;
		if (g->execed)
			return -EACCES;
	} else if (g != self) {
		return -ESRCH;
	}
	if (g->session_leader)
		return -EPERM;
	if (pgid != pid) {
		other = pgrp_first(t->k, pgid);
		if (!other || other->sid != self->sid)
			return -EPERM;
	}
	group_set_pgid(g, pgid);
	return 0;
}

long sys_setsid(struct task *t, struct call *c)
{
	struct thread_group *g = t->group;

	if (g->session_leader || pgrp_first(t->k, g->tgid))
		return -EPERM;
	g->session_leader = true;
	group_set_sid(g, g->tgid);
	group_set_pgid(g, g->tgid);
	g->ctty = NULL;
	return g->sid;
}

/* ---- making ---- */

long sys_fork(struct task *t, struct call *c)
{
	const struct clone_request r = {.exit_signal = SIGCHLD};

	return task_clone(t, c, &r);
}

long sys_vfork(struct task *t, struct call *c)
{
	const struct clone_request r = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};

	return task_clone(t, c, &r);
}

long sys_clone(struct task *t, struct call *c)
{
	const struct clone_request r = {
		.flags = (u32)c->arg[0] & ~0xffu,
		.exit_signal = c->arg[0] & 0xff,
		.stack = c->arg[1],
		.parent_tid = c->arg[2],
		.pidfd = c->arg[2],
		.child_tid = c->arg[3],
		.tls = c->arg[4],
	};

	return task_clone(t, c, &r);
}

/* clone3(2)'s argument, in its last known form. */
struct clone_args_v2 {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
		cgroup;
};
#define CLONE_ARGS_V0            64
#define HUSK_CLONE_CLEAR_SIGHAND 0x100000000UL
#define HUSK_CLONE_INTO_CGROUP   0x200000000UL
#define HUSK_CLONE_NEWTIME       0x80UL
#define CLONE_KNOWN              (0xffffffffUL | HUSK_CLONE_CLEAR_SIGHAND | HUSK_CLONE_INTO_CGROUP)

/* A structure of @size bytes as the caller knows it into one of @known bytes: what is unknown must be 0. */
static int read_sized(struct task *t, void *to, size_t known, u64 addr, u64 size)
{
	char rest[64];
	int err;

	memset(to, 0, known);
	err = user_read(t, to, addr, min(known, (size_t)size));
	for (u64 at = known; !err && at < size; at += sizeof rest) {
		size_t n = min(sizeof rest, (size_t)(size - at));

		err = user_read(t, rest, addr + at, n);
		for (size_t i = 0; !err && i < n; i++)
			if (rest[i])
				err = -E2BIG;
	}
	return err;
}

static int check_clone_args(const struct clone_args_v2 *a, u64 size)
{
	if (a->set_tid_size > MAX_PIDS_SET || !a->set_tid != !a->set_tid_size)
		return -EINVAL;
	if (a->exit_signal > 64)
		return -EINVAL;
	if ((a->flags & HUSK_CLONE_INTO_CGROUP) && (a->cgroup > INT_MAX || size < sizeof *a))
		return -EINVAL;
	if ((a->flags & ~CLONE_KNOWN) || (a->flags & (CLONE_DETACHED | (0xff & ~HUSK_CLONE_NEWTIME))))
		return -EINVAL;
	if ((a->flags & CLONE_SIGHAND) && (a->flags & HUSK_CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((a->flags & (CLONE_THREAD | CLONE_PARENT)) && a->exit_signal)
		return -EINVAL;
	if (!a->stack != !a->stack_size)
		return -EINVAL;
	if (a->stack && (a->stack + a->stack_size < a->stack || a->stack + a->stack_size > TRAP_GUEST_TOP))
		return -EINVAL;
	return 0;
}

long sys_clone3(struct task *t, struct call *c)
{
	u64 addr = c->arg[0], size = c->arg[1];
	struct clone_args_v2 a;
	struct clone_request r;
	int err;

	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_V0)
		return -EINVAL;
	err = read_sized(t, &a, sizeof a, addr, size);
	if (!err)
		err = check_clone_args(&a, size);
	if (err)
		return err;
	/* Linux: with CAP_CHECKPOINT_RESTORE. Here: numbers are husk's to give. */
	if (a.set_tid)
		return -EPERM;
	/* No cgroup file system, so no descriptor of one. */
	if (a.flags & HUSK_CLONE_INTO_CGROUP)
		return -EBADF;
	r = (struct clone_request){
		.flags = a.flags,
		.exit_signal = (int)a.exit_signal,
		.stack = a.stack ? a.stack + a.stack_size : 0,
		.tls = a.tls,
		.parent_tid = a.parent_tid,
		.child_tid = a.child_tid,
		.pidfd = a.pidfd,
	};
	return task_clone(t, c, &r);
}

long sys_execve(struct task *t, struct call *c)
{
	return task_exec(t, c, AT_FDCWD, c->arg[0], c->arg[1], c->arg[2], 0);
}

long sys_execveat(struct task *t, struct call *c)
{
	return task_exec(t, c, (int)c->arg[0], c->arg[1], c->arg[2], c->arg[3], (int)c->arg[4]);
}

/* ---- ending ---- */

long sys_exit(struct task *t, struct call *c)
{
	task_exit(t, ((int)c->arg[0] & 0xff) << 8);
	return CALL_GONE;
}

long sys_exit_group(struct task *t, struct call *c)
{
	group_exit(t->group, ((int)c->arg[0] & 0xff) << 8);
	task_exit(t, t->group->exit_code);
	return CALL_GONE;
}

long sys_set_tid_address(struct task *t, struct call *c)
{
	t->clear_child_tid = c->arg[0];
	return t->tid;
}

/* ---- waiting ---- */

/* An interrupted wait starts again: the children are looked at afresh. */
static long write_wait4(struct task *t, struct wait_request *w, u64 status, u64 usage, long r)
{
	if (r <= 0)
		return r;
	if (status && user_write(t, status, &w->status, sizeof w->status) < 0)
		return -EFAULT;
	if (usage && user_write(t, usage, &w->usage, sizeof w->usage) < 0)
		return -EFAULT;
	return r;
}

long sys_wait4(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0], options = (int)c->arg[2];
	struct wait_request w = {.type = P_ALL, .options = options | WEXITED};

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == INT_MIN)
		return -ESRCH;
	if (pid < -1) {
		w.type = P_PGID;
		w.id = -pid;
	} else if (pid == 0) {
		w.type = P_PGID;
		w.id = t->group->pgid;
	} else if (pid > 0) {
		w.type = P_PID;
		w.id = pid;
	}
	w.want_usage = c->arg[3];
	return write_wait4(t, &w, c->arg[1], c->arg[3], wait_for_child(t, &w));
}

static long write_waitid(struct task *t, struct wait_request *w, u64 info_addr, u64 usage, long r)
{
	siginfo_t info;

	if (r < 0)
		return r;
	memset(&info, 0, sizeof info);
	if (r > 0) {
		if (usage && user_write(t, usage, &w->usage, sizeof w->usage) < 0)
			return -EFAULT;
		info.si_signo = SIGCHLD;
		info.si_code = w->code;
		info.si_pid = w->pid;
		info.si_uid = w->uid;
		info.si_status = w->detail;
	}
	/* Linux writes the fields up to si_status alone. */
	if (info_addr && user_write(t, info_addr, &info, offsetof(siginfo_t, si_status) + sizeof(int)) < 0)
		return -EFAULT;
	return 0;
}

static int waitid_pidfd(struct task *t, struct wait_request *w, struct file **f)
{
	int err;

	if (w->id < 0)
		return -EINVAL;
	err = fd_get(t, w->id, f);
	if (err)
		return err;
	w->group = pidfd_group(*f);
	if (w->group) {
		if ((*f)->flags & O_NONBLOCK)
			w->options |= WNOHANG;
		return 0;
	}
	file_put(*f);
	*f = NULL;
	return -EBADF;
}

long sys_waitid(struct task *t, struct call *c)
{
	struct wait_request w = {.type = (int)c->arg[0], .id = (int)c->arg[1], .options = (int)c->arg[3]};
	struct file *f = NULL;
	bool asked_to_hang = !(w.options & WNOHANG);
	long r;

	if (w.options &
	    ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (!(w.options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	switch (w.type) {
	case P_ALL:
		break;
	case P_PID:
		if (w.id <= 0)
			return -EINVAL;
		break;
	case P_PGID:
		if (w.id < 0)
			return -EINVAL;
		if (!w.id)
			w.id = t->group->pgid;
		break;
	case HUSK_P_PIDFD:
		r = waitid_pidfd(t, &w, &f);
		if (r < 0)
			return r;
		break;
	default:
		return -EINVAL;
	}
	w.want_usage = c->arg[4];
	r = wait_for_child(t, &w);
	/* A pidfd that must not block says so, where WNOHANG says nothing. */
	if (!r && asked_to_hang)
		r = -EAGAIN;
	if (f)
		file_put(f);
	return write_waitid(t, &w, c->arg[2], c->arg[4], r);
}
