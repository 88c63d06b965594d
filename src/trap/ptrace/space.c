/* SPDX-License-Identifier: Apache-2.0 */
/* Host processes and threads under the tracer: how they are made, kept and let go. */
#include "trap/ptrace/ptrace.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"

/* ---- completions ---- */

/* A record of a callback to come; one of the reserve when there is no memory, which is enough for as many failures as
 * can be ordered before the first is told. */
struct completion *completion_new(struct ptrap *t, trap_done_fn *done, void *arg)
{
	struct completion *c = calloc(1, sizeof *c);

	for (size_t i = 0; !c && i < ARRAY_SIZE(t->reserve); i++) {
		if (t->reserve[i].done)
			continue;
		c = &t->reserve[i];
		c->kept = true;
	}
	BUG_ON(!c);
	c->done = done;
	c->arg = arg;
	list_init(&c->node);
	return c;
}

void completion_due(struct ptrap *t, struct completion *c, long result, struct tracee *failed)
{
	c->result = result;
	c->failed = failed;
	list_add_tail(&t->completions, &c->node);
}

void order_end(struct tracee *child, long result)
{
	struct ptrap *t = child->space->trap;
	struct completion *c = child->order;

	child->order = NULL;
	/* Who exists already goes with its process. */
	completion_due(t, c, result, result && !child->tid ? child : NULL);
	if (result && child->first && child->space->pid) {
		child->space->put = true;
		pspace_kill(child->space);
	}
}

void completions_run(struct ptrap *t)
{
	while (!list_empty(&t->completions)) {
		struct completion *c = list_first(&t->completions, struct completion, node);
		struct tracee *failed = c->failed;
		trap_done_fn *done = c->done;
		void *arg = c->arg;
		long result = c->result;

		list_del(&c->node);
		c->done = NULL;
		if (!c->kept)
			free(c);
		if (done)
			done(arg, result);
		/* A process's only thread stands for its space. */
		if (failed && failed->first)
			pspace_free(failed->space);
		else if (failed)
			tracee_free(failed);
	}
}

void completions_drop(struct ptrap *t)
{
	struct pspace *s;

	list_for_each (s, &t->spaces, node) {
		struct tracee *th;

		list_for_each (th, &s->threads, node)
			if (th->order)
				order_end(th, -EAGAIN);
	}
	while (!list_empty(&t->completions)) {
		struct completion *c = list_first(&t->completions, struct completion, node);

		list_del(&c->node);
		if (!c->kept)
			free(c);
	}
}

/* ---- making and freeing ---- */

struct pspace *pspace_new(struct ptrap *t)
{
	struct pspace *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->base.trap = (struct trap *)t;
	s->trap = t;
	list_init(&s->threads);
	list_init(&s->free);
	list_init(&s->waiting);
	list_init(&s->dead_node);
	oplog_init(&s->log);
	settling_init(&s->settling);
	list_add_tail(&t->spaces, &s->node);
	return s;
}

struct tracee *tracee_new(struct pspace *s)
{
	struct tracee *th = malloc(sizeof *th);

	if (!th)
		return NULL;
	memset(th, 0, offsetof(struct tracee, out));
	th->space = s;
	th->base.space = &s->base;
	list_init(&th->by_tid);
	list_init(&th->waiting);
	list_init(&th->event_node);
	list_init(&th->beside_node);
	th->cpu = -1;
	list_init(&th->run.node);
	th->run.kept = true;
	list_add_tail(&s->threads, &th->node);
	return th;
}

void tracee_set_tid(struct tracee *th, int tid)
{
	th->tid = tid;
	list_add(&th->space->trap->by_tid[tid % TID_BUCKETS], &th->by_tid);
}

struct tracee *tracee_find(struct ptrap *t, int tid)
{
	struct tracee *th;

	list_for_each (th, &t->by_tid[tid % TID_BUCKETS], by_tid)
		if (th->tid == tid)
			return th;
	return NULL;
}

void tracee_free(struct tracee *th)
{
	struct completion *c;

	list_for_each (c, &th->space->trap->completions, node)
		if (c->failed == th)
			c->failed = NULL;
	near_forget(th);
	list_del(&th->run.node);
	list_del(&th->event_node);
	list_del(&th->waiting);
	list_del(&th->by_tid);
	list_del(&th->node);
	transfer_drop(th);
	free(th);
}

void pspace_kill(struct pspace *s)
{
	s->base.dead = true;
	if (!s->killed && s->pid)
		kill(s->pid, SIGKILL);
	s->killed = true;
}

/* Ends what the threads were doing; those that come of it complete first. */
static void abandon_jobs(struct pspace *s)
{
	struct tracee *th;

	list_for_each (th, &s->threads, node) {
		near_forget(th);
		job_abandon(th);
	}
}

void pspace_free(struct pspace *s)
{
	tracer_settled(s);
	oplog_drop(&s->log);
	while (!list_empty(&s->threads))
		tracee_free(list_first(&s->threads, struct tracee, node));
	while (!list_empty(&s->free))
		tracee_free(list_first(&s->free, struct tracee, node));
	list_del(&s->dead_node);
	list_del(&s->node);
	free(s);
}

void pspace_died(struct pspace *s, int signo)
{
	struct ptrap *t = s->trap;

	s->pid = 0;
	s->base.dead = s->killed = true;
	abandon_jobs(s);
	if (s == t->spare) {
		t->spare = NULL;
		s->put = true;
	}
	if (!list_empty(&s->threads) && list_first(&s->threads, struct tracee, node)->order) {
		job_child_died(list_first(&s->threads, struct tracee, node));
		s->put = true;
	}
	if (s->put) {
		pspace_free(s);
		return;
	}
	s->death_signo = signo;
	list_add_tail(&t->dead, &s->dead_node);
}

