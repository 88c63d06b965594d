/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of pending signals, and what is taken out of them.
 *
 * A queue has a bit per signal and a list of entries with the details. A signal below SIGRTMIN is queued at
 * most once; a real-time signal as often as it is sent, up to RLIMIT_SIGPENDING of its sender's user. A bit
 * without an entry is a signal whose details were lost to that limit: it arrives as from kill() by nobody.
 *
 * The entry of a POSIX timer is part of the timer: it is linked here while it is pending and never freed
 * here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "task/signal.h"

/* Taken before all others: the fault that made them is repeated if anything else runs first. */
#define SYNCHRONOUS                                                                                  \
	(SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGFPE) | \
	 SIG_BIT(SIGSYS))

void sigpending_init(struct sigpending *p)
{
	p->set = 0;
	list_init(&p->queue);
}

static struct signal_user *signal_user_get(struct kernel *k, u32 uid)
{
	struct signal_user *u;

	list_for_each (u, &k->signals->users, node) {
		if (u->uid == uid) {
			u->count++;
			return u;
		}
	}
	u = calloc(1, sizeof *u);
	if (!u)
		return NULL;
	u->uid = uid;
	u->count = 1;
	list_add(&k->signals->users, &u->node);
	return u;
}

long signal_queued(const struct task *t)
{
	struct signal_user *u;

	list_for_each (u, &t->k->signals->users, node)
		if (u->uid == t->cred->uid)
			return u->count;
	return 0;
}

static void signal_user_put(struct signal_user *u)
{
	if (--u->count > 0)
		return;
	list_del(&u->node);
	free(u);
}

static void sigqueue_free(struct sigqueue *q)
{
	list_del(&q->node);
	if (q->timer)
		return;
	signal_user_put(q->user);
	free(q);
}

static struct sigqueue *sigqueue_new(struct task *t, bool limited)
{
	struct signal_user *user = signal_user_get(t->k, t->cred->uid);
	struct sigqueue *q;

	if (!user)
		return NULL;
	if (limited && (u64)user->count > t->group->limits[RLIMIT_SIGPENDING].rlim_cur)
		goto put_user;
	q = calloc(1, sizeof *q);
	if (!q)
		goto put_user;
	q->user = user;
	list_init(&q->node);
	return q;

put_user:
	signal_user_put(user);
	return NULL;
}

/* Makes @info pending in @p, counted for @t's user: 0, or -EAGAIN when a real-time signal finds no place. */
int sigqueue_add(struct task *t, struct sigpending *p, const siginfo_t *info)
{
	int signo = info->si_signo;
	struct sigqueue *q;

	if (signo < __SIGRTMIN && (p->set & SIG_BIT(signo)))
		return 0;
	if (signo != SIGKILL) {
		/* Linux: the kernel's own and kill()'s legacy signals get their details whatever the limit
		 * says. */
		q = sigqueue_new(t, !(signo < __SIGRTMIN && info->si_code >= 0));
		if (q) {
			q->info = *info;
			list_add_tail(&p->queue, &q->node);
		} else if (signo >= __SIGRTMIN && info->si_code != SI_USER) {
			return -EAGAIN;
		}
	}
	p->set |= SIG_BIT(signo);
	return 0;
}

/* Drops every pending signal of @mask. */
void sigpending_remove(struct sigpending *p, u64 mask)
{
	struct sigqueue *q, *tmp;

	if (!(p->set & mask))
		return;
	p->set &= ~mask;
	list_for_each_safe (q, tmp, &p->queue, node) {
		if (mask & SIG_BIT(q->info.si_signo))
			sigqueue_free(q);
	}
}

void sigpending_flush(struct sigpending *p)
{
	sigpending_remove(p, ~0UL);
}

static int next_signal(u64 set)
{
	if (set & SYNCHRONOUS)
		set &= SYNCHRONOUS;
	return set ? __builtin_ctzl(set) + 1 : 0;
}

