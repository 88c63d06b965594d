/* SPDX-License-Identifier: Apache-2.0 */
/* System calls about signals: kill and its kin, handlers, masks, waiting for signals, the alternate stack. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "task/dispatch.h"
#include "task/life.h"
#include "task/signal.h"
#include "vfs/file.h"

#define SIGSET_SIZE 8
#define NSIG_MAX    64
#define INIT_PID    1

/* pidfd_send_signal(2) */
#define PIDFD_SIGNAL_THREAD        1u
#define PIDFD_SIGNAL_THREAD_GROUP  2u
#define PIDFD_SIGNAL_PROCESS_GROUP 4u
#define PIDFD_SIGNAL_FLAGS         7u
#define PIDFD_SELF_THREAD          (-10000)
#define PIDFD_SELF_THREAD_GROUP    (-10001)

/* ---- sending ---- */

/* Permission and sending, as kill(2) orders them: a bad number is found only once there is a target. */
static int send_checked(struct task *t, struct task *target, const siginfo_t *info, bool group)
{
	int r;

	if (info->si_signo < 0 || info->si_signo > NSIG_MAX)
		return -EINVAL;
	r = signal_permission(t, target, info->si_signo);
	if (r < 0 || !info->si_signo)
		return r;
	return group ? signal_send_group(target->group, info) : signal_send_task(target, info);
}

static int send_to_pid(struct task *t, int pid, const siginfo_t *info)
{
	struct thread_group *g;
	struct task *target;

	if (pid == INIT_PID) {
		/* Linux: init takes what it has handlers for. Here: husk itself, whom nobody signals. */
		if (info->si_signo < 0 || info->si_signo > NSIG_MAX)
			return -EINVAL;
		return info->si_signo || t->cred->euid ? -EPERM : 0;
	}
	/* Any thread's number names its process, as in Linux. */
	target = task_find(t->k, pid);
	g = target ? target->group : group_find(t->k, pid);
	if (!g)
		return -ESRCH;
	return send_checked(t, g->leader ? g->leader : target, info, true);
}

static int send_to_pgrp(struct task *t, int pgid, const siginfo_t *info)
{
	struct thread_group *g;
	bool sent = false;
	int r = -ESRCH;

	for (g = group_next(t->k, 0); g; g = group_next(t->k, g->tgid)) {
		if (g->pgid != pgid)
			continue;
		r = send_checked(t, g->leader, info, true);
		sent |= !r;
	}
	return sent ? 0 : r;
}

static int send_to_all(struct task *t, const siginfo_t *info)
{
	struct thread_group *g;
	int r = 0, one;
	bool any = false;

	for (g = group_next(t->k, 0); g; g = group_next(t->k, g->tgid)) {
		if (g == t->group)
			continue;
		any = true;
		one = send_checked(t, g->leader, info, true);
		if (one != -EPERM)
			r = one;
	}
	return any ? r : -ESRCH;
}

long sys_kill(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0], signo = (int)c->arg[1];
	siginfo_t info = signal_info_from(t, signo, SI_USER);

	if (pid > 0)
		return send_to_pid(t, pid, &info);
	if (pid == INT_MIN)
		return -ESRCH;
	if (pid == -1)
		return send_to_all(t, &info);
	return send_to_pgrp(t, pid ? -pid : t->group->pgid, &info);
}

static long send_to_thread(struct task *t, int tgid, int tid, const siginfo_t *info)
{
	struct task *target = task_find(t->k, tid);

	if (!target && tid == INIT_PID)
		return -EPERM;
	if (!target || (tgid > 0 && target->group->tgid != tgid))
		return -ESRCH;
	return send_checked(t, target, info, false);
}

long sys_tkill(struct task *t, struct call *c)
{
	int tid = (int)c->arg[0];
	siginfo_t info = signal_info_from(t, (int)c->arg[1], SI_TKILL);

	return tid <= 0 ? -EINVAL : send_to_thread(t, 0, tid, &info);
}

long sys_tgkill(struct task *t, struct call *c)
{
	int tgid = (int)c->arg[0], tid = (int)c->arg[1];
	siginfo_t info = signal_info_from(t, (int)c->arg[2], SI_TKILL);

	return tid <= 0 || tgid <= 0 ? -EINVAL : send_to_thread(t, tgid, tid, &info);
}

/* The sender's own siginfo. */
static int read_info(struct task *t, u64 addr, int signo, siginfo_t *info)
{
	int r = user_get(t, info, addr);

	if (r < 0)
		return r;
	info->si_signo = signo;
	return signal_info_taken(info);
}

/* Nobody may pretend to be the kernel or kill() to others; @pid: whom the calling thread says it means. */
static bool pretends(const struct task *t, const siginfo_t *info, int pid)
{
	return (info->si_code >= 0 || info->si_code == SI_TKILL) && pid != t->tid;
}

long sys_rt_sigqueueinfo(struct task *t, struct call *c)
{
	int pid = (int)c->arg[0];
	siginfo_t info;
	int r = read_info(t, c->arg[2], (int)c->arg[1], &info);

	if (r < 0)
		return r;
	if (pretends(t, &info, pid))
		return -EPERM;
	return pid <= 0 ? -ESRCH : send_to_pid(t, pid, &info);
}