/* ---- orders ---- */

void order_clone(struct tracee *parent, struct tracee *child)
{
	parent->child = child;
	child->parent = parent;
	job_start(parent, child->space == parent->space ? JOB_THREAD : JOB_FORK);
}

static void spare_ready(void *arg, long result)
{
	struct ptrap *t = arg;

	t->spare_ordered = false;
	if (result)
		t->spare = NULL;
}

static struct tracee *zygote_thread(struct ptrap *t)
{
	return list_first(&t->zygote->threads, struct tracee, node);
}

/* A space to be forked, with its first thread; NULL: no memory. */
static struct tracee *new_space(struct ptrap *t)
{
	struct pspace *s = pspace_new(t);
	struct tracee *th = s ? tracee_new(s) : NULL;

	if (!th && s)
		pspace_free(s);
	if (th)
		th->first = true;
	return th;
}

void orders_next(struct ptrap *t)
{
	struct tracee *zygote = zygote_thread(t), *child;

	if (t->zygote->base.dead || zygote->state != TRACEE_HELD || zygote->child)
		return;
	if (!list_empty(&t->orders)) {
		child = list_first(&t->orders, struct tracee, waiting);
		list_del(&child->waiting);
		order_clone(zygote, child);
		return;
	}
	if (t->spare)
		return;
	child = new_space(t);
	if (!child)
		return;
	child->order = completion_new(t, spare_ready, t);
	t->spare = child->space;
	t->spare_ordered = true;
	order_clone(zygote, child);
}

void tracer_space_new(struct trap *trap, struct trap_thread **thread, trap_done_fn *done, void *arg)
{
	struct ptrap *t = ptrap_of(trap);
	struct completion *c = completion_new(t, done, arg);
	struct tracee *th;

	if (t->spare && !t->spare_ordered && !t->spare->base.dead) {
		th = list_first(&t->spare->threads, struct tracee, node);
		t->spare = NULL;
		completion_due(t, c, 0, NULL);
	} else {
		th = t->zygote->base.dead ? NULL : new_space(t);
		if (!th) {
			completion_due(t, c, t->zygote->base.dead ? -EAGAIN : -ENOMEM, NULL);
			return;
		}
		th->order = c;
		list_add_tail(&t->orders, &th->waiting);
	}
	th->base.regs = regs_at(0, 0);
	*thread = &th->base;
	orders_next(t);
}

void tracer_space_fork(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done, void *arg)
{
	struct tracee *p = tracee_of(parent);
	struct ptrap *t = p->space->trap;
	struct completion *c = completion_new(t, done, arg);
	struct tracee *th = new_space(t);

	regs_load(parent);
	if (!th) {
		completion_due(t, c, -ENOMEM, NULL);
		return;
	}
	th->order = c;
	th->base.regs = p->base.regs;
	th->tsc_off = p->tsc_off;
	*thread = &th->base;
	order_clone(p, th);
}

/* The parked host thread of an ended task serves again. */
static struct tracee *reuse_thread(struct tracee *parent)
{
	struct pspace *s = parent->space;
	struct tracee *th;
	u8 state[XSTATE_MAX];

	if (list_empty(&s->free))
		return NULL;
	th = list_first(&s->free, struct tracee, node);
	list_del(&th->node);
	list_add_tail(&s->threads, &th->node);
	th->state = TRACEE_HELD;
	th->base.held = true;
	tracer_xstate_get(&parent->base, state);
	tracer_xstate_set(&th->base, state, s->trap->xstate.size);
	return th;
}

void tracer_thread_new(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done, void *arg)
{
	struct tracee *p = tracee_of(parent), *th = reuse_thread(p);
	struct ptrap *t = p->space->trap;
	struct completion *c = completion_new(t, done, arg);

	regs_load(parent);
	if (th) {
		th->base.lazy = false;
		th->base.regs = p->base.regs;
		*thread = &th->base;
		completion_due(t, c, 0, NULL);
		return;
	}
	th = tracee_new(p->space);
	if (!th) {
		completion_due(t, c, -ENOMEM, NULL);
		return;
	}
	th->base.regs = p->base.regs;
	th->tsc_off = p->tsc_off;
	th->order = c;
	*thread = &th->base;
	order_clone(p, th);
}

/* ---- letting go ---- */

void tracer_thread_put(struct trap_thread *thread)
{
	struct tracee *th = tracee_of(thread);

	th->base.owner = NULL;
	th->base.held = false;
	th->ncopies = th->out_used = th->in_size = 0;
	th->word = NULL;
	th->interrupt_wanted = false;
	list_del(&th->event_node);
	if (th->space->base.dead) {
		tracee_free(th);
		return;
	}
	th->state = TRACEE_FREE;
	list_del(&th->node);
	list_add(&th->space->free, &th->node);
}

void tracer_space_put(struct trap_space *space)
{
	struct pspace *s = pspace_of(space);

	s->put = true;
	s->base.owner = NULL;
	list_del(&s->dead_node);
	if (!s->pid) {
		abandon_jobs(s);
		pspace_free(s);
		return;
	}
	pspace_kill(s);
}

bool tracer_spaces_dying(struct trap *trap)
{
	struct pspace *s;

	list_for_each (s, &ptrap_of(trap)->spaces, node)
		if (s->killed && s->pid)
			return true;
	return false;
}