/* Takes the oldest entry of @signo; the bit stays while there is another. */
static void sigpending_take(struct sigpending *p, int signo, siginfo_t *info)
{
	struct sigqueue *q, *first = NULL;
	bool more = false;

	list_for_each (q, &p->queue, node) {
		if (q->info.si_signo != signo)
			continue;
		if (first) {
			more = true;
			break;
		}
		first = q;
	}
	if (!more)
		p->set &= ~SIG_BIT(signo);
	if (!first) {
		*info = signal_info(signo, SI_USER);
		return;
	}
	*info = first->info;
	if (first->timer) {
		list_del(&first->node);
		posix_timer_dequeued(first->timer, info);
	} else {
		sigqueue_free(first);
	}
}

int signal_dequeue(struct task *t, u64 mask, siginfo_t *info)
{
	struct sigpending *p = &t->pending;
	int signo = next_signal(p->set & mask);

	if (!signo) {
		p = &t->group->shared_pending;
		signo = next_signal(p->set & mask);
	}
	if (signo)
		sigpending_take(p, signo, info);
	signal_recalc(t);
	return signo;
}

u64 signal_pending_set(const struct task *t)
{
	return t->pending.set | t->group->shared_pending.set;
}

static bool mask_lent(const struct task *t)
{
	return t->state == TASK_RUNNING && t->thread && t->thread->mask_lent;
}

u64 task_blocked(const struct task *t)
{
	return mask_lent(t) ? t->k->trap_ops->mask_now(t->thread) & ~SIGNAL_UNMASKABLE : t->blocked;
}

u64 task_blocked_sending(struct task *t)
{
	if (mask_lent(t))
		t->k->trap_ops->tell_pending(t->thread, signal_pending_set(t));
	return task_blocked(t);
}

void signal_recalc(struct task *t)
{
	if (signal_pending_set(t) & ~task_blocked(t))
		t->work |= TASK_WORK_SIGNAL;
	else
		t->work &= ~TASK_WORK_SIGNAL;
}

/* Group signals that @t may have been chosen for and now blocks must not wait while a sibling would take
 * them. */
static void retarget(struct task *t, u64 lost)
{
	struct task *other;

	lost &= t->group->shared_pending.set;
	if (!lost)
		return;
	list_for_each (other, &t->group->threads, group_node) {
		u64 blocked;

		if (other == t || other->state == TASK_DEAD || other->state == TASK_STOPPED ||
		    other->state == TASK_TRACED)
			continue;
		blocked = task_blocked_sending(other);
		if (!(lost & ~blocked))
			continue;
		lost &= blocked;
		other->work |= TASK_WORK_SIGNAL;
		task_kick(other);
		if (!lost)
			break;
	}
}

void task_set_blocked(struct task *t, u64 mask)
{
	u64 lost;

	mask &= ~SIGNAL_UNMASKABLE;
	lost = mask & ~t->blocked;
	t->blocked = mask;
	if (lost)
		retarget(t, lost);
	signal_recalc(t);
}

void task_swap_sigmask(struct task *t, u64 mask)
{
	if (!(t->work & TASK_WORK_SIGMASK)) {
		t->saved_sigmask = t->blocked;
		t->work |= TASK_WORK_SIGMASK;
	}
	task_set_blocked(t, mask);
}

void signal_task_exit(struct task *t)
{
	struct thread_group *g = t->group;

	/* Blocked from now on: nothing is sent to it any more. */
	retarget(t, ~t->blocked);
	t->blocked = ~0UL;
	t->work &= ~TASK_WORK_STOP;
	if (group_stop_done(g))
		signal_notify_parent(g, CLD_STOPPED);
	sigpending_flush(&t->pending);
	t->work &= ~(TASK_WORK_SIGNAL | TASK_WORK_SIGMASK);
}

void signal_group_exit(struct thread_group *g)
{
	posix_timers_free(g);
	timer_cancel(g->k, &g->real_timer);
	timer_cancel(g->k, &g->cpu_limit);
	sigpending_flush(&g->shared_pending);
}
