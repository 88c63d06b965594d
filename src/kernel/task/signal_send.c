/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending signals: what happens at once, what is dropped, who gets it.
 *
 * Stop and continue signals cancel each other when they are sent, and SIGCONT continues the group even where
 * it is blocked or ignored. A signal that the target would ignore is dropped, unless it is blocked: the
 * target may give it a handler before unblocking it. A group's signal goes to its main thread, or else to one
 * that does not block it and has nothing else to do. A fatal one without a core dump ends the group at once.
 */
#include <errno.h>
#include <string.h>

#include "task/coredump.h"
#include "task/signal.h"

#define CAP_KILL 5

/* Signals whose default action is a core dump: the task itself ends the group, with the right status. */
#define COREDUMP                                                                                      \
	(SIG_BIT(SIGQUIT) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGABRT) | SIG_BIT(SIGFPE) | \
	 SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGSYS) | SIG_BIT(SIGXCPU) | SIG_BIT(SIGXFSZ))

siginfo_t signal_info(int signo, int code)
{
	siginfo_t info;

	memset(&info, 0, sizeof info);
	info.si_signo = signo;
	info.si_code = code;
	return info;
}

siginfo_t signal_info_from(struct task *from, int signo, int code)
{
	siginfo_t info = signal_info(signo, code);

	info.si_pid = from->group->tgid;
	info.si_uid = from->cred->uid;
	return info;
}

/* The highest si_code of signals that have their own. */
static int last_code(int signo)
{
	switch (signo) {
	case SIGILL:
		return 11; /* NSIGILL */
	case SIGFPE:
		return 15;
	case SIGSEGV:
		return 10;
	case SIGBUS:
		return 5;
	case SIGTRAP:
	case SIGCHLD:
		return 6;
	case SIGSYS:
		return 2;
	}
	return 6; /* NSIGPOLL: those of SIGPOLL, with which a descriptor may send any signal */
}

#define KEPT 48UL /* of an siginfo: what Linux keeps of it (struct kernel_siginfo) */

int signal_info_taken(siginfo_t *info)
{
	int code = info->si_code;
	char *tail = (char *)info + KEPT;

	/* Known are SI_KERNEL, from -7 (SI_DETHREAD) on, and the signals' own. */
	if (code == SI_KERNEL || code == SI_ASYNCNL || (code <= SI_USER && code >= -7) ||
	    (code > SI_USER && code <= last_code(info->si_signo))) {
		memset(tail, 0, sizeof *info - KEPT);
		return 0;
	}
	for (size_t i = 0; i < sizeof *info - KEPT; i++)
		if (tail[i])
			return -E2BIG;
	return 0;
}

int signal_permission(struct task *t, struct task *target, int signo)
{
	const struct cred *c = t->cred, *tc = target->cred;

	if (t->group == target->group)
		return 0;
	if (c->euid == tc->suid || c->euid == tc->uid || c->uid == tc->suid || c->uid == tc->uid ||
	    capable(t, CAP_KILL))
		return 0;
	if (signo == SIGCONT && t->group->sid == target->group->sid)
		return 0;
	return -EPERM;
}

/* Whether @signo would have no effect on @t as its handlers stand. */
bool signal_ignored(const struct task *t, int signo)
{
	u64 handler = t->sighand->action[signo - 1].handler;

	return handler == (u64)SIG_IGN || (handler == (u64)SIG_DFL && (SIG_BIT(signo) & SIGNAL_IGNORED));
}

static void group_remove(struct thread_group *g, u64 mask)
{
	struct task *t;

	sigpending_remove(&g->shared_pending, mask);
	list_for_each (t, &g->threads, group_node)
		sigpending_remove(&t->pending, mask);
}

/* What sending @signo does whatever becomes of it: false when the signal itself is to be dropped. */
static bool signal_prepare(struct task *t, int signo)
{
	struct thread_group *g = t->group;

	if (g->exiting && signo == SIGKILL)
		coredump_interrupt(g);
	if (g->exiting || g->zombie || t->state == TASK_DEAD)
		return false;
	if (SIG_BIT(signo) & SIGNAL_STOPS) {
		group_remove(g, SIG_BIT(SIGCONT));
	} else if (signo == SIGCONT) {
		group_remove(g, SIGNAL_STOPS);
		group_continue(g);
	}
	if ((task_blocked(t) | t->real_blocked) & SIG_BIT(signo))
		return true;
	/* A tracer hears of ignored signals, too. */
	if (t->trace && signo != SIGKILL)
		return true;
	return !signal_ignored(t, signo);
}

