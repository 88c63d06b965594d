/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of tasks and groups.
 *
 *	task_exit()    the task counts as dead; its last words on guest memory (robust list, clear_child_tid) are
 *	               ordered
 *	task_ended()   done: host thread, mm, files go; its children get another parent; a thread is gone now
 *	group_ended()  with the last thread: a zombie; terminal, jobs and parent are told; reaped at once when
 *	               nobody waits
 *
 * group_exit() only marks the threads (TASK_WORK_EXIT) and kicks them: each ends on its own way back to the
 * guest. When the host process died, nobody can go that way: task_space_died() ends its tasks on the spot.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/tracer.h"
#include "mm/mm.h"
#include "task/coredump.h"
#include "task/errand.h"
#include "task/foresee.h"
#include "task/known.h"
#include "task/futex.h"
#include "task/life.h"
#include "task/seccomp.h"
#include "task/signal.h"
#include "task/trace.h"

/* Last work on guest memory. It outlives its task when the space dies under it. */
struct mm_release {
	struct task *t; /* a reference; NULL: the task has gone on without */
	void (*then)(struct task *t);
	struct trap_word word;
	u64 clear_tid; /* where 0 is written and one waiter woken; 0: nowhere */
};

/* ---- leaving an mm ---- */

static bool space_alive(const struct task *t)
{
	return t->thread && t->mm && t->mm->space && !t->mm->space->dead;
}

/* An empty list, the usual case, is seen without a turn. */
static bool robust_list_empty(struct task *t)
{
	struct {
		u64 next, offset, pending;
	} head;
	const struct trap_ops *ops = t->k->trap_ops;

	if (ops->ops_pending(t->mm->space))
		return false;
	if (ops->read(t->mm->space, &head, t->robust_list, sizeof head) != sizeof head)
		return false;
	return head.next == t->robust_list && !head.pending;
}

/* Writes the word without a turn where that is sure to be the same; false: it is yet to be done. */
static bool write_now(struct task *t, u64 addr, u32 value)
{
	const struct trap_ops *ops = t->k->trap_ops;

	return !ops->ops_pending(t->mm->space) &&
	       ops->write(t->mm->space, addr, &value, sizeof value) == sizeof value;
}

static void release_wakes(struct task *t, const struct mm_release *r)
{
	u32 n = min(r->word.nwake, (u32)ARRAY_SIZE(r->word.wake));

	for (u32 i = 0; i < n; i++)
		futex_wake(t, r->word.wake[i], 1, FUTEX_BITSET_MATCH_ANY);
	if (r->clear_tid)
		futex_wake(t, r->clear_tid, 1, FUTEX_BITSET_MATCH_ANY);
}

static void release_ran(void *arg, long result)
{
	struct mm_release *r = arg;
	struct task *t = r->t;

	t->release = NULL;
	release_wakes(t, r);
	r->then(t);
	task_put(t);
	free(r);
}

/* The task goes on without waiting for the stub: its space is gone. */
void mm_release_abandon(struct task *t)
{
	struct mm_release *r = t->release;

	if (!r)
		return;
	/* A space that is gone calls nobody back. */
	t->release = NULL;
	free(r);
	task_put(t);
}

/* Whether anybody but the last task of an mm could wait for a lock that it holds. */
static bool shares_memory(const struct mm *mm)
{
	struct vma *v;

	if (mm->users > 1)
		return true;
	for (v = vma_first(&mm->vmas); v; v = vma_next(v))
		if (v->flags & VM_MAYSHARE)
			return true;
	return false;
}

void mm_release(struct task *t, void (*then)(struct task *t))
{
	const struct trap_ops *ops = t->k->trap_ops;
	u64 robust = t->robust_list, clear = t->clear_child_tid, ok;
	struct mm_release *r;
	u32 zero = 0;
	bool run = false;

	t->clear_child_tid = 0;
	/* Linux: nobody is left to look at the word when the mm goes too. */
	if (!space_alive(t) || t->mm->users <= 1 ||
	    (clear && t->k->ops.access(t, clear, sizeof zero, true, &ok) < 0))
		clear = 0;
	if (robust && (!space_alive(t) || !shares_memory(t->mm) || robust_list_empty(t)))
		robust = 0;
	t->robust_list = 0;
	r = robust || clear ? calloc(1, sizeof *r) : NULL;
	if (!r) {
		then(t);
		return;
	}
	r->t = task_get(t);
	r->then = then;
	r->clear_tid = clear;
	if (robust) {
		r->word.kind = TRAP_ROBUST_EXIT;
		r->word.addr = robust;
		r->word.old = (u32)t->tid;
		run = ops->word(t->thread, &r->word) == 0;
	}
	/* A mutex in the thread's own memory is given up before its joiner may free that. */
	if (clear && (run || !write_now(t, clear, 0)))
		run |= ops->copy_out(t->thread, clear, &zero, sizeof zero) == sizeof zero;
	if (!run) {
		release_ran(r, 0);
		return;
	}
	t->release = r;
	ops->run(t->thread, release_ran, r);
}

void vfork_done(struct task *t)
{
	struct task *parent = t->vfork_parent;

	if (!parent)
		return;
	t->vfork_parent = NULL;
	task_wake(parent);
	task_put(parent);
}

/* ---- groups ---- */

