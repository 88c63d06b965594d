/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct task's memory, and what this room registers with the core.
 *
 * Life of a task: clone.c (or task_prepare_first()) makes it TASK_NEW and puts it into the pid table, whose
 * reference keeps it; when its host thread is there it runs; exit.c ends it; a thread is then gone, a leader
 * stays as a zombie until its parent has waited for its group (wait.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mm.h"
#include "task/errand.h"
#include "task/foresee.h"
#include "task/known.h"
#include "task/life.h"
#include "task/signal.h"
#include "task/seccomp.h"
#include "task/trace.h"
#include "vfs/inode.h"

#define DEFAULT_TIMER_SLACK_NS 50000

struct task *task_alloc(struct kernel *k)
{
	struct task *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->k = k;
	t->refs = 1;
	t->state = TASK_NEW;
	t->exit_signal = -1;
	t->timer_slack_ns = DEFAULT_TIMER_SLACK_NS;
	memcpy(t->cpu_mask, k->cpu_mask, sizeof t->cpu_mask);
	list_init(&t->group_node);
	list_init(&t->hash_node);
	list_init(&t->run_node);
	list_init(&t->tracees);
	list_init(&t->errands.waiting);
	sigpending_init(&t->pending);
	wait_queue_init(&t->vfork_wait);
	t->altstack.flags = SS_DISABLE;
	object_count(k, "task", 1);
	return t;
}

struct task *task_get(struct task *t)
{
	t->refs++;
	return t;
}

void task_put(struct task *t)
{
	if (!t || --t->refs)
		return;
	list_del(&t->run_node);
	list_del(&t->group_node);
	task_drop_resources(t);
	usermem_reset(t);
	cred_put(t->cred);
	seccomp_release(t);
	group_put(t->group);
	object_count(t->k, "task", -1);
	free(t);
}

void task_drop_resources(struct task *t)
{
	struct mm *mm = t->mm;
	struct fdtable *files = t->files;
	struct fs_info *fs = t->fs;
	struct sighand *sighand = t->sighand;
	struct trap_thread *thread = t->thread;

	trace_leave_space(t, mm);
	t->thread = NULL;
	t->mm = NULL;
	t->files = NULL;
	t->fs = NULL;
	if (thread) {
		thread->owner = NULL;
		/* With the last user the whole host process goes. */
		if (mm && mm->users > 1 && mm->space && !mm->space->dead)
			t->k->trap_ops->thread_put(thread);
	}
	if (mm)
		mm_unuse(mm);
	if (files)
		fdtable_put(files);
	if (fs)
		fs_info_put(fs);
	t->sighand = NULL;
	sighand_put(sighand);
}

long task_park(struct task *t)
{
	(void)t;
	return CALL_PARK;
}

/* kernel_ops.return_work */
static bool return_work(struct task *t)
{
	if (t->ending)
		return false;
	if ((t->work & TASK_WORK_ERRAND) && errand_serve(t))
		return false;
	return signal_deliver(t);
}

static u64 op_limit(struct task *t, int resource)
{
	/* Boot opens files for a task that is in no group yet. */
	return t->group ? t->group->limits[resource].rlim_cur : RLIM_INFINITY;
}

static struct tty *op_ctty(struct task *t)
{
	return t->group->ctty;
}

void task_init(struct kernel *k)
{
	k->pids = pid_table_new();
	k->ops.return_work = return_work;
	k->ops.frames_suffice = signal_frames_suffice;
	k->ops.space_died = task_space_died;
	k->ops.limit = op_limit;
	k->ops.cpu_times = all_times;
	k->ops.ctty = op_ctty;
	trace_init(k);
	errand_init(k);
	foresee_init(k);
	known_init(k);
}

/* Takes a task out of the world without a word to anyone. */
static void task_discard(struct task *t)
{
	struct thread_group *g = t->group;

	task_get(t);
	t->ending = true;
	t->state = TASK_DEAD;
	call_end(t);
	mm_release_abandon(t);
	vfork_done(t);
	errand_forget(t);
	foresee_end(t);
	trace_forget(t);
	while (!list_empty(&t->tracees))
		trace_forget(list_first(&t->tracees, struct trace, node)->task);
	list_del(&t->run_node);
	sigpending_flush(&t->pending);
	task_drop_resources(t);
	list_del(&t->group_node);
	if (g->leader == t)
		g->leader = NULL;
	pid_unbind(t);
	task_put(t);
}

void task_shutdown(struct kernel *k)
{
	struct thread_group *g;

	if (!k->pids)
		return;
	k->stopping = true;
	while ((g = group_next(k, 0))) {
		struct task *leader = g->leader, *t, *tmp;

		group_get(g);
		signal_group_exit(g);
		list_for_each_safe (t, tmp, &g->threads, group_node) {
			if (t != leader)
				task_discard(t);
		}
		group_set_parent(g, NULL, 0);
		while (!list_empty(&g->children))
			group_set_parent(list_first(&g->children, struct thread_group, sibling), NULL, 0);
		task_discard(leader);
		group_put(g);
	}
	if (k->first)
		group_put(k->first);
	k->first = NULL;
	pid_table_free(k->pids);
	k->pids = NULL;
}
