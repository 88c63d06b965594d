/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Job control: a group stops and goes on as one, and its parent hears of it.
 *
 * The thread that takes a stop signal marks all its siblings (TASK_WORK_STOP, group->stopping);
 * each stops on its way back to the guest. When the last has stopped, the group counts as stopped and the
 * parent is told. SIGCONT undoes all of it at the time it is sent.
 */
#include <time.h>

#include "task/foresee.h"
#include "task/signal.h"
#include "task/trace.h"

/* Whether a thread has yet to stop. */
static bool stop_incomplete(const struct thread_group *g)
{
	const struct task *t;

	list_for_each (t, &g->threads, group_node) {
		if (t->state != TASK_DEAD && (t->work & TASK_WORK_STOP))
			return true;
	}
	return false;
}

bool group_stop_done(struct thread_group *g)
{
	if (!g->stopping || g->exiting || stop_incomplete(g))
		return false;
	g->stopping = false;
	/* A traced thread that went on may have begun another stop while the group's holds. */
	if (g->stopped)
		return false;
	g->stopped = true;
	g->stop_reported = g->continued = false;
	return true;
}

/* The calling task takes its part in the stop: it does not go back to the guest. */
void task_stop_now(struct task *t)
{
	t->work &= ~TASK_WORK_STOP;
	t->state = TASK_STOPPED;
	if (group_stop_done(t->group))
		signal_notify_parent(t->group, CLD_STOPPED);
}

/* @t took @signo, whose action is to stop the group. @t itself has its part to do by task_stop_now(). */
void group_stop_begin(struct task *t, int signo)
{
	struct thread_group *g = t->group;
	struct task *other;

	if (!t->stop.may_stop || g->exiting || g->exec_task)
		return;
	/* A stop that a traced thread begins within another keeps the first one's signal. */
	if (!g->stopped)
		g->stop_signal = signo;
	g->stopping = true;
	list_for_each (other, &g->threads, group_node) {
		if (other->state == TASK_DEAD || (other->state == TASK_STOPPED && other != t))
			continue;
		other->work |= TASK_WORK_STOP;
		other->stop_signal = signo;
		if (other == t)
			continue;
		if (other->trace && other->trace->seized)
			trace_notify(other);
		else
			task_kick(other);
	}
}

/* SIGCONT was sent to @g. */
void group_continue(struct thread_group *g)
{
	bool was_stopped = g->stopped, was_stopping = g->stopping;
	struct task *t;

	g->stopped = g->stopping = false;
	list_for_each (t, &g->threads, group_node) {
		t->work &= ~TASK_WORK_STOP;
		t->stop.may_stop = false;
		if (t->trace && t->trace->seized && !t->ending)
			trace_notify(t);
		if (t->state != TASK_STOPPED)
			continue;
		/* What came meanwhile has waited for this. */
		signal_recalc(t);
		task_kick(t);
	}
	if (was_stopped) {
		g->continued = true;
		signal_notify_parent(g, CLD_CONTINUED);
	} else if (was_stopping) {
		/* Linux: a stop that SIGCONT overtakes is reported as if it had been complete. */
		g->continued = true;
		signal_notify_parent(g, CLD_STOPPED);
	}
}

/* In the unit of si_utime and times(2), which is 1/100 s. */
static clock_t clock_ticks(u64 ns)
{
	return (clock_t)(ns / 10000000);
}

/* A thread that still has handlers; NULL: the group is gone. */
static struct task *group_alive(const struct thread_group *g)
{
	struct task *t;

	list_for_each (t, &g->threads, group_node) {
		if (t->state != TASK_DEAD && t->sighand)
			return t;
	}
	return NULL;
}

void signal_notify_parent(struct thread_group *child, int why)
{
	struct thread_group *parent = child->parent;
	bool job_control = why == CLD_STOPPED || why == CLD_CONTINUED;
	int signo = job_control ? SIGCHLD : child->leader->exit_signal;
	const struct k_sigaction *chld;
	struct task *t = child->leader, *p;
	siginfo_t info;
	u64 utime, stime;

	if (!parent && child == child->k->first && why == CLD_STOPPED && child->k->ops.first_stopped)
		child->k->ops.first_stopped(child->k);
	if (!parent)
		return;
	p = group_alive(parent);
	if (p && signo > 0 && signo <= 64) {
		info = signal_info(signo, why);
		info.si_pid = child->tgid;
		info.si_uid = t->cred->uid;
		if (why == CLD_STOPPED)
			info.si_status = child->stop_signal;
		else if (why == CLD_CONTINUED)
			info.si_status = SIGCONT;
		else
			info.si_status = why == CLD_EXITED ? child->exit_status >> 8 & 0xff
							   : child->exit_status & 0x7f;
		group_times(child, &utime, &stime);
		info.si_utime = clock_ticks(utime);
		info.si_stime = clock_ticks(stime);
		chld = &p->sighand->action[SIGCHLD - 1];
		if (signo != SIGCHLD ||
		    (chld->handler != (u64)SIG_IGN && !(job_control && (chld->flags & SA_NOCLDSTOP))))
			signal_send_group(parent, &info);
	}
	wait_has_news(parent);
}

bool pgrp_orphaned(struct kernel *k, int pgid, const struct thread_group *ignore)
{
	struct thread_group *g;

	for (g = group_next(k, 0); g; g = group_next(k, g->tgid)) {
		if (g->pgid != pgid || g == ignore || g->zombie)
			continue;
		/* The parent of the first program is the shell outside. */
		if (g == k->first && !g->parent && k->job_control)
			return false;
		if (!g->parent)
			continue;
		if (g->parent->pgid != pgid && g->parent->sid == g->sid)
			return false;
	}
	return true;
}
