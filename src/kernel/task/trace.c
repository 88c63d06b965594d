/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who traces whom: links between tracers and traced tasks, and what their ends mean for each other (kernel/ptrace.c).
 */
#include "task/trace.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/ptrace.h>
#include <stdlib.h>

#include "mm/mm.h"
#include "mm/patch.h"
#include "task/dispatch.h"
#include "task/life.h"
#include "task/signal.h"

/* ---- spaces ---- */

static void seen(void *arg, long result)
{
	(void)arg;
	(void)result;
}

void trace_enter_space(struct task *t)
{
	struct mm *mm = t->mm;

	if (!t->trace || !mm || !mm->space || mm->space->dead)
		return;
	/* A tracer sees every call, also those that the stub would answer. They stay the kernel's when nobody traces
	 * any more: who waits for a futex must wait where it is woken. */
	if (!mm->own_futexes) {
		mm->own_futexes = true;
		/* Who waits on the host's futexes has to come back and wait on ours. */
		(void)t->k->trap_ops->settle(mm->space, seen, NULL);
	}
	mm->ntraced++;
}

void trace_see_steps(struct task *t)
{
	if (t->mm && t->mm->space && !t->mm->space->dead)
		mm_patch_allow(t->mm, false);
}

void trace_leave_space(struct task *t, struct mm *mm)
{
	if (t->trace && mm && mm->ntraced && !--mm->ntraced && mm->space && !mm->space->dead)
		mm_patch_allow(mm, true);
}

/* ---- links ---- */

static struct trace *make_link(struct task *tracer, struct task *t, bool may_all)
{
	struct trace *tr = calloc(1, sizeof *tr);

	if (!tr)
		return NULL;
	object_count(t->k, "trace", 1);
	tr->task = t;
	tr->tracer = tracer;
	tr->may_all = may_all;
	list_init(&tr->news);
	list_add_tail(&tracer->tracees, &tr->node);
	t->trace = tr;
	dispatch_withdraw(t);
	trace_enter_space(t);
	return tr;
}

static void unlink_only(struct task *t)
{
	struct trace *tr = t->trace;

	trace_leave_space(t, t->mm);
	t->trace = NULL;
	/* Linux: debug registers stay as they are, and their hits end the program. Here: they go with the tracer, because who is
	 * not traced makes no steps. */
	t->watched = false;
	list_del(&tr->node);
	list_del(&tr->news);
	object_count(t->k, "trace", -1);
	free(tr);
}

void trace_forget(struct task *t)
{
	if (t->trace)
		unlink_only(t);
}

/* __ptrace_unlink(): the task is its own again, and stops with its group if that has stopped. */
static void unlink_task(struct task *t)
{
	struct thread_group *g = t->group;

	unlink_only(t);
	if (t->ending)
		return;
	if (!t->stop.signal)
		t->work &= ~TASK_WORK_TRACE;
	if (g->stopped || g->stopping)
		t->work |= TASK_WORK_STOP;
	if (t->state == TASK_TRACED)
		trace_resume(t, t->stop.code);
	else if (t->work & TASK_WORK_STOP)
		task_kick(t);
}

bool trace_by_stranger(const struct task *t)
{
	return t->trace && t->trace->tracer->group != t->group->parent;
}

int trace_by_parent(struct task *t)
{
	struct thread_group *parent = t->group->parent;
	struct task *tracer, *other;

	if (t->trace)
		return -EPERM;
	/* Linux: init may trace its children. Here: init is husk itself, which does not. */
	if (!parent)
		return -EPERM;
	tracer = task_find(t->k, t->group->parent_tid_of_death_signal);
	if (!tracer || tracer->group != parent || tracer->ending) {
		tracer = NULL;
		list_for_each (other, &parent->threads, group_node)
			if (!other->ending)
				tracer = other;
	}
	/* Linux: a parent that is about to end lets the child believe that it is traced. */
	if (!tracer)
		return 0;
	if (!trace_parent_may(tracer, t))
		return -EPERM;
	return make_link(tracer, t, capable(t, CAP_SYS_PTRACE)) ? 0 : -ENOMEM;
}

int trace_begin(struct task *tracer, struct task *t, bool seize, u32 options)
{
	siginfo_t info = signal_info(SIGSTOP, SI_KERNEL);
	struct trace *tr = make_link(tracer, t, capable(tracer, CAP_SYS_PTRACE));

	if (!tr)
		return -ENOMEM;
	tr->seized = seize;
	tr->options = options;
	if (!seize)
		signal_send_task(t, &info);
	if (t->state == TASK_STOPPED) {
		tr->want_stop = tr->reaching = true;
		t->work |= TASK_WORK_TRACE;
		task_kick(t);
	}
	return 0;
}

void trace_detach(struct task *t, int signo)
{
	t->stop.code = signo;
	/* Linux: whose tracer ends without a word makes its one step, and is told so by SIGTRAP. */
	t->single_step = false;
	unlink_task(t);
}

int trace_inherit(struct task *t, struct task *child, bool always)
{
	struct trace *tr;

	if (!always || !t->trace)
		return 0;
	tr = make_link(t->trace->tracer, child, t->trace->may_all);
	if (!tr)
		return -ENOMEM;
	tr->seized = t->trace->seized;
	tr->options = t->trace->options;
	if (tr->seized) {
		tr->want_stop = true;
		child->work |= TASK_WORK_TRACE;
	} else {
		child->pending.set |= SIG_BIT(SIGSTOP);
	}
	return 0;
}

/* ---- ends ---- */

bool trace_keeps(const struct task *t)
{
	return t->trace && t != t->group->leader;
}

/* A kept thread goes: its group may be what waited for that. */
static void release_kept(struct task *t)
{
	struct thread_group *g = t->group;

	list_del(&t->group_node);
	g->kept--;
	pid_unbind(t);
	if (g->kept)
		return;
	if (g->zombie && g->leader->trace)
		trace_tell(g->leader, CLD_EXITED);
	else if (g->zombie)
		group_tell_end(g);
	else if (g->exec_task && g->nthreads == 1)
		task_wake(g->exec_task);
}

void trace_reap(struct task *t)
{
	struct thread_group *g = t->group;
	bool stranger = trace_by_stranger(t);

	task_get(t);
	group_get(g);
	trace_forget(t);
	if (t != g->leader)
		release_kept(t);
	else if (stranger)
		group_tell_end(g);
	else
		group_reap(g);
	group_put(g);
	task_put(t);
}

/* __ptrace_detach() for a tracer that ends. */
static void release(struct task *t)
{
	struct thread_group *g = t->group;
	bool stranger = trace_by_stranger(t);
	siginfo_t info = signal_info(SIGKILL, SI_KERNEL);

	if (t->trace->options & PTRACE_O_EXITKILL)
		signal_send_task(t, &info);
	if (!t->ending || (t == g->leader && !g->zombie)) {
		unlink_task(t);
		return;
	}
	if (t != g->leader && t->state == TASK_DEAD && t->thread) {
		/* Its last work is still under way: nobody keeps it when that is done. */
		unlink_only(t);
		return;
	}
	if (t != g->leader) {
		trace_reap(t);
		return;
	}
	trace_forget(t);
	if (g->kept)
		return;
	if (stranger)
		group_tell_end(g);
	else
		group_reap_ignored(g);
}

void trace_release_all(struct task *t)
{
	while (!list_empty(&t->tracees))
		release(list_first(&t->tracees, struct trace, node)->task);
}