static bool wants(struct task *t, int signo)
{
	if (t->state == TASK_DEAD || (task_blocked_sending(t) & SIG_BIT(signo)) || (t->work & TASK_WORK_EXIT))
		return false;
	if (signo == SIGKILL)
		return true;
	if (t->state == TASK_STOPPED || t->state == TASK_TRACED)
		return false;
	/* Busy with another: on its way here, or already here. */
	return !(t->work & TASK_WORK_SIGNAL) || (t->state == TASK_RUNNING && !t->interrupting);
}

/* The thread that is to look at @signo: NULL when all are busy or block it (they see it in the queue later). */
static struct task *choose(struct task *t, int signo, bool group)
{
	struct task *other;

	if (wants(t, signo))
		return t;
	if (!group)
		return NULL;
	list_for_each (other, &t->group->threads, group_node) {
		if (other != t && wants(other, signo))
			return other;
	}
	return NULL;
}

static bool fatal(const struct task *t, int signo)
{
	u64 bit = SIG_BIT(signo);

	return !(bit & (SIGNAL_IGNORED | SIGNAL_STOPS | COREDUMP)) && !(t->real_blocked & bit) &&
	       t->sighand->action[signo - 1].handler == (u64)SIG_DFL && !t->trace;
}

/* @signo has become pending: whoever is to see it looks. */
static void signal_arrived(struct task *t, int signo, bool group)
{
	struct task *target = choose(t, signo, group);

	wake_all(&t->sighand->signalfd_wait);
	if (!target)
		return;
	if (signo == SIGKILL || fatal(t, signo)) {
		group_exit(t->group, signo);
		return;
	}
	target->work |= TASK_WORK_SIGNAL;
	task_kick(target);
}

static int signal_send(struct task *t, const siginfo_t *info, bool group)
{
	int r;

	if (!signal_prepare(t, info->si_signo))
		return 0;
	r = sigqueue_add(t, group ? &t->group->shared_pending : &t->pending, info);
	if (r < 0)
		return r;
	signal_arrived(t, info->si_signo, group);
	return 0;
}

bool signal_queue_entry(struct task *t, struct sigpending *p, struct sigqueue *q, bool group)
{
	int signo = q->info.si_signo;

	if (!signal_prepare(t, signo))
		return false;
	list_add_tail(&p->queue, &q->node);
	p->set |= SIG_BIT(signo);
	signal_arrived(t, signo, group);
	return true;
}

int signal_send_task(struct task *t, const siginfo_t *info)
{
	return signal_send(t, info, false);
}

int signal_send_group(struct thread_group *g, const siginfo_t *info)
{
	struct task *t, *first = NULL;

	if (g->exiting && info->si_signo == SIGKILL)
		coredump_interrupt(g);
	if (g->zombie || g->exiting)
		return 0;
	if (g->leader && g->leader->state != TASK_DEAD)
		return signal_send(g->leader, info, true);
	list_for_each (t, &g->threads, group_node) {
		if (t->state != TASK_DEAD) {
			first = t;
			break;
		}
	}
	return first ? signal_send(first, info, true) : 0;
}

int signal_send_pgrp(struct kernel *k, int pgid, const siginfo_t *info)
{
	struct thread_group *g;
	bool sent = false;
	int r = -ESRCH;

	for (g = group_next(k, 0); g; g = group_next(k, g->tgid)) {
		if (g->pgid != pgid)
			continue;
		r = signal_send_group(g, info);
		sent |= !r;
	}
	return sent ? 0 : r;
}

void signal_force(struct task *t, const siginfo_t *info)
{
	u64 bit = SIG_BIT(info->si_signo);
	struct k_sigaction *action = &t->sighand->action[info->si_signo - 1];

	if ((t->blocked & bit) || action->handler == (u64)SIG_IGN) {
		action->handler = (u64)SIG_DFL;
		t->blocked &= ~bit;
	}
	/* Even the queue limit does not stop it: si_code > 0 is the kernel's. */
	signal_send_task(t, info);
	signal_recalc(t);
}
