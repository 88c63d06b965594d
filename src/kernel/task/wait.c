/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait4(2) and waitid(2): a condition call. Each run looks at every child; what is found is taken (reaped, or
 * its stop or continuation marked as told) and only then written to the caller's memory, as in Linux. What the caller's
 * group traces is looked at as well, threads too, and tells of other stops (task/trace.h): at each stop of one out of
 * many, so that those with something to tell have a list of their own (group->news).
 */
#include "task/wait.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "task/foresee.h"
#include "task/signal.h"
#include "task/trace.h"

/* eligible_child(): @child is the leader of a child, or what the caller's group traces. */
static bool chosen(const struct task *t, const struct wait_request *w, const struct task *child, bool traced)
{
	const struct thread_group *g = child->group;
	bool clone_child = child->exit_signal != SIGCHLD;

	switch (w->type) {
	case P_PID:
		if (child->tid != w->id)
			return false;
		break;
	case P_PGID:
		if (g->pgid != w->id)
			return false;
		break;
	case HUSK_P_PIDFD:
		if (g != w->group || child != g->leader)
			return false;
		break;
	}
	if (traced)
		return true;
	if ((w->options & __WNOTHREAD) && g->parent_tid_of_death_signal != t->tid)
		return false;
	return (w->options & __WALL) || clone_child == !!(w->options & __WCLONE);
}

static void take_usage(struct wait_request *w, struct thread_group *g)
{
	if (w->want_usage)
		group_rusage(g, HUSK_RUSAGE_BOTH, &w->usage);
}

static void take_zombie(struct wait_request *w, struct task *child, bool traced)
{
	struct thread_group *g = child->group;
	int status = child == g->leader ? g->exit_status : g->exiting ? g->exit_code : child->exit_code;

	w->status = status;
	if (WIFEXITED(status)) {
		w->code = CLD_EXITED;
		w->detail = WEXITSTATUS(status);
	} else {
		w->code = WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
		w->detail = WTERMSIG(status);
	}
	take_usage(w, g);
	if (w->options & WNOWAIT)
		return;
	if (traced)
		trace_reap(child);
	else
		group_reap(g);
}

/* A stop that is told to the tracer: whether it asked for WSTOPPED or not. */
static bool take_trap(struct wait_request *w, struct task *t)
{
	if (t->state != TASK_TRACED || t->trace->listening || !t->stop.code)
		return false;
	w->status = t->stop.code << 8 | 0x7f;
	w->code = CLD_TRAPPED;
	w->detail = t->stop.code;
	if (!(w->options & WNOWAIT))
		t->stop.code = 0;
	take_usage(w, t->group);
	return true;
}

static bool is_zombie(const struct task *t)
{
	const struct thread_group *g = t->group;

	return t == g->leader ? g->zombie && !g->kept : t->state == TASK_DEAD && !t->thread;
}

/* wait_consider_task(): what @task has to tell: true, and *w filled. *any: there is, or may come, something to wait for. */
static bool take(struct wait_request *w, struct task *task, bool traced, bool *any)
{
	struct thread_group *child = task->group;

	w->pid = task->tid;
	w->uid = task->cred->uid;
	/* Who traces its own child sees it as its tracer. */
	if (task->trace && !trace_by_stranger(task))
		traced = true;
	if (is_zombie(task) && (traced || !task->trace)) {
		*any = true;
		if (!(w->options & WEXITED))
			return false;
		take_zombie(w, task, traced);
		return true;
	}
	if (!is_zombie(task) || !traced || (w->options & (WCONTINUED | WEXITED)))
		*any = true;
	if (traced && take_trap(w, task))
		return true;
	if (!traced && (w->options & WSTOPPED) && child->stopped && !child->stop_reported) {
		w->status = child->stop_signal << 8 | 0x7f;
		w->code = CLD_STOPPED;
		w->detail = child->stop_signal;
		if (!(w->options & WNOWAIT))
			child->stop_reported = true;
		take_usage(w, child);
		return true;
	}
	if ((w->options & WCONTINUED) && child->continued) {
		w->status = 0xffff;
		w->code = CLD_CONTINUED;
		w->detail = SIGCONT;
		if (!(w->options & WNOWAIT))
			child->continued = false;
		take_usage(w, child);
		return true;
	}
	return false;
}

