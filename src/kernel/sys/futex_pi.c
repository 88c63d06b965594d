/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes that know their owner: FUTEX_LOCK_PI and its kin.
 *
 * The word holds the owner's tid, a bit that says that somebody waits, and one that says that an owner has
 * died. Guests take and leave a free word themselves. Who finds it taken comes here: it is queued, sets the
 * waiters' bit, and waits; the owner's unlock then comes here too, and gives the word to the first who waits.
 * The word is changed by the stub's compare-and-exchange alone, again with the new value when a guest was
 * faster.
 *
 * Linux: the owner runs at its first waiter's priority. Here: the host schedules, so nothing is lent; who
 * waits longest is first.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>

#include "sys/futex_ops.h"
#include "task/task_ops.h"

/* The record of a call, in call.priv. */
struct pi_call {
	struct futex_pi wait; /* first; queued while the lock is waited for */
	u64 addr;
	bool look;       /* the change changes nothing: it looks */
	bool takes;      /* the change makes the word ours */
	bool try, fresh; /* fresh: the word is to be looked at anew */
	u32 missed;      /* the word when its owner was not found; 0: always was */
	struct futex_change *change;
	u32 expected;          /* the word's value that the change builds on */
	struct futex_pi *heir; /* an unlock: to whom the word goes, nullable */
	u32 given;             /* an unlock: the word's new value */
};

static struct pi_call *call_of(struct task *t)
{
	return t->call.priv;
}

static void pi_free(struct task *t, void *priv)
{
	struct pi_call *p = priv;

	(void)t;
	futex_change_forget(p->change);
	if (p->heir)
		p->heir->giver = NULL;
	/* Linux would pass on what it was being given. Here it is as if it had died with the lock. */
	futex_pi_leave(&p->wait);
	free(p);
}

struct futex_pi *futex_pi_record(struct task *t, u64 addr, const struct futex_key *key)
{
	struct pi_call *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	list_init(&p->wait.node);
	p->wait.task = t;
	p->wait.key = *key;
	p->addr = addr;
	return &p->wait;
}

static int pi_new(struct task *t, struct call *c, const struct futex_args *a, struct pi_call **out)
{
	struct futex_key key;
	struct pi_call *p;
	int r = futex_key(t, a->addr, a->private, &key);

	if (r < 0)
		return r;
	p = (struct pi_call *)futex_pi_record(t, a->addr, &key);
	if (!p)
		return -ENOMEM;
	c->priv = p;
	c->priv_free = pi_free;
	*out = p;
	return 0;
}

static bool others_wait(struct task *t, struct pi_call *p)
{
	return futex_pi_first(t->k, &p->wait.key, &p->wait) != NULL;
}

/* ---- locking ---- */

static void lock_changed(struct task *t, s64 old);

/* Has the word looked at. Not by user_get(), which may know it as it was when the call began. */
static long lock_look(struct task *t, struct pi_call *p)
{
	int r;

	p->look = true;
	r = futex_change(t, p->addr, 0, 0, lock_changed, &p->change);
	return r < 0 ? r : CALL_GONE;
}

/* The word was @old: takes it, or sees to it that its owner will hear of us. CALL_GONE, or the call's result.
 */
static long lock_try(struct task *t, struct pi_call *p, u32 old)
{
	u32 owner = old & FUTEX_TID_MASK, new;
	struct task *o;
	int r;

	if (owner == (u32)t->tid)
		return -EDEADLK;
	if (!owner) {
		new = (u32)t->tid | (old & FUTEX_OWNER_DIED) | (others_wait(t, p) ? FUTEX_WAITERS : 0);
	} else {
		if (p->try)
			return -EAGAIN;
		o = task_find(t->k, (int)owner);
		if (o && o->state != TASK_DEAD)
			new = old | FUTEX_WAITERS;
		else if (list_empty(&p->wait.node) && !others_wait(t, p)) {
			/* It may have let go and ended since the word was read (kernel/futex/core.c, handle_exit_race()). */
			if (p->missed == old)
				return -ESRCH;
			p->missed = old;
			return lock_look(t, p);
		} else /* The owner has died while somebody waited: the word is ours (kernel/futex/pi.c, exit_pi_state_list()). */
			new = (u32)t->tid | FUTEX_OWNER_DIED | (others_wait(t, p) ? FUTEX_WAITERS : 0);
		if (list_empty(&p->wait.node))
			futex_pi_queue(t->k, &p->wait);
	}
	p->expected = old;
	p->takes = (new &FUTEX_TID_MASK) == (u32)t->tid;
	r = futex_change(t, p->addr, old, new, lock_changed, &p->change);
	return r < 0 ? r : CALL_GONE;
}

