/* SPDX-License-Identifier: Apache-2.0 */
/* Copies that a task's stub makes for others: errand.h tells how that goes. */
#include "task/errand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mm.h"
#include "task/life.h"
#include "task/trace.h"

struct errand {
	struct list node; /* in task->errands.waiting */
	int asker;        /* tid */
	struct errand_want want;
	bool changed; /* the host's protection is to be put back */
	long result;
	char data[];
};

bool errand_busy(const struct task *t)
{
	return t->errands.busy;
}

/* ---- the asker's side ---- */

static void hand_over(struct kernel *k, struct errand *e)
{
	struct task *asker = task_find(k, e->asker);

	if (!asker || !asker->errands.pending) {
		free(e);
		return;
	}
	asker->errands.pending = false;
	asker->errands.brought = e;
}

/* What is not begun will not be done. */
static void fail(struct kernel *k, struct errand *e, long error)
{
	struct task *asker = task_find(k, e->asker);

	e->result = error;
	hand_over(k, e);
	if (asker)
		task_wake(asker);
}

static bool same(const struct errand_want *a, const struct errand_want *b)
{
	return a->mm == b->mm && a->addr == b->addr && a->size == b->size && a->write == b->write &&
	       a->force == b->force;
}

/* What was brought: taken where it is what is wanted, else dropped. */
static bool take(struct task *t, const struct errand_want *w, void *buf, long *result)
{
	struct errand *e = t->errands.brought;
	bool mine = e && same(&e->want, w);

	if (mine) {
		*result = e->result;
		if (e->result > 0 && !w->write)
			memcpy(buf, e->data, w->size);
	}
	free(e);
	t->errands.brought = NULL;
	return mine;
}

/* ---- at work ---- */

void errand_begin(struct task *t, struct task *asker)
{
	t->errands.busy = true;
	t->errands.asker = asker->tid;
}

/* The thread of a task that waits is to sleep again. */
static void rest(struct task *t)
{
	const struct trap_ops *ops = t->k->trap_ops;

	if (t->state == TASK_TRACED || t->call.hand_off)
		ops->hand_off(t->thread);
	else
		ops->park(t->thread);
}

void errand_done(struct task *t)
{
	struct task *asker = task_find(t->k, t->errands.asker);

	t->errands.busy = false;
	if (asker && asker != t)
		task_wake(asker);
	/* Who traces it may have waited for that. */
	if (t->trace && t->trace->tracer != asker)
		task_wake(t->trace->tracer);
	/* It may have asked itself. */
	if (t->errands.go_on || asker == t) {
		t->errands.go_on = false;
		if (t->state == TASK_PARKED)
			task_wake(t);
		else
			task_continue(t);
	} else if (t->state == TASK_KERNEL) {
		task_return(t);
	} else if (!errand_serve(t)) {
		rest(t);
	}
}

static void restored(void *arg, long result)
{
	errand_done(arg);
}

static void copied(void *arg, long result)
{
	struct task *t = arg;
	struct errand *e = t->errands.now;
	const struct errand_want *w = &e->want;
	const struct trap_ops *ops = t->k->trap_ops;
	bool changed = e->changed && !mm_force_end(w->mm, w->addr, w->size);

	t->errands.now = NULL;
	e->result = result < 0 ? -EFAULT : (long)w->size;
	if (result >= 0 && !w->write && ops->precopied(t->thread, e->data, w->addr, w->size) != w->size)
		e->result = -EFAULT;
	if (!w->write && t->k->ops.code_shown)
		t->k->ops.code_shown(w->mm, e->data, w->addr, w->size);
	hand_over(t->k, e);
	if (changed)
		ops->run(t->thread, restored, t);
	else
		errand_done(t);
}

