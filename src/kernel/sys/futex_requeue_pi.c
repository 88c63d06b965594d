/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI: from a word that is waited for (a condition) to one with an owner (its
 * mutex), without waking more than the one who gets it (kernel/futex/requeue.c).
 *
 * The waiter waits for the first word as any other does, and brings the record by which it will wait for the second.
 * The requeueing call changes the second word once, on behalf of who has waited longest: makes it that one's, or sets
 * the waiters' bit; then it moves the others' records to the second word's queue, where futex_pi.c has them. If an unlock
 * may have come between the change and the move, and found nobody, the first of them looks at the word once more.
 *
 * Both kinds belong together: a plain wake or requeue that meets such a waiter fails, and so does this one when it
 * meets a plain waiter. So these operations take a process's private words from the host to husk for good.
 */
#include <errno.h>
#include <linux/futex.h>

#include "sys/futex_ops.h"
#include "task/task_ops.h"

long sys_futex(struct task *t, struct call *c);

/* The keys of both words, in the order in which @a's call asks for them: 0 or -errno. */
static int find_key(struct task *t, u64 addr, bool private, bool writes, struct futex_key *key)
{
	int r = futex_key(t, addr, private, key);

	if (!r && writes && !private && user_writable(t, addr, 4) != 4)
		r = -EFAULT;
	return r;
}

/* ---- waiting ---- */

static long wait_step(struct task *t, struct call *c)
{
	struct futex_wait *w = c->priv;
	long r;

	if (w->pi->giver)
		return CALL_PARK; /* it is being given the second word: nothing may come between */
	r = futex_wait_step(t, c);
	return r == -ERESTARTSYS ? -ERESTARTNOINTR : r;
}

/* Both words are the same: 0 or why not comes first. */
static long wait_for_itself(struct task *t, const struct futex_args *a)
{
	u32 value;
	long r = user_get(t, &value, a->addr);

	if (!r)
		r = value == a->val ? -EINVAL : -EAGAIN;
	return r;
}

static long wait_begin(struct task *t, struct call *c, const struct futex_args *a)
{
	struct futex_key key[2];
	struct futex_wait *w;
	long r = a->addr == a->addr2 ? -EINVAL : find_key(t, a->addr2, a->private, true, &key[1]);

	if (!r)
		r = find_key(t, a->addr, a->private, false, &key[0]);
	if (!r && futex_key_equal(&key[0], &key[1]))
		r = wait_for_itself(t, a);
	if (!r)
		r = futex_own_words(t, c, a->private, sys_futex);
	if (r)
		return r;
	w = futex_wait_new(t, c, 1);
	if (!w)
		return -ENOMEM;
	w->words[0].key = key[0];
	w->words[0].addr = a->addr;
	w->words[0].value = a->val;
	w->pi = futex_pi_record(t, a->addr2, &key[1]);
	return w->pi ? 0 : -ENOMEM;
}

long futex_wait_requeue_pi(struct task *t, struct call *c, struct futex_args *a)
{
	long r = c->priv ? 0 : wait_begin(t, c, a);

	if (r)
		return r;
	r = futex_wait(t, c);
	if (c->step == futex_wait_step)
		c->step = wait_step;
	return r == -ERESTARTSYS ? -ERESTARTNOINTR : r;
}

/* ---- requeueing ---- */

static void requeue_changed(struct task *t, s64 old);

/* Whether @w waits to be requeued to the second word. */
static bool belongs(const struct futex_wait *w, const struct two_words *words)
{
	return w->pi && futex_key_equal(&w->pi->key, &words->key[1]);
}

static bool lives(struct task *t, u32 tid)
{
	struct task *owner = task_find(t->k, (int)tid);

	return owner && owner->state != TASK_DEAD;
}

/* The second word was @old: has it changed for who waits longest. CALL_GONE, or the call's result. */
static long requeue_try(struct task *t, struct two_words *w, u32 old)
{
	struct futex_wait *top = futex_first(t->k, &w->key[0]);
	bool others = futex_pi_first(t->k, &w->key[1], NULL);
	u32 new = old | FUTEX_WAITERS;
	int r;

	if (!top)
		return 0;
	if (!belongs(top, w))
		return -EINVAL;
	w->owner = old & FUTEX_TID_MASK;
	w->takes = !w->owner;
	if (w->owner == (u32)top->task->tid)
		return -EDEADLK;
	if (w->takes) {
		w->owner = (u32)top->task->tid;
		new = w->owner | (old & FUTEX_OWNER_DIED) | (others || w->args.timeout ? FUTEX_WAITERS : 0);
		w->heir = top->pi;
		w->heir->giver = &w->heir;
	} else if (!others && !lives(t, w->owner)) {
		/* As in futex_pi.c: it may have let go and ended since. A change that changes nothing looks. */
		if (w->missed == old)
			return -ESRCH;
		w->missed = old;
		w->look = true;
		new = old = 0;
	}
	w->old = old;
	w->gifts = futex_pi_gifts(t->k);
	r = futex_change(t, w->args.addr2, old, new, requeue_changed, &w->change);
	if (r < 0 && w->heir) {
		w->heir->giver = NULL;
		w->heir = NULL;
	}
	return r < 0 ? r : CALL_GONE;
}

/* Moves those who wait for the first word, up to as many as were asked for, @moved included: how many, or -errno. */
static long requeue_rest(struct task *t, const struct two_words *w, int moved)
{
	struct futex_wait *first;
	bool look = w->gifts != futex_pi_gifts(t->k);

	while (moved - 1 < (int)w->args.timeout && (first = futex_first(t->k, &w->key[0]))) {
		struct futex_pi *pi = first->pi;

		if (!belongs(first, w))
			return -EINVAL;
		if (w->owner == (u32)first->task->tid)
			return -EDEADLK;
		pi->again = look;
		futex_pi_enter(pi, false);
		if (look)
			task_wake(pi->task);
		look = false;
		moved++;
	}
	return moved;
}

static void requeue_changed(struct task *t, s64 old)
{
	struct two_words *w = t->call.priv;
	struct futex_pi *heir = w->heir;
	bool done = !w->look && old >= 0 && (u32)old == w->old;
	long r;

	w->change = NULL;
	w->heir = NULL;
	w->look = false;
	if (heir) {
		heir->giver = NULL;
		if (done)
			futex_pi_enter(heir, true);
		task_wake(heir->task);
	}
	if (done)
		r = requeue_rest(t, w, w->takes);
	else
		r = old < 0 ? old : requeue_try(t, w, (u32)old);
	if (r != CALL_GONE)
		call_finish(t, r);
}

long futex_cmp_requeue_pi(struct task *t, struct call *c, struct futex_args *a)
{
	struct futex_key key[2];
	struct two_words *w;
	u32 value, old;
	long r = 0;

	if ((int)a->val < 0 || (int)a->timeout < 0 || a->addr == a->addr2 || a->val != 1)
		return -EINVAL;
	if (!c->priv) {
		r = find_key(t, a->addr, a->private, false, &key[0]);
		if (!r)
			r = find_key(t, a->addr2, a->private, true, &key[1]);
		if (!r && futex_key_equal(&key[0], &key[1]))
			r = -EINVAL;
		if (!r)
			r = futex_own_words(t, c, a->private, sys_futex);
	}
	if (!r)
		r = futex_hold_words(t, c, a, &w);
	if (!r)
		r = user_get(t, &value, a->addr);
	if (!r && value != a->val3)
		r = -EAGAIN;
	if (!r)
		r = user_get(t, &old, a->addr2);
	return r ? r : requeue_try(t, w, old);
}