static bool autoreaped(const struct thread_group *g)
{
	struct thread_group *parent = g->parent;
	const struct k_sigaction *chld;
	struct task *p;

	if (g->leader->trace)
		return false;
	if (!parent)
		return true;
	if (g->leader->exit_signal != SIGCHLD || list_empty(&parent->threads))
		return false;
	list_for_each (p, &parent->threads, group_node) {
		if (!p->sighand)
			continue;
		chld = &p->sighand->action[SIGCHLD - 1];
		return chld->handler == (u64)SIG_IGN || (chld->flags & SA_NOCLDWAIT);
	}
	return false;
}

static void first_ended(struct kernel *k, struct thread_group *g)
{
	k->ended = true;
	k->exit_status = g->exit_status;
	if (!k->reason)
		k->reason = WIFSIGNALED(g->exit_status) ? "signaled" : "exited";
}

void group_tell_end(struct thread_group *g)
{
	bool reap = autoreaped(g);

	group_get(g);
	signal_notify_parent(g, end_code(g->exit_status));
	if (reap)
		group_reap(g);
	group_put(g);
}

void group_reap_ignored(struct thread_group *g)
{
	if (autoreaped(g))
		group_reap(g);
}

static void group_ended(struct thread_group *g)
{
	struct thread_group *parent = g->parent;

	group_get(g);
	g->exit_status = g->exit_code;
	signal_group_exit(g);
	group_leave_session(g);
	group_check_orphans(g, parent);
	g->zombie = true;
	if (g == g->k->first)
		first_ended(g->k, g);
	wake_all(&g->exit_wait);
	/* Who traces a zombie waits for it first; and all its threads' tracers for theirs. */
	if (g->leader->trace)
		trace_tell(g->leader, CLD_EXITED);
	else if (!g->kept)
		group_tell_end(g);
	group_put(g);
}

void group_exit(struct thread_group *g, int code)
{
	struct task *t;

	if (g->exiting || g->zombie)
		return;
	g->exiting = true;
	g->exit_code = code;
	g->stopping = false;
	list_for_each (t, &g->threads, group_node) {
		if (t->state == TASK_DEAD)
			continue;
		t->work = (t->work & ~TASK_WORK_STOP) | TASK_WORK_EXIT;
		task_kick(t);
	}
}

bool group_end_others(struct task *t)
{
	struct task *other;

	if (t->group->nthreads == 1)
		return !t->group->kept;
	list_for_each (other, &t->group->threads, group_node) {
		if (other == t || other->state == TASK_DEAD || (other->work & TASK_WORK_EXIT))
			continue;
		other->work = (other->work & ~TASK_WORK_STOP) | TASK_WORK_EXIT;
		task_kick(other);
	}
	return false;
}

/* ---- tasks ---- */

static void task_ended(struct task *t)
{
	struct thread_group *g = t->group;
	bool last = g->nthreads == 1;

	task_get(t);
	if (last)
		group_times_close(g, t->mm);
	vfork_done(t);
	task_drop_resources(t);
	g->nthreads--;
	group_leave_children(g, t, last);
	if (t != g->leader)
		proc_io_ended(t);
	if (trace_keeps(t)) {
		g->kept++;
		trace_tell(t, CLD_EXITED);
	} else if (t != g->leader) {
		list_del(&t->group_node);
		pid_unbind(t);
	}
	if (last)
		group_ended(g);
	else if (g->exec_task && g->nthreads == 1 && !g->kept)
		task_wake(g->exec_task);
	task_put(t);
}

static bool others_live(const struct task *t)
{
	struct task *other;

	list_for_each (other, &t->group->threads, group_node) {
		if (other != t && !other->ending)
			return true;
	}
	return false;
}

/* From now on the task counts as dead. */
static void task_end_begin(struct task *t, int code)
{
	t->ending = true;
	t->exit_code = code;
	/* Linux (synchronize_group_exit()): the last thread's code is the process's. */
	if (!t->group->exiting && !others_live(t)) {
		t->group->exiting = true;
		t->group->exit_code = code;
	}
	if (t->k->tracer)
		t->k->tracer->end(t->k->tracer, t, code);
	call_end(t);
	list_del(&t->run_node);
	signal_task_exit(t);
	/* A zombie makes no calls: who listens to its filters hears of its end now. */
	seccomp_release(t);
	t->state = TASK_DEAD;
	coredump_leave(t);
	futex_owner_died(t->k);
	errand_forget(t);
	foresee_end(t);
	known_forget(t);
	trace_release_all(t);
}

static void exit_now(struct task *t)
{
	task_end_begin(t, t->exit_code);
	mm_release(t, task_ended);
}

void task_exit(struct task *t, int code)
{
	if (t->ending)
		return;
	t->exit_code = code;
	if (!t->trace || !trace_exit_event(t, code, exit_now))
		exit_now(t);
}

static struct task *task_on_mm(struct kernel *k, const struct mm *mm)
{
	struct thread_group *g;
	struct task *t;

	for (g = group_next(k, 0); g; g = group_next(k, g->tgid)) {
		list_for_each (t, &g->threads, group_node) {
			if (t->mm == mm)
				return t;
		}
	}
	return NULL;
}

void task_space_died(struct mm *mm, int signo)
{
	struct kernel *k = mm->k;
	struct task *t;

	mm_get(mm);
	if (mm->space)
		mm->space->dead = true;
	while ((t = task_on_mm(k, mm))) {
		task_get(t);
		group_exit(t->group, signo);
		mm_release_abandon(t);
		if (!t->ending)
			task_end_begin(t, t->group->exit_code);
		task_ended(t);
		task_put(t);
	}
	mm_put(mm);
}