/* Has the stub of @t, whose thread is held, carry out @e: 0 or -errno. */
static int order(struct task *t, struct errand *e)
{
	const struct trap_ops *ops = t->k->trap_ops;
	const struct errand_want *w = &e->want;
	int changed = w->force ? mm_force_begin(w->mm, w->addr, w->size, w->write) : 0;

	if (changed < 0)
		return changed;
	e->changed = changed;
	if (w->write ? ops->copy_out(t->thread, w->addr, e->data, w->size) != w->size
		     : ops->copy_in(t->thread, w->addr, w->size) < 0) {
		if (changed)
			(void)mm_force_end(w->mm, w->addr, w->size);
		return -EFAULT;
	}
	t->errands.now = e;
	t->errands.busy = true;
	t->errands.asker = e->asker;
	ops->run(t->thread, copied, t);
	return 0;
}

bool errand_serve(struct task *t)
{
	while (!list_empty(&t->errands.waiting)) {
		struct errand *e = list_first(&t->errands.waiting, struct errand, node);
		int err;

		list_del(&e->node);
		err = e->want.force && t->state != TASK_TRACED ? -EFAULT : order(t, e);
		if (!err)
			return true;
		fail(t->k, e, err);
	}
	t->work &= ~TASK_WORK_ERRAND;
	return false;
}

/* ---- asking ---- */

static bool at_rest(const struct task *t)
{
	return t->thread->held && !t->errands.busy &&
	       (t->state == TASK_PARKED || t->state == TASK_STOPPED || t->state == TASK_TRACED);
}

/* Who is to do it: best one that waits anyway. Borrowed; NULL: nobody is left. */
static struct task *choose(struct kernel *k, const struct mm *mm)
{
	struct task *t, *other = NULL;

	for (struct thread_group *g = group_next(k, 0); g; g = group_next(k, g->tgid)) {
		list_for_each (t, &g->threads, group_node) {
			if (t->mm != mm || !t->thread || t->ending || t->state == TASK_NEW ||
			    (t->work & TASK_WORK_EXIT))
				continue;
			if (at_rest(t))
				return t;
			other = t;
		}
	}
	return other;
}

static long wait_for(struct task *t)
{
	t->errands.pending = true;
	return task_park(t);
}

long errand_ask(struct task *t, struct task *by, const struct errand_want *w, void *buf)
{
	struct errand *e;
	long r;
	int err;

	if (t->errands.pending)
		return task_park(t);
	if (take(t, w, buf, &r))
		return r;
	if (!by)
		by = choose(t->k, w->mm);
	if (!by)
		return -ESRCH;
	e = calloc(1, sizeof *e + w->size);
	if (!e)
		return -ENOMEM;
	e->asker = t->tid;
	e->want = *w;
	if (w->write)
		memcpy(e->data, buf, w->size);
	if (!at_rest(by)) {
		list_add_tail(&by->errands.waiting, &e->node);
		by->work |= TASK_WORK_ERRAND;
		if (by->state == TASK_RUNNING)
			task_kick(by);
		return wait_for(t);
	}
	err = order(by, e);
	if (!err)
		return wait_for(t);
	free(e);
	return err;
}

/* ---- ends ---- */

void errand_leave(struct task *t)
{
	while (!list_empty(&t->errands.waiting)) {
		struct errand *e = list_first(&t->errands.waiting, struct errand, node);

		list_del(&e->node);
		fail(t->k, e, -ESRCH);
	}
}

void errand_forget(struct task *t)
{
	struct task *asker = t->errands.busy ? task_find(t->k, t->errands.asker) : NULL;
	struct errand *now = t->errands.now;

	t->errands.now = NULL;
	t->errands.busy = t->errands.go_on = t->errands.pending = false;
	if (now)
		fail(t->k, now, -ESRCH);
	else if (asker)
		task_wake(asker);
	if (t->trace)
		task_wake(t->trace->tracer);
	errand_leave(t);
	free(t->errands.brought);
	t->errands.brought = NULL;
}

void errand_init(struct kernel *k)
{
	k->ops.errand = errand_serve;
}
