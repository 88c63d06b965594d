/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where spaces and threads come from and where they go: a space forked from the zygote, ahead of need or by order, a
 * space forked from another, a thread cloned or one that an ended task has left behind; and their way back.
 */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Gives @to a copy of @from's signal frame: general and vector registers, host signal mask. */
static void copy_frame(struct sthread *from, struct sthread *to)
{
	const u32 start = from->uc_offset - 8;
	const u32 end = from->fpstate_offset + (u32)from->space->trap->xstate.size + 4;
	u64 *fpstate;

	memcpy((char *)to->slot + start, (char *)from->slot + start, end - start);
	to->uc_offset = to->slot->uc_offset = from->uc_offset;
	to->fpstate_offset = to->slot->fpstate_offset = from->fpstate_offset;
	/* uc_mcontext.fpstate: behind flags, link, stack (40 bytes) and 23 registers. */
	fpstate = (u64 *)((char *)to->slot + to->uc_offset + 40 + 23 * 8);
	*fpstate = HUSK_CHAN_BASE + ((u64)to->index << HUSK_SLOT_SHIFT) + to->fpstate_offset;
	to->base.regs = from->base.regs;
	to->fs_base = from->fs_base;
	to->gs_base = from->gs_base;
}

/* A space that is to be forked from @parent, with its first thread; 0 or -errno. */
static int prepare_space(struct strap *t, struct sthread *parent, struct sspace **space,
			 struct sthread **thread)
{
	int err = space_alloc(t, parent->space, space);

	if (err)
		return err;
	err = donations_fork(parent->space, *space);
	*thread = err ? NULL : thread_alloc(*space, parent->index);
	if (!*thread) {
		space_free(*space);
		return -ENOMEM;
	}
	copy_frame(parent, *thread);
	return 0;
}

static void spare_ready(void *arg, long result)
{
	struct strap *t = arg;

	t->spare_ordered = false;
	if (result)
		t->spare = NULL;
}

void space_spare(struct strap *t)
{
	struct sthread *zygote = t->zygote->by_index[1], *th;

	if (!t->multiplies || t->spare || t->spare_ordered || !list_empty(&t->orders) || t->zygote->base.dead)
		return;
	if (prepare_space(t, zygote, &t->spare, &th)) {
		t->spare = NULL;
		return;
	}
	t->spare_ordered = true;
	order_fork(t, zygote, t->spare, th, spare_ready, t);
}

static void fresh_registers(struct sthread *th)
{
	th->base.regs = regs_at(0, 0);
	memcpy((char *)th->slot + th->fpstate_offset, th->space->trap->xstate.init,
	       th->space->trap->xstate.size);
}

/* What space_forked() needs; its own. */
struct new_space {
	struct sthread *thread;
	trap_done_fn *done;
	void *arg;
};

static void space_forked(void *arg, long result)
{
	struct new_space n = *(struct new_space *)arg;

	free(arg);
	if (!result)
		fresh_registers(n.thread);
	n.done(n.arg, result);
}

void spawn_forget(trap_done_fn *done, void *arg)
{
	if (done == space_forked)
		free(arg);
}

/* The spare that is still on its way goes to who needs a space now: its order ends with @done. */
static void adopt_spare(struct strap *t, trap_done_fn *done, void *arg)
{
	struct completion *c;
	struct order *o;

	list_for_each (o, &t->orders, node) {
		if (o->done == spare_ready) {
			o->done = done;
			o->arg = arg;
		}
	}
	list_for_each (c, &t->completions, node) {
		if (c->done == spare_ready) {
			c->done = done;
			c->arg = arg;
		}
	}
	t->spare = NULL;
	t->spare_ordered = false;
}

void spawn_space_new(struct trap *trap, struct trap_thread **thread, trap_done_fn *done, void *arg)
{
	struct strap *t = strap_of(trap);
	struct sthread *zygote = t->zygote->by_index[1], *th;
	struct new_space *n;
	struct sspace *s;
	int err;

	if (t->spare && !t->spare_ordered && !t->spare->base.dead) {
		th = t->spare->by_index[1];
		t->spare = NULL;
		*thread = &th->base;
		fresh_registers(th);
		complete(t, done, arg, 0);
		return;
	}
	n = calloc(1, sizeof *n);
	err = n ? 0 : -ENOMEM;
	if (!err && t->zygote->base.dead)
		err = -EAGAIN;
	if (!err && t->spare && t->spare_ordered)
		th = t->spare->by_index[1];
	else if (!err)
		err = prepare_space(t, zygote, &s, &th);
	if (err) {
		free(n);
		complete(t, done, arg, err);
		return;
	}
	n->thread = th;
	n->done = done;
	n->arg = arg;
	*thread = &th->base;
	if (t->spare && t->spare_ordered)
		adopt_spare(t, space_forked, n);
	else
		order_fork(t, zygote, s, th, space_forked, n);
}

void spawn_space_fork(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done, void *arg)
{
	struct sthread *p = sthread_of(parent), *th;
	struct strap *t = p->space->trap;
	struct sspace *s;
	int err = prepare_space(t, p, &s, &th);

	t->multiplies = true;
	if (err) {
		complete(t, done, arg, err);
		return;
	}
	th->slot->tsc_off = p->slot->tsc_off;
	*thread = &th->base;
	order_fork(t, p, s, th, done, arg);
}