/* Whether @tr is of the caller's group's, or with __WNOTHREAD of the caller's own, and chosen. */
static bool traced_by(const struct task *t, const struct wait_request *w, const struct trace *tr)
{
	return tr->tracer->group == t->group && (!(w->options & __WNOTHREAD) || tr->tracer == t) &&
	       chosen(t, w, tr->task, true);
}

static bool has_news(const struct task *t)
{
	return is_zombie(t) || (t->state == TASK_TRACED && !t->trace->listening && t->stop.code);
}

/* The task that is waited for by its number. */
static bool take_one(struct task *t, struct wait_request *w, bool *any)
{
	struct task *task = task_find(t->k, w->id);

	if (!task)
		return false;
	if (task == task->group->leader && task->group->parent == t->group && chosen(t, w, task, false) &&
	    take(w, task, false, any))
		return true;
	return task->trace && traced_by(t, w, task->trace) && take(w, task, true, any);
}

static bool take_child(struct task *t, struct wait_request *w, bool *any)
{
	struct thread_group *child;

	list_for_each (child, &t->group->children, sibling)
		if (chosen(t, w, child->leader, false) && take(w, child->leader, false, any))
			return true;
	return false;
}

/* Those that have been told of something: what may be taken is among them. */
static bool take_news(struct task *t, struct wait_request *w, bool *any)
{
	struct trace *tr, *next;

	list_for_each_safe (tr, next, &t->group->news, news) {
		if (traced_by(t, w, tr) && take(w, tr->task, true, any))
			return true;
		if (!has_news(tr->task))
			list_del(&tr->news);
	}
	return false;
}

/* All that the caller's group traces. */
static bool take_traced(struct task *t, struct wait_request *w, bool *any)
{
	struct task *tracer;
	struct trace *tr;

	list_for_each (tracer, &t->group->threads, group_node)
		list_for_each (tr, &tracer->tracees, node)
			if (traced_by(t, w, tr) && take(w, tr->task, true, any))
				return true;
	return false;
}

/* Whether one of them lives, so that something may come. */
static bool traces_any(const struct task *t, const struct wait_request *w)
{
	const struct task *tracer;
	const struct trace *tr;

	list_for_each (tracer, &t->group->threads, group_node)
		list_for_each (tr, &tracer->tracees, node)
			if (traced_by(t, w, tr) && !is_zombie(tr->task))
				return true;
	return false;
}

static bool take_any(struct task *t, struct wait_request *w, bool *any)
{
	if (w->type == P_PID)
		return take_one(t, w, any);
	if (take_child(t, w, any))
		return true;
	if (w->options & WCONTINUED)
		return take_traced(t, w, any);
	if (take_news(t, w, any))
		return true;
	*any = *any || traces_any(t, w);
	return false;
}

/* What a tracer will ask now that it has been told of a stop. */
static void look_ahead(struct task *t, const struct wait_request *w)
{
	struct wait_request next = {.type = P_ALL, .options = WEXITED | WNOWAIT | __WALL};
	struct task *child = task_find(t->k, w->pid);
	bool any = false;

	if (child && !(w->options & WNOWAIT) && foresee_may(t, child))
		foresee(t, child, !take_any(t, &next, &any));
}

long wait_for_child(struct task *t, struct wait_request *w)
{
	bool any = false;
	long r;

	foresee_end(t);
	memset(&w->usage, 0, sizeof w->usage);
	if (take_any(t, w, &any)) {
		if (w->code == CLD_TRAPPED)
			look_ahead(t, w);
		return w->pid;
	}
	if (!any)
		return -ECHILD;
	if (w->options & WNOHANG)
		return 0;
	/* What is traced will soon have something to tell. */
	t->call.hand_off = !list_empty(&t->tracees);
	r = wait_add(&t->group->child_wait, t);
	return r < 0 ? r : call_wait(t);
}