static void lock_changed(struct task *t, s64 old)
{
	struct pi_call *p = call_of(t);
	long r;

	p->change = NULL;
	if (old < 0) {
		call_finish(t, old);
	} else if (p->wait.granted ||
		   (!list_empty(&p->wait.node) && ((u32)old & FUTEX_TID_MASK) == (u32)t->tid)) {
		call_finish(t, 0); /* an unlock was faster and gave it to us; it may have died since */
	} else if (p->wait.giver) {
		task_run(t);
	} else if (p->look || (u32)old != p->expected) {
		p->look = false;
		r = lock_try(t, p, (u32)old);
		if (r != CALL_GONE)
			call_finish(t, r);
	} else if (p->takes) {
		call_finish(t, 0);
	} else {
		task_run(t);
	}
}

static long lock_step(struct task *t, struct call *c)
{
	struct pi_call *p = c->priv;
	u32 old;
	long r;

	if (p->wait.granted)
		return 0;
	if (p->wait.giver)
		return CALL_PARK; /* it is being given to us: nothing may come between */
	if (p->fresh) {
		r = user_get(t, &old, p->addr);
		if (r < 0)
			return r;
		p->fresh = false;
		return lock_try(t, p, old);
	}
	if (p->wait.again) {
		p->wait.again = false;
		return lock_look(t, p);
	}
	r = call_wait(t);
	if (r == CALL_PARK || r == -ETIMEDOUT)
		return r;
	return -ERESTARTNOINTR;
}

long futex_lock_pi(struct task *t, struct call *c, struct futex_args *a)
{
	struct pi_call *p = c->priv;
	int r;

	if (!p) {
		r = pi_new(t, c, a, &p);
		if (r < 0)
			return r;
		if (user_writable(t, a->addr, 4) != 4)
			return -EFAULT;
		p->try = a->command == FUTEX_TRYLOCK_PI;
		p->fresh = true;
	}
	c->step = lock_step;
	return lock_step(t, c);
}

/* ---- requeued to a word with an owner ---- */

/* Linux: to make the call again would only find that the first word has changed. */
static long requeued_step(struct task *t, struct call *c)
{
	long r = lock_step(t, c);

	return r == -ERESTARTNOINTR ? -EAGAIN : r;
}

void futex_pi_enter(struct futex_pi *w, bool owns)
{
	struct task *t = w->task;
	struct call *c = &t->call;
	struct futex_wait *before = c->priv;

	before->pi = NULL;
	c->priv_free(t, before);
	c->priv = w;
	c->priv_free = pi_free;
	c->step = requeued_step;
	w->granted = owns;
	if (!owns)
		futex_pi_queue(t->k, w);
}

/* ---- unlocking ---- */

static void unlock_changed(struct task *t, s64 old);

static long unlock_try(struct task *t, struct pi_call *p, u32 old)
{
	struct futex_pi *heir;
	u32 new = 0;
	int r;

	if ((old & FUTEX_TID_MASK) != (u32)t->tid)
		return -EPERM;
	heir = futex_pi_first(t->k, &p->wait.key, NULL);
	if (heir) {
		heir->giver = &p->heir;
		p->heir = heir;
		new = (u32)heir->task->tid;
		if (futex_pi_first(t->k, &p->wait.key, heir))
			new |= FUTEX_WAITERS;
	}
	p->expected = old;
	p->given = new;
	r = futex_change(t, p->addr, old, new, unlock_changed, &p->change);
	return r < 0 ? r : CALL_GONE;
}

/* Who was queued after the heir was chosen, and found the waiters' bit set already, is not in the word that was given:
 * it must look again. */
static void poke_next(struct task *t, struct pi_call *p)
{
	struct futex_pi *next = p->given & FUTEX_WAITERS ? NULL : futex_pi_first(t->k, &p->wait.key, NULL);

	if (!next || next->giver)
		return;
	next->again = true;
	task_wake(next->task);
}

static void unlock_changed(struct task *t, s64 old)
{
	struct pi_call *p = call_of(t);
	struct futex_pi *heir = p->heir;
	bool done = old >= 0 && (u32)old == p->expected;
	long r;

	p->change = NULL;
	p->heir = NULL;
	if (heir) {
		heir->giver = NULL;
		if (done) {
			list_del(&heir->node);
			heir->granted = true;
		} else {
			heir->again = true;
		}
		task_wake(heir->task);
	}
	if (done) {
		/* A requeue that changes the word before us may hear of it after us. */
		futex_pi_given(t->k);
		poke_next(t, p);
		r = 0;
	} else {
		r = old < 0 ? old : unlock_try(t, p, (u32)old);
	}
	if (r != CALL_GONE)
		call_finish(t, r);
}

long futex_unlock_pi(struct task *t, struct call *c, struct futex_args *a)
{
	struct pi_call *p = c->priv;
	u32 old;
	int r;

	if (!p) {
		r = pi_new(t, c, a, &p);
		if (r < 0)
			return r;
	}
	r = user_get(t, &old, a->addr);
	if (r < 0)
		return r;
	return unlock_try(t, p, old);
}