long sys_rt_tgsigqueueinfo(struct task *t, struct call *c)
{
	int tgid = (int)c->arg[0], tid = (int)c->arg[1];
	siginfo_t info;
	int r = read_info(t, c->arg[3], (int)c->arg[2], &info);

	if (r < 0)
		return r;
	if (tid <= 0 || tgid <= 0)
		return -EINVAL;
	return pretends(t, &info, tid) ? -EPERM : send_to_thread(t, tgid, tid, &info);
}

/* The process that @f stands for: a pidfd, or its directory in /proc. 0, -EBADF, or -ESRCH when it is gone. */
static int group_behind(const struct file *f, struct thread_group **g)
{
	struct task *leader;

	*g = pidfd_group(f);
	if (*g)
		return 0;
	if (!proc_is_process(f, &leader))
		return -EBADF;
	*g = leader ? leader->group : NULL;
	return leader ? 0 : -ESRCH;
}

/* The process that pidfd_send_signal() means, counted: 0, -EBADF, -ESRCH. */
static int signalled_group(struct task *t, int fd, struct thread_group **g)
{
	struct file *f;
	int r;

	if (fd == PIDFD_SELF_THREAD || fd == PIDFD_SELF_THREAD_GROUP) {
		*g = group_get(t->group);
		return 0;
	}
	r = (int)fd_get(t, fd, &f);
	if (r)
		return r;
	r = group_behind(f, g);
	if (!r)
		group_get(*g);
	file_put(f);
	return r;
}

/* Sends @info to what @flags says of @g: its leading thread, all of it, or the process group that has its number. */
static int send_to_scope(struct task *t, struct thread_group *g, const siginfo_t *info, u32 flags)
{
	if (flags == PIDFD_SIGNAL_PROCESS_GROUP)
		return send_to_pgrp(t, g->tgid, info);
	/* A process that was waited for has no leader any more. */
	return g->leader ? send_checked(t, g->leader, info, flags != PIDFD_SIGNAL_THREAD) : -ESRCH;
}

/* The sender's own siginfo, which names @signo; @pid: as for pretends(). */
static int read_scoped_info(struct task *t, u64 addr, int signo, int pid, siginfo_t *info)
{
	int r = (int)user_get(t, info, addr);

	if (!r)
		r = signal_info_taken(info);
	if (r)
		return r;
	if (info->si_signo != signo)
		return -EINVAL;
	return pretends(t, info, pid) ? -EPERM : 0;
}

long sys_pidfd_send_signal(struct task *t, struct call *c)
{
	int signo = (int)c->arg[1], fd = (int)c->arg[0], r;
	u32 flags = (u32)c->arg[3];
	struct thread_group *g;
	struct task *self;
	siginfo_t info;

	if (flags & ~(u32)PIDFD_SIGNAL_FLAGS || flags & (flags - 1))
		return -EINVAL;
	r = signalled_group(t, fd, &g);
	if (r)
		return r;
	self = fd == PIDFD_SELF_THREAD && flags != PIDFD_SIGNAL_PROCESS_GROUP &&
			       flags != PIDFD_SIGNAL_THREAD_GROUP
		       ? t
		       : NULL;
	info = signal_info_from(t, signo, self || flags == PIDFD_SIGNAL_THREAD ? SI_TKILL : SI_USER);
	if (c->arg[2])
		r = read_scoped_info(t, c->arg[2], signo,
				     flags == PIDFD_SIGNAL_PROCESS_GROUP ? -1
				     : self                              ? t->tid
									 : g->tgid,
				     &info);
	if (!r)
		r = self ? send_checked(t, self, &info, false) : send_to_scope(t, g, &info, flags);
	group_put(g);
	return r;
}

/* ---- handlers and masks ---- */

static void forget_ignored(struct task *t, int signo)
{
	struct task *other;

	if (!signal_ignored(t, signo))
		return;
	sigpending_remove(&t->group->shared_pending, SIG_BIT(signo));
	list_for_each (other, &t->group->threads, group_node) {
		sigpending_remove(&other->pending, SIG_BIT(signo));
		if (other->state != TASK_DEAD)
			signal_recalc(other);
	}
}

long sys_rt_sigaction(struct task *t, struct call *c)
{
	/* Flags that Linux knows; it clears the others so that programs can probe for them. */
	const u64 known = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |
			  SA_RESETHAND | 0x800 /* SA_EXPOSE_TAGBITS */ | HUSK_SA_RESTORER;
	int signo = (int)c->arg[0], r;
	struct k_sigaction new, old;

	if (c->arg[3] != SIGSET_SIZE)
		return -EINVAL;
	if (c->arg[1]) {
		r = user_get(t, &new, c->arg[1]);
		if (r < 0)
			return r;
	}
	if (signo < 1 || signo > NSIG_MAX || (c->arg[1] && (SIG_BIT(signo) & SIGNAL_UNMASKABLE)))
		return -EINVAL;
	old = t->sighand->action[signo - 1];
	if (c->arg[1]) {
		new.flags &= known;
		new.mask &= ~SIGNAL_UNMASKABLE;
		if (signo == SIGSYS)
			dispatch_withdraw_group(t);
		t->sighand->action[signo - 1] = new;
		forget_ignored(t, signo);
	}
	/* Linux too has already set the new one when the old cannot be written. */
	return c->arg[2] ? user_put(t, c->arg[2], &old) : 0;
}