/* What a host thread that serves again begins with, while it gets the frame for it. */
struct thread_start {
	trap_done_fn *done;
	void *arg;
	char xstate[XSTATE_MAX];
};

static void frame_is_there(void *arg, long result)
{
	struct sthread *th = arg;
	struct thread_start *start = th->start;

	th->start = NULL;
	xstate_set(&th->base, start->xstate, th->space->trap->xstate.size);
	start->done(start->arg, result);
	free(start);
}

/* A parked host thread of an ended task serves again: no clone, no gate; done() will be called. NULL: there is none, or
 * no memory. */
static struct sthread *reuse_thread(struct sthread *parent, trap_done_fn *done, void *arg)
{
	struct sspace *s = parent->space;
	struct thread_start *start;
	struct sthread *th;

	if (list_empty(&s->free))
		return NULL;
	start = malloc(sizeof *start);
	if (!start)
		return NULL;
	start->done = done;
	start->arg = arg;
	xstate_get(&parent->base, start->xstate);
	th = list_first(&s->free, struct sthread, node);
	list_del(&th->node);
	list_add_tail(&s->threads, &th->node);
	th->state = THREAD_HELD;
	th->base.held = true;
	th->base.regs = parent->base.regs;
	th->base.lazy = false;
	th->interrupt_wanted = false;
	th->start = start;
	if (th->base.no_xstate) {
		get_frame(th, frame_is_there, th);
		return th;
	}
	th->start = NULL;
	xstate_set(&th->base, start->xstate, s->trap->xstate.size);
	free(start);
	complete(s->trap, done, arg, 0);
	return th;
}

void spawn_thread_new(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done, void *arg)
{
	struct sthread *p = sthread_of(parent), *th = reuse_thread(p, done, arg);
	struct strap *t = p->space->trap;
	u32 index;

	t->multiplies = true;
	if (th) {
		*thread = &th->base;
		return;
	}
	/* Linux: a process has as many threads as fit its limits. Here: 1,023, or what RLIMIT_FSIZE leaves of that, and
	 * EAGAIN for one more, because each has a slot in its process's channel. */
	index = thread_free_index(p->space);
	th = index ? thread_alloc(p->space, index) : NULL;
	if (!th) {
		complete(t, done, arg, -EAGAIN);
		return;
	}
	copy_frame(p, th);
	th->slot->tsc_off = p->slot->tsc_off;
	*thread = &th->base;
	order_thread(t, p, th, done, arg);
}

void spawn_thread_put(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);

	th->base.owner = NULL;
	th->base.held = false;
	th->ncopies = 0;
	th->out_used = 0;
	th->nin = 0;
	th->word = NULL;
	th->run_done = NULL;
	memset(&th->base.dispatch, 0, sizeof th->base.dispatch);
	th->base.user_handler.on = 0;
	th->mask_given = false;
	together_forget(th);
	family_forget(th);
	if (th->space->base.dead) {
		thread_free(th);
		return;
	}
	th->state = THREAD_FREE;
	batch_acknowledge(th);
	list_del(&th->node);
	list_add(&th->space->free, &th->node);
	store_seq(&th->slot->state, TURN_PARKED);
}

void spawn_space_put(struct trap_space *space)
{
	struct sspace *s = sspace_of(space);

	s->put = true;
	s->base.owner = NULL;
	list_del(&s->dead_node);
	if (!s->pid && !order_makes(s)) {
		orders_space_died(s->trap, s);
		space_keep_region(s);
		space_free(s);
		return;
	}
	space_kill(s);
}

/* The host has left something of the program before where the next one is to be mapped. */
static void emptied(void *arg, long result)
{
	if (result < 0)
		space_meddled(arg);
}

/* Whether the log has the closing of files that a parent was given. */
static bool will_close(const struct sspace *s)
{
	struct log_entry *e;

	list_for_each (e, &s->log.entries, node)
		if (e->op.kind == TRAP_OP_CLOSE)
			return true;
	return false;
}

/* Whether nobody but @th can have its process's channel mapped, or be at work there: no other thread, no child that it
 * made or that the kernel does not know. */
static bool has_all_alone(const struct sthread *th)
{
	const struct sspace *s = th->space;

	return s->trap->gate && !s->pool && !s->base.dead && list_empty(&s->free) &&
	       s->threads.next == &th->node && s->threads.prev == &th->node;
}

bool spawn_space_clear(struct trap_thread *thread)
{
	struct sthread *th = sthread_of(thread);
	struct sspace *s = th->space;
	struct trap_op all = {
		.kind = TRAP_OP_UNMAP, .len = TRAP_GUEST_TOP, .fd = HOSTFD_NONE, .undo = emptied, .arg = s};
	bool files = s->donations || will_close(s);

	if (th->state != THREAD_HELD || thread->no_xstate || !has_all_alone(th))
		return false;
	oplog_drop(&s->log);
	th->ncopies = th->out_used = th->nin = 0;
	th->word = NULL;
	th->mincore_vec = NULL;
	if ((files && donations_clear(s)) || oplog_queue(&s->log, &all))
		return false;
	memset(th->slot->sites, 0, sizeof th->slot->sites);
	fresh_registers(th);
	return true;
}

bool spawn_spaces_dying(struct trap *trap)
{
	struct sspace *s;

	list_for_each (s, &strap_of(trap)->spaces, node)
		if (s->killed && s->pid)
			return true;
	return false;
}