long sys_rt_sigprocmask(struct task *t, struct call *c)
{
	u64 old = t->blocked, set;
	int r;

	if (c->arg[3] != SIGSET_SIZE)
		return -EINVAL;
	if (c->arg[1]) {
		r = user_get(t, &set, c->arg[1]);
		if (r < 0)
			return r;
		set &= ~SIGNAL_UNMASKABLE;
		switch ((int)c->arg[0]) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		task_set_blocked(t, set);
	}
	return c->arg[2] ? user_put(t, c->arg[2], &old) : 0;
}

long sys_rt_sigpending(struct task *t, struct call *c)
{
	u64 set = signal_pending_set(t) & t->blocked;

	if (c->arg[1] > SIGSET_SIZE)
		return -EINVAL;
	return user_write(t, c->arg[0], &set, c->arg[1]);
}

long sys_sigaltstack(struct task *t, struct call *c)
{
	struct {
		u64 sp;
		s32 flags;
		u32 pad;
		u64 size;
	} new, old = {t->altstack.sp, 0, 0, t->altstack.size};
	u64 sp = task_regs(t)->rsp;
	int r;

	if (!t->altstack.size)
		old.flags = SS_DISABLE;
	else if (!(t->altstack.flags & (int)(1u << 31)) && sp > t->altstack.sp &&
		 sp - t->altstack.sp <= t->altstack.size)
		old.flags = SS_ONSTACK;
	old.flags |= t->altstack.flags & (int)(1u << 31);
	if (c->arg[0]) {
		r = user_get(t, &new, c->arg[0]);
		if (r < 0)
			return r;
		r = sigaltstack_set(t, new.sp, new.size, new.flags, sp);
		if (r < 0)
			return r;
	}
	return c->arg[1] ? user_put(t, c->arg[1], &old) : 0;
}

/* ---- waiting ---- */

static long wait_for_handler(struct task *t, struct call *c)
{
	long r = call_wait(t);

	(void)c;
	return r == CALL_PARK ? r : -ERESTARTNOHAND;
}

long sys_pause(struct task *t, struct call *c)
{
	c->step = wait_for_handler;
	return wait_for_handler(t, c);
}

long sys_rt_sigsuspend(struct task *t, struct call *c)
{
	u64 mask;
	int r;

	if (c->arg[1] != SIGSET_SIZE)
		return -EINVAL;
	r = user_get(t, &mask, c->arg[0]);
	if (r < 0)
		return r;
	task_swap_sigmask(t, mask);
	c->step = wait_for_handler;
	return wait_for_handler(t, c);
}

/* What sigtimedwait() waits for is unblocked meanwhile, so that its sender wakes us; no handler ever runs for
 * it. scratch: the set, whether real_blocked is in use, whether there is a timeout. */

static long sigwait_step(struct task *t, struct call *c)
{
	u64 set = c->scratch[0];
	siginfo_t info;
	int signo, r;
	long w;

	if (c->scratch[1]) {
		t->blocked = t->real_blocked;
		t->real_blocked = 0;
		c->scratch[1] = 0;
	}
	signo = signal_dequeue(t, set, &info);
	if (signo) {
		r = c->arg[1] ? user_put(t, c->arg[1], &info) : 0;
		return r < 0 ? r : signo;
	}
	if (c->timed_out || (c->scratch[2] && !c->deadline))
		return -EAGAIN;
	t->real_blocked = t->blocked;
	t->blocked &= ~set;
	c->scratch[1] = 1;
	w = call_wait(t);
	if (w == CALL_PARK)
		return w;
	t->blocked = t->real_blocked;
	t->real_blocked = 0;
	c->scratch[1] = 0;
	signal_recalc(t);
	return w == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

long sys_rt_sigtimedwait(struct task *t, struct call *c)
{
	struct timespec ts;
	u64 set;
	int r;

	if (c->arg[3] != SIGSET_SIZE)
		return -EINVAL;
	r = user_get(t, &set, c->arg[0]);
	if (r < 0)
		return r;
	if (c->arg[2]) {
		r = user_get(t, &ts, c->arg[2]);
		if (r < 0)
			return r;
		if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000)
			return -EINVAL;
		c->scratch[2] = 1;
		if (ts.tv_sec || ts.tv_nsec)
			c->deadline =
				ts.tv_sec > 9000000000
					? ~0UL >> 1
					: kernel_now(t->k) + (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
	}
	c->scratch[0] = set & ~SIGNAL_UNMASKABLE;
	c->step = sigwait_step;
	return sigwait_step(t, c);
}
